// SPDX-License-Identifier: MPL-2.0
//! Compares every message with its committed JSON, in both directions.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{collections::BTreeSet, fmt::Debug, path::Path};

use gst_plugin_webrtc_signalling_protocol::*;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// Checks that each message reads from and writes to the file of its name.
fn compare<T: Serialize + DeserializeOwned + PartialEq + Debug>(cases: &[(&str, T)]) {
    for (name, message) in cases {
        let text = std::fs::read_to_string(folder().join(format!("{name}.json"))).expect(name);
        let golden: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_value(message).unwrap(), golden, "{name}");
        assert_eq!(&serde_json::from_str::<T>(&text).unwrap(), message, "{name}");
    }
}

/// Checks that `cases` has one entry for each file of this direction.
fn complete<T>(direction: &str, cases: &[(&str, T)]) {
    let files: BTreeSet<String> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| {
            entry
                .unwrap()
                .path()
                .file_stem()
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned()
        })
        .filter(|name| name.starts_with(direction))
        .collect();
    let names: BTreeSet<String> = cases.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names, files);
}

const UUID: &str = "6b9cbd4b-0c6c-4d5c-8a8d-8a8c0c0b8f11";

fn status(roles: &[PeerRole], meta: Option<Value>, peer_id: Option<&str>) -> PeerStatus {
    PeerStatus {
        roles: roles.to_vec(),
        meta,
        peer_id: peer_id.map(Into::into),
    }
}

fn peer(peer_message: PeerMessageInner) -> PeerMessage {
    PeerMessage {
        session_id: "session".into(),
        peer_message,
    }
}

fn offer() -> PeerMessageInner {
    PeerMessageInner::Sdp(SdpMessage::Offer {
        sdp: "v=0\r\n".into(),
    })
}

fn answer() -> PeerMessageInner {
    PeerMessageInner::Sdp(SdpMessage::Answer {
        sdp: "v=0\r\n".into(),
    })
}

fn ice(
    candidate: &str,
    sdp_m_line_index: u32,
    sdp_mid: Option<&str>,
    ufrag: Option<&str>,
) -> PeerMessageInner {
    PeerMessageInner::Ice {
        candidate: candidate.into(),
        sdp_m_line_index,
        sdp_mid: sdp_mid.map(Into::into),
        username_fragment: ufrag.map(Into::into),
    }
}

fn start(offer: Option<&str>) -> IncomingMessage {
    IncomingMessage::StartSession(StartSessionMessage {
        peer_id: "producer".into(),
        offer: offer.map(Into::into),
    })
}

fn end_session() -> EndSessionMessage {
    EndSessionMessage {
        session_id: "session".into(),
    }
}

fn end_session_v1_1(error: Option<&str>) -> EndSessionMessageV1_1 {
    EndSessionMessageV1_1 {
        session_id: "session".into(),
        error: error.map(Into::into),
    }
}

#[test]
fn incoming_messages_match_their_files() {
    use IncomingMessage as In;
    use PeerRole::*;
    let cam = || Some(json!({"name": "cam"}));
    let display = Some(json!({"display": {"width": 1280, "tags": ["hall", 1.5, true, null]}}));
    let host = "candidate:1 1 UDP 2015363327 192.0.2.1 40000 typ host";
    let browser = "candidate:1 1 udp 2113937151 192.0.2.1 40000 typ host";
    let cases = [
        ("incoming-new_peer", In::NewPeer),
        (
            "incoming-set_peer_status-producer",
            In::SetPeerStatus(status(&[Producer], cam(), Some(UUID))),
        ),
        (
            "incoming-set_peer_status-listener",
            In::SetPeerStatus(status(&[Listener], None, None)),
        ),
        (
            "incoming-set_peer_status-consumer",
            In::SetPeerStatus(status(&[Consumer, Listener], display, None)),
        ),
        ("incoming-start_session", start(None)),
        ("incoming-start_session-offer", start(Some("v=0\r\ns=-\r\n"))),
        ("incoming-peer-offer", In::Peer(peer(offer()))),
        ("incoming-peer-answer", In::Peer(peer(answer()))),
        ("incoming-peer-ice", In::Peer(peer(ice(host, 0, None, None)))),
        (
            "incoming-peer-ice-browser",
            In::Peer(peer(ice(browser, u32::MAX, Some("video0"), Some("Jx3q")))),
        ),
        ("incoming-end_session", In::EndSession(end_session())),
        (
            "incoming-end_session_v1_1",
            In::EndSessionV1_1(end_session_v1_1(Some("ice-failed: no pair"))),
        ),
        (
            "incoming-end_session_v1_1-plain",
            In::EndSessionV1_1(end_session_v1_1(None)),
        ),
        ("incoming-list", In::List),
        ("incoming-list_consumers", In::ListConsumers),
        (
            "incoming-set_protocol_version-1_0",
            In::SetProtocolVersion {
                version: ProtocolVersion::V1_0,
            },
        ),
        (
            "incoming-set_protocol_version-1_1",
            In::SetProtocolVersion {
                version: ProtocolVersion::V1_1,
            },
        ),
    ];
    compare(&cases);
    complete("incoming-", &cases);
}

fn start_session(offer: Option<&str>) -> OutgoingMessage {
    OutgoingMessage::StartSession {
        peer_id: "consumer".into(),
        session_id: "session".into(),
        offer: offer.map(Into::into),
    }
}

#[test]
fn outgoing_messages_match_their_files() {
    use OutgoingMessage as Out;
    use PeerRole::*;
    let cam = || Some(json!({"name": "cam"}));
    let listed = |id: &str, meta| Peer { id: id.into(), meta };
    let started = Out::SessionStarted {
        peer_id: "producer".into(),
        session_id: "session".into(),
    };
    let changed = status(&[Producer, Listener], cam(), Some("producer"));
    let cases = [
        ("outgoing-welcome", Out::Welcome { peer_id: UUID.into() }),
        ("outgoing-peer_status_changed", Out::PeerStatusChanged(changed)),
        (
            "outgoing-peer_status_changed-left",
            Out::PeerStatusChanged(status(&[], None, Some("producer"))),
        ),
        (
            "outgoing-list",
            Out::List {
                producers: vec![listed("producer", cam()), listed("other", None)],
            },
        ),
        (
            "outgoing-list_consumers",
            Out::ListConsumers {
                consumers: vec![listed("consumer", None)],
            },
        ),
        ("outgoing-session_started", started),
        ("outgoing-start_session", start_session(None)),
        ("outgoing-start_session-offer", start_session(Some("v=0\r\n"))),
        ("outgoing-peer-offer", Out::Peer(peer(offer()))),
        ("outgoing-peer-ice", Out::Peer(peer(ice("", 0, Some("0"), None)))),
        ("outgoing-end_session", Out::EndSession(end_session())),
        (
            "outgoing-end_session_v1_1",
            Out::EndSessionV1_1(end_session_v1_1(None)),
        ),
        (
            "outgoing-error",
            Out::Error {
                details: "Peer with ID 'producer' not found".into(),
            },
        ),
    ];
    compare(&cases);
    complete("outgoing-", &cases);
}
