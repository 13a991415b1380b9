// SPDX-License-Identifier: MPL-2.0
//! The meeting point of all connections: the registry, and a queue to every peer, behind one lock.
//!
//! Connections call in from their tasks; what the registry answers is put into the queues before the lock is
//! released, so that every peer sees things in the order they happened. Nothing in here waits: a queue that is
//! full costs its peer the connection. A [`Membership`] leaves the hub when it is dropped, whatever ended its
//! connection.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_tungstenite::tungstenite::Utf8Bytes;
use gst_plugin_webrtc_signalling_protocol::{IncomingMessage, OutgoingMessage, PeerId};
use serde::Serialize;
use thiserror::Error;
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::{
    Limits,
    metrics::Metrics,
    outbox::{Origin, Outbox, Overflow, Waiting, outbox},
    registry::{Action, Census, Event, Registry},
};

pub(crate) struct Hub {
    pub(crate) limits: Limits,
    pub(crate) metrics: Metrics,
    /// Held for as long as a message is applied and queued, never across a wait.
    state: Mutex<State>,
}

struct State {
    registry: Registry,
    /// The same peers as in the registry.
    members: HashMap<PeerId, Member>,
    /// Set once; from then on nothing is delivered.
    is_closed: bool,
}

/// The hub's side of a connection.
struct Member {
    address: IpAddr,
    outbox: Outbox,
    /// Taken when the peer is told to go.
    farewell: Option<oneshot::Sender<Farewell>>,
}

/// The connection's side of it.
pub(crate) struct Membership {
    pub(crate) id: PeerId,
    pub(crate) waiting: Waiting,
    /// Resolves when the hub wants the connection to end.
    pub(crate) farewell: oneshot::Receiver<Farewell>,
    hub: Arc<Hub>,
}

/// What became of the messages an event caused.
#[derive(Debug, Default)]
struct Delivered {
    /// Bytes queued, counted per receiver.
    bytes: usize,
    /// Who had no room for what another peer sent it.
    lost_to: Option<PeerId>,
}

/// Why the hub ends a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Farewell {
    /// The server shuts down.
    GoingAway,
    /// The peer does not read what it is sent.
    TooSlow,
}

/// Why a peer is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum Full {
    #[error("the server shuts down")]
    Closed,
    #[error("too many peers")]
    Peers,
    #[error("too many peers from this address")]
    PeersOfAddress,
}

impl Hub {
    pub(crate) fn new(limits: Limits) -> Self {
        let registry = Registry::new(limits.clone(), || Uuid::new_v4().to_string());
        let state = State {
            registry,
            members: HashMap::new(),
            is_closed: false,
        };
        Self {
            limits,
            metrics: Metrics::default(),
            state: Mutex::new(state),
        }
    }

    /// Lets a peer in and queues its welcome, so that nothing can come before it.
    pub(crate) fn join(self: &Arc<Self>, address: IpAddr) -> Result<Membership, Full> {
        let mut state = self.state();
        state.check_room(address, &self.limits)?;
        let id = Uuid::new_v4().to_string();
        let (outbox, waiting) = outbox(self.limits.max_queued_messages, self.limits.max_queued_bytes);
        let (sender, farewell) = oneshot::channel();
        state.members.insert(
            id.clone(),
            Member {
                address,
                outbox,
                farewell: Some(sender),
            },
        );
        let actions = state.registry.handle(Event::Joined(id.clone()));
        state.deliver(actions, &self.metrics);
        Ok(Membership {
            id,
            waiting,
            farewell,
            hub: self.clone(),
        })
    }

    /// Asks every connection to end, and admits no more. Nobody is told about the others' leaving: sessions
    /// keep their media when only the server goes.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.is_closed = true;
        for member in state.members.values_mut() {
            member.dismiss(Farewell::GoingAway);
        }
    }

    pub(crate) fn census(&self) -> Census {
        self.state().registry.census()
    }

    /// Removes a peer. Its own queue goes first: what its leaving causes is for the others.
    fn leave(&self, id: &str) {
        let mut state = self.state();
        state.members.remove(id);
        let actions = state.registry.handle(Event::Left(id.into()));
        state.deliver(actions, &self.metrics);
    }

    /// The one way to the state. It is consistent even after a panic elsewhere: the registry's methods check
    /// first and change afterwards.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Membership {
    /// Applies a message of this peer. Returns how many bytes it made the server send.
    pub(crate) fn say(&self, message: IncomingMessage) -> usize {
        let mut state = self.hub.state();
        let actions = state.registry.handle(Event::Message {
            from: self.id.clone(),
            message,
        });
        let delivered = state.deliver(actions, &self.hub.metrics);
        delivered.bytes
            + delivered
                .lost_to
                .map_or(0, |peer| state.complain(&self.id, too_busy(&peer), &self.hub))
    }

    /// Tells this peer that what it sent is no message.
    pub(crate) fn complain(&self, details: String) -> usize {
        self.hub.state().complain(&self.id, details, &self.hub)
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.hub.leave(&self.id);
    }
}

