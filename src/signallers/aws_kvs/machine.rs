// SPDX-License-Identifier: MPL-2.0
//! The master's side of a signalling channel: who watches, what to send, when to reconnect. Pure.
//!
//! A session is a viewer; its id is the viewer's client id. Connections come and go (the service ends each after an
//! hour at most), sessions stay. A viewer that sends nonsense harms nobody but itself. Owns who is watching. When
//! messages may leave is `pace`'s to say, how they read `protocol`'s; sockets and time are `client`'s.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::pace::{Outgoing, Pace};
use super::protocol::{self, Candidate, Incoming, Status};

/// What happens to the signaller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Input {
    /// A text frame came.
    Frame(String),
    /// The element answers a viewer; its m-lines' identifiers in order.
    Answer {
        viewer: String,
        sdp: String,
        mids: Vec<String>,
    },
    /// A local candidate for a viewer.
    Candidate {
        viewer: String,
        candidate: String,
        index: u32,
    },
    /// The element ended a session.
    End { viewer: String },
}

/// What the client has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    /// A viewer asks for media.
    Request { viewer: String, offer: String },
    /// A candidate of a viewer.
    RemoteCandidate {
        viewer: String,
        candidate: String,
        index: u32,
        mid: Option<String>,
    },
    /// The session is over; why, if there is anything to say.
    Ended { viewer: String, reason: Option<String> },
    /// Connect anew, now, while the old connection still stands.
    Reconnect,
    /// Fetch the TURN configuration again.
    RefreshIceServers,
    /// Worth a line in the log.
    Note(String),
}

/// The machine.
#[derive(Debug)]
pub(super) struct Machine {
    viewers: HashMap<String, Viewer>,
    /// Candidates of viewers whose offer isn't here yet, with the time the first came.
    early: BTreeMap<String, (Instant, Vec<Candidate>)>,
    pace: Pace,
    /// Which viewer an answer was for, by correlation id; candidates may be lost.
    answers: VecDeque<(String, String)>,
    /// Ids by which the service reports what it could not deliver.
    next_correlation: u64,
}

#[derive(Debug, Default)]
struct Viewer {
    mids: Vec<String>,
}

impl Machine {
    pub(super) fn new() -> Self {
        Self {
            viewers: HashMap::new(),
            early: BTreeMap::new(),
            pace: Pace::new(),
            answers: VecDeque::new(),
            next_correlation: 0,
        }
    }

    pub(super) fn handle(&mut self, now: Instant, input: Input) -> Vec<Action> {
        match input {
            Input::Frame(text) => self.frame(now, &text),
            Input::Answer { viewer, sdp, mids } => self.answer(viewer, &sdp, mids),
            Input::Candidate {
                viewer,
                candidate,
                index,
            } => self.local_candidate(viewer, &candidate, index),
            Input::End { viewer } => {
                self.forget(&viewer);
                Vec::new()
            }
        }
    }

    /// The next frame to send now.
    pub(super) fn poll_frame(&mut self, now: Instant) -> Option<String> {
        self.pace.poll(now)
    }

    /// How long until [`Machine::poll_frame`] may have one; `None` when there is nothing to send.
    pub(super) fn wait(&mut self, now: Instant) -> Option<Duration> {
        self.pace.wait(now)
    }

    fn frame(&mut self, now: Instant, text: &str) -> Vec<Action> {
        match protocol::parse(text) {
            Ok(Incoming::Offer { viewer, sdp }) => self.offer(viewer, sdp),
            Ok(Incoming::Candidate { viewer, candidate }) => self.remote_candidate(now, viewer, candidate),
            Ok(Incoming::GoAway) => vec![Action::Reconnect],
            Ok(Incoming::ReconnectIceServer) => vec![Action::RefreshIceServers],
            Ok(Incoming::Status(status)) => self.status(&status),
            Err(error) => vec![Action::Note(format!("a message is ignored: {error}"))],
        }
    }

