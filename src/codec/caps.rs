// SPDX-License-Identifier: MPL-2.0
//! Caps between encoder, payloader and description: which fields belong to which side.
//!
//! Pure: caps in, caps out. The fields of H.264 profiles are compared in [`super::h264`]. Which payload type and which
//! header extensions caps carry is decided in `sink/negotiate`; here is only what encoders and parsers may or must be
//! told. Any thread.

use super::{Codec, h264};

/// Whether these are caps of unencoded media, in whatever memory.
pub(crate) fn is_raw(caps: &gst::CapsRef) -> bool {
    caps.structure(0)
        .is_some_and(|s| matches!(s.name().as_str(), "video/x-raw" | "audio/x-raw"))
}

/// Caps of encoded input without what belongs to one particular stretch of the stream and is repeated inside it.
pub(crate) fn without_stream_headers(codec: Codec, caps: &gst::CapsRef) -> gst::Caps {
    let field = match codec {
        Codec::H264 | Codec::H265 => "codec_data",
        Codec::Vp8 | Codec::Vp9 => "profile",
        Codec::Opus | Codec::MultiOpus => "streamheader",
        _ => return caps.to_owned(),
    };
    let mut caps = caps.to_owned();
    for structure in caps.make_mut().iter_mut() {
        structure.remove_field(field);
    }
    caps
}

/// What stands in the capsfilter after the parser. Nothing is imposed on a sink that offers and encodes, so it asks
/// for the one H.264 profile that every browser must decode (RFC 7742, section 6.2).
pub(crate) fn after_parser(codec: Codec, encodes: bool, imposed: &gst::CapsRef) -> gst::Caps {
    let mut caps = match codec {
        Codec::H264 => gst::Caps::builder("video/x-h264")
            .field("stream-format", "avc")
            .field("alignment", "au")
            .build(),
        Codec::H265 | Codec::Vp8 | Codec::Vp9 | Codec::Av1 => codec.caps(),
        _ => return gst::Caps::new_any(),
    };
    if codec == Codec::Vp9 && encodes {
        // Profile 0 is the 4:2:0, 8 bit one and the only one that every browser decodes.
        caps.make_mut().set("profile", "0");
    }
    if codec != Codec::H264 {
        return caps;
    }
    let imposes_profile = imposed.structure(0).is_some_and(|s| s.has_field("profile"));
    if encodes && !imposes_profile {
        caps.make_mut()
            .set("profile", h264::Profile::ConstrainedBaseline.as_str());
    }
    if imposed.is_any() || imposed.is_empty() {
        caps
    } else {
        caps.intersect(imposed)
    }
}

/// The encoder's share of negotiated RTP caps: for H.264 the profiles and levels at or below the negotiated ones,
/// for other codecs just their caps. `input` are the caps of encoded input, whose own values win.
pub(crate) fn encoder_side(codec: Codec, rtp: &gst::StructureRef, input: Option<&gst::CapsRef>) -> gst::Caps {
    if codec != Codec::H264 {
        return if codec.is_raw_payload() {
            gst::Caps::new_any()
        } else {
            codec.caps()
        };
    }
    let mut caps = codec.caps();
    let input = input.and_then(|caps| caps.structure(0));
    let limits = h264::Limits::from_rtp(rtp);
    let structure = caps
        .make_mut()
        .structure_mut(0)
        .expect("codec caps have one structure");
    for (field, values) in [("profile", limits.profiles()), ("level", limits.levels())] {
        if let Some(own) = input.and_then(|s| s.get::<&str>(field).ok()) {
            structure.set(field, own);
        } else if !values.is_empty() {
            structure.set(field, gst::List::new(values));
        }
    }
    caps
}

/// Drops from RTP caps what differs between two runs of the same payloader, so that they can stand in an offer. Of H.264
/// it is said that either side may send at another level (RFC 6184, section 8.2.2): input may grow while it is sent.
pub(crate) fn describable(rtp: &gst::CapsRef, payload_type: Option<u8>) -> gst::Caps {
    let mut caps = rtp.to_owned();
    for structure in caps.make_mut().iter_mut() {
        structure.remove_fields(PER_RUN_FIELDS);
        if let Some(pt) = payload_type {
            structure.set("payload", i32::from(pt));
        }
        if structure.get::<&str>("encoding-name") == Ok(Codec::H264.encoding_name()) {
            structure.set("level-asymmetry-allowed", "1");
        }
    }
    caps
}

