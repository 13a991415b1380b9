// SPDX-License-Identifier: MPL-2.0
//! In which form a stream leaves: what downstream takes, matched with what the stream can be. Pure over caps.
//!
//! Owns the order of preference between RTP, encoded and raw. Whether the installed elements can make a form is asked
//! of the caller (`branch::is_possible`), the elements themselves are `branch`'s. Called on the session's thread.

use crate::codec::{Codec, MediaKind};

/// The form a stream leaves in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// RTP packets as webrtcbin has them.
    Rtp,
    /// Depayloaded and parsed.
    Encoded,
    /// Decoded.
    Raw,
}

/// The caps a stream of `kind` in one of `codecs` can have, the ones most readily given first.
///
/// This is the filter for asking downstream: an element that takes anything gets RTP and costs nothing.
pub(crate) fn possible(kind: MediaKind, codecs: &[Codec]) -> gst::Caps {
    let mut caps = gst::Caps::new_empty();
    {
        let caps = caps.make_mut();
        for codec in codecs {
            caps.append(rtp(*codec));
        }
        caps.append_structure_full(
            gst::Structure::new_empty(raw_name(kind)),
            Some(gst::CapsFeatures::new_any()),
        );
        for codec in codecs.iter().filter(|codec| !codec.is_raw_payload()) {
            caps.append(encoded(*codec));
        }
    }
    caps
}

/// The form that downstream's caps, filtered by [`possible`], ask for; `None` when it takes nothing of it.
pub(crate) fn preferred(downstream: &gst::CapsRef) -> Option<Form> {
    let name = downstream.structure(0)?.name();
    Some(match name.as_str() {
        "application/x-rtp" => Form::Rtp,
        "audio/x-raw" | "video/x-raw" => Form::Raw,
        _ => Form::Encoded,
    })
}

/// Which of `codecs` can be given to a downstream that takes `downstream`, in their order; `can_be` says which
/// can be given in which form.
pub(crate) fn fitting(
    downstream: &gst::CapsRef,
    codecs: &[Codec],
    can_be: impl Fn(Codec, Form) -> bool,
) -> Vec<Codec> {
    let takes_raw = downstream
        .iter()
        .any(|structure| matches!(structure.name().as_str(), "audio/x-raw" | "video/x-raw"));
    let fits = |codec: &Codec| {
        downstream.can_intersect(&rtp(*codec))
            || (!codec.is_raw_payload()
                && downstream.can_intersect(&encoded(*codec))
                && can_be(*codec, Form::Encoded))
            || (takes_raw && can_be(*codec, Form::Raw))
    };
    codecs.iter().copied().filter(fits).collect()
}

/// Without a payload type: that is decided by the description, after downstream has been asked.
fn rtp(codec: Codec) -> gst::Caps {
    let mut caps = gst::Caps::builder("application/x-rtp")
        .field("media", codec.media().as_str())
        .field("encoding-name", codec.encoding_name());
    if let Some(rate) = codec.clock_rate() {
        caps = caps.field(
            "clock-rate",
            i32::try_from(rate).expect("RTP clock rates are small"),
        );
    }
    caps.build()
}

/// Opus is announced without its mapping family: downstream names it rarely.
fn encoded(codec: Codec) -> gst::Caps {
    match codec {
        Codec::Opus | Codec::MultiOpus => gst::Caps::new_empty_simple("audio/x-opus"),
        _ => codec.caps(),
    }
}

fn raw_name(kind: MediaKind) -> &'static str {
    match kind {
        MediaKind::Audio => "audio/x-raw",
        MediaKind::Video => "video/x-raw",
    }
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use super::*;

    const VIDEO: [Codec; 2] = [Codec::Vp8, Codec::H264];

    /// What a downstream with these caps answers when asked for [`possible`].
    fn answer(downstream: &str) -> gst::Caps {
        gst::init().expect("GStreamer initialises");
        let downstream = gst::Caps::from_str(downstream).expect("caps");
        let filter = possible(MediaKind::Video, &VIDEO);
        filter.intersect_with_mode(&downstream, gst::CapsIntersectMode::First)
    }

    #[test]
    fn downstream_gets_what_it_asks_for() {
        let cases = [
            ("ANY", Some(Form::Rtp)),
            ("application/x-rtp", Some(Form::Rtp)),
            ("video/x-raw, format=I420", Some(Form::Raw)),
            ("video/x-raw(memory:GLMemory)", Some(Form::Raw)),
            ("video/x-h264, stream-format=avc", Some(Form::Encoded)),
            ("video/x-vp8; video/x-raw", Some(Form::Raw)),
            ("audio/x-raw", None),
            ("application/x-rtp, media=audio", None),
        ];
        for (downstream, form) in cases {
            assert_eq!(preferred(&answer(downstream)), form, "{downstream}");
        }
    }

    #[test]
    fn codecs_are_narrowed_to_what_downstream_can_use() {
        let cases: [(&str, &[Codec]); 6] = [
            ("ANY", &VIDEO),
            ("video/x-h264", &[Codec::H264]),
            ("application/x-rtp, encoding-name=H264", &[Codec::H264]),
            ("video/x-raw", &[Codec::Vp8]),
            ("video/x-raw; video/x-h264", &VIDEO),
            ("video/x-theora", &[]),
        ];
        for (downstream, expected) in cases {
            let found = fitting(&answer(downstream), &VIDEO, |codec, form| {
                form != Form::Raw || codec == Codec::Vp8
            });
            assert_eq!(found, expected, "{downstream}");
        }
    }

    #[test]
    fn raw_payloads_are_never_offered_as_encoded_streams() {
        gst::init().expect("GStreamer initialises");
        let caps = possible(MediaKind::Audio, &[Codec::L16]);
        let names: Vec<_> = caps.iter().map(|structure| structure.name().as_str()).collect();
        assert_eq!(names, ["application/x-rtp", "audio/x-raw"]);
    }
}
