// SPDX-License-Identifier: MPL-2.0
//! One media section of a description as plain values: kind, mid, direction, formats (RFC 8866, section 5.14).
//!
//! Owns reading; what to make of a section is decided in the negotiation of sink and source. Any thread. Attributes
//! that an m-line lacks fall back to the session's, as RFC 8866 has it.

use super::SdpError;

/// One media section, numbered as it stands in the description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MediaLine {
    /// Position in the description, from 0: what candidates call `sdpMLineIndex`.
    pub(crate) index: usize,
    /// `audio`, `video`, `application` or whatever else stands there.
    pub(crate) kind: String,
    /// `a=mid`, the section's name.
    pub(crate) mid: Option<String>,
    /// Who may send, seen from the side that wrote the description.
    pub(crate) direction: Direction,
    /// Port 0 without `a=bundle-only`: the section is refused (RFC 3264, section 6; RFC 9143, section 7.2).
    pub(crate) is_rejected: bool,
    /// Payload types in order of preference. Formats that are no payload type are left out.
    pub(crate) payload_types: Vec<u8>,
}

/// Direction attribute of a section (RFC 8866, section 6.7); the default is both ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    SendRecv,
    SendOnly,
    RecvOnly,
    Inactive,
}

impl Direction {
    /// Whether the side that wrote the description is ready to receive.
    pub(crate) fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    /// Whether the side that wrote the description means to send.
    pub(crate) fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }
}

/// All sections of `sdp` in order.
///
/// # Errors
/// When there are more than [`MAX_MEDIA`] sections.
pub(crate) fn lines(sdp: &gst_sdp::SDPMessageRef) -> Result<Vec<MediaLine>, SdpError> {
    let count = sdp.medias_len() as usize;
    if count > MAX_MEDIA {
        return Err(SdpError::TooManyMedia(count));
    }
    Ok(sdp
        .medias()
        .enumerate()
        .map(|(index, media)| line(index, sdp, media))
        .collect())
}

/// `encoding-name` and clock rate of `payload_type`, from its `a=rtpmap` (RFC 8866, section 6.6).
pub(crate) fn rtpmap(media: &gst_sdp::SDPMediaRef, payload_type: u8) -> Option<(String, u32)> {
    values(media, "rtpmap").find_map(|value| {
        let (number, rest) = value.split_once(' ')?;
        if number.parse() != Ok(payload_type) {
            return None;
        }
        let mut parts = rest.trim().split('/');
        Some((parts.next()?.to_owned(), parts.next()?.parse().ok()?))
    })
}

/// One parameter of `a=fmtp` of `payload_type`, such as `apt`.
pub(crate) fn fmtp(media: &gst_sdp::SDPMediaRef, payload_type: u8, parameter: &str) -> Option<String> {
    values(media, "fmtp").find_map(|value| {
        let (number, parameters) = value.split_once(' ')?;
        if number.parse() != Ok(payload_type) {
            return None;
        }
        parameters.split(';').find_map(|pair| {
            let (name, value) = pair.trim().split_once('=')?;
            name.eq_ignore_ascii_case(parameter)
                .then(|| value.trim().to_owned())
        })
    })
}

/// Values of every attribute called `name`, in order.
pub(crate) fn values<'a>(
    media: &'a gst_sdp::SDPMediaRef,
    name: &'a str,
) -> impl Iterator<Item = &'a str> + 'a {
    media
        .attributes()
        .filter(move |attribute| attribute.key() == name)
        .filter_map(|attribute| attribute.value())
}

/// SSRCs of a section with those of their retransmissions: groups such as `FID 1 2` (RFC 5576, section 4.2).
pub(crate) fn repairs(media: &gst_sdp::SDPMediaRef) -> impl Iterator<Item = (u32, u32)> + '_ {
    values(media, "ssrc-group").filter_map(|group| {
        let mut words = group.split_whitespace();
        let is_fid = words.next()? == "FID";
        let (repaired, repairing) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        is_fid.then_some((repaired, repairing))
    })
}

fn line(index: usize, sdp: &gst_sdp::SDPMessageRef, media: &gst_sdp::SDPMediaRef) -> MediaLine {
    let is_bundle_only = media
        .attributes()
        .any(|attribute| attribute.key() == "bundle-only");
    MediaLine {
        index,
        kind: media.media().unwrap_or_default().to_owned(),
        mid: media
            .attribute_val("mid")
            .filter(|mid| !mid.is_empty())
            .map(str::to_owned),
        direction: direction(sdp, media),
        is_rejected: media.port() == 0 && !is_bundle_only,
        payload_types: media.formats().filter_map(|format| format.parse().ok()).collect(),
    }
}

