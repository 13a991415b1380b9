// SPDX-License-Identifier: MPL-2.0
//! What the tests of the registry share: small registries, and messages in one word.

use gst_plugin_webrtc_signalling_protocol::{
    EndSessionMessage, EndSessionMessageV1_1, IncomingMessage, OutgoingMessage, PeerMessage,
    PeerMessageInner, PeerRole, PeerStatus, ProtocolVersion, SdpMessage, StartSessionMessage,
};
use serde_json::{Value, json};

use super::{Action, Event, Listed, Meta, Registry, send};
use crate::Limits;

/// An empty registry whose sessions are `session-1`, `session-2` and so on.
pub(super) fn registry() -> Registry {
    registry_limited(Limits::default())
}

pub(super) fn registry_limited(limits: Limits) -> Registry {
    let mut count = 0;
    Registry::new(limits, move || {
        count += 1;
        format!("session-{count}")
    })
}

pub(super) fn registry_with(peers: &[&str]) -> Registry {
    let mut registry = registry();
    for peer in peers {
        registry.handle(Event::Joined((*peer).into()));
    }
    registry
}

pub(super) fn say(registry: &mut Registry, from: &str, message: IncomingMessage) -> Vec<Action> {
    registry.handle(Event::Message {
        from: from.into(),
        message,
    })
}

pub(super) fn meta(name: &str) -> Option<Value> {
    Some(json!({ "name": name }))
}

pub(super) fn status(roles: &[PeerRole], meta: Option<Value>) -> IncomingMessage {
    IncomingMessage::SetPeerStatus(PeerStatus {
        roles: roles.into(),
        meta,
        peer_id: None,
    })
}

pub(super) fn producer(name: Option<&str>) -> IncomingMessage {
    status(&[PeerRole::Producer], name.and_then(meta))
}

pub(super) fn consumer(name: Option<&str>) -> IncomingMessage {
    status(&[PeerRole::Consumer], name.and_then(meta))
}

pub(super) fn listener() -> IncomingMessage {
    status(&[PeerRole::Listener], None)
}

pub(super) fn version(version: ProtocolVersion) -> IncomingMessage {
    IncomingMessage::SetProtocolVersion { version }
}

pub(super) fn start(peer_id: &str) -> IncomingMessage {
    IncomingMessage::StartSession(StartSessionMessage {
        peer_id: peer_id.into(),
        offer: None,
    })
}

pub(super) fn start_with_offer(peer_id: &str, offer: &str) -> IncomingMessage {
    IncomingMessage::StartSession(StartSessionMessage {
        peer_id: peer_id.into(),
        offer: Some(offer.into()),
    })
}

pub(super) fn sdp(session_id: &str, kind: &str) -> IncomingMessage {
    let sdp = format!("v=0 {kind}");
    let description = match kind {
        "offer" => SdpMessage::Offer { sdp },
        _ => SdpMessage::Answer { sdp },
    };
    peer(session_id, PeerMessageInner::Sdp(description))
}

pub(super) fn ice(session_id: &str) -> IncomingMessage {
    let candidate = PeerMessageInner::Ice {
        candidate: "candidate:1".into(),
        sdp_m_line_index: 2,
        sdp_mid: Some("video0".into()),
        username_fragment: None,
    };
    peer(session_id, candidate)
}

fn peer(session_id: &str, peer_message: PeerMessageInner) -> IncomingMessage {
    IncomingMessage::Peer(PeerMessage {
        session_id: session_id.into(),
        peer_message,
    })
}

pub(super) fn end(session_id: &str) -> IncomingMessage {
    IncomingMessage::EndSession(EndSessionMessage {
        session_id: session_id.into(),
    })
}

pub(super) fn end_v1_1(session_id: &str, error: Option<&str>) -> IncomingMessage {
    let end = EndSessionMessageV1_1 {
        session_id: session_id.into(),
        error: error.map(Into::into),
    };
    IncomingMessage::EndSessionV1_1(end)
}

pub(super) fn start_order(consumer: &str, session_id: &str, offer: Option<&str>) -> OutgoingMessage {
    OutgoingMessage::StartSession {
        peer_id: consumer.into(),
        session_id: session_id.into(),
        offer: offer.map(Into::into),
    }
}

pub(super) fn ended(to: &str, session_id: &str) -> Action {
    send(
        to,
        OutgoingMessage::EndSession(EndSessionMessage {
            session_id: session_id.into(),
        }),
    )
}

pub(super) fn ended_v1_1(to: &str, session_id: &str, error: Option<&str>) -> Action {
    let end = EndSessionMessageV1_1 {
        session_id: session_id.into(),
        error: error.map(Into::into),
    };
    send(to, OutgoingMessage::EndSessionV1_1(end))
}

pub(super) fn listed(id: &str, name: Option<&str>) -> Listed {
    Listed {
        id: id.into(),
        meta: name.and_then(meta).as_ref().map(Meta::new),
    }
}

/// What the other peer receives of a message.
pub(super) fn relayed(to: &str, message: IncomingMessage) -> Action {
    match message {
        IncomingMessage::Peer(message) => send(to, OutgoingMessage::Peer(message)),
        other => panic!("{other:?} is not relayed"),
    }
}

pub(super) fn announced(to: &[&str], peer: &str, roles: &[PeerRole], meta: Option<Value>) -> Action {
    let status = PeerStatus {
        roles: roles.into(),
        meta,
        peer_id: Some(peer.into()),
    };
    let to = to.iter().map(|id| (*id).to_owned()).collect();
    Action::Announce {
        to,
        message: OutgoingMessage::PeerStatusChanged(status),
    }
}

#[track_caller]
pub(super) fn assert_error(actions: Vec<Action>, to: &str, details: &str) {
    assert_eq!(
        actions,
        vec![send(
            to,
            OutgoingMessage::Error {
                details: details.into()
            }
        )]
    );
}
