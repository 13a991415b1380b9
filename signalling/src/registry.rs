// SPDX-License-Identifier: MPL-2.0
//! Who is present and who talks to whom: every rule of the protocol, as a pure machine.
//!
//! An [`Event`] goes in, the messages to send come out. The hub feeds it, under its lock, in the order of
//! arrival; sockets, queues and clocks are none of its business. Peers and sessions are named by random ids
//! that the caller makes, so that tests can choose them.
//!
//! `registry/status.rs` holds the rules about roles and metadata, `registry/sessions.rs` those about sessions.
//! A peer is only ever answered or told about what its own message or somebody's departure changed, and what
//! a message may not do is checked before anything is changed.

use std::collections::{BTreeSet, HashMap};

use gst_plugin_webrtc_signalling_protocol::{
    IncomingMessage, OutgoingMessage, PeerId, PeerRole, ProtocolVersion, SessionId,
};

use crate::Limits;

pub(crate) use listing::Listing;
use listing::{Listed, Meta};
use refusal::Refusal;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod invariants;
mod listing;
mod refusal;
mod sessions;
mod status;

/// Everything the server knows of its peers.
pub(crate) struct Registry {
    peers: HashMap<PeerId, Member>,
    sessions: HashMap<SessionId, Session>,
    /// Peers that joined so far; numbers them.
    joined: u64,
    /// Bytes of the metadata of all peers, as compact JSON.
    meta_bytes: usize,
    limits: Limits,
    new_session_id: Box<dyn FnMut() -> SessionId + Send>,
}

/// What can happen to the registry.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// A peer connected, with a fresh id.
    Joined(PeerId),
    /// A peer sent a message.
    Message { from: PeerId, message: IncomingMessage },
    /// A peer's connection is gone.
    Left(PeerId),
}

/// What the registry wants done.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Action {
    /// Send a message to one peer.
    Send { to: PeerId, message: OutgoingMessage },
    /// Send the same message to several peers.
    Announce {
        to: Vec<PeerId>,
        message: OutgoingMessage,
    },
    /// Send a list of peers to one peer.
    List { to: PeerId, listing: Listing },
}

/// How many of each there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Census {
    /// Everybody who was welcomed and has not left.
    pub(crate) peers: usize,
    pub(crate) producers: usize,
    /// Passive ones only; who consumes by its own request has no role.
    pub(crate) consumers: usize,
    pub(crate) listeners: usize,
    pub(crate) sessions: usize,
}

/// One peer.
#[derive(Debug, Default)]
struct Member {
    /// Position in the order of joining, which lists follow.
    number: u64,
    /// Without duplicates, in the order the peer gave them.
    roles: Vec<PeerRole>,
    meta: Option<Meta>,
    version: ProtocolVersion,
    /// Whether a message of this peer was accepted; then it's too late to choose a version.
    has_spoken: bool,
    /// The sessions this peer is part of, on either side.
    sessions: BTreeSet<SessionId>,
}

/// Two peers that talk to each other; they may be the same.
#[derive(Debug)]
struct Session {
    producer: PeerId,
    consumer: PeerId,
}

impl Registry {
    /// An empty registry; `new_session_id` must never repeat itself.
    pub(crate) fn new(limits: Limits, new_session_id: impl FnMut() -> SessionId + Send + 'static) -> Self {
        Self {
            peers: HashMap::new(),
            sessions: HashMap::new(),
            joined: 0,
            meta_bytes: 0,
            limits,
            new_session_id: Box::new(new_session_id),
        }
    }

    /// Applies the rules to what happened; the actions are in the order they must reach each peer.
    pub(crate) fn handle(&mut self, event: Event) -> Vec<Action> {
        match event {
            Event::Joined(peer) => self.join(peer),
            Event::Left(peer) => self.leave(&peer),
            Event::Message { from, message } => match self.apply(&from, message) {
                Ok(actions) => {
                    self.has_spoken(&from);
                    actions
                }
                Err(refusal) => refuse(from, &refusal),
            },
        }
    }

    /// Counts what is present.
    pub(crate) fn census(&self) -> Census {
        let with_role = |role| {
            self.peers
                .values()
                .filter(|member| member.roles.contains(&role))
                .count()
        };
        Census {
            peers: self.peers.len(),
            producers: with_role(PeerRole::Producer),
            consumers: with_role(PeerRole::Consumer),
            listeners: with_role(PeerRole::Listener),
            sessions: self.sessions.len(),
        }
    }

    /// Registers a peer without roles. That is all `newPeer` ever meant; it is not taken from the wire, where it
    /// would wipe the roles of a peer whose sessions live on.
    fn join(&mut self, peer: PeerId) -> Vec<Action> {
        let number = self.joined;
        self.joined += 1;
        self.peers.insert(
            peer.clone(),
            Member {
                number,
                ..Member::default()
            },
        );
        vec![send(
            &peer,
            OutgoingMessage::Welcome {
                peer_id: peer.clone(),
            },
        )]
    }

