// SPDX-License-Identifier: MPL-2.0
//! What peers say of themselves, and what they say to each other: descriptions (RFC 8866) and ICE
//! candidates (RFC 8839, section 5.1).
//!
//! The server relays the texts inside a [`PeerMessage`] unopened; only the kind of a description matters
//! to it, because the consumer of a session may not offer.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::{PeerId, SessionId};

/// Something from one peer of a session to the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PeerMessage {
    /// The session both peers are part of.
    pub session_id: SessionId,
    /// What is relayed; on the wire its one key stands beside `sessionId`.
    #[serde(flatten)]
    pub peer_message: PeerMessageInner,
}

/// The content of a [`PeerMessage`]. If a message holds several, the first one counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum PeerMessageInner {
    /// An ICE candidate.
    Ice {
        /// The candidate attribute without `a=`; empty for the end of candidates.
        candidate: String,
        /// Index of the m-line the candidate belongs to.
        sdp_m_line_index: u32,
        /// Identification tag of the m-line the candidate belongs to, where the sender knows it.
        #[serde(
            default,
            deserialize_with = "text_or_none",
            skip_serializing_if = "Option::is_none"
        )]
        sdp_mid: Option<String>,
        /// User name fragment of the ICE generation the candidate belongs to, where the sender knows it.
        #[serde(
            default,
            deserialize_with = "text_or_none",
            skip_serializing_if = "Option::is_none"
        )]
        username_fragment: Option<String>,
    },
    /// A session description.
    Sdp(SdpMessage),
}

/// A session description and its place in the exchange.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum SdpMessage {
    /// Opens the exchange.
    Offer {
        /// The description, as SDP.
        sdp: String,
    },
    /// Completes the exchange.
    Answer {
        /// The description, as SDP.
        sdp: String,
    },
}

/// What a peer is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PeerRole {
    /// Serves media to whoever starts a session with it.
    Producer,
    /// Is told about the status of every peer.
    Listener,
    /// Waits for a producer to start a session with it. (Consuming by one's own request needs no role.)
    Consumer,
}

/// The roles and metadata of a peer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PeerStatus {
    /// All roles of the peer; duplicates mean nothing.
    pub roles: Vec<PeerRole>,
    /// Free description of the peer, by convention an object.
    #[serde(default)]
    pub meta: Option<Value>,
    /// The peer this is about. The server always says it, and ignores what a peer claims here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer_id: Option<PeerId>,
}

impl PeerStatus {
    /// Whether the peer serves media.
    pub fn is_producer(&self) -> bool {
        self.roles.contains(&PeerRole::Producer)
    }

    /// Whether the peer wants to hear of others.
    pub fn is_listener(&self) -> bool {
        self.roles.contains(&PeerRole::Listener)
    }

    /// Whether the peer waits for producers.
    pub fn is_consumer(&self) -> bool {
        self.roles.contains(&PeerRole::Consumer)
    }
}

/// A peer in a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Peer {
    /// The peer, as `startSession` names it.
    pub id: PeerId,
    /// Its description of itself.
    #[serde(default)]
    pub meta: Option<Value>,
}

/// Reads a text and takes anything else for none: the first protocol ignored these fields whatever they held,
/// so an odd value must not cost the candidate.
fn text_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(text) => Some(text),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(value: Value) -> Result<PeerMessage, serde_json::Error> {
        serde_json::from_value(value)
    }

    fn ice(sdp_mid: Option<&str>, username_fragment: Option<&str>) -> PeerMessageInner {
        PeerMessageInner::Ice {
            candidate: "c".into(),
            sdp_m_line_index: 1,
            sdp_mid: sdp_mid.map(Into::into),
            username_fragment: username_fragment.map(Into::into),
        }
    }

    #[test]
    fn what_browsers_add_to_a_candidate_is_kept() {
        let candidate = json!({"candidate": "c", "sdpMLineIndex": 1, "sdpMid": "a", "usernameFragment": "u"});
        let message = json!({"sessionId": "S", "ice": candidate});
        let parsed = parse(message.clone()).unwrap();
        assert_eq!(parsed.peer_message, ice(Some("a"), Some("u")));
        assert_eq!(serde_json::to_value(parsed).unwrap(), message);
    }

    #[test]
    fn an_odd_extra_of_a_candidate_does_not_cost_the_candidate() {
        for odd in [json!(null), json!(3), json!({"a": []}), json!([1])] {
            let candidate =
                json!({"candidate": "c", "sdpMLineIndex": 1, "sdpMid": odd, "usernameFragment": odd});
            assert_eq!(
                parse(json!({"sessionId": "S", "ice": candidate}))
                    .unwrap()
                    .peer_message,
                ice(None, None)
            );
        }
    }

    #[test]
    fn a_plain_candidate_stays_plain() {
        let message = PeerMessage {
            session_id: "S".into(),
            peer_message: ice(None, None),
        };
        let expected = json!({"sessionId": "S", "ice": {"candidate": "c", "sdpMLineIndex": 1}});
        assert_eq!(serde_json::to_value(message).unwrap(), expected);
    }

    #[test]
    fn the_line_index_must_be_an_unsigned_32_bit_number() {
        for index in [
            json!(null),
            json!(-1),
            json!(4_294_967_296_u64),
            json!(0.5),
            json!("0"),
        ] {
            let message = json!({"sessionId": "S", "ice": {"candidate": "c", "sdpMLineIndex": index}});
            assert!(parse(message).is_err(), "{index}");
        }
        assert!(parse(json!({"sessionId": "S", "ice": {"candidate": "c"}})).is_err());
    }

    #[test]
    fn the_first_of_two_contents_counts() {
        let sdp = r#""sdp":{"type":"answer","sdp":"v=0"}"#;
        let ice = r#""ice":{"candidate":"c","sdpMLineIndex":0}"#;
        let first = |text: String| serde_json::from_str::<PeerMessage>(&text).unwrap().peer_message;
        assert!(matches!(
            first(format!(r#"{{"sessionId":"S",{sdp},{ice}}}"#)),
            PeerMessageInner::Sdp(_)
        ));
        assert!(matches!(
            first(format!(r#"{{"sessionId":"S",{ice},{sdp}}}"#)),
            PeerMessageInner::Ice { .. }
        ));
    }

    #[test]
    fn only_offers_and_answers_are_descriptions() {
        for kind in ["pranswer", "rollback", "Offer", ""] {
            let message = json!({"sessionId": "S", "sdp": {"type": kind, "sdp": "v=0"}});
            assert!(parse(message).is_err(), "{kind}");
        }
    }

    #[test]
    fn roles_answer_for_themselves() {
        let status = |roles: &[PeerRole]| PeerStatus {
            roles: roles.into(),
            ..PeerStatus::default()
        };
        assert!(status(&[PeerRole::Producer, PeerRole::Producer]).is_producer());
        assert!(status(&[PeerRole::Producer, PeerRole::Listener]).is_listener());
        assert!(status(&[PeerRole::Consumer]).is_consumer());
        let none = status(&[]);
        assert!(!none.is_producer() && !none.is_listener() && !none.is_consumer());
    }
}
