// SPDX-License-Identifier: MPL-2.0
//! Why a message is refused, with the words its sender is told; clients show them to people.

use gst_plugin_webrtc_signalling_protocol::{PeerId, PeerRole, SessionId};
use thiserror::Error;

#[derive(Debug, PartialEq, Eq, Error)]
pub(super) enum Refusal {
    #[error("newPeer is not for peers to send")]
    Reserved,
    #[error("Peer '{0}' hasn't been welcomed")]
    NotWelcomed(PeerId),
    #[error("Protocol version selection for peer '{0}' must be first message")]
    LateVersion(PeerId),
    #[error("Cannot register peer {0} as both producer and passive consumer")]
    BothSides(PeerId),
    #[error("Metadata of {bytes} bytes exceeds the limit of {max}")]
    MetaTooLarge { bytes: usize, max: usize },
    #[error("The server holds no more metadata")]
    NoRoomForMeta,
    #[error("Peer with ID '{0}' not found")]
    NoPeer(PeerId),
    #[error("Missing a producer or a consumer: id {from} roles {from_roles:?}, id {to} roles {to_roles:?}")]
    NoSides {
        from: PeerId,
        from_roles: Vec<PeerRole>,
        to: PeerId,
        to_roles: Vec<PeerRole>,
    },
    #[error("Peer {peer} has reached the limit of {max} sessions")]
    TooManySessions { peer: PeerId, max: usize },
    #[error("Peers {from} and {to} have reached the limit of {max} sessions between them")]
    TooManyBetween { from: PeerId, to: PeerId, max: usize },
    #[error("Session {0} doesn't exist")]
    NoSession(SessionId),
    #[error("Peer {peer} is not part of {session}")]
    Stranger { peer: PeerId, session: SessionId },
    #[error(
        "cannot forward offer from \"{consumer}\" to \"{producer}\" as \"{consumer}\" is not the producer"
    )]
    ConsumerOffers { consumer: PeerId, producer: PeerId },
    #[error("Invalid end session message with error from peer '{0}', minimum protocol version is 1.1")]
    ErrorNeedsVersion(PeerId),
}

impl Refusal {
    /// Whether the sender is told. Messages for a session that just ended cross its end on the way, which is
    /// nobody's fault; clients take an error for a failure of the whole.
    pub(super) fn is_answered(&self) -> bool {
        !matches!(self, Self::NoSession(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_listed_by_name() {
        let refusal = Refusal::NoSides {
            from: "a".into(),
            from_roles: vec![],
            to: "b".into(),
            to_roles: vec![PeerRole::Listener],
        };
        let expected = "Missing a producer or a consumer: id a roles [], id b roles [Listener]";
        assert_eq!(refusal.to_string(), expected);
    }

    #[test]
    fn only_a_session_that_is_gone_goes_unanswered() {
        assert!(!Refusal::NoSession("s".into()).is_answered());
        assert!(
            Refusal::Stranger {
                peer: "p".into(),
                session: "s".into()
            }
            .is_answered()
        );
        assert!(Refusal::Reserved.is_answered());
    }
}
