// SPDX-License-Identifier: MPL-2.0
//! What must hold of the registry after any sequence of events, checked over generated ones.

use proptest::prelude::*;

use super::{fixture::*, *};

const PEERS: [&str; 4] = ["a", "b", "c", "d"];
const SESSIONS: usize = 6;

fn message() -> impl Strategy<Value = IncomingMessage> {
    use PeerRole::*;
    let peer = prop::sample::select(PEERS.to_vec());
    let session = (1..=SESSIONS).prop_map(|number| format!("session-{number}"));
    let roles = prop::sample::subsequence(vec![Producer, Listener, Consumer], 0..=3);
    prop_oneof![
        3 => (roles, prop::option::of("[a-z]{0,8}")).prop_map(|(roles, name)| status(&roles, name.as_deref().and_then(meta))),
        4 => peer.prop_map(start),
        2 => (session.clone(), prop_oneof!["offer", "answer"]).prop_map(|(session, kind)| sdp(&session, &kind)),
        1 => session.clone().prop_map(|session| ice(&session)),
        1 => session.clone().prop_map(|session| end(&session)),
        1 => (session, prop::option::of("why")).prop_map(|(session, error)| end_v1_1(&session, error.as_deref())),
        1 => prop_oneof![Just(ProtocolVersion::V1_0), Just(ProtocolVersion::V1_1)].prop_map(version),
        1 => Just(IncomingMessage::List),
        1 => Just(IncomingMessage::NewPeer),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let peer = || prop::sample::select(PEERS.to_vec()).prop_map(str::to_owned);
    prop_oneof![
        1 => peer().prop_map(Event::Joined),
        1 => peer().prop_map(Event::Left),
        10 => (peer(), message()).prop_map(|(from, message)| Event::Message { from, message }),
    ]
}

/// Every reference between peers and sessions has its counterpart, and the sums are right.
fn assert_consistent(registry: &Registry) {
    for (id, session) in &registry.sessions {
        for peer in [&session.producer, &session.consumer] {
            assert!(
                registry.peers[peer].sessions.contains(id),
                "{peer} does not know its {id}"
            );
        }
    }
    for (peer, member) in &registry.peers {
        for id in &member.sessions {
            let session = &registry.sessions[id];
            assert!(
                *peer == session.producer || *peer == session.consumer,
                "{peer} is not part of {id}"
            );
        }
        let roles = &member.roles;
        assert!(
            !(roles.contains(&PeerRole::Producer) && roles.contains(&PeerRole::Consumer)),
            "{peer}: {roles:?}"
        );
    }
    assert_eq!(
        registry.meta_bytes,
        registry
            .peers
            .values()
            .map(|member| Meta::bytes(&member.meta))
            .sum::<usize>()
    );
}

fn receivers(action: &Action) -> Vec<&str> {
    match action {
        Action::Send { to, .. } | Action::List { to, .. } => vec![to],
        Action::Announce { to, .. } => to.iter().map(String::as_str).collect(),
    }
}

/// A peer that is present does not join again: ids are fresh.
fn is_possible(registry: &Registry, event: &Event) -> bool {
    match event {
        Event::Joined(peer) => !registry.peers.contains_key(peer),
        Event::Message { from, .. } => registry.peers.contains_key(from),
        Event::Left(_) => true,
    }
}

proptest! {
    #[test]
    fn the_books_balance(events in prop::collection::vec(event(), 0..80)) {
        let mut registry = registry();
        for event in events {
            if !is_possible(&registry, &event) {
                continue;
            }
            let before: Vec<String> = registry.peers.keys().cloned().collect();
            let joined = match &event { Event::Joined(peer) => Some(peer.clone()), _ => None };
            let actions = registry.handle(event.clone());
            assert_consistent(&registry);
            for to in actions.iter().flat_map(receivers) {
                let is_present = before.iter().any(|peer| peer == to) || joined.as_deref() == Some(to);
                prop_assert!(is_present, "{event:?} sends to {to}, who is not there");
            }
        }
        for peer in PEERS {
            registry.handle(Event::Left(peer.into()));
        }
        prop_assert_eq!(registry.census(), Census::default());
        prop_assert_eq!(registry.meta_bytes, 0);
    }

    #[test]
    fn a_stranger_changes_no_session(messages in prop::collection::vec(message(), 1..40)) {
        let mut registry = registry_with(&["p", "q", "a", "b", "c", "d"]);
        say(&mut registry, "p", producer(None));
        say(&mut registry, "q", start("p"));
        for message in messages {
            for action in say(&mut registry, "a", message.clone()) {
                let is_session_1 = match &action {
                    Action::Send { to, .. } | Action::List { to, .. } => to == "q",
                    Action::Announce { .. } => false,
                };
                prop_assert!(!is_session_1, "{message:?} reached the consumer: {action:?}");
            }
        }
        prop_assert!(registry.sessions.contains_key("session-1"));
    }
}
