// SPDX-License-Identifier: MPL-2.0
//! What the default signaller says and reports, as values (docs/protocol.md). Pure.
//!
//! The client feeds connections, messages and the element's verbs in as [`Input`]s and carries the [`Action`]s out in
//! order. A lost connection is made again; sessions known before stay known, since their media goes on without us. Owns
//! which server answers mean an end and which only a warning, and what is asked for after a reconnection. Time, sockets
//! and the waits between attempts are `client`'s; descriptions and candidates pass through as texts.

use std::collections::{BTreeMap, HashSet};

use gst_plugin_webrtc_signalling_protocol::{
    EndSessionMessage, EndSessionMessageV1_1, IncomingMessage, OutgoingMessage, PeerMessage,
    PeerMessageInner, PeerRole, PeerStatus, ProtocolVersion, SdpMessage, StartSessionMessage,
};
use serde_json::Value;

use super::WebRTCSignallerRole;

/// What happens to the signaller.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Input {
    /// A connection stands; the element's metadata, to be shown to others.
    Connected { meta: Option<Value> },
    /// No connection could be made.
    ConnectFailed(String),
    /// The connection ended, and how.
    Lost(String),
    /// The server said this.
    Message(OutgoingMessage),
    /// The server said something that is no message; its beginning.
    Unreadable(String),
    /// The time asked for by [`Action::RetryLater`] has come.
    Retry,
    /// The element wants this sent to the peer of a session.
    Send {
        session_id: String,
        message: PeerMessageInner,
    },
    /// The element ended a session.
    End {
        session_id: String,
        error: Option<String>,
    },
}

/// What the client has to do.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Action {
    /// Send this to the server.
    Send(IncomingMessage),
    /// Tell the element or the application.
    Report(Report),
    /// Connect again, after a wait of the client's choice.
    Reconnect,
    /// Come back with [`Input::Retry`], after a wait of the client's choice.
    RetryLater,
    /// Give up; nothing more will happen.
    GiveUp,
}

/// What the element or the application hears.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Report {
    ClientId(Option<String>),
    ProducerChosen(String),
    ProducerAdded {
        id: String,
        meta: Value,
        is_new: bool,
    },
    ProducerRemoved {
        id: String,
        meta: Value,
    },
    SessionStarted {
        session_id: String,
        peer_id: String,
    },
    SessionRequested {
        session_id: String,
        peer_id: String,
        offer: Option<String>,
    },
    Description {
        session_id: String,
        description: SdpMessage,
    },
    Candidate {
        session_id: String,
        index: u32,
        mid: Option<String>,
        candidate: String,
    },
    SessionEnded {
        session_id: String,
    },
    SessionEndedWithError {
        session_id: String,
        error: Option<String>,
    },
    Warning(String),
    Error(String),
}

/// Who is wanted, by a consumer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// Nobody: a producer may start the session.
    None,
    /// This producer.
    Producer(String),
    /// Whoever produces first.
    First,
}

/// One signaller between start and stop.
#[derive(Debug)]
pub(super) struct Machine {
    role: WebRTCSignallerRole,
    /// Only a consumer has one.
    target: Target,
    link: Link,
    /// Whether a connection ever stood: the first one failing is an error, later ones are tried again.
    was_welcomed: bool,
    /// Producers announced to the application, with their metadata.
    producers: BTreeMap<String, Value>,
    /// Of which the server or the element has not said that they are over.
    sessions: HashSet<String>,
    /// Whether a session with the target was asked for and not yet granted.
    is_asking: bool,
    /// Whether the target was ever there.
    had_session: bool,
}

/// The connection to the server.
#[derive(Debug, PartialEq)]
enum Link {
    Down,
    /// Connected, our id not known yet.
    Greeting {
        meta: Option<Value>,
    },
    Up,
}

impl Machine {
    pub(super) fn new(role: WebRTCSignallerRole, target: Target) -> Self {
        let target = if role == WebRTCSignallerRole::Consumer {
            target
        } else {
            Target::None
        };
        Self {
            role,
            target,
            link: Link::Down,
            was_welcomed: false,
            producers: BTreeMap::new(),
            sessions: HashSet::new(),
            is_asking: false,
            had_session: false,
        }
    }

