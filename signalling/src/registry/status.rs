// SPDX-License-Identifier: MPL-2.0
//! The rules about roles and metadata: who may take which, and who hears of it.

use gst_plugin_webrtc_signalling_protocol::{OutgoingMessage, PeerId, PeerRole, PeerStatus};
use serde_json::Value;

use super::{Action, Meta, Registry, refusal::Refusal};

impl Registry {
    /// Replaces the status of a peer. Every listener hears of a change, the peer itself too if it is one now: that
    /// is its confirmation.
    pub(super) fn set_status(&mut self, from: &str, status: PeerStatus) -> Result<Vec<Action>, Refusal> {
        let member = self
            .peers
            .get(from)
            .ok_or_else(|| Refusal::NotWelcomed(from.into()))?;
        if status.is_producer() && status.is_consumer() {
            return Err(Refusal::BothSides(from.into()));
        }
        let loses = |role| member.roles.contains(&role) && !status.roles.contains(&role);
        let (stops_producing, stops_consuming) = (loses(PeerRole::Producer), loses(PeerRole::Consumer));
        let roles = without_duplicates(&status.roles);
        let meta = status.meta.as_ref().map(Meta::new);
        if member.roles == roles && member.meta == meta {
            return Ok(Vec::new());
        }
        // The only step that can fail comes before any change.
        self.store_meta(from, meta)?;

        let mut actions = Vec::new();
        if stops_producing {
            actions.append(&mut self.end_all_produced(from));
        }
        if stops_consuming {
            actions.append(&mut self.end_all_consumed(from));
        }
        if let Some(member) = self.peers.get_mut(from) {
            member.roles.clone_from(&roles);
        }
        tracing::info!(peer = from, "registered as {roles:?}");
        actions.extend(self.announce_status(from, roles, status.meta));
        Ok(actions)
    }

    /// Tells every listener about a peer.
    pub(super) fn announce_status(
        &self,
        peer: &str,
        roles: Vec<PeerRole>,
        meta: Option<Value>,
    ) -> Option<Action> {
        let is_listener = |roles: &[PeerRole]| roles.contains(&PeerRole::Listener);
        let listeners = self.peers.iter().filter(|(_, member)| is_listener(&member.roles));
        let mut to: Vec<PeerId> = listeners.map(|(id, _)| id.clone()).collect();
        to.sort_unstable();
        let status = PeerStatus {
            roles,
            meta,
            peer_id: Some(peer.into()),
        };
        (!to.is_empty()).then_some(Action::Announce {
            to,
            message: OutgoingMessage::PeerStatusChanged(status),
        })
    }

    /// Stores metadata if it fits. Every change is sent to all listeners and every list holds all of it, hence
    /// the bounds.
    fn store_meta(&mut self, peer: &str, meta: Option<Meta>) -> Result<(), Refusal> {
        let bytes = Meta::bytes(&meta);
        if bytes > self.limits.max_meta_bytes {
            return Err(Refusal::MetaTooLarge {
                bytes,
                max: self.limits.max_meta_bytes,
            });
        }
        let member = self
            .peers
            .get_mut(peer)
            .ok_or_else(|| Refusal::NotWelcomed(peer.into()))?;
        let before = Meta::bytes(&member.meta);
        let total = self.meta_bytes - before + bytes;
        if bytes > before && total > self.limits.max_total_meta_bytes {
            return Err(Refusal::NoRoomForMeta);
        }
        self.meta_bytes = total;

        member.meta = meta;
        Ok(())
    }
}

/// What the peer means: a role has no more effect for being there twice, but each would be told to listeners.
fn without_duplicates(roles: &[PeerRole]) -> Vec<PeerRole> {
    let mut unique = Vec::new();
    for role in roles {
        if !unique.contains(role) {
            unique.push(*role);
        }
    }
    unique
}

#[cfg(test)]
mod tests {
    use gst_plugin_webrtc_signalling_protocol::IncomingMessage;

    use super::{
        super::{Event, fixture::*},
        *,
    };
    use crate::Limits;
    use PeerRole::*;

    #[test]
    fn listeners_hear_of_a_new_producer() {
        let mut registry = registry_with(&["l", "p", "other"]);
        say(&mut registry, "l", listener());
        let expected = vec![announced(&["l"], "p", &[Producer], meta("cam"))];
        assert_eq!(say(&mut registry, "p", producer(Some("cam"))), expected);
    }

    #[test]
    fn a_producer_that_listens_hears_of_itself() {
        let mut registry = registry_with(&["p"]);
        let expected = vec![announced(&["p"], "p", &[Producer, Listener], None)];
        assert_eq!(
            say(&mut registry, "p", status(&[Producer, Listener], None)),
            expected
        );
    }

