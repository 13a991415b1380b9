// SPDX-License-Identifier: MPL-2.0
//! RTP header extensions in descriptions (RFC 8285): which id stands for which URI.
//!
//! Owns finding and choosing ids. The extension objects themselves belong to the payloaders. Any thread. Which
//! extensions are wanted is decided by sink, source and `bwe`, each for itself.

use super::media::values;

/// Transport-wide sequence numbers (draft-holmer-rmcat-transport-wide-cc-extensions-01).
pub(crate) const TWCC_URI: &str = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";

/// How long a receiver is asked to hold pictures (libwebrtc, docs/native-code/rtp-hdrext/playout-delay).
pub(crate) const PLAYOUT_DELAY_URI: &str = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay";
/// Which media section a packet belongs to (RFC 9143, section 16.2).
pub(crate) const MID_URI: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";
/// Which layer of its section (RFC 8852, section 4.3).
pub(crate) const RID_URI: &str = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id";
/// Which layer a retransmission repairs (RFC 8852, section 4.4).
pub(crate) const REPAIRED_RID_URI: &str = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id";

/// The id `uri` has in this media section.
///
/// Ids outside of 1 to 255 (RFC 8285, section 5) and a direction suffix such as `3/recvonly` are handled.
pub(crate) fn id_of(media: &gst_sdp::SDPMediaRef, uri: &str) -> Option<u8> {
    values(media, "extmap").find_map(|value| {
        let mut words = value.split_whitespace();
        let number = words.next()?.split('/').next()?;
        let id = number.parse().ok().filter(|id| *id > 0)?;
        (words.next()? == uri).then_some(id)
    })
}

/// Name of the caps field that carries the extension with this id.
pub(crate) fn caps_field(id: u8) -> String {
    format!("extmap-{id}")
}

#[cfg(test)]
mod tests {
    use super::super::media::tests::sdp;
    use super::*;

    fn id(line: &str) -> Option<u8> {
        let sdp = sdp(&format!("m=video 9 UDP/TLS/RTP/SAVPF 96\na=extmap:{line}\n"));
        id_of(sdp.media(0).expect("one section"), TWCC_URI)
    }

    #[test]
    fn ids_are_read_with_and_without_direction() {
        assert_eq!(id(&format!("3 {TWCC_URI}")), Some(3));
        assert_eq!(id(&format!("7/sendonly {TWCC_URI}")), Some(7));
        assert_eq!(id(&format!("14 {TWCC_URI} parameters")), Some(14));
    }

    #[test]
    fn nonsense_ids_are_no_extension() {
        for line in [
            format!("0 {TWCC_URI}"),
            format!("300 {TWCC_URI}"),
            format!("x {TWCC_URI}"),
            "5".into(),
        ] {
            assert_eq!(id(&line), None, "{line}");
        }
    }

    #[test]
    fn another_uri_is_not_ours() {
        assert_eq!(id("3 urn:ietf:params:rtp-hdrext:sdes:mid"), None);
    }

    #[test]
    fn the_caps_field_is_named_as_gstreamer_does() {
        assert_eq!(caps_field(3), "extmap-3");
    }
}
