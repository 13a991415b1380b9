// SPDX-License-Identifier: MPL-2.0
//! Messages of a signalling channel's websocket (Kinesis Video Streams WebRTC, "Signaling channel messages"). Pure.
//!
//! Whatever a viewer or the service sends is either understood whole or named in an error; nothing else follows from
//! it. Owns the envelope and its base64 payload. Descriptions and candidates inside are texts here; `imp` and the
//! session parse them. Sizes are bounded before, by the limits of `net/websocket`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// What the service delivers to the master.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Incoming {
    /// A viewer wants media.
    Offer { viewer: String, sdp: String },
    /// A candidate of a viewer.
    Candidate { viewer: String, candidate: Candidate },
    /// The service is about to close this connection; a new one should be made.
    GoAway,
    /// The TURN servers change; their configuration should be fetched again.
    ReconnectIceServer,
    /// A message sent before could not be delivered.
    Status(Status),
}

/// A candidate as browsers write it. `null` and missing fields are the same.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Candidate {
    pub(super) candidate: String,
    #[serde(default)]
    pub(super) sdp_mid: Option<String>,
    #[serde(default)]
    pub(super) sdp_m_line_index: Option<u32>,
}

/// The service's word on a message that carried a correlation id.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Status {
    #[serde(default)]
    pub(super) correlation_id: String,
    #[serde(default)]
    pub(super) success: bool,
    #[serde(default)]
    pub(super) error_type: Option<String>,
    #[serde(default)]
    pub(super) status_code: Option<String>,
    #[serde(default)]
    pub(super) description: Option<String>,
}

/// Why a message is not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("it is no message of the service")]
    Envelope,
    #[error("{0} is no known type of message")]
    Type(String),
    #[error("{0} does not say who sent it")]
    Sender(&'static str),
    #[error("the {what} of {viewer} cannot be read")]
    Payload { what: &'static str, viewer: String },
}

/// What the master sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Answer,
    Candidate,
}

/// Reads a text frame.
///
/// # Errors
/// [`Unreadable`] names what is wrong with it, and the viewer where one is known.
pub(super) fn parse(text: &str) -> Result<Incoming, Unreadable> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Envelope {
        message_type: String,
        #[serde(default)]
        message_payload: Option<String>,
        #[serde(default)]
        sender_client_id: Option<String>,
        #[serde(default)]
        status_response: Option<Status>,
    }
    let envelope: Envelope = serde_json::from_str(text).map_err(|_| Unreadable::Envelope)?;
    let sender = |what| {
        let sender = envelope
            .sender_client_id
            .clone()
            .filter(|sender| is_client_id(sender));
        sender.ok_or(Unreadable::Sender(what))
    };
    let payload = envelope.message_payload.as_deref();
    match envelope.message_type.as_str() {
        "SDP_OFFER" => offer(sender("an offer")?, payload),
        "ICE_CANDIDATE" => candidate(sender("a candidate")?, payload),
        "GO_AWAY" => Ok(Incoming::GoAway),
        "RECONNECT_ICE_SERVER" => Ok(Incoming::ReconnectIceServer),
        "STATUS_RESPONSE" => envelope
            .status_response
            .map(Incoming::Status)
            .ok_or(Unreadable::Envelope),
        other => Err(Unreadable::Type(other.chars().take(MAX_TYPE_CHARS).collect())),
    }
}

/// What the service takes as the id of a client; whatever is none did not come through it.
fn is_client_id(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    (1..=MAX_CLIENT_ID).contains(&text.len()) && text.bytes().all(is_allowed)
}

/// The payload of an offer is what `JSON.stringify` makes of a browser's description.
fn offer(viewer: String, payload: Option<&str>) -> Result<Incoming, Unreadable> {
    #[derive(Deserialize)]
    struct Description {
        r#type: String,
        sdp: String,
    }
    match decoded::<Description>(payload) {
        Some(description) if description.r#type == "offer" => Ok(Incoming::Offer {
            viewer,
            sdp: description.sdp,
        }),
        _ => Err(Unreadable::Payload {
            what: "offer",
            viewer,
        }),
    }
}

/// The payload of a candidate is what `JSON.stringify` makes of a browser's.
fn candidate(viewer: String, payload: Option<&str>) -> Result<Incoming, Unreadable> {
    match decoded::<Candidate>(payload) {
        Some(candidate) => Ok(Incoming::Candidate { viewer, candidate }),
        None => Err(Unreadable::Payload {
            what: "candidate",
            viewer,
        }),
    }
}

/// JSON in base64 (RFC 4648, section 4).
fn decoded<T: for<'de> Deserialize<'de>>(payload: Option<&str>) -> Option<T> {
    serde_json::from_slice(&STANDARD.decode(payload?).ok()?).ok()
}

/// An answer for `viewer`.
pub(super) fn answer(viewer: &str, sdp: &str, correlation_id: &str) -> String {
    envelope(
        "SDP_ANSWER",
        viewer,
        &json!({"type": "answer", "sdp": sdp}),
        correlation_id,
    )
}

/// A candidate for `viewer`, of the m-line at `index` with the identifier `mid`.
pub(super) fn local_candidate(
    viewer: &str,
    candidate: &str,
    index: u32,
    mid: &str,
    correlation_id: &str,
) -> String {
    let payload = json!({"candidate": candidate, "sdpMid": mid, "sdpMLineIndex": index});
    envelope("ICE_CANDIDATE", viewer, &payload, correlation_id)
}