    #[test]
    fn the_same_status_again_changes_nothing() {
        let mut registry = registry_with(&["p"]);
        say(&mut registry, "p", status(&[Producer, Listener], meta("cam")));
        assert_eq!(
            say(&mut registry, "p", status(&[Producer, Listener], meta("cam"))),
            vec![]
        );
        assert_eq!(
            say(
                &mut registry,
                "p",
                status(&[Producer, Listener, Producer], meta("cam"))
            ),
            vec![]
        );
    }

    #[test]
    fn new_metadata_of_the_same_roles_is_announced() {
        let mut registry = registry_with(&["l", "p", "c"]);
        say(&mut registry, "l", listener());
        say(&mut registry, "p", producer(Some("old")));
        say(&mut registry, "c", start("p"));
        let expected = vec![announced(&["l"], "p", &[Producer], meta("new"))];
        assert_eq!(say(&mut registry, "p", producer(Some("new"))), expected);
        assert_eq!(registry.census().sessions, 1);
    }

    #[test]
    fn the_peer_id_in_a_status_is_ignored() {
        let mut registry = registry_with(&["l", "p", "victim"]);
        say(&mut registry, "l", listener());
        let claim = PeerStatus {
            roles: vec![Producer],
            meta: None,
            peer_id: Some("victim".into()),
        };
        let expected = vec![announced(&["l"], "p", &[Producer], None)];
        assert_eq!(
            say(&mut registry, "p", IncomingMessage::SetPeerStatus(claim)),
            expected
        );
    }

    #[test]
    fn who_stops_producing_ends_what_it_produced_only() {
        let mut registry = registry_with(&["l", "p", "c", "q"]);
        say(&mut registry, "l", listener());
        say(&mut registry, "p", producer(None));
        say(&mut registry, "q", producer(None));
        say(&mut registry, "c", start("p"));
        say(&mut registry, "p", start("q"));
        let expected = vec![ended("c", "session-1"), announced(&["l"], "p", &[], None)];
        assert_eq!(say(&mut registry, "p", status(&[], None)), expected);
        assert_eq!(
            say(&mut registry, "p", end("session-2")),
            vec![ended("q", "session-2")]
        );
    }

    #[test]
    fn who_stops_consuming_ends_what_it_consumed_only() {
        let mut registry = registry_with(&["p", "c"]);
        say(&mut registry, "c", consumer(None));
        say(&mut registry, "p", start("c"));
        assert_eq!(
            say(&mut registry, "c", producer(None)),
            vec![ended("p", "session-1")]
        );
        say(&mut registry, "p", start("c"));
        assert_eq!(registry.census().sessions, 1);
    }

    #[test]
    fn nobody_is_producer_and_passive_consumer() {
        let mut registry = registry_with(&["p"]);
        say(&mut registry, "p", producer(Some("cam")));
        let details = "Cannot register peer p as both producer and passive consumer";
        assert_error(
            say(&mut registry, "p", status(&[Consumer, Producer], None)),
            "p",
            details,
        );
        assert_eq!(registry.census().producers, 1);
    }

    #[test]
    fn metadata_beyond_the_limit_is_refused_and_changes_nothing() {
        let mut registry = registry_limited(Limits {
            max_meta_bytes: 20,
            ..Limits::default()
        });
        registry.handle(Event::Joined("p".into()));
        let fits = "x".repeat(20 - r#"{"name":""}"#.len());
        say(&mut registry, "p", producer(Some(&fits)));
        assert_eq!(registry.meta_bytes, 20);
        let details = "Metadata of 21 bytes exceeds the limit of 20";
        let long = status(&[Listener], meta(&format!("{fits}x")));
        assert_error(say(&mut registry, "p", long), "p", details);
        assert_eq!(registry.census().producers, 1);
    }

    #[test]
    fn the_metadata_of_all_peers_is_bounded_and_given_back() {
        let limits = Limits {
            max_total_meta_bytes: 30,
            ..Limits::default()
        };
        let mut registry = registry_limited(limits);
        for peer in ["a", "b"] {
            registry.handle(Event::Joined(peer.into()));
        }
        say(&mut registry, "a", producer(Some("0123456789")));
        let details = "The server holds no more metadata";
        assert_error(say(&mut registry, "b", producer(Some("0"))), "b", details);
        registry.handle(Event::Left("a".into()));
        assert_eq!(registry.meta_bytes, 0);
        say(&mut registry, "b", producer(Some("0")));
        assert_eq!(registry.census().producers, 1);
    }
}
