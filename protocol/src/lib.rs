// SPDX-License-Identifier: MPL-2.0
//! Messages of the default signalling protocol, as serde types and nothing else.
//!
//! Peers and server exchange one JSON object per websocket text message; its `type` field names the
//! message. This crate owns the shape of those objects. Who may send what, and what the server answers,
//! is decided by the server (`gst-plugin-webrtc-signalling`); `docs/protocol.md` describes both.
//!
//! - [`IncomingMessage`] travels from a peer to the server,
//! - [`OutgoingMessage`] travels from the server to a peer,
//! - [`PeerMessage`] is part of both: the server relays it from one peer of a session to the other.
//!
//! Fields that are not known here are ignored, so that either side may be newer than the other, and a
//! nullable field may be left out. Two protocol versions exist, see [`ProtocolVersion`].
//!
//! # Peer to server
//!
//! ```
//! use gst_plugin_webrtc_signalling_protocol::IncomingMessage;
//!
//! for text in [
//!     r#"{"type":"setProtocolVersion","version":"v1_1"}"#,
//!     r#"{"type":"setPeerStatus","roles":["producer"],"meta":{"name":"cam"}}"#,
//!     r#"{"type":"list"}"#,
//!     r#"{"type":"listConsumers"}"#,
//!     r#"{"type":"startSession","peerId":"P"}"#,
//!     r#"{"type":"startSession","peerId":"P","offer":"v=0..."}"#,
//!     r#"{"type":"peer","sessionId":"S","sdp":{"type":"offer","sdp":"v=0..."}}"#,
//!     r#"{"type":"peer","sessionId":"S","ice":{"candidate":"candidate:1 1 UDP ...","sdpMLineIndex":0}}"#,
//!     r#"{"type":"endSession","sessionId":"S"}"#,
//!     r#"{"type":"endSessionV1_1","sessionId":"S","error":"why"}"#,
//! ] {
//!     serde_json::from_str::<IncomingMessage>(text)?;
//! }
//! # Ok::<(), serde_json::Error>(())
//! ```
//!
//! # Server to peer
//!
//! ```
//! use gst_plugin_webrtc_signalling_protocol::OutgoingMessage;
//!
//! for text in [
//!     r#"{"type":"welcome","peerId":"P"}"#,
//!     r#"{"type":"peerStatusChanged","roles":["producer"],"meta":{"name":"cam"},"peerId":"P"}"#,
//!     r#"{"type":"list","producers":[{"id":"P","meta":{"name":"cam"}}]}"#,
//!     r#"{"type":"listConsumers","consumers":[{"id":"P","meta":null}]}"#,
//!     r#"{"type":"sessionStarted","peerId":"P","sessionId":"S"}"#,
//!     r#"{"type":"startSession","peerId":"P","sessionId":"S","offer":null}"#,
//!     r#"{"type":"peer","sessionId":"S","sdp":{"type":"answer","sdp":"v=0..."}}"#,
//!     r#"{"type":"endSession","sessionId":"S"}"#,
//!     r#"{"type":"endSessionV1_1","sessionId":"S","error":null}"#,
//!     r#"{"type":"error","details":"what went wrong"}"#,
//! ] {
//!     serde_json::from_str::<OutgoingMessage>(text)?;
//! }
//! # Ok::<(), serde_json::Error>(())
//! ```

use serde::{Deserialize, Serialize};

pub use incoming::{EndSessionMessage, EndSessionMessageV1_1, IncomingMessage, StartSessionMessage};
pub use outgoing::OutgoingMessage;
pub use peer::{Peer, PeerMessage, PeerMessageInner, PeerRole, PeerStatus, SdpMessage};

mod incoming;
mod outgoing;
mod peer;

/// Identifies a connected peer; made by the server, a random UUID in its text form.
pub type PeerId = String;

/// Identifies a session between two peers; made by the server, a random UUID in its text form.
pub type SessionId = String;

/// What a peer understands beyond the first protocol.
///
/// The server assumes 1.0 until the peer chooses, which it may do once, with its first message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ProtocolVersion {
    /// Sessions end without a reason, by `endSession`.
    #[default]
    V1_0,
    /// Sessions end with an optional reason, by `endSessionV1_1`.
    V1_1,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_by_age() {
        assert!(ProtocolVersion::V1_0 < ProtocolVersion::V1_1);
        assert_eq!(ProtocolVersion::default(), ProtocolVersion::V1_0);
    }

    #[test]
    fn versions_have_their_wire_names() {
        for (version, name) in [
            (ProtocolVersion::V1_0, "\"v1_0\""),
            (ProtocolVersion::V1_1, "\"v1_1\""),
        ] {
            assert_eq!(serde_json::to_string(&version).unwrap(), name);
            assert_eq!(serde_json::from_str::<ProtocolVersion>(name).unwrap(), version);
        }
    }

    #[test]
    fn an_unknown_version_is_an_error() {
        for name in ["\"v1_2\"", "\"1.0\"", "\"\"", "1", "null"] {
            assert!(serde_json::from_str::<ProtocolVersion>(name).is_err(), "{name}");
        }
    }
}