    /// Forgets a peer. Those it talked to hear of their sessions before listeners hear of the peer, so that a
    /// listener which is also one of them can tell why.
    fn leave(&mut self, peer: &str) -> Vec<Action> {
        let mut actions = self.end_all_produced(peer);
        actions.append(&mut self.end_all_consumed(peer));
        let Some(member) = self.peers.remove(peer) else {
            return actions;
        };
        self.meta_bytes -= Meta::bytes(&member.meta);
        let meta = member.meta.map(|meta| meta.value());
        actions.extend(self.announce_status(peer, Vec::new(), meta));
        actions
    }

    /// Decides about one message. Nothing has changed when it is refused.
    fn apply(&mut self, from: &str, message: IncomingMessage) -> Result<Vec<Action>, Refusal> {
        match message {
            IncomingMessage::NewPeer => Err(Refusal::Reserved),
            IncomingMessage::SetPeerStatus(status) => self.set_status(from, status),
            IncomingMessage::SetProtocolVersion { version } => self.set_version(from, version),
            IncomingMessage::List => Ok(vec![self.list(from)]),
            IncomingMessage::ListConsumers => Ok(vec![self.list_consumers(from)]),
            IncomingMessage::StartSession(request) => self.start_session(from, request),
            IncomingMessage::Peer(message) => self.relay(from, message),
            IncomingMessage::EndSession(end) => self.end_session(from, &end.session_id, None),
            IncomingMessage::EndSessionV1_1(end) => self.end_session(from, &end.session_id, end.error),
        }
    }

    fn set_version(&mut self, from: &str, version: ProtocolVersion) -> Result<Vec<Action>, Refusal> {
        let member = self
            .peers
            .get_mut(from)
            .ok_or_else(|| Refusal::NotWelcomed(from.into()))?;
        if member.has_spoken {
            return Err(Refusal::LateVersion(from.into()));
        }
        member.version = version;
        Ok(Vec::new())
    }

    /// From now on it is too late to choose a version.
    fn has_spoken(&mut self, peer: &str) {
        if let Some(member) = self.peers.get_mut(peer) {
            member.has_spoken = true;
        }
    }

    fn list(&self, to: &str) -> Action {
        let listing = Listing::List {
            producers: self.peers_with(PeerRole::Producer),
        };
        Action::List {
            to: to.into(),
            listing,
        }
    }

    fn list_consumers(&self, to: &str) -> Action {
        let listing = Listing::ListConsumers {
            consumers: self.peers_with(PeerRole::Consumer),
        };
        Action::List {
            to: to.into(),
            listing,
        }
    }

    /// All peers with a role, in the order they joined.
    fn peers_with(&self, role: PeerRole) -> Vec<Listed> {
        let mut found: Vec<_> = self
            .peers
            .iter()
            .filter(|(_, member)| member.roles.contains(&role))
            .collect();
        found.sort_unstable_by_key(|(_, member)| member.number);
        found
            .into_iter()
            .map(|(id, member)| Listed {
                id: id.clone(),
                meta: member.meta.clone(),
            })
            .collect()
    }
}

/// Answers what was refused, unless it is not to be answered.
fn refuse(from: PeerId, refusal: &Refusal) -> Vec<Action> {
    let mut details = refusal.to_string();
    // It may repeat what the peer sent, of whatever length and content.
    details.truncate(details.floor_char_boundary(MAX_DETAILS));
    tracing::debug!(peer = %from, "refused: {details:?}");
    if !refusal.is_answered() {
        return Vec::new();
    }
    vec![Action::Send {
        to: from,
        message: OutgoingMessage::Error { details },
    }]
}

fn send(to: &str, message: OutgoingMessage) -> Action {
    Action::Send {
        to: to.into(),
        message,
    }
}

/// Holds every refusal of a message with ids of ours, which have 36 characters.
const MAX_DETAILS: usize = 500;

#[cfg(test)]
mod tests {
    use super::{fixture::*, *};

    #[test]
    fn a_new_peer_is_welcomed_with_its_id() {
        let mut registry = registry();
        let expected = vec![send("p", OutgoingMessage::Welcome { peer_id: "p".into() })];
        assert_eq!(registry.handle(Event::Joined("p".into())), expected);
    }

    #[test]
    fn peers_may_not_send_the_servers_own_message() {
        let mut registry = registry_with(&["p", "c"]);
        say(&mut registry, "p", producer(None));
        say(&mut registry, "c", start("p"));
        assert_error(
            say(&mut registry, "p", IncomingMessage::NewPeer),
            "p",
            "newPeer is not for peers to send",
        );
        assert_eq!(registry.census().producers, 1);
        assert_eq!(registry.census().sessions, 1);
    }