    pub(super) fn handle(&mut self, input: Input) -> Vec<Action> {
        match input {
            Input::Connected { meta } => self.connected(meta),
            Input::ConnectFailed(reason) => self.connect_failed(reason),
            Input::Lost(reason) => self.lost(&reason),
            Input::Message(message) => self.message(message),
            Input::Unreadable(text) => vec![warning(format!("Unknown message from server: {text}"))],
            Input::Retry => self.ask(),
            Input::Send { session_id, message } => self.send(session_id, message),
            Input::End { session_id, error } => self.end(session_id, error),
        }
    }

    /// Nothing else may be said before the server's welcome gives this client its id.
    fn connected(&mut self, meta: Option<Value>) -> Vec<Action> {
        self.link = Link::Greeting { meta };
        // The version can only be chosen by a connection's first message; older servers ignore it.
        vec![Action::Send(IncomingMessage::SetProtocolVersion {
            version: ProtocolVersion::V1_1,
        })]
    }

    /// A first connection that fails is a wrong address more often than a server that is away: the user is told at
    /// once.
    fn connect_failed(&mut self, reason: String) -> Vec<Action> {
        self.link = Link::Down;
        if self.was_welcomed {
            return vec![Action::Reconnect];
        }
        vec![error(reason), Action::GiveUp]
    }

    /// Sessions stay: media needs no server, and peers may find each other's end by themselves.
    fn lost(&mut self, reason: &str) -> Vec<Action> {
        let was_greeted = std::mem::replace(&mut self.link, Link::Down) == Link::Up;
        self.is_asking = false;
        if !self.was_welcomed {
            return vec![error(format!("Error receiving: {reason}")), Action::GiveUp];
        }
        let mut actions = vec![Action::Report(Report::ClientId(None))];
        if was_greeted {
            actions.push(warning(format!(
                "the connection to the signalling server was lost, connecting again: {reason}"
            )));
        }
        actions.push(Action::Reconnect);
        actions
    }

    fn message(&mut self, message: OutgoingMessage) -> Vec<Action> {
        match message {
            OutgoingMessage::Welcome { peer_id } => self.welcome(peer_id),
            OutgoingMessage::PeerStatusChanged(status) => self.peer_status(status),
            OutgoingMessage::List { producers } => {
                let producers = producers.into_iter().map(|peer| (peer.id, peer.meta));
                producers
                    .flat_map(|(id, meta)| self.producer_present(id, meta.unwrap_or_default(), false))
                    .collect()
            }
            // Never asked for; nothing in it for a signaller.
            OutgoingMessage::ListConsumers { .. } => Vec::new(),
            OutgoingMessage::SessionStarted { peer_id, session_id } => {
                self.session_started(session_id, peer_id)
            }
            OutgoingMessage::StartSession {
                peer_id,
                session_id,
                offer,
            } => self.session_requested(session_id, peer_id, offer),
            OutgoingMessage::EndSession(EndSessionMessage { session_id }) => {
                self.sessions.remove(&session_id);
                vec![Action::Report(Report::SessionEnded { session_id })]
            }
            OutgoingMessage::EndSessionV1_1(EndSessionMessageV1_1 { session_id, error }) => {
                self.sessions.remove(&session_id);
                vec![Action::Report(Report::SessionEndedWithError {
                    session_id,
                    error,
                })]
            }
            OutgoingMessage::Peer(message) => self.peer_message(message),
            OutgoingMessage::Error { details } => self.server_error(&details),
        }
    }

    /// The id is new with each connection, so everything the server should know of this client is said again.
    fn welcome(&mut self, peer_id: String) -> Vec<Action> {
        let meta = match std::mem::replace(&mut self.link, Link::Up) {
            Link::Greeting { meta } => meta,
            Link::Down | Link::Up => return vec![warning("the server said welcome out of turn".to_owned())],
        };
        let known = std::mem::take(&mut self.producers);
        let mut actions = vec![
            Action::Report(Report::ClientId(Some(peer_id.clone()))),
            Action::Send(IncomingMessage::SetPeerStatus(PeerStatus {
                roles: self.roles(),
                meta,
                peer_id: Some(peer_id),
            })),
        ];
        // What a former connection showed may be gone: the list tells what there is now.
        actions.extend(
            known
                .into_iter()
                .map(|(id, meta)| Action::Report(Report::ProducerRemoved { id, meta })),
        );
        if self.role == WebRTCSignallerRole::Listener || self.target == Target::First {
            actions.push(Action::Send(IncomingMessage::List));
        }
        actions.extend(self.ask());
        self.was_welcomed = true;
        actions
    }

