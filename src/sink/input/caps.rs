// SPDX-License-Identifier: MPL-2.0
//! Which caps a stream takes, and which changes of them running consumers survive.
//!
//! Pure: caps in, verdict out. Acting on the verdict is `events`' and `stream`'s. A change is accepted where every
//! encoder and every receiver follows it in-band; anything else would need a new offer, which a consumer cannot be made
//! to wait for.

use std::str::FromStr;

use gst::prelude::*;

use crate::codec::caps::{is_raw, without_stream_headers};
use crate::codec::{Codec, h264};

/// What new caps mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// The stream had none.
    First,
    /// Nothing changes.
    Same,
    /// Consumers follow without negotiating anew.
    Accepted,
    /// Consumers could not follow.
    Refused(String),
}

/// What the `video_%u` pads take. Encoded formats are listed whether or not anything installed can handle them.
pub(super) fn video_template() -> gst::Caps {
    caps(
        "video/x-raw; video/x-raw(memory:CUDAMemory); video/x-raw(memory:GLMemory); video/x-raw(memory:NVMM); \
         video/x-raw(memory:D3D11Memory); video/x-raw(memory:VAMemory); video/x-vp8; video/x-h264; video/x-vp9; \
         video/x-h265; video/x-av1",
    )
}

/// What the `audio_%u` pads take.
pub(super) fn audio_template() -> gst::Caps {
    caps("audio/x-raw; audio/x-opus")
}

/// The caps without what only bounds them: a frame rate that varies is not a change of the stream.
pub(super) fn without_limits(caps: &gst::Caps) -> gst::Caps {
    let mut caps = caps.clone();
    if caps
        .structure(0)
        .is_some_and(|structure| structure.name() == "video/x-raw")
    {
        caps.make_mut()
            .iter_mut()
            .for_each(|structure| structure.remove_field("max-framerate"));
    }
    caps
}

/// Compares `new` caps with those the stream has. `allowed` is the property `video-caps`, whose H.264 entries bound
/// profile and level of input that is encoded already.
pub(super) fn judge(current: Option<&gst::Caps>, new: &gst::Caps, allowed: &gst::Caps) -> Change {
    let Some(current) = current else {
        return Change::First;
    };
    if current == new {
        return Change::Same;
    }
    let (Some(old), Some(changed)) = (comparable(current), comparable(new)) else {
        return Change::Refused("caps are empty".into());
    };
    if old.name() != changed.name() {
        return Change::Refused(format!(
            "{} is another kind of stream than {}",
            changed.name(),
            old.name()
        ));
    }
    match old.name().as_str() {
        "video/x-h264" => {
            h264_bound(&old, &changed, allowed).unwrap_or_else(|| compare(&old, &changed, H264_MAY_CHANGE))
        }
        name if name.starts_with("video/") => compare(&old, &changed, VIDEO_MAY_CHANGE),
        // An audio payload says its channels and rate in the description.
        _ => compare(&old, &changed, &[]),
    }
}

/// The first structure without what is repeated inside of the stream.
fn comparable(caps: &gst::Caps) -> Option<gst::Structure> {
    let stripped = match Codec::of_encoded_caps(caps) {
        Some(codec) if !is_raw(caps) => without_stream_headers(codec, caps),
        _ => caps.clone(),
    };
    stripped.structure(0).map(|structure| structure.to_owned())
}

/// Fields are compared as text, so that a value of any type counts; what is named in `may_change` does not.
fn compare(old: &gst::StructureRef, new: &gst::StructureRef, may_change: &[&str]) -> Change {
    let names = old.iter().chain(new.iter()).map(|(name, _)| name.as_str());
    for name in names {
        let is_mono = name.starts_with("multiview-") && is_mono(old) && is_mono(new);
        if may_change.contains(&name) || is_mono {
            continue;
        }
        let text = |structure: &gst::StructureRef| {
            structure
                .value(name)
                .ok()
                .and_then(|value| value.serialize().ok())
        };
        let (before, after) = (text(old), text(new));
        // A parser tells what is inside of a stream piece by piece, as it gets to see it.
        let says_more_or_less = !is_raw_name(old.name()) && (before.is_none() || after.is_none());
        if before != after && !says_more_or_less {
            return Change::Refused(format!("{name} may not change while consumers watch"));
        }
    }
    Change::Accepted
}

