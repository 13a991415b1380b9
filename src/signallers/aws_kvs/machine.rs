// SPDX-License-Identifier: MPL-2.0
//! The master's side of a signalling channel: who watches, what to send, when to reconnect. Pure.
//!
//! A session is a viewer's offer; its id is the viewer's client id, with a number behind it when the viewer offers again,
//! so that nothing late of the former session is taken for the new one's. Connections come and go (the service ends each
//! after an hour at most), sessions stay. A viewer that sends nonsense harms nobody but itself. Owns who is watching. When
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
    /// The element answers a session's offer; its m-lines' identifiers in order.
    Answer {
        session: String,
        sdp: String,
        mids: Vec<String>,
    },
    /// A local candidate of a session.
    Candidate {
        session: String,
        candidate: String,
        index: u32,
    },
    /// The element ended a session.
    End { session: String },
}

/// What the client has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    /// A viewer asks for media.
    Request {
        session: String,
        viewer: String,
        offer: String,
    },
    /// A candidate of a viewer.
    RemoteCandidate {
        session: String,
        candidate: String,
        index: u32,
        mid: Option<String>,
    },
    /// The session is over; why, if there is anything to say.
    Ended { session: String, reason: Option<String> },
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
    /// Which session an answer was for, by correlation id; candidates may be lost.
    answers: VecDeque<(String, String)>,
    /// Ids by which the service reports what it could not deliver.
    next_correlation: u64,
    /// How many offers were not the first of their viewer.
    repeated_offers: u64,
}

/// A viewer's session of the moment.
#[derive(Debug)]
struct Viewer {
    session: String,
    mids: Vec<String>,
}

impl Machine {
    /// Nobody watches.
    pub(super) fn new() -> Self {
        Self {
            viewers: HashMap::new(),
            early: BTreeMap::new(),
            pace: Pace::new(),
            answers: VecDeque::new(),
            next_correlation: 0,
            repeated_offers: 0,
        }
    }

    /// Takes what happened and gives what to do, in order; messages to send are polled for.
    pub(super) fn handle(&mut self, now: Instant, input: Input) -> Vec<Action> {
        match input {
            Input::Frame(text) => self.frame(now, &text),
            Input::Answer { session, sdp, mids } => self.answer(&session, &sdp, mids),
            Input::Candidate {
                session,
                candidate,
                index,
            } => self.local_candidate(&session, &candidate, index),
            Input::End { session } => {
                self.forget(&session);
                Vec::new()
            }
        }
    }

    /// The next message to send now.
    pub(super) fn poll_message(&mut self, now: Instant) -> Option<Outgoing> {
        self.pace.poll(now)
    }

    /// A message could not be sent: it is the next one again, if its session is still there.
    pub(super) fn take_back(&mut self, message: Outgoing) {
        if self.viewer_of(&message.session).is_some() {
            self.pace.take_back(message);
        }
    }

    /// How long until [`Machine::poll_message`] may have one; `None` when there is nothing to send.
    pub(super) fn wait(&mut self, now: Instant) -> Option<Duration> {
        self.pace.wait(now)
    }

    /// What the service sent.
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
        let mut session = viewer.clone();
        if let Some(former) = self.viewers.remove(&viewer) {
            self.pace.forget(&former.session);
            actions.push(Action::Ended {
                session: former.session,
                reason: None,
            });
            self.repeated_offers += 1;
            session = format!("{viewer}{REPEATED}{}", self.repeated_offers);
        }
        actions.push(Action::Request {
            session: session.clone(),
            viewer: viewer.clone(),
            offer: sdp,
        });
        let early = self.early.remove(&viewer);
        let early = early.map(|(_, candidates)| candidates).unwrap_or_default();
        actions.extend(
            early
                .into_iter()
                .filter_map(|candidate| passed_on(&session, candidate)),
        );
        let mids = Vec::new();
        self.viewers.insert(viewer, Viewer { session, mids });
        actions
    }

    /// Trickled candidates can overtake the offer, which the service may keep for a while: they wait for it.
    fn remote_candidate(&mut self, now: Instant, viewer: String, candidate: Candidate) -> Vec<Action> {
        if let Some(known) = self.viewers.get(&viewer) {
            return passed_on(&known.session, candidate).into_iter().collect();
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
        let session = index
            .and_then(|index| self.answers.remove(index))
            .map(|(_, session)| session);
        match session.filter(|session| self.viewer_of(session).is_some()) {
            Some(session) => {
                self.forget(&session);
                let reason = Some(text);
                vec![Action::Ended { session, reason }]
            }
            None => vec![Action::Note(text)],
        }
    }

    /// The answer carries a correlation id by which the service reports that it could not deliver it.
    fn answer(&mut self, session: &str, sdp: &str, mids: Vec<String>) -> Vec<Action> {
        let Some((viewer, known)) = self.viewer_of_mut(session) else {
            return Vec::new();
        };
        known.mids = mids;
        let correlation = self.correlation();
        if self.answers.len() >= MAX_VIEWERS {
            self.answers.pop_front();
        }
        self.answers.push_back((correlation.clone(), session.to_owned()));
        let text = protocol::answer(viewer, sdp, &correlation);
        self.send(session, protocol::Action::Answer, text)
    }

    /// Browsers look for the m-line by `sdpMid`, so the answer's own identifiers are given.
    fn local_candidate(&mut self, session: &str, candidate: &str, index: u32) -> Vec<Action> {
        let Some((viewer, known)) = self.viewer_of_mut(session) else {
            return Vec::new();
        };
        let mid = known.mids.get(index as usize).cloned();
        let mid = mid.unwrap_or_else(|| index.to_string());
        let correlation = self.correlation();
        let text = protocol::local_candidate(viewer, candidate, index, &mid, &correlation);
        self.send(session, protocol::Action::Candidate, text)
    }

    /// Queues a message, to be sent as fast as the service allows.
    fn send(&mut self, session: &str, action: protocol::Action, text: String) -> Vec<Action> {
        let session = session.to_owned();
        let message = Outgoing {
            session: session.clone(),
            action,
            text,
        };
        if self.pace.push(message) {
            return Vec::new();
        }
        vec![Action::Note(format!(
            "a message for {session} is dropped: too many wait to be sent"
        ))]
    }

    /// A session is over: nothing more is sent for it.
    fn forget(&mut self, session: &str) {
        self.pace.forget(session);
        if let Some(viewer) = self.viewer_of(session).map(str::to_owned) {
            self.viewers.remove(&viewer);
            self.early.remove(&viewer);
        }
    }

    /// The viewer whose session this is, still.
    fn viewer_of<'a>(&self, session: &'a str) -> Option<&'a str> {
        let viewer = client_id(session);
        let known = self.viewers.get(viewer)?;
        (known.session == session).then_some(viewer)
    }

    /// As [`Self::viewer_of`], with what is known of it.
    fn viewer_of_mut<'a>(&mut self, session: &'a str) -> Option<(&'a str, &mut Viewer)> {
        let viewer = client_id(session);
        let known = self.viewers.get_mut(viewer)?;
        (known.session == session).then_some((viewer, known))
    }

    /// An id no message had before.
    fn correlation(&mut self) -> String {
        self.next_correlation += 1;
        format!("c{}", self.next_correlation)
    }
}