/// A message to one viewer (Kinesis Video Streams WebRTC, "SendSdpAnswer" and "SendIceCandidate").
fn envelope(action: &str, viewer: &str, payload: &serde_json::Value, correlation_id: &str) -> String {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Envelope<'a> {
        action: &'a str,
        message_payload: String,
        recipient_client_id: &'a str,
        correlation_id: &'a str,
    }
    let message_payload = STANDARD.encode(payload.to_string());
    let envelope = Envelope {
        action,
        message_payload,
        recipient_client_id: viewer,
        correlation_id,
    };
    serde_json::to_string(&envelope).expect("texts always become JSON")
}

/// By the documentation of ConnectAsViewer.
const MAX_CLIENT_ID: usize = 256;

/// How much of an unknown type's name is worth a log line.
const MAX_TYPE_CHARS: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: &str, payload: &str, sender: Option<&str>) -> String {
        json!({"messageType": kind, "messagePayload": STANDARD.encode(payload), "senderClientId": sender})
            .to_string()
    }

    #[test]
    fn every_documented_message_is_understood() {
        let status = json!({"correlationId": "c1", "success": false, "errorType": "InvalidArgumentException",
            "statusCode": "400", "description": "no such viewer"});
        let status = json!({"messageType": "STATUS_RESPONSE", "statusResponse": status}).to_string();
        let expected_status = Status {
            correlation_id: "c1".into(),
            success: false,
            error_type: Some("InvalidArgumentException".into()),
            status_code: Some("400".into()),
            description: Some("no such viewer".into()),
        };
        let candidate = Candidate {
            candidate: "candidate:1".into(),
            sdp_mid: Some("0".into()),
            sdp_m_line_index: Some(0),
        };
        let cases = [
            (
                frame("SDP_OFFER", r#"{"type":"offer","sdp":"v=0"}"#, Some("v")),
                Incoming::Offer {
                    viewer: "v".into(),
                    sdp: "v=0".into(),
                },
            ),
            (
                frame(
                    "ICE_CANDIDATE",
                    r#"{"candidate":"candidate:1","sdpMid":"0","sdpMLineIndex":0,"usernameFragment":"x"}"#,
                    Some("v"),
                ),
                Incoming::Candidate {
                    viewer: "v".into(),
                    candidate,
                },
            ),
            (r#"{"messageType":"GO_AWAY"}"#.to_owned(), Incoming::GoAway),
            (
                r#"{"messageType":"RECONNECT_ICE_SERVER","messagePayload":""}"#.to_owned(),
                Incoming::ReconnectIceServer,
            ),
            (status, Incoming::Status(expected_status)),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(&text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn nonsense_is_named_and_nothing_else() {
        let offer = |payload: &str| frame("SDP_OFFER", payload, Some("v"));
        let bad_offer = || Unreadable::Payload {
            what: "offer",
            viewer: "v".into(),
        };
        let cases = [
            ("".to_owned(), Unreadable::Envelope),
            ("[]".to_owned(), Unreadable::Envelope),
            (r#"{"messageType":3}"#.to_owned(), Unreadable::Envelope),
            (
                r#"{"messageType":"STATUS_RESPONSE"}"#.to_owned(),
                Unreadable::Envelope,
            ),
            (
                r#"{"messageType":"HELLO"}"#.to_owned(),
                Unreadable::Type("HELLO".into()),
            ),
            (frame("SDP_OFFER", "{}", None), Unreadable::Sender("an offer")),
            (
                frame("ICE_CANDIDATE", "{}", Some("")),
                Unreadable::Sender("a candidate"),
            ),
            (
                frame("SDP_OFFER", "{}", Some("v\u{0}")),
                Unreadable::Sender("an offer"),
            ),
            (
                frame("SDP_OFFER", "{}", Some(&"v".repeat(257))),
                Unreadable::Sender("an offer"),
            ),
            (offer("{}"), bad_offer()),
            (offer(r#"{"type":"answer","sdp":"v=0"}"#), bad_offer()),
            (offer("\u{0}"), bad_offer()),
            (
                r#"{"messageType":"SDP_OFFER","senderClientId":"v","messagePayload":"%%"}"#.to_owned(),
                bad_offer(),
            ),
            (
                frame("ICE_CANDIDATE", r#"{"candidate":1}"#, Some("v")),
                Unreadable::Payload {
                    what: "candidate",
                    viewer: "v".into(),
                },
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(&text), Err(expected), "{text}");
        }
    }

    #[test]
    fn what_is_sent_is_what_the_service_wants() {
        let text = local_candidate("v", "candidate:1", 1, "audio1", "c7");
        let envelope: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(envelope["action"], "ICE_CANDIDATE");
        assert_eq!(envelope["recipientClientId"], "v");
        assert_eq!(envelope["correlationId"], "c7");
        let payload = STANDARD
            .decode(envelope["messagePayload"].as_str().unwrap())
            .unwrap();
        let payload: serde_json::Value = serde_json::from_slice(&payload).unwrap();
        assert_eq!(
            payload,
            json!({"candidate": "candidate:1", "sdpMid": "audio1", "sdpMLineIndex": 1})
        );
        let envelope: serde_json::Value = serde_json::from_str(&answer("v", "v=0", "c8")).unwrap();
        assert_eq!(envelope["action"], "SDP_ANSWER");
    }
}