/// Chosen at random or repeated in the stream; `a-framerate` would pin what the input may change.
const PER_RUN_FIELDS: [&str; 8] = [
    "timestamp-offset",
    "seqnum-offset",
    "ssrc",
    "sprop-parameter-sets",
    "sprop-vps",
    "sprop-sps",
    "sprop-pps",
    "a-framerate",
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::str::FromStr;

    fn caps(text: &str) -> gst::Caps {
        gst::init().unwrap();
        gst::Caps::from_str(text).unwrap()
    }

    #[test]
    fn raw_is_told_from_encoded() {
        assert!(is_raw(&caps("video/x-raw(memory:DMABuf), format=NV12")));
        assert!(is_raw(&caps("audio/x-raw")));
        assert!(!is_raw(&caps("video/x-vp8")));
        assert!(!is_raw(&gst::Caps::new_empty()));
    }

    #[test]
    fn stream_headers_are_dropped_per_codec() {
        let cases = [
            (
                Codec::H264,
                "video/x-h264, codec_data=(buffer)0142, width=640",
                "codec_data",
            ),
            (Codec::Vp9, "video/x-vp9, profile=(string)0, width=640", "profile"),
            (
                Codec::Opus,
                "audio/x-opus, streamheader=<(buffer)00>, width=640",
                "streamheader",
            ),
        ];
        for (codec, text, dropped) in cases {
            let left = without_stream_headers(codec, &caps(text));
            let structure = left.structure(0).unwrap();
            assert!(!structure.has_field(dropped), "{left}");
            assert_eq!(structure.get::<i32>("width").unwrap(), 640);
        }
    }

    #[test]
    fn an_offering_encoder_makes_constrained_baseline() {
        gst::init().unwrap();
        let free = after_parser(Codec::H264, true, &gst::Caps::new_any());
        assert_eq!(
            free.structure(0).unwrap().get::<&str>("profile").unwrap(),
            "constrained-baseline"
        );
        let passed = after_parser(Codec::H264, false, &gst::Caps::new_any());
        assert!(!passed.structure(0).unwrap().has_field("profile"));
    }

    #[test]
    fn imposed_profiles_replace_the_default_one() {
        let imposed = caps("video/x-h264, profile=(string){ high, main }");
        let forced = after_parser(Codec::H264, true, &imposed);
        assert!(forced.is_subset(&imposed), "{forced}");
        assert!(
            !caps("video/x-h264, stream-format=avc, profile=constrained-baseline").can_intersect(&forced)
        );
    }

    #[test]
    fn negotiated_level_ids_bound_the_encoder() {
        let rtp = caps("application/x-rtp, encoding-name=H264, profile-level-id=(string)42e01f");
        let side = encoder_side(Codec::H264, rtp.structure(0).unwrap(), None);
        assert!(caps("video/x-h264, profile=constrained-baseline, level=(string)3.1").can_intersect(&side));
        assert!(caps("video/x-h264, profile=constrained-baseline, level=(string)2").can_intersect(&side));
        assert!(!caps("video/x-h264, profile=constrained-baseline, level=(string)4").can_intersect(&side));
        assert!(!caps("video/x-h264, profile=main, level=(string)3").can_intersect(&side));
    }

    #[test]
    fn level_asymmetry_frees_the_level() {
        let rtp =
            caps("application/x-rtp, profile-level-id=(string)42e01f, level-asymmetry-allowed=(string)1");
        let side = encoder_side(Codec::H264, rtp.structure(0).unwrap(), None);
        assert!(!side.structure(0).unwrap().has_field("level"), "{side}");
    }

    #[test]
    fn values_of_encoded_input_win() {
        let rtp = caps("application/x-rtp, profile-level-id=(string)42e01f");
        let input = caps("video/x-h264, profile=high, level=(string)5");
        let side = encoder_side(Codec::H264, rtp.structure(0).unwrap(), Some(&input));
        assert!(input.can_intersect(&side), "{side}");
    }

    #[test]
    fn other_codecs_are_not_bounded() {
        let rtp = caps("application/x-rtp, encoding-name=VP8, profile-level-id=(string)nonsense");
        let side = encoder_side(Codec::Vp8, rtp.structure(0).unwrap(), None);
        assert_eq!(side, caps("video/x-vp8"));
    }

    #[test]
    fn other_codecs_have_no_levels_to_speak_of() {
        let described = describable(&caps("application/x-rtp, encoding-name=VP8, payload=96"), None);
        assert_eq!(
            described,
            caps("application/x-rtp, encoding-name=VP8, payload=96")
        );
    }

    #[test]
    fn described_caps_lose_what_changes_between_runs() {
        let rtp = caps(
            "application/x-rtp, ssrc=(uint)1, seqnum-offset=(uint)2, timestamp-offset=(uint)3, payload=97, \
             sprop-parameter-sets=(string)abc, a-framerate=(string)30, encoding-name=H264",
        );
        let described = describable(&rtp, Some(101));
        assert_eq!(
            described,
            caps("application/x-rtp, payload=101, encoding-name=H264, level-asymmetry-allowed=(string)1")
        );
    }
}