impl State {
    fn check_room(&self, address: IpAddr, limits: &Limits) -> Result<(), Full> {
        let of_address = || {
            self.members
                .values()
                .filter(|member| member.address == address)
                .count()
        };
        if self.is_closed {
            Err(Full::Closed)
        } else if self.members.len() >= limits.max_peers {
            Err(Full::Peers)
        } else if limits.max_peers_per_address > 0 && of_address() >= limits.max_peers_per_address {
            Err(Full::PeersOfAddress)
        } else {
            Ok(())
        }
    }

    /// Puts messages into the queues of their receivers.
    fn deliver(&mut self, actions: Vec<Action>, metrics: &Metrics) -> Delivered {
        let mut delivered = Delivered::default();
        if self.is_closed {
            return delivered;
        }
        for action in actions {
            delivered.bytes += match action {
                Action::Announce { to, message } => self.push(&to, &message, metrics),
                Action::List { to, listing } => self.push(&[to], &listing, metrics),
                Action::Send {
                    to,
                    message: message @ OutgoingMessage::Peer(_),
                } => {
                    let text = to_text(&message);
                    let bytes = text.len();
                    if self.relay(&to, text, metrics).is_err() {
                        delivered.lost_to = Some(to);
                    }
                    bytes
                }
                Action::Send { to, message } => {
                    if matches!(message, OutgoingMessage::Error { .. }) {
                        metrics.errors_replied.count();
                    }
                    self.push(&[to], &message, metrics)
                }
            };
        }
        delivered
    }

    /// Queues what the server has to say. Whoever has no room for it is dismissed. Returns the bytes, counted per
    /// receiver.
    fn push(&mut self, to: &[PeerId], message: &impl Serialize, metrics: &Metrics) -> usize {
        let text = to_text(message);
        for peer in to {
            let Some(member) = self.members.get_mut(peer) else {
                continue;
            };
            match member.outbox.push(text.clone(), Origin::Server) {
                Ok(()) => metrics.messages_sent.count(),
                Err(Overflow) if member.dismiss(Farewell::TooSlow) => metrics.slow_peers.count(),
                Err(Overflow) => {}
            }
        }
        text.len() * to.len()
    }

    /// Queues what one peer says to another, if there is room. The receiver is not to blame if there is none: the
    /// senders may be many.
    fn relay(&self, to: &str, text: Utf8Bytes, metrics: &Metrics) -> Result<(), Overflow> {
        let Some(member) = self.members.get(to) else {
            return Ok(());
        };
        member.outbox.push(text, Origin::Peer)?;
        metrics.messages_sent.count();
        Ok(())
    }

    fn complain(&mut self, to: &PeerId, details: String, hub: &Hub) -> usize {
        let action = Action::Send {
            to: to.clone(),
            message: OutgoingMessage::Error { details },
        };
        self.deliver(vec![action], &hub.metrics).bytes
    }
}

fn to_text(message: &impl Serialize) -> Utf8Bytes {
    serde_json::to_string(message)
        .expect("every message has a JSON form")
        .into()
}

fn too_busy(peer: &str) -> String {
    format!("Peer {peer} does not read as fast as it is sent to, the message is lost")
}