    /// A consumer that knows whom it wants needs no role; one that takes the first has to hear who comes.
    fn roles(&self) -> Vec<PeerRole> {
        match (self.role, &self.target) {
            (WebRTCSignallerRole::Producer, _) => vec![PeerRole::Producer],
            (WebRTCSignallerRole::Listener, _) | (_, Target::First) => vec![PeerRole::Listener],
            (WebRTCSignallerRole::Consumer, Target::None) => vec![PeerRole::Consumer],
            (WebRTCSignallerRole::Consumer, Target::Producer(_)) => Vec::new(),
        }
    }

    /// Asks for a session with the chosen producer, unless there is one or it was asked for already.
    fn ask(&mut self) -> Vec<Action> {
        let Target::Producer(id) = &self.target else {
            return Vec::new();
        };
        if self.link != Link::Up || self.is_asking || !self.sessions.is_empty() {
            return Vec::new();
        }
        self.is_asking = true;
        vec![Action::Send(IncomingMessage::StartSession(StartSessionMessage {
            peer_id: id.clone(),
            offer: None,
        }))]
    }

    /// A status without the role of a producer takes back what was announced of the same peer.
    fn peer_status(&mut self, status: PeerStatus) -> Vec<Action> {
        let Some(id) = status.peer_id else {
            return vec![warning(
                "the server told a status without saying whose".to_owned(),
            )];
        };
        if status.roles.contains(&PeerRole::Producer) {
            return self.producer_present(id, status.meta.unwrap_or_default(), true);
        }
        match self.producers.remove(&id) {
            Some(meta) => vec![Action::Report(Report::ProducerRemoved { id, meta })],
            None => Vec::new(),
        }
    }

    /// Announced once, whether it comes by the list or by its status; the two may cross.
    fn producer_present(&mut self, id: String, meta: Value, is_new: bool) -> Vec<Action> {
        if self.producers.contains_key(&id) || self.producers.len() >= MAX_PRODUCERS {
            return Vec::new();
        }
        self.producers.insert(id.clone(), meta.clone());
        let mut actions = vec![Action::Report(Report::ProducerAdded {
            id: id.clone(),
            meta,
            is_new,
        })];
        if self.target == Target::First && self.sessions.is_empty() && !self.is_asking {
            self.is_asking = true;
            actions.push(Action::Report(Report::ProducerChosen(id.clone())));
            actions.push(Action::Send(IncomingMessage::StartSession(StartSessionMessage {
                peer_id: id,
                offer: None,
            })));
        }
        actions
    }

    fn session_started(&mut self, session_id: String, peer_id: String) -> Vec<Action> {
        if self.role != WebRTCSignallerRole::Consumer {
            return vec![refused(
                &session_id,
                "the server started a session with a client that does not consume",
            )];
        }
        self.is_asking = false;
        if !self.admit(&session_id) {
            return vec![end_of(session_id)];
        }
        vec![Action::Report(Report::SessionStarted { session_id, peer_id })]
    }

    /// A consumer wants this producer's media. A client that does not produce says so at once, and not by silence.
    fn session_requested(
        &mut self,
        session_id: String,
        peer_id: String,
        offer: Option<String>,
    ) -> Vec<Action> {
        if self.role != WebRTCSignallerRole::Producer {
            return vec![
                refused(
                    &session_id,
                    "the server asked for media of a client that does not produce",
                ),
                end_of(session_id),
            ];
        }
        if !self.admit(&session_id) {
            return vec![end_of(session_id)];
        }
        vec![Action::Report(Report::SessionRequested {
            session_id,
            peer_id,
            offer,
        })]
    }

    /// Remembers a session, unless there are absurdly many.
    fn admit(&mut self, session_id: &str) -> bool {
        let has_room = self.sessions.len() < MAX_SESSIONS;
        if has_room {
            self.had_session = true;
            self.sessions.insert(session_id.to_owned());
        }
        has_room
    }

    fn peer_message(&mut self, message: PeerMessage) -> Vec<Action> {
        let session_id = message.session_id;
        let report = match message.peer_message {
            PeerMessageInner::Sdp(description) => Report::Description {
                session_id,
                description,
            },
            PeerMessageInner::Ice {
                candidate,
                sdp_m_line_index,
                sdp_mid,
                ..
            } => Report::Candidate {
                session_id,
                index: sdp_m_line_index,
                mid: sdp_mid,
                candidate,
            },
        };
        vec![Action::Report(report)]
    }

