// SPDX-License-Identifier: MPL-2.0
//! From the caps a user asks for to the codecs that are proposed, in order and with their payload types.
//!
//! `video-caps` and `audio-caps` are lists of preference: the walk over their structures gives the order, and the
//! numbers are the same for all streams of an element. Pure apart from reading the catalogue.

use super::{Catalogue, Codec, MediaKind};

/// A codec with the payload type it has in every offer of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Proposal {
    /// What is proposed.
    pub(crate) codec: Codec,
    /// Its number, from the dynamic range of RFC 3551.
    pub(crate) payload_type: u8,
}

/// Codecs that can be paid, in the order of the structures of `video_caps`, then of `audio_caps`. A structure gives
/// every codec it covers, in the order of the table (`audio/x-opus` covers stereo and multi-channel Opus), unless it
/// is proposed already.
pub(crate) fn proposals(
    catalogue: &Catalogue,
    video_caps: &gst::CapsRef,
    audio_caps: &gst::CapsRef,
) -> Vec<Proposal> {
    // What the range cannot hold is not proposed; eleven codecs fit it three times over.
    wanted(video_caps)
        .into_iter()
        .chain(wanted(audio_caps))
        .filter(|codec| catalogue.can_pay(*codec))
        .zip(PAYLOAD_TYPES)
        .map(|(codec, payload_type)| Proposal { codec, payload_type })
        .collect()
}

/// The codecs that caps ask for, in their order, installed or not.
pub(crate) fn wanted(caps: &gst::CapsRef) -> Vec<Codec> {
    let mut codecs = Vec::new();
    for structure in caps.iter() {
        let wanted = gst::Caps::builder_full().structure(structure.to_owned()).build();
        for codec in Codec::ALL {
            if wanted.can_intersect(&codec.caps()) && !codecs.contains(&codec) {
                codecs.push(codec);
            }
        }
    }
    codecs
}

/// The media types of every compressed codec of a kind, in default order, installed or not: the default of
/// `video-caps` and `audio-caps`. Raw payloads must be asked for.
pub(crate) fn default_caps(kind: MediaKind) -> gst::Caps {
    let is_default = |codec: &Codec| codec.media() == kind && !codec.is_raw_payload();
    let mut caps = gst::Caps::new_empty();
    for codec in Codec::ALL.into_iter().filter(is_default) {
        let types = codec.caps();
        let new: Vec<_> = types
            .iter()
            .map(|it| it.name().to_string())
            .filter(|name| caps.iter().all(|it| it.name() != name))
            .collect();
        for name in new {
            caps.get_mut()
                .expect("not shared yet")
                .append_structure(gst::Structure::new_empty(name));
        }
    }
    caps
}

/// The dynamic range (RFC 3551, section 6).
const PAYLOAD_TYPES: std::ops::RangeInclusive<u8> = 96..=127;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::catalogue;
    use std::str::FromStr;

    fn names(video: &str, audio: &str) -> Vec<(&'static str, u8)> {
        gst::init().unwrap();
        let caps = |text| gst::Caps::from_str(text).unwrap();
        proposals(catalogue(), &caps(video), &caps(audio))
            .into_iter()
            .map(|proposal| (proposal.codec.encoding_name(), proposal.payload_type))
            .collect()
    }

    #[test]
    fn users_order_gives_order_and_numbers() {
        assert_eq!(
            names(
                "video/x-vp9; video/x-vp8",
                "audio/x-opus, channel-mapping-family=0"
            ),
            [("VP9", 96), ("VP8", 97), ("OPUS", 98)]
        );
    }

    #[test]
    fn unknown_structures_take_no_number() {
        assert_eq!(
            names("video/x-theora; video/x-vp8", "audio/x-speex; audio/x-opus"),
            [("VP8", 96), ("OPUS", 97), ("MULTIOPUS", 98)]
        );
    }

    #[test]
    fn profiles_do_not_hide_a_codec() {
        assert_eq!(names("video/x-h264, profile=high", "EMPTY"), [("H264", 96)]);
    }

    #[test]
    fn a_codec_is_proposed_once() {
        assert_eq!(names("video/x-vp8; video/x-vp8, width=3", "EMPTY"), [("VP8", 96)]);
    }

    #[test]
    fn raw_payloads_are_proposed_when_asked_for() {
        assert_eq!(names("EMPTY", "audio/x-raw, format=S16BE"), [("L16", 96)]);
    }

    #[test]
    fn defaults_list_compressed_codecs_in_order() {
        gst::init().unwrap();
        let names = |kind| -> Vec<_> { default_caps(kind).iter().map(|s| s.name().to_string()).collect() };
        assert_eq!(
            names(MediaKind::Video),
            [
                "video/x-vp8",
                "video/x-h264",
                "video/x-vp9",
                "video/x-h265",
                "video/x-av1"
            ]
        );
        assert_eq!(names(MediaKind::Audio), ["audio/x-opus"]);
    }

    #[test]
    fn defaults_give_the_documented_numbers() {
        gst::init().unwrap();
        let all = proposals(
            catalogue(),
            &default_caps(MediaKind::Video),
            &default_caps(MediaKind::Audio),
        );
        let number = |codec| all.iter().find(|p| p.codec == codec).map(|p| p.payload_type);
        assert_eq!(number(Codec::Vp8), Some(96));
        assert_eq!(number(Codec::H264), Some(97));
        assert_eq!(number(Codec::Vp9), Some(98));
    }
}
