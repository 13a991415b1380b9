// SPDX-License-Identifier: MPL-2.0
//! The rules about sessions: who may start one with whom, and that only its own two peers may speak in it or
//! end it.

use gst_plugin_webrtc_signalling_protocol::{
    EndSessionMessage, EndSessionMessageV1_1, OutgoingMessage, PeerId, PeerMessage, PeerMessageInner,
    PeerRole, ProtocolVersion, SdpMessage, SessionId, StartSessionMessage,
};

use super::{Action, Member, Registry, Session, refusal::Refusal, send};

impl Registry {
    /// Starts a session. The consumer is told first, so that it knows the id before anything arrives under it.
    pub(super) fn start_session(
        &mut self,
        from: &str,
        StartSessionMessage { peer_id: to, offer }: StartSessionMessage,
    ) -> Result<Vec<Action>, Refusal> {
        let (producer, consumer) = self.sides(from, &to)?;
        self.check_room(from, &to)?;
        let session_id = (self.new_session_id)();
        for peer in [&producer, &consumer] {
            if let Some(member) = self.peers.get_mut(peer) {
                member.sessions.insert(session_id.clone());
            }
        }
        tracing::info!(session = session_id, producer, consumer, "session started");
        let started = OutgoingMessage::SessionStarted {
            peer_id: producer.clone(),
            session_id: session_id.clone(),
        };
        let start = OutgoingMessage::StartSession {
            peer_id: consumer.clone(),
            session_id: session_id.clone(),
            offer,
        };
        let actions = vec![send(&consumer, started), send(&producer, start)];
        self.sessions.insert(session_id, Session { producer, consumer });
        Ok(actions)
    }

    /// Relays a message to the other peer of its session. The producer makes the offers.
    pub(super) fn relay(&self, from: &str, message: PeerMessage) -> Result<Vec<Action>, Refusal> {
        let (session, other) = self.session_of(from, &message.session_id)?;
        let is_offer = matches!(
            message.peer_message,
            PeerMessageInner::Sdp(SdpMessage::Offer { .. })
        );
        if is_offer && from != session.producer {
            let (consumer, producer) = (session.consumer.clone(), session.producer.clone());
            return Err(Refusal::ConsumerOffers { consumer, producer });
        }
        Ok(vec![send(other, OutgoingMessage::Peer(message))])
    }

    /// Ends a session for one of its peers and tells the other.
    pub(super) fn end_session(
        &mut self,
        from: &str,
        session_id: &str,
        error: Option<String>,
    ) -> Result<Vec<Action>, Refusal> {
        // Checked before anything is removed: a stranger, or a refused error, must not cost the two their session.
        let (_, other) = self.session_of(from, session_id)?;
        if error.is_some() && self.version_of(from) < ProtocolVersion::V1_1 {
            return Err(Refusal::ErrorNeedsVersion(from.into()));
        }
        let action = self.end_message(other, session_id, error);
        self.remove_session(session_id);
        Ok(vec![action])
    }

    /// Ends every session a peer is the producer of and tells the consumers.
    pub(super) fn end_all_produced(&mut self, peer: &str) -> Vec<Action> {
        self.end_all(peer, |session| {
            (session.producer == peer).then_some(&session.consumer)
        })
    }

    /// Ends every session a peer is the consumer of and tells the producers.
    pub(super) fn end_all_consumed(&mut self, peer: &str) -> Vec<Action> {
        self.end_all(peer, |session| {
            (session.consumer == peer).then_some(&session.producer)
        })
    }

    /// Ends those of a peer's sessions for which `other` names somebody to tell.
    fn end_all(&mut self, peer: &str, other: impl Fn(&Session) -> Option<&PeerId>) -> Vec<Action> {
        let Some(member) = self.peers.get(peer) else {
            return Vec::new();
        };
        let sessions = member
            .sessions
            .iter()
            .filter_map(|id| Some((id, self.sessions.get(id)?)));
        let ending: Vec<(SessionId, Action)> = sessions
            .filter_map(|(id, session)| Some((id.clone(), self.end_message(other(session)?, id, None))))
            .collect();
        let end = |(id, action): (SessionId, Action)| {
            self.remove_session(&id);
            action
        };
        ending.into_iter().map(end).collect()
    }