fn is_raw_name(name: &str) -> bool {
    name.ends_with("/x-raw")
}

/// Views of a single picture say nothing, present or not.
fn is_mono(structure: &gst::StructureRef) -> bool {
    structure
        .get::<&str>("multiview-mode")
        .map_or(true, |mode| mode == "mono")
}

/// A refusal when profile or level of H.264 go above what may be; otherwise nothing.
fn h264_bound(old: &gst::StructureRef, new: &gst::StructureRef, allowed: &gst::Caps) -> Option<Change> {
    let of = |structure: &gst::StructureRef, field: &str| structure.get::<String>(field).ok();
    let maximum = |field: &str| {
        let listed = allowed
            .iter()
            .filter(|structure| structure.name() == "video/x-h264");
        listed
            .filter_map(|structure| of(structure, field))
            .next()
            .or_else(|| of(old, field))
    };
    let profile = |word: Option<String>| word.as_deref().and_then(h264::Profile::from_word);
    if let (Some(new), Some(most)) = (profile(of(new, "profile")), profile(maximum("profile")))
        && new > most
    {
        return Some(Change::Refused(format!(
            "profile {} is above {}",
            new.as_str(),
            most.as_str()
        )));
    }
    let level = |word: Option<String>| word.and_then(|word| level_rank(&word));
    if let (Some(new), Some(most)) = (level(of(new, "level")), level(maximum("level")))
        && new > most
    {
        return Some(Change::Refused("level is above what was negotiated".into()));
    }
    None
}

/// Levels in order (H.264, table A-1): `1b` stands between 1 and 1.1.
fn level_rank(word: &str) -> Option<u32> {
    if word == "1b" {
        return Some(105);
    }
    let (major, minor) = word.split_once('.').unwrap_or((word, "0"));
    Some(major.parse::<u32>().ok()?.checked_mul(100)? + minor.parse::<u32>().ok()?.min(9) * 10)
}

fn caps(text: &str) -> gst::Caps {
    gst::Caps::from_str(text).expect("a constant")
}

/// Every encoder of the branches follows these in-band.
const VIDEO_MAY_CHANGE: &[&str] = &[
    "width",
    "height",
    "framerate",
    "pixel-aspect-ratio",
    "colorimetry",
    "chroma-site",
    "interlace-mode",
];

