// SPDX-License-Identifier: MPL-2.0
//! Whatever message is written can be read back unchanged, also with fields nobody knows added.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use gst_plugin_webrtc_signalling_protocol::*;
use proptest::{option, prelude::*};
use serde_json::{Value, json};

fn meta() -> impl Strategy<Value = Option<Value>> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".*".prop_map(Value::from)
    ];
    let nested = leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(".*", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    });
    option::of(nested)
}

fn status() -> impl Strategy<Value = PeerStatus> {
    let role = prop_oneof![
        Just(PeerRole::Producer),
        Just(PeerRole::Listener),
        Just(PeerRole::Consumer)
    ];
    (prop::collection::vec(role, 0..4), meta(), option::of(".*"))
        .prop_map(|(roles, meta, peer_id)| PeerStatus { roles, meta, peer_id })
}

fn peer_message() -> impl Strategy<Value = PeerMessage> {
    let ice = (".*", any::<u32>(), option::of(".*"), option::of(".*")).prop_map(
        |(candidate, sdp_m_line_index, sdp_mid, username_fragment)| PeerMessageInner::Ice {
            candidate,
            sdp_m_line_index,
            sdp_mid,
            username_fragment,
        },
    );
    let sdp = prop_oneof![
        ".*".prop_map(|sdp| SdpMessage::Offer { sdp }),
        ".*".prop_map(|sdp| SdpMessage::Answer { sdp }),
    ];
    let inner = prop_oneof![ice, sdp.prop_map(PeerMessageInner::Sdp)];
    (".*", inner).prop_map(|(session_id, peer_message)| PeerMessage {
        session_id,
        peer_message,
    })
}

fn end_session() -> impl Strategy<Value = EndSessionMessage> {
    ".*".prop_map(|session_id| EndSessionMessage { session_id })
}

fn end_session_v1_1() -> impl Strategy<Value = EndSessionMessageV1_1> {
    (".*", option::of(".*")).prop_map(|(session_id, error)| EndSessionMessageV1_1 { session_id, error })
}

fn incoming() -> impl Strategy<Value = IncomingMessage> {
    use IncomingMessage as In;
    let version = prop_oneof![Just(ProtocolVersion::V1_0), Just(ProtocolVersion::V1_1)];
    let start = (".*", option::of(".*")).prop_map(|(peer_id, offer)| StartSessionMessage { peer_id, offer });
    prop_oneof![
        Just(In::NewPeer),
        Just(In::List),
        Just(In::ListConsumers),
        status().prop_map(In::SetPeerStatus),
        start.prop_map(In::StartSession),
        end_session().prop_map(In::EndSession),
        end_session_v1_1().prop_map(In::EndSessionV1_1),
        peer_message().prop_map(In::Peer),
        version.prop_map(|version| In::SetProtocolVersion { version }),
    ]
}

fn outgoing() -> impl Strategy<Value = OutgoingMessage> {
    use OutgoingMessage as Out;
    let peers = || prop::collection::vec((".*", meta()).prop_map(|(id, meta)| Peer { id, meta }), 0..4);
    let started = (".*", ".*").prop_map(|(peer_id, session_id)| Out::SessionStarted { peer_id, session_id });
    let start = (".*", ".*", option::of(".*")).prop_map(|(peer_id, session_id, offer)| Out::StartSession {
        peer_id,
        session_id,
        offer,
    });
    prop_oneof![
        ".*".prop_map(|peer_id| Out::Welcome { peer_id }),
        ".*".prop_map(|details| Out::Error { details }),
        status().prop_map(Out::PeerStatusChanged),
        peers().prop_map(|producers| Out::List { producers }),
        peers().prop_map(|consumers| Out::ListConsumers { consumers }),
        started,
        start,
        end_session().prop_map(Out::EndSession),
        end_session_v1_1().prop_map(Out::EndSessionV1_1),
        peer_message().prop_map(Out::Peer),
    ]
}

fn with_unknown_field(message: &impl serde::Serialize) -> Value {
    let mut value = serde_json::to_value(message).unwrap();
    value
        .as_object_mut()
        .unwrap()
        .insert("unknown".into(), json!({"type": "newPeer", "sdp": [1, {}]}));
    value
}

proptest! {
    #[test]
    fn incoming_messages_survive(message in incoming()) {
        let text = serde_json::to_string(&message).unwrap();
        prop_assert_eq!(&serde_json::from_str::<IncomingMessage>(&text).unwrap(), &message);
        prop_assert_eq!(serde_json::from_value::<IncomingMessage>(with_unknown_field(&message)).unwrap(), message);
    }

    #[test]
    fn outgoing_messages_survive(message in outgoing()) {
        let text = serde_json::to_string(&message).unwrap();
        prop_assert_eq!(&serde_json::from_str::<OutgoingMessage>(&text).unwrap(), &message);
        prop_assert_eq!(serde_json::from_value::<OutgoingMessage>(with_unknown_field(&message)).unwrap(), message);
    }

    #[test]
    fn arbitrary_text_never_panics(text in ".*") {
        let _ = serde_json::from_str::<IncomingMessage>(&text);
        let _ = serde_json::from_str::<OutgoingMessage>(&text);
    }
}
