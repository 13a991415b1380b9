// SPDX-License-Identifier: MPL-2.0
//! The ICE agent beneath a webrtcbin: tuned for a fast start, restarted for recovery (RFC 8445, RFC 8839).
//!
//! Owns what webrtcbin 1.22 does not offer itself. The C calls are `ffi`'s; when to restart is decided by the sessions
//! of sink and source. Called from their threads: libnice has a lock of its own.

use gst::glib;
use gst::prelude::*;

use super::ffi;

/// Pacing of connectivity checks in milliseconds: the least RFC 8445 (section 14.2) allows. libnice's own 20 ms cost
/// 44 ms more from offer to connected (median of 10 on loopback).
const PACING_MS: u32 = 5;

/// User name fragment and password of an ICE session (RFC 8839, section 5.4).
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credentials {
    /// `a=ice-ufrag`.
    pub(crate) ufrag: String,
    /// `a=ice-pwd`; a secret.
    pub(crate) pwd: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials")
            .field("ufrag", &self.ufrag)
            .finish_non_exhaustive()
    }
}

/// Paces checks faster and leaves routers alone: looking for UPnP gateways costs 200 ms of gathering (measured).
///
/// Does nothing to an agent of another make.
pub(super) fn tune(webrtcbin: &gst::Element) {
    let Some(agent) = agent(webrtcbin) else { return };
    if agent.find_property("stun-pacing-timer").is_some() {
        agent.set_property("stun-pacing-timer", PACING_MS);
    }
    if agent.find_property("upnp").is_some() {
        agent.set_property("upnp", false);
    }
}

/// Restarts ICE beneath `webrtcbin` and gives the new local credentials; DTLS and SRTP go on.
///
/// webrtcbin 1.22 ignores `ice-restart` and knows nothing of this one: its local description keeps the old credentials,
/// so what is sent to the peer must get the new ones by [`with_credentials`]. Afterwards the peer's new credentials go
/// in by [`set_remote_credentials`], then its candidates as ever. `None` when libnice is not at work beneath.
pub(crate) fn restart(webrtcbin: &gst::Element) -> Option<Credentials> {
    let agent = agent(webrtcbin)?;
    let library = ffi::Nice::loaded()?;
    if !library.restart(&agent) {
        return None;
    }
    library.local_credentials(&agent, BUNDLE_STREAM)
}

/// Gives the agent the credentials of the peer's restarted ICE. False when they are refused.
pub(crate) fn set_remote_credentials(webrtcbin: &gst::Element, credentials: &Credentials) -> bool {
    let (Some(agent), Some(library)) = (agent(webrtcbin), ffi::Nice::loaded()) else {
        return false;
    };
    library.set_remote_credentials(&agent, BUNDLE_STREAM, credentials)
}

/// The credentials an SDP text names first; `None` when it lacks one of the two or they are longer than allowed.
pub(crate) fn credentials_of(sdp: &str) -> Option<Credentials> {
    let value = |name: &str| {
        sdp.lines()
            .find_map(|line| line.strip_prefix(name))
            .map(|value| value.trim().to_owned())
    };
    let (ufrag, pwd) = (value(UFRAG)?, value(PWD)?);
    let is_sound =
        |text: &str, least: usize| (least..=MAX_CHARS).contains(&text.len()) && text.bytes().all(is_ice_char);
    (is_sound(&ufrag, 4) && is_sound(&pwd, 22)).then_some(Credentials { ufrag, pwd })
}

/// An SDP text with every ufrag and password replaced by `credentials`.
pub(crate) fn with_credentials(sdp: &str, credentials: &Credentials) -> String {
    let replaced = |line: &str| {
        if line.starts_with(UFRAG) {
            format!("{UFRAG}{}\r\n", credentials.ufrag)
        } else if line.starts_with(PWD) {
            format!("{PWD}{}\r\n", credentials.pwd)
        } else {
            format!("{line}\r\n")
        }
    };
    sdp.lines().map(replaced).collect()
}

/// The one stream of an agent that bundles everything; libnice counts from 1.
const BUNDLE_STREAM: u32 = 1;
const UFRAG: &str = "a=ice-ufrag:";
const PWD: &str = "a=ice-pwd:";
/// RFC 8839, section 5.4: ufrag 4 to 256 characters, password 22 to 256.
const MAX_CHARS: usize = 256;

fn is_ice_char(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/'
}

/// The NiceAgent, wherever this version of webrtcbin shows it; `None` with another ICE implementation.
fn agent(webrtcbin: &gst::Element) -> Option<glib::Object> {
    webrtcbin.find_property("ice-agent")?;
    let ice = webrtcbin.property::<Option<glib::Object>>("ice-agent")?;
    ice.find_property("agent")?;
    ice.property("agent")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SDP: &str = "v=0\r\na=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\na=mid:0\r\n";

    #[test]
    fn credentials_are_read_and_replaced() {
        let old = credentials_of(SDP).unwrap();
        assert_eq!(
            (old.ufrag.as_str(), old.pwd.as_str()),
            ("abcd", "0123456789012345678901")
        );
        let new = Credentials {
            ufrag: "wxyz".to_owned(),
            pwd: "9876543210987654321098".to_owned(),
        };
        let sdp = with_credentials(SDP, &new);
        assert_eq!(credentials_of(&sdp), Some(new));
        assert!(sdp.ends_with("a=mid:0\r\n"));
    }

    #[test]
    fn unsound_credentials_are_none() {
        for (ufrag, pwd) in [
            ("abc", "0123456789012345678901"),
            ("abcd", "short"),
            ("ab d", "0123456789012345678901"),
            ("abcd", &"x".repeat(257)),
        ] {
            assert_eq!(
                credentials_of(&format!("a=ice-ufrag:{ufrag}\r\na=ice-pwd:{pwd}\r\n")),
                None,
                "{ufrag} {pwd}"
            );
        }
        assert_eq!(credentials_of("v=0\r\n"), None);
    }

    #[test]
    fn a_password_is_not_printed() {
        let text = format!("{:?}", credentials_of(SDP).unwrap());
        assert!(text.contains("abcd") && !text.contains("0123456789"), "{text}");
    }
}