    /// Forgets a session on both sides; whom to tell is the caller's affair.
    fn remove_session(&mut self, session_id: &str) {
        let Some(session) = self.sessions.remove(session_id) else {
            return;
        };
        for peer in [&session.producer, &session.consumer] {
            if let Some(member) = self.peers.get_mut(peer) {
                member.sessions.remove(session_id);
            }
        }
        tracing::info!(session = session_id, "session ended");
    }

    /// Finds a session for one of its peers, with the other one.
    fn session_of(&self, peer: &str, session_id: &str) -> Result<(&Session, &PeerId), Refusal> {
        let session = self
            .sessions
            .get(session_id)
            .ok_or_else(|| Refusal::NoSession(session_id.into()))?;
        if peer == session.producer {
            Ok((session, &session.consumer))
        } else if peer == session.consumer {
            Ok((session, &session.producer))
        } else {
            Err(Refusal::Stranger {
                peer: peer.into(),
                session: session_id.into(),
            })
        }
    }

    /// Who produces and who consumes when `from` asks for a session with `to`: a producer is consumed from, a
    /// passive consumer produced for.
    fn sides(&self, from: &str, to: &str) -> Result<(PeerId, PeerId), Refusal> {
        let find = |id: &str| self.peers.get(id).ok_or_else(|| Refusal::NoPeer(id.into()));
        let (asking, asked) = (find(from)?, find(to)?);
        if asked.roles.contains(&PeerRole::Producer) {
            Ok((to.into(), from.into()))
        } else if asked.roles.contains(&PeerRole::Consumer) {
            Ok((from.into(), to.into()))
        } else {
            let (from_roles, to_roles) = (asking.roles.clone(), asked.roles.clone());
            Err(Refusal::NoSides {
                from: from.into(),
                from_roles,
                to: to.into(),
                to_roles,
            })
        }
    }

    /// Checks that neither peer has too many sessions: each costs its producer a pipeline.
    fn check_room(&self, from: &str, to: &str) -> Result<(), Refusal> {
        let sessions = |peer: &str| self.peers.get(peer).map(|member| &member.sessions);
        let max = self.limits.max_sessions_per_peer;
        for peer in [from, to] {
            if sessions(peer).is_some_and(|sessions| sessions.len() >= max) {
                return Err(Refusal::TooManySessions {
                    peer: peer.into(),
                    max,
                });
            }
        }
        let max = self.limits.max_sessions_per_pair;
        let between = sessions(from)
            .zip(sessions(to))
            .map_or(0, |(a, b)| a.intersection(b).count());
        if between >= max {
            return Err(Refusal::TooManyBetween {
                from: from.into(),
                to: to.into(),
                max,
            });
        }
        Ok(())
    }

    fn version_of(&self, peer: &str) -> ProtocolVersion {
        self.peers
            .get(peer)
            .map_or(ProtocolVersion::default(), |Member { version, .. }| *version)
    }

