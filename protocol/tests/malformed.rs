// SPDX-License-Identifier: MPL-2.0
//! Input that is not a message: each row is refused, none panics.

use gst_plugin_webrtc_signalling_protocol::{IncomingMessage, OutgoingMessage};

const INCOMING: &[(&str, &str)] = &[
    ("nothing", ""),
    ("not JSON", "hello"),
    ("cut short", r#"{"type":"list""#),
    ("two values", r#"{"type":"list"}{"type":"list"}"#),
    ("no object", "null"),
    ("a bare name", r#""list""#),
    ("no type", r#"{"peerId":"P"}"#),
    ("type is no text", r#"{"type":7}"#),
    ("unknown type", r#"{"type":"reboot"}"#),
    ("wrong case", r#"{"type":"List"}"#),
    ("type twice", r#"{"type":"list","type":"list"}"#),
    ("status without roles", r#"{"type":"setPeerStatus","meta":{}}"#),
    (
        "status with null roles",
        r#"{"type":"setPeerStatus","roles":null}"#,
    ),
    ("unknown role", r#"{"type":"setPeerStatus","roles":["admin"]}"#),
    (
        "roles are no list",
        r#"{"type":"setPeerStatus","roles":"producer"}"#,
    ),
    ("start without peer", r#"{"type":"startSession"}"#),
    ("start with numeric peer", r#"{"type":"startSession","peerId":1}"#),
    (
        "offer is an object",
        r#"{"type":"startSession","peerId":"P","offer":{"sdp":"v=0"}}"#,
    ),
    ("end without session", r#"{"type":"endSession"}"#),
    (
        "end with null session",
        r#"{"type":"endSession","sessionId":null}"#,
    ),
    (
        "error is no text",
        r#"{"type":"endSessionV1_1","sessionId":"S","error":4}"#,
    ),
    ("peer without content", r#"{"type":"peer","sessionId":"S"}"#),
    (
        "peer without session",
        r#"{"type":"peer","sdp":{"type":"offer","sdp":"v=0"}}"#,
    ),
    (
        "sdp without text",
        r#"{"type":"peer","sessionId":"S","sdp":{"type":"offer"}}"#,
    ),
    (
        "sdp without type",
        r#"{"type":"peer","sessionId":"S","sdp":{"sdp":"v=0"}}"#,
    ),
    ("sdp is a text", r#"{"type":"peer","sessionId":"S","sdp":"v=0"}"#),
    (
        "provisional answer",
        r#"{"type":"peer","sessionId":"S","sdp":{"type":"pranswer","sdp":"v=0"}}"#,
    ),
    (
        "ice without index",
        r#"{"type":"peer","sessionId":"S","ice":{"candidate":"c"}}"#,
    ),
    (
        "ice with negative index",
        r#"{"type":"peer","sessionId":"S","ice":{"candidate":"c","sdpMLineIndex":-1}}"#,
    ),
    (
        "ice without candidate",
        r#"{"type":"peer","sessionId":"S","ice":{"sdpMLineIndex":0}}"#,
    ),
    (
        "unknown version",
        r#"{"type":"setProtocolVersion","version":"v2_0"}"#,
    ),
    ("no version", r#"{"type":"setProtocolVersion"}"#),
    ("lone surrogate", r#"{"type":"endSession","sessionId":"\ud800"}"#),
    (
        "control character in a text",
        "{\"type\":\"endSession\",\"sessionId\":\"\n\"}",
    ),
];

const OUTGOING: &[(&str, &str)] = &[
    ("welcome without id", r#"{"type":"welcome"}"#),
    ("list of texts", r#"{"type":"list","producers":["P"]}"#),
    ("list without producers", r#"{"type":"list"}"#),
    (
        "peer without id",
        r#"{"type":"list","producers":[{"meta":null}]}"#,
    ),
    (
        "consumers under the wrong name",
        r#"{"type":"listConsumers","producers":[]}"#,
    ),
    (
        "started without session",
        r#"{"type":"sessionStarted","peerId":"P"}"#,
    ),
    ("error without details", r#"{"type":"error"}"#),
    ("a request", r#"{"type":"setPeerStatus","roles":[]}"#),
    ("unknown type", r#"{"type":"farewell"}"#),
];

#[test]
fn malformed_requests_are_refused() {
    for (what, text) in INCOMING {
        assert!(
            serde_json::from_str::<IncomingMessage>(text).is_err(),
            "{what}: {text}"
        );
    }
}

#[test]
fn malformed_replies_are_refused() {
    for (what, text) in OUTGOING {
        assert!(
            serde_json::from_str::<OutgoingMessage>(text).is_err(),
            "{what}: {text}"
        );
    }
}

#[test]
fn metadata_nested_without_end_is_refused() {
    for depth in [200, 100_000] {
        let nested = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let text = format!(r#"{{"type":"setPeerStatus","roles":[],"meta":{nested}}}"#);
        assert!(serde_json::from_str::<IncomingMessage>(&text).is_err(), "{depth}");
    }
}

#[test]
fn the_reason_of_a_refusal_names_what_is_wrong() {
    let refusal = |text| {
        serde_json::from_str::<IncomingMessage>(text)
            .unwrap_err()
            .to_string()
    };
    assert!(refusal(r#"{"type":"reboot"}"#).contains("reboot"));
    assert!(refusal(r#"{"type":"endSession"}"#).contains("sessionId"));
}
