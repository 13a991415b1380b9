// SPDX-License-Identifier: MPL-2.0
//! Messages from the server to a peer.
//!
//! Owns their shape only; when each is sent is decided by the server.

use serde::{Deserialize, Serialize};

use crate::{EndSessionMessage, EndSessionMessageV1_1, Peer, PeerId, PeerMessage, PeerStatus, SessionId};

/// A message from the server to a peer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum OutgoingMessage {
    /// Gives the peer its id; the first message on every connection.
    Welcome {
        /// The id of the peer that receives this.
        peer_id: PeerId,
    },
    /// The roles or the metadata of a peer changed; sent to listeners. Empty roles mean that it stopped or left.
    PeerStatusChanged(PeerStatus),
    /// Answers `list`.
    List {
        /// Every peer with the producer role.
        producers: Vec<Peer>,
    },
    /// Answers `listConsumers`.
    ListConsumers {
        /// Every peer with the consumer role.
        consumers: Vec<Peer>,
    },
    /// Tells the consumer that its session exists.
    SessionStarted {
        /// The producer of the session.
        peer_id: PeerId,
        /// The new session.
        session_id: SessionId,
    },
    /// Tells the producer to serve a consumer.
    StartSession {
        /// The consumer of the session.
        peer_id: PeerId,
        /// The new session.
        session_id: SessionId,
        /// The consumer's session description if it wants an answer; otherwise the producer makes the offer.
        #[serde(default)]
        offer: Option<String>,
    },
    /// The other peer ended the session or left.
    EndSession(EndSessionMessage),
    /// The other peer ended the session or left; for peers that chose protocol 1.1.
    #[serde(rename = "endSessionV1_1")]
    EndSessionV1_1(EndSessionMessageV1_1),
    /// Something from the other peer of a session.
    Peer(PeerMessage),
    /// The receiver's last request failed.
    Error {
        /// Why, for a person to read.
        details: String,
    },
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_absent_offer_is_written_as_null() {
        let message = OutgoingMessage::StartSession {
            peer_id: "P".into(),
            session_id: "S".into(),
            offer: None,
        };
        let expected = json!({"type": "startSession", "peerId": "P", "sessionId": "S", "offer": null});
        assert_eq!(serde_json::to_value(message).unwrap(), expected);
    }

    #[test]
    fn an_older_server_may_leave_the_offer_out() {
        let text = r#"{"type":"startSession","peerId":"P","sessionId":"S"}"#;
        let expected = OutgoingMessage::StartSession {
            peer_id: "P".into(),
            session_id: "S".into(),
            offer: None,
        };
        assert_eq!(serde_json::from_str::<OutgoingMessage>(text).unwrap(), expected);
    }

    #[test]
    fn a_status_change_always_carries_meta() {
        let status = PeerStatus {
            peer_id: Some("P".into()),
            ..PeerStatus::default()
        };
        let expected = json!({"type": "peerStatusChanged", "roles": [], "meta": null, "peerId": "P"});
        assert_eq!(
            serde_json::to_value(OutgoingMessage::PeerStatusChanged(status)).unwrap(),
            expected
        );
    }
}