impl Member {
    /// Asks the connection to end; false if it was asked before.
    fn dismiss(&mut self, farewell: Farewell) -> bool {
        // The receiver may be gone already; then the connection is ending by itself.
        self.farewell
            .take()
            .is_some_and(|sender| sender.send(farewell).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use futures::FutureExt;
    use gst_plugin_webrtc_signalling_protocol::{
        PeerMessage, PeerMessageInner, PeerRole, PeerStatus, SdpMessage, StartSessionMessage,
    };

    use super::*;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const THERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

    fn hub(limits: Limits) -> Arc<Hub> {
        Arc::new(Hub::new(limits))
    }

    fn next(member: &mut Membership) -> Option<OutgoingMessage> {
        let text = member.waiting.next().now_or_never().flatten()?;
        Some(serde_json::from_str(&text).unwrap())
    }

    fn listener() -> IncomingMessage {
        let status = PeerStatus {
            roles: vec![PeerRole::Listener],
            ..PeerStatus::default()
        };
        IncomingMessage::SetPeerStatus(status)
    }

    #[test]
    fn everybody_gets_an_id_of_its_own() {
        let hub = hub(Limits::default());
        let (mut a, mut b) = (hub.join(HERE).unwrap(), hub.join(HERE).unwrap());
        assert_ne!(a.id, b.id);
        assert_eq!(
            next(&mut a),
            Some(OutgoingMessage::Welcome {
                peer_id: a.id.clone()
            })
        );
        assert_eq!(
            next(&mut b),
            Some(OutgoingMessage::Welcome {
                peer_id: b.id.clone()
            })
        );
    }

    #[test]
    fn a_dropped_membership_leaves() {
        let hub = hub(Limits::default());
        let mut listening = hub.join(HERE).unwrap();
        listening.say(listener());
        let leaving = hub.join(HERE).unwrap();
        let id = leaving.id.clone();
        drop(leaving);
        assert_eq!(hub.census().peers, 1);
        let told = [next(&mut listening), next(&mut listening), next(&mut listening)];
        let expected = PeerStatus {
            peer_id: Some(id),
            ..PeerStatus::default()
        };
        assert_eq!(told[2], Some(OutgoingMessage::PeerStatusChanged(expected)));
    }

    #[test]
    fn who_does_not_read_is_dismissed_and_nobody_else() {
        let hub = hub(Limits {
            max_queued_messages: 4,
            ..Limits::default()
        });
        let mut slow = hub.join(HERE).unwrap();
        let mut quick = hub.join(HERE).unwrap();
        for _ in 0..100 {
            slow.say(IncomingMessage::List);
            quick.say(IncomingMessage::List);
            while next(&mut quick).is_some() {}
        }
        assert_eq!(slow.farewell.try_recv(), Ok(Farewell::TooSlow));
        assert!(quick.farewell.try_recv().is_err());
        assert!(hub.metrics.render(hub.census()).contains("slow_peers_total 1\n"));
    }

    #[test]
    fn a_flood_from_another_peer_is_lost_and_dismisses_nobody() {
        let hub = hub(Limits {
            max_queued_messages: 8,
            ..Limits::default()
        });
        let mut producing = hub.join(HERE).unwrap();
        let status = PeerStatus {
            roles: vec![PeerRole::Producer],
            ..PeerStatus::default()
        };
        producing.say(IncomingMessage::SetPeerStatus(status));
        let mut flooding = hub.join(HERE).unwrap();
        let start = StartSessionMessage {
            peer_id: producing.id.clone(),
            offer: None,
        };
        flooding.say(IncomingMessage::StartSession(start));
        let started = [next(&mut flooding), next(&mut flooding)];
        let Some(OutgoingMessage::SessionStarted { session_id, .. }) = &started[1] else {
            panic!("{started:?}")
        };
        let sdp = PeerMessageInner::Sdp(SdpMessage::Answer { sdp: "v=0".into() });
        let message = PeerMessage {
            session_id: session_id.clone(),
            peer_message: sdp,
        };
        for _ in 0..4 {
            flooding.say(IncomingMessage::Peer(message.clone()));
        }
        assert_eq!(next(&mut flooding), None);
        flooding.say(IncomingMessage::Peer(message));
        let details = too_busy(&producing.id);
        assert_eq!(next(&mut flooding), Some(OutgoingMessage::Error { details }));
        assert!(producing.farewell.try_recv().is_err());
        assert_eq!(std::iter::from_fn(|| next(&mut producing)).count(), 6);
    }

    #[test]
    fn peers_are_bounded_in_all_and_per_address() {
        let hub = hub(Limits {
            max_peers: 3,
            max_peers_per_address: 2,
            ..Limits::default()
        });
        let first = hub.join(HERE).unwrap();
        let _second = hub.join(HERE).unwrap();
        assert_eq!(hub.join(HERE).err(), Some(Full::PeersOfAddress));
        let _third = hub.join(THERE).unwrap();
        assert_eq!(hub.join(THERE).err(), Some(Full::Peers));
        drop(first);
        assert!(hub.join(HERE).is_ok());
    }

    #[test]
    fn a_closed_hub_dismisses_all_and_ends_no_session() {
        let hub = hub(Limits::default());
        let mut staying = hub.join(HERE).unwrap();
        staying.say(listener());
        let leaving = hub.join(HERE).unwrap();
        while next(&mut staying).is_some() {}
        hub.close();
        assert_eq!(staying.farewell.try_recv(), Ok(Farewell::GoingAway));
        drop(leaving);
        assert_eq!(next(&mut staying), None);
        assert_eq!(hub.join(HERE).err(), Some(Full::Closed));
    }

    #[test]
    fn a_message_costs_what_it_makes_the_server_send() {
        let hub = hub(Limits::default());
        let listeners: Vec<_> = (0..10).map(|_| hub.join(HERE).unwrap()).collect();
        for member in &listeners {
            member.say(listener());
        }
        let speaker = hub.join(HERE).unwrap();
        let meta = Some("x".repeat(1000).into());
        let status = PeerStatus {
            roles: vec![],
            meta,
            peer_id: None,
        };
        assert!(speaker.say(IncomingMessage::SetPeerStatus(status)) > 10_000);
        assert!(speaker.complain("no".into()) < 100);
    }
}