fn direction(sdp: &gst_sdp::SDPMessageRef, media: &gst_sdp::SDPMediaRef) -> Direction {
    let own = media
        .attributes()
        .find_map(|attribute| named_direction(attribute.key()));
    let session = || {
        sdp.attributes()
            .find_map(|attribute| named_direction(attribute.key()))
    };
    own.or_else(session).unwrap_or(Direction::SendRecv)
}

fn named_direction(key: &str) -> Option<Direction> {
    match key {
        "sendrecv" => Some(Direction::SendRecv),
        "sendonly" => Some(Direction::SendOnly),
        "recvonly" => Some(Direction::RecvOnly),
        "inactive" => Some(Direction::Inactive),
        _ => None,
    }
}

/// Far above what an element with every pad a user could ask for makes; a bound for what a peer may cause.
const MAX_MEDIA: usize = 256;

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A description with the given media sections below the lines every description has.
    pub(crate) fn sdp(sections: &str) -> gst_sdp::SDPMessage {
        gst::init().expect("GStreamer initialises");
        let text = format!(
            "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n{}",
            sections.replace('\n', "\r\n")
        );
        super::super::parse(&text).expect("a description")
    }

    #[test]
    fn a_section_is_read_in_full() {
        let sdp = sdp("m=video 9 UDP/TLS/RTP/SAVPF 96 97\na=mid:v\na=recvonly\n");
        assert_eq!(
            lines(&sdp).expect("one section"),
            [MediaLine {
                index: 0,
                kind: "video".into(),
                mid: Some("v".into()),
                direction: Direction::RecvOnly,
                is_rejected: false,
                payload_types: vec![96, 97],
            }]
        );
    }

    #[test]
    fn port_zero_rejects_unless_bundle_only() {
        let sdp = sdp("m=video 0 UDP/TLS/RTP/SAVPF 96\nm=audio 0 UDP/TLS/RTP/SAVPF 97\na=bundle-only\n");
        let rejected: Vec<_> = lines(&sdp)
            .expect("two sections")
            .iter()
            .map(|line| line.is_rejected)
            .collect();
        assert_eq!(rejected, [true, false]);
    }

    #[test]
    fn direction_falls_back_to_the_session_and_then_to_both_ways() {
        let none = sdp("m=video 9 UDP/TLS/RTP/SAVPF 96\n");
        assert_eq!(lines(&none).expect("one")[0].direction, Direction::SendRecv);
        let session = sdp("a=inactive\nm=video 9 UDP/TLS/RTP/SAVPF 96\n");
        assert_eq!(lines(&session).expect("one")[0].direction, Direction::Inactive);
    }

    #[test]
    fn directions_say_who_sends_and_who_receives() {
        for (direction, sends, receives) in [
            (Direction::SendRecv, true, true),
            (Direction::SendOnly, true, false),
            (Direction::RecvOnly, false, true),
            (Direction::Inactive, false, false),
        ] {
            assert_eq!(
                (direction.sends(), direction.receives()),
                (sends, receives),
                "{direction:?}"
            );
        }
    }

    #[test]
    fn formats_that_are_no_payload_type_are_left_out() {
        let sdp = sdp("m=video 9 UDP/TLS/RTP/SAVPF foo 96 999\n");
        assert_eq!(lines(&sdp).expect("one")[0].payload_types, [96]);
    }

    #[test]
    fn rtpmap_and_fmtp_are_found_by_payload_type() {
        let sdp = sdp(
            "m=video 9 UDP/TLS/RTP/SAVPF 96 97\na=rtpmap:96 VP8/90000\na=rtpmap:97 rtx/90000\n\
                       a=fmtp:97 rtx-time=3000; apt=96\n",
        );
        let media = sdp.media(0).expect("one section");
        assert_eq!(rtpmap(media, 97), Some(("rtx".into(), 90_000)));
        assert_eq!(fmtp(media, 97, "apt").as_deref(), Some("96"));
        assert_eq!(rtpmap(media, 98), None);
        assert_eq!(fmtp(media, 96, "apt"), None);
    }

    #[test]
    fn a_flood_of_sections_is_refused() {
        let sdp = sdp(&"m=video 9 UDP/TLS/RTP/SAVPF 96\n".repeat(300));
        assert_eq!(lines(&sdp), Err(SdpError::TooManyMedia(300)));
    }
}
