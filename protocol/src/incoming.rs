// SPDX-License-Identifier: MPL-2.0
//! Messages from a peer to the server.
//!
//! Owns their shape only; the rules (who may send what and when) are the server's.

use serde::{Deserialize, Serialize};

use crate::{PeerId, PeerMessage, PeerStatus, ProtocolVersion, SessionId};

/// A message from a peer to the server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum IncomingMessage {
    /// A peer connected. Part of the vocabulary because servers have used it among their own parts; a server
    /// refuses it when it comes from the wire.
    NewPeer,
    /// Replaces the roles and the metadata of the sender.
    SetPeerStatus(PeerStatus),
    /// Asks for a session with another peer.
    StartSession(StartSessionMessage),
    /// Ends a session the sender is part of.
    EndSession(EndSessionMessage),
    /// Ends a session the sender is part of, and may say why (protocol 1.1).
    #[serde(rename = "endSessionV1_1")]
    EndSessionV1_1(EndSessionMessageV1_1),
    /// Something for the other peer of a session.
    Peer(PeerMessage),
    /// Asks for all producers.
    List,
    /// Asks for all passive consumers.
    ListConsumers,
    /// Chooses the protocol version; valid as the first message only.
    SetProtocolVersion {
        /// The version the sender wants to be spoken to in.
        version: ProtocolVersion,
    },
}

/// Asks for a session with another peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StartSessionMessage {
    /// The producer to consume from, or the passive consumer to produce for.
    pub peer_id: PeerId,
    /// A session description, when the sender makes the offer itself and expects an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offer: Option<String>,
}

/// Ends a session, in either direction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EndSessionMessage {
    /// The session that ends.
    pub session_id: SessionId,
}

/// Ends a session and may say why, in either direction (protocol 1.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EndSessionMessageV1_1 {
    /// The session that ends.
    pub session_id: SessionId,
    /// Why it ends, when it isn't an ordinary end. Always written, null when there is no error.
    #[serde(default)]
    pub error: Option<String>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(value: serde_json::Value) -> Result<IncomingMessage, serde_json::Error> {
        serde_json::from_value(value)
    }

    #[test]
    fn unknown_fields_are_ignored() {
        assert_eq!(
            parse(json!({"type": "list", "page": 2})).unwrap(),
            IncomingMessage::List
        );
        let start = parse(json!({"type": "startSession", "peerId": "P", "codec": ["VP8"]})).unwrap();
        let expected = StartSessionMessage {
            peer_id: "P".into(),
            offer: None,
        };
        assert_eq!(start, IncomingMessage::StartSession(expected));
    }

    #[test]
    fn the_type_may_come_last() {
        let text = r#"{"sessionId":"S","type":"endSession"}"#;
        let expected = IncomingMessage::EndSession(EndSessionMessage {
            session_id: "S".into(),
        });
        assert_eq!(serde_json::from_str::<IncomingMessage>(text).unwrap(), expected);
    }

    #[test]
    fn a_missing_nullable_field_counts_as_null() {
        for text in [
            r#"{"type":"endSessionV1_1","sessionId":"S"}"#,
            r#"{"type":"endSessionV1_1","sessionId":"S","error":null}"#,
        ] {
            let IncomingMessage::EndSessionV1_1(end) = serde_json::from_str(text).unwrap() else {
                panic!("{text}")
            };
            assert_eq!(end.error, None);
        }
    }

    #[test]
    fn a_session_request_without_offer_stays_as_the_first_protocol_had_it() {
        let message = IncomingMessage::StartSession(StartSessionMessage {
            peer_id: "P".into(),
            offer: None,
        });
        assert_eq!(
            serde_json::to_value(message).unwrap(),
            json!({"type": "startSession", "peerId": "P"})
        );
    }

    #[test]
    fn roles_are_mandatory_in_a_status() {
        assert!(parse(json!({"type": "setPeerStatus", "meta": null})).is_err());
        assert!(parse(json!({"type": "setPeerStatus", "roles": []})).is_ok());
    }
}
