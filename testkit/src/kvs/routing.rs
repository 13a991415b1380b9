// SPDX-License-Identifier: MPL-2.0
//! Who is on the channel and who gets which message; the service's answers to bad ones. Pure.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::quota::Quota;

/// One connection.
pub(super) type Connection = u64;

/// What a connection is to the channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Role {
    Master,
    /// By its client id.
    Viewer(String),
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    Send {
        to: Connection,
        text: String,
    },
    /// Close one whose place another took.
    Replace(Connection),
}

/// The channel's state.
#[derive(Debug, Default)]
pub(super) struct Routing {
    members: HashMap<Connection, Member>,
    /// Frames for a master to come, with the time they came.
    kept: VecDeque<(Instant, String)>,
    violations: usize,
}

#[derive(Debug)]
struct Member {
    role: Role,
    quota: Quota,
}

impl Routing {
    pub(super) fn joined(&mut self, now: Instant, connection: Connection, role: Role) -> Vec<Action> {
        let former = self.find(&role);
        if let Some(former) = former {
            self.members.remove(&former);
        }
        let is_master = role == Role::Master;
        let quota = Quota::default();
        self.members.insert(connection, Member { role, quota });
        let mut actions: Vec<_> = former.map(Action::Replace).into_iter().collect();
        if is_master {
            let kept = std::mem::take(&mut self.kept).into_iter();
            let alive = kept.filter(|(since, _)| now.saturating_duration_since(*since) < MESSAGE_LIFE);
            actions.extend(alive.map(|(_, text)| Action::Send { to: connection, text }));
        }
        actions
    }

    pub(super) fn left(&mut self, connection: Connection) {
        self.members.remove(&connection);
    }

    pub(super) fn master(&self) -> Option<Connection> {
        self.find(&Role::Master)
    }

    /// How many viewers are there.
    pub(super) fn viewers(&self) -> usize {
        let members = self.members.values();
        members.filter(|member| member.role != Role::Master).count()
    }

    pub(super) fn violations(&self) -> usize {
        self.violations
    }

    pub(super) fn frame(&mut self, now: Instant, from: Connection, text: &str) -> Vec<Action> {
        let Ok(frame) = serde_json::from_str::<Value>(text) else {
            return Vec::new();
        };
        match self.route(now, from, &frame) {
            Ok(actions) => actions,
            Err((kind, description)) => status(from, &frame, kind, description).into_iter().collect(),
        }
    }

    fn route(&mut self, now: Instant, from: Connection, frame: &Value) -> Result<Vec<Action>, Refusal> {
        let Some(member) = self.members.get_mut(&from) else {
            return Ok(Vec::new());
        };
        let action = frame["action"].as_str().unwrap_or_default();
        if !matches!(action, "SDP_OFFER" | "SDP_ANSWER" | "ICE_CANDIDATE") {
            return Err(("InvalidArgumentException", "unknown action"));
        }
        let payload = frame["messagePayload"].as_str().unwrap_or_default();
        if payload.is_empty() || payload.len() > MAX_PAYLOAD || STANDARD.decode(payload).is_err() {
            return Err((
                "InvalidArgumentException",
                "the payload is no base64, empty or too long",
            ));
        }
        if !member.quota.takes(now, action) {
            self.violations += usize::from(member.role == Role::Master);
            return Err(("ClientLimitExceededException", "too many messages a second"));
        }
        let mut message = json!({"messageType": action, "messagePayload": payload});
        match member.role.clone() {
            Role::Viewer(id) => {
                message["senderClientId"] = id.into();
                Ok(self.deliver_to_master(now, message.to_string()))
            }
            Role::Master => {
                let recipient = frame["recipientClientId"].as_str().unwrap_or_default();
                let to = self
                    .find(&Role::Viewer(recipient.to_owned()))
                    .ok_or(("InvalidArgumentException", "no such recipient"))?;
                let text = message.to_string();
                Ok(vec![Action::Send { to, text }])
            }
        }
    }

    fn deliver_to_master(&mut self, now: Instant, text: String) -> Vec<Action> {
        match self.master() {
            Some(to) => vec![Action::Send { to, text }],
            None => {
                self.kept.push_back((now, text));
                Vec::new()
            }
        }
    }

    fn find(&self, role: &Role) -> Option<Connection> {
        let mut members = self.members.iter();
        members
            .find(|(_, member)| member.role == *role)
            .map(|(connection, _)| *connection)
    }
}

/// Error type and description.
type Refusal = (&'static str, &'static str);

/// The service reports an error only to who gave the message a correlation id.
fn status(to: Connection, frame: &Value, kind: &str, description: &str) -> Option<Action> {
    let correlation = frame["correlationId"].as_str()?;
    let text = json!({"messageType": "STATUS_RESPONSE", "statusResponse": {
        "correlationId": correlation,
        "success": false,
        "errorType": kind,
        "statusCode": "400",
        "description": description,
    }});
    let text = text.to_string();
    Some(Action::Send { to, text })
}

