// SPDX-License-Identifier: MPL-2.0
//! Why a session ended, told alike everywhere: the elements' signal, the bus message, the wire.
//!
//! On the wire the reason travels as text, `nick: explanation`, inside the end message of protocol 1.1. What a peer
//! sends is only text: a nick that isn't one of ours reads as [`SessionEndReason::PeerGone`] with the text kept.

use gst::glib;

/// The kind of a session's end; GType `GstWebRTCSessionEndReason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, glib::Enum)]
#[repr(u32)]
#[enum_type(name = "GstWebRTCSessionEndReason")]
#[non_exhaustive]
pub enum SessionEndReason {
    /// This side ended it on purpose.
    #[enum_value(name = "Closed: ended on purpose", nick = "closed")]
    Closed,
    /// The peer ended it or left.
    #[enum_value(name = "Peer gone: the peer ended the session or left", nick = "peer-gone")]
    PeerGone,
    /// It did not get connected within `session-timeout`.
    #[enum_value(name = "Timeout: not connected in time", nick = "timeout")]
    Timeout,
    /// It was connected, then nothing came from the peer any more.
    #[enum_value(name = "Stalled: connected, then silent", nick = "stalled")]
    Stalled,
    /// No candidate pair works, or none does any more.
    #[enum_value(name = "ICE failed: no working candidate pair", nick = "ice-failed")]
    IceFailed,
    /// The DTLS handshake failed.
    #[enum_value(name = "DTLS failed: handshake refused", nick = "dtls-failed")]
    DtlsFailed,
    /// The certificate presented is not the one the description names (RFC 8122).
    #[enum_value(
        name = "Fingerprint mismatch: another certificate than described",
        nick = "fingerprint-mismatch"
    )]
    FingerprintMismatch,
    /// The peer's description cannot be used.
    #[enum_value(
        name = "Bad description: the peer's SDP cannot be used",
        nick = "bad-description"
    )]
    BadDescription,
    /// Nothing this side can send or receive was accepted.
    #[enum_value(name = "No common codec", nick = "no-common-codec")]
    NoCommonCodec,
    /// The way to the peer for descriptions and candidates was lost while they were needed.
    #[enum_value(name = "Signalling lost", nick = "signalling-lost")]
    SignallingLost,
    /// Something failed on this side.
    #[enum_value(name = "Internal: a failure on this side", nick = "internal")]
    Internal,
}

impl SessionEndReason {
    /// Every reason, in the order of their values.
    pub const ALL: [Self; 11] = [
        Self::Closed,
        Self::PeerGone,
        Self::Timeout,
        Self::Stalled,
        Self::IceFailed,
        Self::DtlsFailed,
        Self::FingerprintMismatch,
        Self::BadDescription,
        Self::NoCommonCodec,
        Self::SignallingLost,
        Self::Internal,
    ];

    /// The reason's short name, as on the wire.
    pub fn nick(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::PeerGone => "peer-gone",
            Self::Timeout => "timeout",
            Self::Stalled => "stalled",
            Self::IceFailed => "ice-failed",
            Self::DtlsFailed => "dtls-failed",
            Self::FingerprintMismatch => "fingerprint-mismatch",
            Self::BadDescription => "bad-description",
            Self::NoCommonCodec => "no-common-codec",
            Self::SignallingLost => "signalling-lost",
            Self::Internal => "internal",
        }
    }

    fn from_nick(nick: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.nick() == nick)
    }
}

/// A session's end: its kind and what there is to say about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndReason {
    /// The kind, for programs.
    pub kind: SessionEndReason,
    /// The explanation, for people; may be empty.
    pub text: String,
}

impl EndReason {
    /// An end of this kind, explained by `text`.
    pub fn new(kind: SessionEndReason, text: impl Into<String>) -> Self {
        Self {
            kind,
            text: text.into(),
        }
    }

    /// `nick: text`, or the bare nick when there is nothing to add.
    pub fn to_wire(&self) -> String {
        if self.text.is_empty() {
            return self.kind.nick().to_owned();
        }
        format!("{}: {}", self.kind.nick(), self.text)
    }

    /// Reads what a peer gave as its reason. Texts of more than 500 characters are cut.
    pub fn from_wire(text: Option<&str>) -> Self {
        let text: String = text.unwrap_or_default().chars().take(MAX_TEXT_CHARS).collect();
        let (nick, rest) = text.split_once(':').unwrap_or((text.as_str(), ""));
        match SessionEndReason::from_nick(nick.trim()) {
            Some(kind) => Self::new(kind, rest.trim()),
            None => Self::new(SessionEndReason::PeerGone, text),
        }
    }
}

impl std::fmt::Display for EndReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.to_wire())
    }
}

/// A peer's explanation reaches logs and the bus: a line or two is all it gets.
const MAX_TEXT_CHARS: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;
    use gst::glib::prelude::*;

    #[test]
    fn nicks_are_those_of_the_registered_type() {
        let class = glib::EnumClass::with_type(SessionEndReason::static_type()).unwrap();
        for reason in SessionEndReason::ALL {
            assert_eq!(class.value(reason as i32).unwrap().nick(), reason.nick());
        }
        assert!(class.value(SessionEndReason::ALL.len() as i32).is_none());
    }

    #[test]
    fn a_reason_survives_the_wire() {
        for kind in SessionEndReason::ALL {
            for text in ["", "no answer within 10 s", "with: a colon"] {
                let reason = EndReason::new(kind, text);
                assert_eq!(EndReason::from_wire(Some(&reason.to_wire())), reason);
            }
        }
    }

    #[test]
    fn foreign_texts_mean_that_the_peer_is_gone() {
        for text in ["Consumer left", "nonsense: here", ": closed"] {
            assert_eq!(
                EndReason::from_wire(Some(text)),
                EndReason::new(SessionEndReason::PeerGone, text)
            );
        }
        assert_eq!(EndReason::from_wire(None).kind, SessionEndReason::PeerGone);
    }

    #[test]
    fn long_texts_are_cut() {
        let reason = EndReason::from_wire(Some(&"é".repeat(100_000)));
        assert_eq!(reason.text.chars().count(), MAX_TEXT_CHARS);
    }
}