    /// An offer starts a session; a second one of the same viewer means that its page was loaded anew.
    fn offer(&mut self, viewer: String, sdp: String) -> Vec<Action> {
        if !self.viewers.contains_key(&viewer) && self.viewers.len() >= MAX_VIEWERS {
            return vec![Action::Note(format!(
                "{viewer} is ignored: {MAX_VIEWERS} viewers are watching"
            ))];
        }
        let mut actions = Vec::new();
        if self.viewers.insert(viewer.clone(), Viewer::default()).is_some() {
            self.pace.forget(&viewer);
            actions.push(Action::Ended {
                viewer: viewer.clone(),
                reason: None,
            });
        }
        actions.push(Action::Request {
            viewer: viewer.clone(),
            offer: sdp,
        });
        let early = self
            .early
            .remove(&viewer)
            .map(|(_, candidates)| candidates)
            .unwrap_or_default();
        actions.extend(
            early
                .into_iter()
                .filter_map(|candidate| passed_on(&viewer, candidate)),
        );
        actions
    }

    /// Messages of one viewer may overtake each other in the service, so candidates wait a while for their offer.
    fn remote_candidate(&mut self, now: Instant, viewer: String, candidate: Candidate) -> Vec<Action> {
        if self.viewers.contains_key(&viewer) {
            return passed_on(&viewer, candidate).into_iter().collect();
        }
        if !self.early.contains_key(&viewer) {
            self.early
                .retain(|_, (since, _)| now.saturating_duration_since(*since) < EARLY_LIFE);
            if self.early.len() >= MAX_VIEWERS {
                let text = format!("a candidate of {viewer} is ignored: too many viewers without an offer");
                return vec![Action::Note(text)];
            }
        }
        let (_, kept) = self.early.entry(viewer).or_insert((now, Vec::new()));
        if kept.len() < MAX_EARLY {
            kept.push(candidate);
        }
        Vec::new()
    }

    /// An answer that could not be delivered leaves a viewer that will never connect.
    fn status(&mut self, status: &Status) -> Vec<Action> {
        if status.success {
            return Vec::new();
        }
        let text = format!(
            "a message was not delivered: {} {} {}",
            status.status_code.as_deref().unwrap_or_default(),
            status.error_type.as_deref().unwrap_or_default(),
            status.description.as_deref().unwrap_or_default()
        );
        let index = self
            .answers
            .iter()
            .position(|(id, _)| *id == status.correlation_id);
        let viewer = index
            .and_then(|index| self.answers.remove(index))
            .map(|(_, viewer)| viewer);
        match viewer.filter(|viewer| self.viewers.contains_key(viewer)) {
            Some(viewer) => {
                self.forget(&viewer);
                vec![Action::Ended {
                    viewer,
                    reason: Some(text),
                }]
            }
            None => vec![Action::Note(text)],
        }
    }

    /// Kept by correlation id, as a lost answer is the one loss that ends a session.
    fn answer(&mut self, viewer: String, sdp: &str, mids: Vec<String>) -> Vec<Action> {
        let Some(known) = self.viewers.get_mut(&viewer) else {
            return Vec::new();
        };
        known.mids = mids;
        let correlation = self.correlation();
        if self.answers.len() >= MAX_VIEWERS {
            self.answers.pop_front();
        }
        self.answers.push_back((correlation.clone(), viewer.clone()));
        let text = protocol::answer(&viewer, sdp, &correlation);
        self.send(Outgoing {
            viewer,
            action: protocol::Action::Answer,
            text,
        })
    }

    /// Browsers want the mid as well as the index.
    fn local_candidate(&mut self, viewer: String, candidate: &str, index: u32) -> Vec<Action> {
        let Some(known) = self.viewers.get(&viewer) else {
            return Vec::new();
        };
        let mid = known
            .mids
            .get(index as usize)
            .cloned()
            .unwrap_or_else(|| index.to_string());
        let correlation = self.correlation();
        let text = protocol::local_candidate(&viewer, candidate, index, &mid, &correlation);
        self.send(Outgoing {
            viewer,
            action: protocol::Action::Candidate,
            text,
        })
    }