/// `MessageTtlSeconds` of the channel.
const MESSAGE_LIFE: Duration = Duration::from_secs(60);
/// About ten thousand characters of base64, by the documentation of the websocket API; a browser's offer has more with
/// video than some of its examples, so the double allows twice that.
const MAX_PAYLOAD: usize = 20_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(extra: Value) -> String {
        let mut frame = json!({"action": "SDP_OFFER", "messagePayload": "e30="});
        for (name, value) in extra.as_object().unwrap() {
            frame[name] = value.clone();
        }
        frame.to_string()
    }

    fn viewer(id: &str) -> Role {
        Role::Viewer(id.to_owned())
    }

    /// A master (1) and a viewer (2) called v.
    fn channel() -> (Routing, Instant) {
        let now = Instant::now();
        let mut routing = Routing::default();
        assert_eq!(routing.joined(now, 1, Role::Master), []);
        assert_eq!(routing.joined(now, 2, viewer("v")), []);
        (routing, now)
    }

    fn sent(actions: &[Action]) -> Vec<(Connection, Value)> {
        let parsed = |action: &Action| match action {
            Action::Send { to, text } => Some((*to, serde_json::from_str(text).unwrap())),
            Action::Replace(_) => None,
        };
        actions.iter().filter_map(parsed).collect()
    }

    #[test]
    fn messages_go_to_the_master_with_their_sender_and_back_without() {
        let (mut routing, now) = channel();
        let up = sent(&routing.frame(now, 2, &offer(json!({}))));
        let expected = json!({"messageType": "SDP_OFFER", "messagePayload": "e30=", "senderClientId": "v"});
        assert_eq!(up, [(1, expected)]);
        let down = sent(&routing.frame(
            now,
            1,
            &offer(json!({"action": "SDP_ANSWER", "recipientClientId": "v"})),
        ));
        assert_eq!(
            down,
            [(2, json!({"messageType": "SDP_ANSWER", "messagePayload": "e30="}))]
        );
    }

    #[test]
    fn an_offer_waits_a_minute_for_the_master() {
        let now = Instant::now();
        for (wait, expected) in [(59, 1), (61, 0)] {
            let mut routing = Routing::default();
            routing.joined(now, 2, viewer("v"));
            assert_eq!(routing.frame(now, 2, &offer(json!({}))), []);
            let actions = routing.joined(now + Duration::from_secs(wait), 1, Role::Master);
            assert_eq!(actions.len(), expected, "{wait}");
        }
    }

    #[test]
    fn the_newer_of_two_stays() {
        let (mut routing, now) = channel();
        assert_eq!(routing.joined(now, 3, Role::Master), [Action::Replace(1)]);
        assert_eq!(routing.joined(now, 4, viewer("v")), [Action::Replace(2)]);
        assert_eq!((routing.master(), routing.viewers()), (Some(3), 1));
        // The one that was replaced leaves later and takes nothing with it.
        routing.left(1);
        assert_eq!(routing.master(), Some(3));
    }

    #[test]
    fn errors_are_told_to_who_asks_for_them() {
        let (mut routing, now) = channel();
        let bad = [
            json!({"recipientClientId": "nobody"}),
            json!({}),
            json!({"recipientClientId": "v", "messagePayload": "%"}),
            json!({"recipientClientId": "v", "messagePayload": ""}),
            json!({"recipientClientId": "v", "action": "HELLO"}),
        ];
        for mut extra in bad {
            assert_eq!(routing.frame(now, 1, &offer(extra.clone())), [], "{extra}");
            extra["correlationId"] = "c1".into();
            let answers = sent(&routing.frame(now, 1, &offer(extra.clone())));
            assert_eq!(answers.len(), 1, "{extra}");
            assert_eq!(answers[0].1["messageType"], "STATUS_RESPONSE", "{extra}");
            assert_eq!(answers[0].1["statusResponse"]["correlationId"], "c1", "{extra}");
        }
        assert_eq!(routing.frame(now, 1, "no JSON"), []);
    }

    #[test]
    fn quotas_are_enforced_and_counted() {
        let (mut routing, now) = channel();
        let answer = offer(json!({"action": "SDP_ANSWER", "recipientClientId": "v", "correlationId": "c"}));
        let types: Vec<_> = (0..6)
            .flat_map(|_| sent(&routing.frame(now, 1, &answer)))
            .map(|(to, message)| (to, message["messageType"].clone()))
            .collect();
        assert_eq!(types[4], (2, "SDP_ANSWER".into()));
        assert_eq!(types[5], (1, "STATUS_RESPONSE".into()));
        assert_eq!(routing.violations(), 1);
    }
}