    #[test]
    fn lists_follow_the_order_of_joining_and_include_the_asker() {
        let names = ["e", "b", "d", "a", "c"];
        let mut registry = registry_with(&names);
        for name in names {
            say(&mut registry, name, producer(Some(name)));
        }
        let producers = names.map(|name| listed(name, Some(name))).to_vec();
        let expected = vec![Action::List {
            to: "d".into(),
            listing: Listing::List { producers },
        }];
        assert_eq!(say(&mut registry, "d", IncomingMessage::List), expected);
    }

    #[test]
    fn a_peer_without_roles_may_list() {
        let mut registry = registry_with(&["p", "c", "nobody"]);
        say(&mut registry, "p", producer(None));
        say(&mut registry, "c", consumer(Some("screen")));
        let list = |listing| {
            vec![Action::List {
                to: "nobody".into(),
                listing,
            }]
        };
        let producers = Listing::List {
            producers: vec![listed("p", None)],
        };
        assert_eq!(
            say(&mut registry, "nobody", IncomingMessage::List),
            list(producers)
        );
        let consumers = Listing::ListConsumers {
            consumers: vec![listed("c", Some("screen"))],
        };
        assert_eq!(
            say(&mut registry, "nobody", IncomingMessage::ListConsumers),
            list(consumers)
        );
    }

    #[test]
    fn an_answer_does_not_repeat_all_that_was_sent() {
        let mut registry = registry_with(&["p"]);
        let long = "\u{1b}ä".repeat(100_000);
        let actions = say(&mut registry, "p", start(&long));
        let [
            Action::Send {
                message: OutgoingMessage::Error { details },
                ..
            },
        ] = &actions[..]
        else {
            panic!("{actions:?}")
        };
        assert!(
            details.starts_with("Peer with ID '") && details.len() <= MAX_DETAILS,
            "{}",
            details.len()
        );
    }

    #[test]
    fn a_version_is_chosen_first_and_once() {
        let late = |peer| format!("Protocol version selection for peer '{peer}' must be first message");
        let mut registry = registry_with(&["a", "b"]);
        assert_eq!(say(&mut registry, "a", version(ProtocolVersion::V1_1)), vec![]);
        assert_error(
            say(&mut registry, "a", version(ProtocolVersion::V1_1)),
            "a",
            &late("a"),
        );
        say(&mut registry, "b", IncomingMessage::List);
        assert_error(
            say(&mut registry, "b", version(ProtocolVersion::V1_0)),
            "b",
            &late("b"),
        );
    }

    #[test]
    fn a_refused_message_is_not_the_first() {
        let mut registry = registry_with(&["p"]);
        say(&mut registry, "p", start("nobody"));
        assert_eq!(say(&mut registry, "p", version(ProtocolVersion::V1_1)), vec![]);
    }

    #[test]
    fn whoever_was_not_welcomed_is_told() {
        let mut registry = registry();
        let details = "Peer 'x' hasn't been welcomed";
        assert_error(say(&mut registry, "x", producer(None)), "x", details);
        assert_error(
            say(&mut registry, "x", version(ProtocolVersion::V1_1)),
            "x",
            details,
        );
    }

    #[test]
    fn a_leaving_peer_ends_its_sessions_first_and_then_its_status() {
        let mut registry = registry_with(&["p", "c", "q", "l"]);
        say(&mut registry, "l", listener());
        say(&mut registry, "p", producer(Some("cam")));
        say(&mut registry, "q", producer(None));
        say(&mut registry, "p", start("q"));
        say(&mut registry, "c", start("p"));
        let expected = vec![
            ended("c", "session-2"),
            ended("q", "session-1"),
            announced(&["l"], "p", &[], meta("cam")),
        ];
        assert_eq!(registry.handle(Event::Left("p".into())), expected);
        assert_eq!(
            registry.census(),
            Census {
                peers: 3,
                producers: 1,
                listeners: 1,
                ..Census::default()
            }
        );
    }

    #[test]
    fn a_leaving_peer_without_roles_is_announced_too() {
        let mut registry = registry_with(&["l", "c"]);
        say(&mut registry, "l", listener());
        assert_eq!(
            registry.handle(Event::Left("c".into())),
            vec![announced(&["l"], "c", &[], None)]
        );
    }

    #[test]
    fn nobody_hears_of_a_peer_that_never_was() {
        let mut registry = registry_with(&["l"]);
        say(&mut registry, "l", listener());
        assert_eq!(registry.handle(Event::Left("x".into())), vec![]);
    }
}