    fn send(&mut self, message: Outgoing) -> Vec<Action> {
        let viewer = message.viewer.clone();
        if self.pace.push(message) {
            return Vec::new();
        }
        vec![Action::Note(format!(
            "a message for {viewer} is dropped: too many wait to be sent"
        ))]
    }

    fn forget(&mut self, viewer: &str) {
        self.viewers.remove(viewer);
        self.early.remove(viewer);
        self.pace.forget(viewer);
    }

    fn correlation(&mut self) -> String {
        self.next_correlation += 1;
        format!("c{}", self.next_correlation)
    }
}

/// A candidate for the element; `None` for one without an m-line, which marks the end of candidates.
fn passed_on(viewer: &str, candidate: Candidate) -> Option<Action> {
    let index = candidate.sdp_m_line_index?;
    let (viewer, candidate, mid) = (viewer.to_owned(), candidate.candidate, candidate.sdp_mid);
    Some(Action::RemoteCandidate {
        viewer,
        candidate,
        index,
        mid,
    })
}

/// The service's own quota is ten viewers a channel; it can be raised.
const MAX_VIEWERS: usize = 1000;
/// More candidates than any viewer gathers before its offer arrives.
const MAX_EARLY: usize = 64;
/// Offers live no longer than this in the service (MessageTtlSeconds, at most 120).
const EARLY_LIFE: Duration = Duration::from_secs(120);

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use serde_json::json;

    fn frame(kind: &str, payload: &serde_json::Value, viewer: &str) -> Input {
        let payload = STANDARD.encode(payload.to_string());
        Input::Frame(
            json!({"messageType": kind, "messagePayload": payload, "senderClientId": viewer}).to_string(),
        )
    }

    fn offer(viewer: &str) -> Input {
        frame("SDP_OFFER", &json!({"type": "offer", "sdp": "v=0"}), viewer)
    }

    fn candidate(viewer: &str, index: Option<u32>) -> Input {
        frame(
            "ICE_CANDIDATE",
            &json!({"candidate": "c", "sdpMid": "0", "sdpMLineIndex": index}),
            viewer,
        )
    }

    fn answer(viewer: &str) -> Input {
        Input::Answer {
            viewer: viewer.into(),
            sdp: "v=0".into(),
            mids: vec!["video0".into()],
        }
    }

    fn request(viewer: &str) -> Action {
        Action::Request {
            viewer: viewer.into(),
            offer: "v=0".into(),
        }
    }

    fn remote(viewer: &str) -> Action {
        Action::RemoteCandidate {
            viewer: viewer.into(),
            candidate: "c".into(),
            index: 0,
            mid: Some("0".into()),
        }
    }

    #[test]
    fn candidates_wait_for_their_offer() {
        let mut machine = Machine::new();
        let now = Instant::now();
        assert_eq!(machine.handle(now, candidate("a", Some(0))), []);
        assert_eq!(machine.handle(now, candidate("b", Some(0))), []);
        assert_eq!(machine.handle(now, offer("a")), [request("a"), remote("a")]);
        assert_eq!(machine.handle(now, candidate("a", Some(0))), [remote("a")]);
        assert_eq!(machine.handle(now, candidate("a", None)), []);
    }

    #[test]
    fn a_viewer_that_loads_its_page_anew_gets_a_new_session() {
        let mut machine = Machine::new();
        let now = Instant::now();
        machine.handle(now, offer("a"));
        let ended = Action::Ended {
            viewer: "a".into(),
            reason: None,
        };
        assert_eq!(machine.handle(now, offer("a")), [ended, request("a")]);
    }

    #[test]
    fn nonsense_is_only_noted() {
        let mut machine = Machine::new();
        let now = Instant::now();
        machine.handle(now, offer("a"));
        let texts = [
            "",
            "{}",
            r#"{"messageType":"X"}"#,
            r#"{"messageType":"SDP_OFFER","senderClientId":"b"}"#,
        ];
        for text in texts {
            let actions = machine.handle(now, Input::Frame(text.into()));
            assert!(matches!(&actions[..], [Action::Note(_)]), "{text}: {actions:?}");
        }
        assert_eq!(machine.handle(now, candidate("a", Some(0))), [remote("a")]);
    }

    #[test]
    fn the_service_moves_the_connection_not_the_sessions() {
        let mut machine = Machine::new();
        let now = Instant::now();
        machine.handle(now, offer("a"));
        let go_away = Input::Frame(r#"{"messageType":"GO_AWAY"}"#.into());
        assert_eq!(machine.handle(now, go_away), [Action::Reconnect]);
        let ice = Input::Frame(r#"{"messageType":"RECONNECT_ICE_SERVER"}"#.into());
        assert_eq!(machine.handle(now, ice), [Action::RefreshIceServers]);
        assert_eq!(machine.handle(now, candidate("a", Some(0))), [remote("a")]);
    }

    #[test]
    fn an_answer_that_is_not_delivered_ends_its_viewer() {
        let mut machine = Machine::new();
        let now = Instant::now();
        machine.handle(now, offer("a"));
        machine.handle(now, answer("a"));
        let status = |id: &str, success: bool| {
            let status =
                json!({"correlationId": id, "success": success, "errorType": "E", "statusCode": "400"});
            Input::Frame(json!({"messageType": "STATUS_RESPONSE", "statusResponse": status}).to_string())
        };
        assert_eq!(machine.handle(now, status("c1", true)), []);
        assert!(matches!(
            &machine.handle(now, status("c99", false))[..],
            [Action::Note(_)]
        ));
        let actions = machine.handle(now, status("c1", false));
        assert!(
            matches!(&actions[..], [Action::Ended { viewer, reason: Some(_) }] if viewer == "a"),
            "{actions:?}"
        );
    }

    #[test]
    fn candidates_name_the_mid_of_the_answer() {
        let mut machine = Machine::new();
        let now = Instant::now();
        machine.handle(now, offer("a"));
        machine.handle(now, answer("a"));
        for index in [0, 1] {
            machine.handle(
                now,
                Input::Candidate {
                    viewer: "a".into(),
                    candidate: "c".into(),
                    index,
                },
            );
        }
        let mut mids = Vec::new();
        while let Some(frame) = machine.poll_frame(now) {
            let frame: serde_json::Value = serde_json::from_str(&frame).unwrap();
            let payload = STANDARD
                .decode(frame["messagePayload"].as_str().unwrap())
                .unwrap();
            let payload: serde_json::Value = serde_json::from_slice(&payload).unwrap();
            mids.push(payload["sdpMid"].as_str().map(str::to_owned));
        }
        assert_eq!(mids, [None, Some("video0".to_owned()), Some("1".to_owned())]);
    }

    #[test]
    fn an_ended_session_sends_nothing_more() {
        let mut machine = Machine::new();
        let now = Instant::now();
        machine.handle(now, offer("a"));
        machine.handle(now, answer("a"));
        machine.handle(now, Input::End { viewer: "a".into() });
        assert_eq!(machine.poll_frame(now), None);
        assert_eq!(machine.handle(now, answer("a")), []);
        assert_eq!(machine.wait(now), None);
    }

    #[test]
    fn what_viewers_leave_behind_is_bounded() {
        let mut machine = Machine::new();
        let now = Instant::now();
        for n in 0..MAX_VIEWERS + 10 {
            for _ in 0..MAX_EARLY + 10 {
                machine.handle(now, candidate(&format!("e{n}"), Some(0)));
            }
        }
        assert_eq!(machine.early.len(), MAX_VIEWERS);
        assert!(machine.early.values().all(|(_, kept)| kept.len() == MAX_EARLY));
        machine.handle(now + EARLY_LIFE, candidate("late", Some(0)));
        assert_eq!(machine.early.len(), 1);
        for n in 0..MAX_VIEWERS + 10 {
            machine.handle(now, offer(&n.to_string()));
        }
        assert_eq!(machine.viewers.len(), MAX_VIEWERS);
    }
}