/// As for other video; profile and level have been looked at before.
const H264_MAY_CHANGE: &[&str] = &[
    "width",
    "height",
    "framerate",
    "pixel-aspect-ratio",
    "colorimetry",
    "chroma-site",
    "interlace-mode",
    "coded-picture-structure",
    "profile",
    "level",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(old: &str, new: &str, allowed: &str) -> Change {
        gst::init().expect("GStreamer initialises");
        judge(Some(&caps(old)), &without_limits(&caps(new)), &caps(allowed))
    }

    fn is_refused(change: &Change) -> bool {
        matches!(change, Change::Refused(_))
    }

    #[test]
    fn the_first_caps_are_first() {
        gst::init().expect("GStreamer initialises");
        assert_eq!(judge(None, &caps("video/x-vp8"), &caps("ANY")), Change::First);
    }

    #[test]
    fn pictures_may_change_size_and_rate_and_colours() {
        let old = "video/x-raw, format=I420, width=640, height=480, framerate=30/1, colorimetry=bt601";
        let new = "video/x-raw, format=I420, width=320, height=240, framerate=15/1, colorimetry=bt709, \
                   pixel-aspect-ratio=1/1, chroma-site=jpeg";
        assert_eq!(verdict(old, new, "ANY"), Change::Accepted);
    }

    #[test]
    fn a_frame_rate_limit_is_no_change() {
        let old = "video/x-raw, format=I420, width=640";
        assert_eq!(
            verdict(
                old,
                "video/x-raw, format=I420, width=640, max-framerate=30/1",
                "ANY"
            ),
            Change::Same
        );
    }

    #[test]
    fn another_format_or_kind_is_refused() {
        let old = "video/x-raw, format=I420, width=640";
        assert!(is_refused(&verdict(
            old,
            "video/x-raw, format=NV12, width=640",
            "ANY"
        )));
        assert!(is_refused(&verdict(old, "video/x-vp8, width=640", "ANY")));
    }

    #[test]
    fn audio_may_not_change_at_all() {
        let old = "audio/x-raw, rate=48000, channels=2";
        assert!(is_refused(&verdict(
            old,
            "audio/x-raw, rate=44100, channels=2",
            "ANY"
        )));
        assert_eq!(verdict(old, old, "ANY"), Change::Same);
    }

    #[test]
    fn stream_headers_and_mono_views_do_not_count() {
        let old = "video/x-h264, codec_data=(buffer)01, width=640, profile=main";
        let new = "video/x-h264, codec_data=(buffer)02, width=640, profile=main, multiview-mode=mono";
        assert_eq!(verdict(old, new, "ANY"), Change::Accepted);
    }

    #[test]
    fn a_parser_may_tell_piece_by_piece_what_a_stream_is() {
        let first = "video/x-h264, stream-format=avc, alignment=au, width=640, height=480";
        let more = "video/x-h264, stream-format=avc, alignment=au, width=640, height=480, chroma-format=4:2:0, \
                    bit-depth-luma=(uint)8, coded-picture-structure=frame, parsed=true";
        assert_eq!(verdict(first, more, "ANY"), Change::Accepted);
        assert_eq!(verdict(more, first, "ANY"), Change::Accepted);
        for (old, new) in [
            (
                more,
                "video/x-h264, stream-format=byte-stream, alignment=au, width=640",
            ),
            (more, "video/x-h264, stream-format=avc, chroma-format=4:4:4"),
            (
                "video/x-vp9, chroma-format=4:2:0",
                "video/x-vp9, chroma-format=4:4:4",
            ),
            ("audio/x-opus, channels=2", "audio/x-opus, channels=6"),
        ] {
            assert!(is_refused(&verdict(old, new, "ANY")), "{old} to {new}");
        }
    }

    #[test]
    fn h264_stays_at_or_below_its_profile_and_level() {
        let at = |profile: &str, level: &str| {
            format!("video/x-h264, profile=(string){profile}, level=(string){level}")
        };
        let old = at("main", "3.1");
        assert_eq!(
            verdict(&old, &at("constrained-baseline", "3"), "video/x-h264"),
            Change::Accepted
        );
        assert!(is_refused(&verdict(&old, &at("high", "3.1"), "video/x-h264")));
        assert!(is_refused(&verdict(&old, &at("main", "4"), "video/x-h264")));
    }

    #[test]
    fn video_caps_bound_h264_where_they_say_something() {
        let old = "video/x-h264, profile=(string)main, level=(string)3.1";
        let new = "video/x-h264, profile=(string)high, level=(string)4";
        let allowed = "video/x-vp8; video/x-h264, profile=(string)high, level=(string)4.1";
        assert_eq!(verdict(old, new, allowed), Change::Accepted);
    }

    #[test]
    fn unknown_profiles_are_no_panic() {
        let old = "video/x-h264, profile=(string)main, level=(string)3.1";
        assert_eq!(
            verdict(
                old,
                "video/x-h264, profile=(string)nonsense, level=(string)x",
                "ANY"
            ),
            Change::Accepted
        );
    }

    #[test]
    fn levels_are_in_order() {
        let ranks: Vec<_> = ["1", "1b", "1.1", "3.1", "4", "5.2", "6"]
            .iter()
            .map(|word| level_rank(word))
            .collect();
        assert!(ranks.windows(2).all(|pair| pair[0] < pair[1]), "{ranks:?}");
        assert_eq!(level_rank("x"), None);
    }
}