    /// The server refuses requests by an error that names none of them. Only a consumer that waits for its very first
    /// session has nothing else to do than to fail; after a reconnection its producer may not be back yet.
    fn server_error(&mut self, details: &str) -> Vec<Action> {
        let text = format!("Error message from server: {details}");
        if !std::mem::take(&mut self.is_asking) {
            return vec![warning(text)];
        }
        match self.target {
            Target::First => vec![warning(text)],
            _ if self.had_session => vec![warning(text), Action::RetryLater],
            _ => vec![error(text)],
        }
    }

    /// A message for the peer of a session, which the server relays unopened.
    fn send(&mut self, session_id: String, message: PeerMessageInner) -> Vec<Action> {
        // The server forgot the session together with the connection.
        if self.link != Link::Up {
            return Vec::new();
        }
        vec![Action::Send(IncomingMessage::Peer(PeerMessage {
            session_id,
            peer_message: message,
        }))]
    }

    fn end(&mut self, session_id: String, error: Option<String>) -> Vec<Action> {
        self.sessions.remove(&session_id);
        if self.link != Link::Up {
            return Vec::new();
        }
        let with_reason = error.map(|error| {
            Action::Send(IncomingMessage::EndSessionV1_1(EndSessionMessageV1_1 {
                session_id: session_id.clone(),
                error: Some(error),
            }))
        });
        // A server from before 1.1 drops the first message and would never tell the peer; a newer one ignores the
        // second, since the session is gone.
        with_reason.into_iter().chain([end_of(session_id)]).collect()
    }
}

/// More producers than any listener shows; a hostile server does not fill the memory.
const MAX_PRODUCERS: usize = 10_000;
/// More sessions than any machine serves.
const MAX_SESSIONS: usize = 10_000;

fn end_of(session_id: String) -> Action {
    Action::Send(IncomingMessage::EndSession(EndSessionMessage { session_id }))
}

fn warning(text: String) -> Action {
    Action::Report(Report::Warning(text))
}

fn error(text: String) -> Action {
    Action::Report(Report::Error(text))
}