/// The viewer's part of a session's id.
fn client_id(session: &str) -> &str {
    session
        .split_once(REPEATED)
        .map_or(session, |(client_id, _)| client_id)
}

/// A candidate for the element; `None` for what marks the end of candidates. Where only the m-line's identifier is given,
/// the first line stands for all, as viewers bundle them.
fn passed_on(session: &str, candidate: Candidate) -> Option<Action> {
    if candidate.candidate.is_empty() {
        return None;
    }
    Some(Action::RemoteCandidate {
        session: session.to_owned(),
        candidate: candidate.candidate,
        index: candidate.sdp_m_line_index.unwrap_or_default(),
        mid: candidate.sdp_mid,
    })
}

/// Divides client id and number in a session's id; no client id has it.
const REPEATED: char = '#';

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

    fn answer(session: &str) -> Input {
        Input::Answer {
            session: session.into(),
            sdp: "v=0".into(),
            mids: vec!["video0".into()],
        }
    }

    fn request(session: &str) -> Action {
        Action::Request {
            session: session.into(),
            viewer: client_id(session).into(),
            offer: "v=0".into(),
        }
    }

    fn remote(session: &str) -> Action {
        Action::RemoteCandidate {
            session: session.into(),
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
        assert_eq!(machine.handle(now, candidate("a", None)), [remote("a")]);
        let last = frame(
            "ICE_CANDIDATE",
            &json!({"candidate": "", "sdpMLineIndex": 0}),
            "a",
        );
        assert_eq!(machine.handle(now, last), [], "the end of candidates");
    }

    #[test]
    fn a_viewer_that_loads_its_page_anew_gets_a_new_session() {
        let mut machine = Machine::new();
        let now = Instant::now();
        machine.handle(now, offer("a"));
        let ended = |session: &str| Action::Ended {
            session: session.into(),
            reason: None,
        };
        assert_eq!(machine.handle(now, offer("a")), [ended("a"), request("a#1")]);
        assert_eq!(machine.handle(now, candidate("a", Some(0))), [remote("a#1")]);
        assert_eq!(machine.handle(now, offer("a")), [ended("a#1"), request("a#2")]);
    }

    #[test]
    fn nothing_late_of_a_former_session_reaches_the_page_loaded_anew() {
        let mut machine = Machine::new();
        let now = Instant::now();
        machine.handle(now, offer("a"));
        machine.handle(now, answer("a"));
        machine.handle(now, offer("a"));
        machine.handle(now, answer("a"));
        machine.handle(now, Input::End { session: "a".into() });
        assert_eq!(machine.poll_message(now), None);
        let status = json!({"correlationId": "c1", "success": false});
        let status = json!({"messageType": "STATUS_RESPONSE", "statusResponse": status});
        let actions = machine.handle(now, Input::Frame(status.to_string()));
        assert!(matches!(&actions[..], [Action::Note(_)]), "{actions:?}");
        machine.handle(now, answer("a#1"));
        let sent = machine.poll_message(now).unwrap();
        let frame: serde_json::Value = serde_json::from_str(&sent.text).unwrap();
        assert_eq!(frame["recipientClientId"], "a");
        machine.take_back(sent);
        assert!(machine.poll_message(now).is_some());
    }

    #[test]
    fn a_message_of_an_ended_session_is_not_taken_back() {
        let mut machine = Machine::new();
        let now = Instant::now();
        machine.handle(now, offer("a"));
        machine.handle(now, answer("a"));
        let sent = machine.poll_message(now).unwrap();
        machine.handle(now, Input::End { session: "a".into() });
        machine.take_back(sent);
        assert_eq!(machine.poll_message(now), None);
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
            matches!(&actions[..], [Action::Ended { session, reason: Some(_) }] if session == "a"),
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
                    session: "a".into(),
                    candidate: "c".into(),
                    index,
                },
            );
        }
        let mut mids = Vec::new();
        while let Some(message) = machine.poll_message(now) {
            let frame: serde_json::Value = serde_json::from_str(&message.text).unwrap();
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
        machine.handle(now, Input::End { session: "a".into() });
        assert_eq!(machine.poll_message(now), None);
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