    /// The end of a session in the words its receiver understands.
    fn end_message(&self, to: &str, session_id: &str, error: Option<String>) -> Action {
        let session_id = session_id.to_owned();
        let message = match self.version_of(to) {
            ProtocolVersion::V1_0 => OutgoingMessage::EndSession(EndSessionMessage { session_id }),
            ProtocolVersion::V1_1 => {
                OutgoingMessage::EndSessionV1_1(EndSessionMessageV1_1 { session_id, error })
            }
        };
        send(to, message)
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Event, fixture::*},
        *,
    };
    use crate::Limits;

    /// A producer `p` serving `c` in `session-1`, and a stranger `x`.
    fn in_session() -> Registry {
        let mut registry = registry_with(&["p", "c", "x"]);
        say(&mut registry, "p", producer(None));
        say(&mut registry, "c", start("p"));
        registry
    }

    #[test]
    fn a_session_is_told_to_the_consumer_and_then_to_the_producer() {
        let mut registry = registry_with(&["p", "c"]);
        say(&mut registry, "p", producer(None));
        let expected = vec![
            send(
                "c",
                OutgoingMessage::SessionStarted {
                    peer_id: "p".into(),
                    session_id: "session-1".into(),
                },
            ),
            send("p", start_order("c", "session-1", None)),
        ];
        assert_eq!(say(&mut registry, "c", start("p")), expected);
    }

    #[test]
    fn an_offer_travels_with_the_request() {
        let mut registry = registry_with(&["p", "c"]);
        say(&mut registry, "p", producer(None));
        let actions = say(&mut registry, "c", start_with_offer("p", "v=0"));
        assert_eq!(actions[1], send("p", start_order("c", "session-1", Some("v=0"))));
    }

    #[test]
    fn whoever_starts_a_session_with_a_passive_consumer_produces() {
        let mut registry = registry_with(&["p", "c"]);
        say(&mut registry, "c", consumer(None));
        let expected = vec![
            send(
                "c",
                OutgoingMessage::SessionStarted {
                    peer_id: "p".into(),
                    session_id: "session-1".into(),
                },
            ),
            send("p", start_order("c", "session-1", None)),
        ];
        assert_eq!(say(&mut registry, "p", start("c")), expected);
        assert_eq!(
            say(&mut registry, "p", sdp("session-1", "offer")),
            vec![relayed("c", sdp("session-1", "offer"))]
        );
    }

    #[test]
    fn a_session_needs_two_sides_that_exist() {
        let mut registry = registry_with(&["a", "l"]);
        say(&mut registry, "l", listener());
        for (from, to, details) in [
            ("a", "nobody", "Peer with ID 'nobody' not found"),
            ("nobody", "a", "Peer with ID 'nobody' not found"),
            (
                "a",
                "l",
                "Missing a producer or a consumer: id a roles [], id l roles [Listener]",
            ),
            (
                "l",
                "a",
                "Missing a producer or a consumer: id l roles [Listener], id a roles []",
            ),
        ] {
            assert_error(say(&mut registry, from, start(to)), from, details);
        }
        assert_eq!(registry.census().sessions, 0);
    }

    #[test]
    fn a_peer_may_consume_from_itself() {
        let mut registry = registry_with(&["p"]);
        say(&mut registry, "p", producer(None));
        assert_eq!(say(&mut registry, "p", start("p")).len(), 2);
        assert_eq!(
            say(&mut registry, "p", sdp("session-1", "offer")),
            vec![relayed("p", sdp("session-1", "offer"))]
        );
        assert_eq!(
            registry.handle(Event::Left("p".into())),
            vec![ended("p", "session-1")]
        );
        assert_eq!(registry.census().sessions, 0);
    }

    #[test]
    fn the_same_pair_may_have_two_sessions() {
        let mut registry = in_session();
        say(&mut registry, "c", start("p"));
        assert_eq!(
            say(&mut registry, "c", end("session-1")),
            vec![ended("p", "session-1")]
        );
        assert_eq!(
            say(&mut registry, "p", end("session-2")),
            vec![ended("c", "session-2")]
        );
        assert_eq!(registry.census().sessions, 0);
    }

    #[test]
    fn sessions_are_bounded_per_peer_and_per_pair() {
        let limits = Limits {
            max_sessions_per_peer: 3,
            max_sessions_per_pair: 2,
            ..Limits::default()
        };
        let mut registry = registry_limited(limits);
        for peer in ["p", "a", "b"] {
            registry.handle(Event::Joined(peer.into()));
        }
        say(&mut registry, "p", producer(None));
        say(&mut registry, "a", start("p"));
        say(&mut registry, "a", start("p"));
        let details = "Peers a and p have reached the limit of 2 sessions between them";
        assert_error(say(&mut registry, "a", start("p")), "a", details);
        say(&mut registry, "b", start("p"));
        let details = "Peer p has reached the limit of 3 sessions";
        assert_error(say(&mut registry, "b", start("p")), "b", details);
        say(&mut registry, "a", end("session-1"));
        assert_eq!(say(&mut registry, "b", start("p")).len(), 2);
    }

    #[test]
    fn descriptions_and_candidates_go_to_the_other_peer_unchanged() {
        let mut registry = in_session();
        for (from, to, message) in [
            ("p", "c", sdp("session-1", "offer")),
            ("c", "p", sdp("session-1", "answer")),
            ("p", "c", sdp("session-1", "answer")),
            ("p", "c", ice("session-1")),
            ("c", "p", ice("session-1")),
        ] {
            assert_eq!(
                say(&mut registry, from, message.clone()),
                vec![relayed(to, message)]
            );
        }
    }

    #[test]
    fn the_consumer_may_not_offer() {
        let mut registry = in_session();
        let details = "cannot forward offer from \"c\" to \"p\" as \"c\" is not the producer";
        assert_error(say(&mut registry, "c", sdp("session-1", "offer")), "c", details);
    }

    #[test]
    fn a_stranger_can_neither_speak_in_a_session_nor_end_it() {
        let mut registry = in_session();
        let details = "Peer x is not part of session-1";
        for message in [
            sdp("session-1", "offer"),
            ice("session-1"),
            end("session-1"),
            end_v1_1("session-1", None),
        ] {
            assert_error(say(&mut registry, "x", message), "x", details);
        }
        assert_eq!(
            say(&mut registry, "p", ice("session-1")),
            vec![relayed("c", ice("session-1"))]
        );
        assert_eq!(
            say(&mut registry, "c", end("session-1")),
            vec![ended("p", "session-1")]
        );
    }

    #[test]
    fn what_comes_for_a_session_that_is_gone_is_not_answered() {
        let mut registry = in_session();
        assert_eq!(
            say(&mut registry, "c", end("session-1")),
            vec![ended("p", "session-1")]
        );
        for message in [
            end("session-1"),
            end_v1_1("session-1", Some("late")),
            ice("session-1"),
            ice("never"),
        ] {
            assert_eq!(say(&mut registry, "p", message), vec![]);
        }
    }

    #[test]
    fn an_end_is_told_in_the_version_of_its_receiver() {
        use ProtocolVersion::{V1_0, V1_1};
        for (sender, receiver, message, expected) in [
            (V1_0, V1_0, end("session-1"), ended("p", "session-1")),
            (V1_0, V1_1, end("session-1"), ended_v1_1("p", "session-1", None)),
            (
                V1_0,
                V1_1,
                end_v1_1("session-1", None),
                ended_v1_1("p", "session-1", None),
            ),
            (
                V1_1,
                V1_0,
                end_v1_1("session-1", Some("why")),
                ended("p", "session-1"),
            ),
            (
                V1_1,
                V1_1,
                end_v1_1("session-1", Some("why")),
                ended_v1_1("p", "session-1", Some("why")),
            ),
            (V1_1, V1_1, end("session-1"), ended_v1_1("p", "session-1", None)),
        ] {
            let mut registry = registry_with(&["p", "c"]);
            say(&mut registry, "p", version(receiver));
            say(&mut registry, "c", version(sender));
            say(&mut registry, "p", producer(None));
            say(&mut registry, "c", start("p"));
            assert_eq!(
                say(&mut registry, "c", message),
                vec![expected],
                "{sender:?} to {receiver:?}"
            );
        }
    }

    #[test]
    fn a_departure_is_told_in_the_version_of_its_receiver() {
        let mut registry = registry_with(&["p", "c"]);
        say(&mut registry, "c", version(ProtocolVersion::V1_1));
        say(&mut registry, "p", producer(None));
        say(&mut registry, "c", start("p"));
        assert_eq!(
            registry.handle(Event::Left("p".into())),
            vec![ended_v1_1("c", "session-1", None)]
        );
    }

    #[test]
    fn an_error_from_a_peer_of_the_first_version_leaves_the_session_alone() {
        let mut registry = in_session();
        let details = "Invalid end session message with error from peer 'c', minimum protocol version is 1.1";
        assert_error(
            say(&mut registry, "c", end_v1_1("session-1", Some("why"))),
            "c",
            details,
        );
        assert_eq!(
            say(&mut registry, "c", end_v1_1("session-1", None)),
            vec![ended("p", "session-1")]
        );
    }

    #[test]
    fn a_session_survives_that_its_consumer_stops_producing() {
        let mut registry = in_session();
        say(&mut registry, "c", producer(None));
        say(&mut registry, "c", status(&[], None));
        assert_eq!(
            say(&mut registry, "p", ice("session-1")),
            vec![relayed("c", ice("session-1"))]
        );
    }

    #[test]
    fn a_disconnected_consumer_ends_its_sessions() {
        let mut registry = in_session();
        assert_eq!(
            registry.handle(Event::Left("c".into())),
            vec![ended("p", "session-1")]
        );
        assert_eq!(say(&mut registry, "p", end("session-1")), vec![]);
    }
}
