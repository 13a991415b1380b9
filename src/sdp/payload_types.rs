// SPDX-License-Identifier: MPL-2.0
//! Dynamic payload types of a bundle, and retransmission for every codec (RFC 4588, section 8.6).
//!
//! Owns giving out numbers that are free in the whole bundle (RFC 9143, section 9.1 wants that) and completing an
//! offer of webrtcbin 1.22, which offers retransmission for its first codec only: a peer that chooses the second
//! one would otherwise get none. Any thread.

use std::collections::BTreeSet;

use super::media;

/// Adds an `rtx` payload type to each video codec that has none, in every section that has one already.
///
/// A section in which webrtcbin put no retransmission at all was not asked to have it, and stays as it is. Codecs
/// for which no number is left stay without.
pub(crate) fn complete_rtx(sdp: &mut gst_sdp::SDPMessageRef) {
    let mut free = free_numbers(sdp);
    for index in 0..sdp.medias_len() {
        let Some(media) = sdp.media_mut(index) else {
            continue;
        };
        let bare = codecs_without_rtx(media);
        for payload_type in bare {
            let Some(number) = free.next() else { return };
            media.add_format(&number.to_string());
            media.add_attribute("rtpmap", Some(&format!("{number} rtx/90000")));
            media.add_attribute("fmtp", Some(&format!("{number} apt={payload_type}")));
        }
    }
}

/// The numbers that codecs, and what belongs to them, can get: those no section of `sdp` uses.
fn free_numbers(sdp: &gst_sdp::SDPMessageRef) -> impl Iterator<Item = u8> + use<> {
    let used: BTreeSet<u8> = sdp
        .medias()
        .flat_map(|media| {
            media
                .formats()
                .filter_map(|format| format.parse().ok())
                .collect::<Vec<u8>>()
        })
        .collect();
    DYNAMIC
        .chain(UPPER_UNASSIGNED)
        .filter(move |number| !used.contains(number))
}

/// Video codecs of a section with some retransmission that have none of their own.
fn codecs_without_rtx(media: &gst_sdp::SDPMediaRef) -> Vec<u8> {
    if media.media() != Some("video") {
        return Vec::new();
    }
    let formats: Vec<u8> = media.formats().filter_map(|format| format.parse().ok()).collect();
    let named =
        |payload_type: u8| media::rtpmap(media, payload_type).map(|(name, _)| name.to_ascii_lowercase());
    let is_rtx = |payload_type: &u8| named(*payload_type).as_deref() == Some("rtx");
    let protected: BTreeSet<u8> = formats
        .iter()
        .filter(|payload_type| is_rtx(payload_type))
        .filter_map(|payload_type| media::fmtp(media, *payload_type, "apt")?.parse().ok())
        .collect();
    if protected.is_empty() {
        return Vec::new();
    }
    let is_codec = |payload_type: &u8| {
        named(*payload_type)
            .is_some_and(|name| !matches!(name.as_str(), "rtx" | "red" | "ulpfec" | "flexfec-03"))
    };
    formats
        .into_iter()
        .filter(|number| is_codec(number) && !protected.contains(number))
        .collect()
}

/// What RFC 3551 sets aside for numbers given by a description.
pub(crate) const DYNAMIC: std::ops::RangeInclusive<u8> = 96..=127;

/// Unassigned numbers that do not collide with RTCP (RFC 5761, section 4): browsers use them when the others are gone.
const UPPER_UNASSIGNED: std::ops::RangeInclusive<u8> = 35..=63;

#[cfg(test)]
mod tests {
    use super::super::media::tests::sdp;
    use super::*;

    const OFFER: &str = "m=video 9 UDP/TLS/RTP/SAVPF 96 97 101 102 103 104\na=rtpmap:96 VP8/90000\n\
        a=rtpmap:97 H264/90000\na=rtpmap:101 red/90000\na=rtpmap:102 ulpfec/90000\na=rtpmap:103 rtx/90000\n\
        a=fmtp:103 apt=96\na=rtpmap:104 rtx/90000\na=fmtp:104 apt=101\nm=audio 9 UDP/TLS/RTP/SAVPF 98 99\n\
        a=rtpmap:98 OPUS/48000/2\n";

    fn completed(sections: &str) -> gst_sdp::SDPMessage {
        let mut sdp = sdp(sections);
        complete_rtx(&mut sdp);
        sdp
    }

    #[test]
    fn the_second_codec_gets_a_number_nobody_uses() {
        let sdp = completed(OFFER);
        let media = sdp.media(0).expect("video");
        let added: Vec<_> = media.formats().skip(6).collect();
        assert_eq!(added, ["100"]);
        assert_eq!(media::rtpmap(media, 100), Some(("rtx".into(), 90_000)));
        assert_eq!(media::fmtp(media, 100, "apt").as_deref(), Some("97"));
    }

    #[test]
    fn completing_twice_adds_nothing() {
        let mut sdp = completed(OFFER);
        let once = sdp.as_text().expect("printable");
        complete_rtx(&mut sdp);
        assert_eq!(sdp.as_text().expect("printable"), once);
    }

    #[test]
    fn a_section_without_any_retransmission_stays_without() {
        let plain = "m=video 9 UDP/TLS/RTP/SAVPF 96 97\na=rtpmap:96 VP8/90000\na=rtpmap:97 H264/90000\n";
        assert_eq!(completed(plain).media(0).expect("video").formats_len(), 2);
    }

    #[test]
    fn numbers_below_sixty_four_serve_when_the_dynamic_ones_are_gone() {
        let numbers: Vec<_> = DYNAMIC.map(|number| number.to_string()).collect();
        let full = format!(
            "m=video 9 UDP/TLS/RTP/SAVPF {}\na=rtpmap:96 VP8/90000\na=rtpmap:97 H264/90000\na=rtpmap:98 rtx/90000\n\
             a=fmtp:98 apt=96\n",
            numbers.join(" ")
        );
        let sdp = completed(&full);
        assert_eq!(sdp.media(0).expect("video").formats().last(), Some("35"));
    }

    #[test]
    fn a_crowded_bundle_leaves_codecs_without_rather_than_failing() {
        let numbers: Vec<_> = DYNAMIC
            .chain(UPPER_UNASSIGNED)
            .map(|number| number.to_string())
            .collect();
        let full = format!(
            "m=video 9 UDP/TLS/RTP/SAVPF {}\na=rtpmap:96 VP8/90000\na=rtpmap:97 H264/90000\na=rtpmap:98 rtx/90000\n\
             a=fmtp:98 apt=96\n",
            numbers.join(" ")
        );
        assert_eq!(
            completed(&full).media(0).expect("video").formats_len() as usize,
            numbers.len()
        );
    }
}