fn refused(session_id: &str, why: &str) -> Action {
    warning(format!("session {session_id} is refused: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn welcomed(role: WebRTCSignallerRole, target: Target) -> (Machine, Vec<Action>) {
        let mut machine = Machine::new(role, target);
        machine.handle(Input::Connected {
            meta: Some(json!({"name": "m"})),
        });
        let actions = machine.handle(Input::Message(OutgoingMessage::Welcome { peer_id: "me".into() }));
        (machine, actions)
    }

    fn producer() -> Machine {
        welcomed(WebRTCSignallerRole::Producer, Target::None).0
    }

    fn consumer() -> Machine {
        welcomed(WebRTCSignallerRole::Consumer, Target::Producer("p".into())).0
    }

    fn status(roles: Vec<PeerRole>) -> Action {
        let meta = Some(json!({"name": "m"}));
        Action::Send(IncomingMessage::SetPeerStatus(PeerStatus {
            roles,
            meta,
            peer_id: Some("me".into()),
        }))
    }

    fn start(peer_id: &str) -> Action {
        let peer_id = peer_id.into();
        Action::Send(IncomingMessage::StartSession(StartSessionMessage {
            peer_id,
            offer: None,
        }))
    }

    fn client_id(id: Option<&str>) -> Action {
        Action::Report(Report::ClientId(id.map(str::to_owned)))
    }

    fn error_from_server() -> Input {
        Input::Message(OutgoingMessage::Error { details: "no".into() })
    }

    fn session_started(session_id: &str) -> Input {
        let (peer_id, session_id) = ("p".into(), session_id.into());
        Input::Message(OutgoingMessage::SessionStarted { peer_id, session_id })
    }

    fn producing(id: &str) -> Input {
        Input::Message(OutgoingMessage::PeerStatusChanged(PeerStatus {
            roles: vec![PeerRole::Producer],
            meta: None,
            peer_id: Some(id.into()),
        }))
    }

    #[test]
    fn the_version_is_chosen_before_anything_else() {
        let mut machine = Machine::new(WebRTCSignallerRole::Producer, Target::None);
        let version = IncomingMessage::SetProtocolVersion {
            version: ProtocolVersion::V1_1,
        };
        assert_eq!(
            machine.handle(Input::Connected { meta: None }),
            [Action::Send(version)]
        );
    }

    #[test]
    fn a_welcome_is_answered_by_what_the_role_asks_for() {
        let id = || client_id(Some("me"));
        let list = || Action::Send(IncomingMessage::List);
        let cases = [
            (
                WebRTCSignallerRole::Producer,
                Target::None,
                vec![id(), status(vec![PeerRole::Producer])],
            ),
            (
                WebRTCSignallerRole::Listener,
                Target::None,
                vec![id(), status(vec![PeerRole::Listener]), list()],
            ),
            (
                WebRTCSignallerRole::Consumer,
                Target::None,
                vec![id(), status(vec![PeerRole::Consumer])],
            ),
            (
                WebRTCSignallerRole::Consumer,
                Target::First,
                vec![id(), status(vec![PeerRole::Listener]), list()],
            ),
            (
                WebRTCSignallerRole::Consumer,
                Target::Producer("p".into()),
                vec![id(), status(vec![]), start("p")],
            ),
        ];
        for (role, target, expected) in cases {
            assert_eq!(welcomed(role, target.clone()).1, expected, "{role:?} {target:?}");
        }
    }

    #[test]
    fn the_first_connection_failing_is_an_error() {
        let mut machine = Machine::new(WebRTCSignallerRole::Producer, Target::None);
        let actions = machine.handle(Input::ConnectFailed("no route".into()));
        assert_eq!(actions, [error("no route".into()), Action::GiveUp]);
    }

    #[test]
    fn a_lost_connection_is_made_again() {
        let mut machine = producer();
        let actions = machine.handle(Input::Lost("reset".into()));
        assert!(matches!(
            &actions[..],
            [
                Action::Report(Report::ClientId(None)),
                Action::Report(Report::Warning(_)),
                Action::Reconnect
            ]
        ));
        assert_eq!(
            machine.handle(Input::ConnectFailed("refused".into())),
            [Action::Reconnect]
        );
        machine.handle(Input::Connected { meta: None });
        let actions = machine.handle(Input::Message(OutgoingMessage::Welcome {
            peer_id: "again".into(),
        }));
        assert_eq!(actions[0], client_id(Some("again")));
    }

    #[test]
    fn an_unknown_producer_is_an_error_at_first_and_waited_for_later() {
        let mut machine = consumer();
        assert_eq!(
            machine.handle(error_from_server()),
            [error("Error message from server: no".into())]
        );

        let mut machine = consumer();
        machine.handle(session_started("s"));
        machine.handle(Input::Message(OutgoingMessage::EndSession(EndSessionMessage {
            session_id: "s".into(),
        })));
        machine.handle(Input::Lost("reset".into()));
        machine.handle(Input::Connected { meta: None });
        machine.handle(Input::Message(OutgoingMessage::Welcome {
            peer_id: "again".into(),
        }));
        let actions = machine.handle(error_from_server());
        assert!(matches!(
            &actions[..],
            [Action::Report(Report::Warning(_)), Action::RetryLater]
        ));
        assert_eq!(machine.handle(Input::Retry), [start("p")]);
    }

    #[test]
    fn errors_of_the_server_never_end_a_producer() {
        let mut machine = producer();
        let actions = machine.handle(error_from_server());
        assert!(
            matches!(&actions[..], [Action::Report(Report::Warning(_))]),
            "{actions:?}"
        );
    }

    #[test]
    fn a_running_session_is_not_asked_for_again_after_a_reconnection() {
        let mut machine = consumer();
        machine.handle(session_started("s"));
        machine.handle(Input::Lost("reset".into()));
        machine.handle(Input::Connected { meta: None });
        let actions = machine.handle(Input::Message(OutgoingMessage::Welcome {
            peer_id: "again".into(),
        }));
        assert!(!actions.contains(&start("p")), "{actions:?}");
    }

    #[test]
    fn the_first_producer_is_taken_from_the_list_or_when_it_comes() {
        let chosen = |id: &str| Action::Report(Report::ProducerChosen(id.into()));
        let (mut machine, _) = welcomed(WebRTCSignallerRole::Consumer, Target::First);
        let none = Input::Message(OutgoingMessage::List { producers: vec![] });
        assert_eq!(machine.handle(none), []);
        let actions = machine.handle(producing("a"));
        assert_eq!(actions[1..], [chosen("a"), start("a")]);
        let actions = machine.handle(producing("b"));
        assert_eq!(actions.len(), 1, "only one is asked: {actions:?}");
    }

    #[test]
    fn a_listener_sees_producers_come_and_go_once() {
        let (mut machine, _) = welcomed(WebRTCSignallerRole::Listener, Target::None);
        assert_eq!(machine.handle(producing("a")).len(), 1);
        assert_eq!(machine.handle(producing("a")), []);
        let gone = || {
            let peer_id = Some("a".into());
            Input::Message(OutgoingMessage::PeerStatusChanged(PeerStatus {
                peer_id,
                ..PeerStatus::default()
            }))
        };
        let removed = Action::Report(Report::ProducerRemoved {
            id: "a".into(),
            meta: Value::Null,
        });
        assert_eq!(machine.handle(gone()), [removed]);
        assert_eq!(machine.handle(gone()), []);
    }

    #[test]
    fn a_reconnected_listener_forgets_what_it_saw() {
        let (mut machine, _) = welcomed(WebRTCSignallerRole::Listener, Target::None);
        machine.handle(producing("a"));
        machine.handle(Input::Lost("reset".into()));
        machine.handle(Input::Connected { meta: None });
        let actions = machine.handle(Input::Message(OutgoingMessage::Welcome {
            peer_id: "again".into(),
        }));
        let removed = Action::Report(Report::ProducerRemoved {
            id: "a".into(),
            meta: Value::Null,
        });
        assert!(actions.contains(&removed), "{actions:?}");
    }

    #[test]
    fn an_end_with_a_reason_is_understood_by_old_servers_too() {
        let mut machine = producer();
        let actions = machine.handle(Input::End {
            session_id: "s".into(),
            error: Some("timeout".into()),
        });
        let with_reason = EndSessionMessageV1_1 {
            session_id: "s".into(),
            error: Some("timeout".into()),
        };
        assert_eq!(
            actions,
            [
                Action::Send(IncomingMessage::EndSessionV1_1(with_reason)),
                end_of("s".into())
            ]
        );
        let actions = machine.handle(Input::End {
            session_id: "s".into(),
            error: None,
        });
        assert_eq!(actions, [end_of("s".into())]);
    }

    #[test]
    fn nothing_is_sent_while_there_is_no_connection() {
        let mut machine = producer();
        machine.handle(Input::Lost("reset".into()));
        let message = PeerMessageInner::Sdp(SdpMessage::Offer { sdp: "v=0".into() });
        assert_eq!(
            machine.handle(Input::Send {
                session_id: "s".into(),
                message
            }),
            []
        );
        assert_eq!(
            machine.handle(Input::End {
                session_id: "s".into(),
                error: None
            }),
            []
        );
    }

    #[test]
    fn sessions_for_the_wrong_role_are_refused() {
        let mut machine = consumer();
        let (session_id, peer_id) = ("s".to_owned(), "x".to_owned());
        let actions = machine.handle(Input::Message(OutgoingMessage::StartSession {
            peer_id,
            session_id,
            offer: None,
        }));
        assert!(
            matches!(
                &actions[..],
                [Action::Report(Report::Warning(_)), Action::Send(_)]
            ),
            "{actions:?}"
        );
        let actions = producer().handle(session_started("s"));
        assert!(
            matches!(&actions[..], [Action::Report(Report::Warning(_))]),
            "{actions:?}"
        );
    }

    #[test]
    fn a_hostile_server_does_not_fill_the_memory() {
        let mut machine = producer();
        for n in 0..MAX_SESSIONS + 10 {
            let (session_id, peer_id) = (n.to_string(), "x".to_owned());
            machine.handle(Input::Message(OutgoingMessage::StartSession {
                peer_id,
                session_id,
                offer: None,
            }));
        }
        assert_eq!(machine.sessions.len(), MAX_SESSIONS);
        let (mut machine, _) = welcomed(WebRTCSignallerRole::Listener, Target::None);
        for n in 0..MAX_PRODUCERS + 10 {
            machine.handle(producing(&n.to_string()));
        }
        assert_eq!(machine.producers.len(), MAX_PRODUCERS);
    }
}
