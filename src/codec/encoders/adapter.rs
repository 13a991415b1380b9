// SPDX-License-Identifier: MPL-2.0
//! Encoders that have no row: which property carries their bitrate, in which unit, and what makes them quick.
//!
//! Names and descriptions of properties follow few habits across GStreamer's encoders; the tables below hold them. What
//! is not recognised stays at the encoder's own default. Owns the guesses; a guess that is wrong for an encoder is
//! mended by giving it a row. Pure over property descriptions but for setting values. Called once for an encoder,
//! before it runs.

use gst::glib;
use gst::prelude::*;

use super::{Rate, Setting, Unit, apply};

/// The bitrate property of an encoder nobody described.
pub(super) fn find_rate(encoder: &gst::Element) -> Rate {
    let found = RATE_PROPERTIES.iter().find_map(|name| {
        let pspec = encoder.find_property(name)?;
        let is_number = largest(&pspec).is_some();
        (is_number && pspec.flags().contains(glib::ParamFlags::WRITABLE)).then_some((*name, pspec))
    });
    match found {
        Some((name, pspec)) => Rate::Property(name, unit_of(&pspec)),
        None => Rate::Uncontrolled,
    }
}

/// Sets whatever of the usual low-latency properties the encoder has.
pub(super) fn apply_low_latency(encoder: &gst::Element) {
    if encoder.is::<gst_audio::AudioEncoder>() {
        apply(encoder, AUDIO);
    } else {
        apply(encoder, LOW_LATENCY);
    }
}

/// The description names the unit, else the range gives it away: no encoder tops out below 10 Mbit/s when it counts
/// bits, and none goes beyond a hundred times that when it counts kilobits.
fn unit_of(pspec: &glib::ParamSpec) -> Unit {
    let described = pspec.blurb().map(str::to_lowercase).unwrap_or_default();
    if KILOBIT_WORDS.iter().any(|word| described.contains(word)) {
        return Unit::Kilobits;
    }
    if BIT_WORDS.iter().any(|word| described.contains(word)) {
        return Unit::Bits;
    }
    match largest(pspec) {
        Some(max) if max < 10_000_000 => Unit::Kilobits,
        _ => Unit::Bits,
    }
}

/// The largest value of an integer property; `None` for other types.
fn largest(pspec: &glib::ParamSpec) -> Option<u64> {
    let at_least_zero = |max: i64| u64::try_from(max).unwrap_or(0);
    pspec
        .downcast_ref::<glib::ParamSpecInt>()
        .map(|spec| at_least_zero(spec.maximum().into()))
        .or_else(|| {
            pspec
                .downcast_ref::<glib::ParamSpecUInt>()
                .map(|spec| spec.maximum().into())
        })
        .or_else(|| {
            pspec
                .downcast_ref::<glib::ParamSpecInt64>()
                .map(|spec| at_least_zero(spec.maximum()))
        })
        .or_else(|| {
            pspec
                .downcast_ref::<glib::ParamSpecUInt64>()
                .map(|spec| spec.maximum())
        })
}

/// In the order of how surely they mean the average bitrate.
const RATE_PROPERTIES: [&str; 4] = ["target-bitrate", "bitrate", "target-kbps", "bit-rate"];

/// How the blurbs of encoders write the unit, in lower case. Looked for first: `kbits/s` contains the words below.
const KILOBIT_WORDS: [&str; 6] = ["kbit", "kbps", "kb/s", "kilobit", "kilo bit", "1000 bit"];

const BIT_WORDS: [&str; 6] = [
    "bit/s",
    "bits/s",
    "bps",
    "bits per second",
    "bit per second",
    "bits/second",
];

/// Values that do not fit an encoder's own type or names are passed over by `apply`.
const LOW_LATENCY: &[Setting] = &[
    ("tune", "zerolatency"),
    ("zerolatency", "true"),
    ("low-latency", "true"),
    ("rate-control", "cbr"),
    ("rc-mode", "cbr"),
    ("end-usage", "cbr"),
    ("lag-in-frames", "0"),
    ("bframes", "0"),
    ("b-frames", "0"),
    ("max-bframes", "0"),
    ("gop-size", "2560"),
    ("key-int-max", "2560"),
    ("keyframe-max-dist", "2560"),
];

/// Times that follow from the count of samples: receivers take jitter in them for gaps.
const AUDIO: &[Setting] = &[("perfect-timestamp", "true")];

#[cfg(test)]
mod tests {
    use super::*;

    fn uint(blurb: &str, max: u32) -> glib::ParamSpec {
        glib::ParamSpecUInt::builder("bitrate")
            .maximum(max)
            .blurb(blurb)
            .build()
    }

    #[test]
    fn units_come_from_the_description_or_the_range() {
        let cases = [
            ("Bitrate in kbit/sec", u32::MAX, Unit::Kilobits),
            ("Compressed video bitrate (kbps)", u32::MAX, Unit::Kilobits),
            ("Target bitrate, in kilobits per second", u32::MAX, Unit::Kilobits),
            ("set bitrate (in bits/s)", 1000, Unit::Bits),
            ("Bitrate (in bits per second)", 1000, Unit::Bits),
            ("How much", 102_400, Unit::Kilobits),
            ("How much", u32::MAX, Unit::Bits),
        ];
        for (blurb, max, unit) in cases {
            assert_eq!(unit_of(&uint(blurb, max)), unit, "{blurb} up to {max}");
        }
    }

    #[test]
    fn encoders_of_other_families_are_recognised() {
        gst::init().unwrap();
        let cases = [
            ("theoraenc", Rate::Property("bitrate", Unit::Kilobits)),
            ("avenc_mpeg4", Rate::Property("bitrate", Unit::Bits)),
            ("x265enc", Rate::Property("bitrate", Unit::Kilobits)),
            ("vp8enc", Rate::Property("target-bitrate", Unit::Bits)),
            ("av1enc", Rate::Property("target-bitrate", Unit::Kilobits)),
            ("jpegenc", Rate::Uncontrolled),
        ];
        for (factory, rate) in cases {
            let Ok(element) = gst::ElementFactory::make(factory).build() else {
                eprintln!("{factory} is not installed: not tried");
                continue;
            };
            assert_eq!(find_rate(&element), rate, "{factory}");
        }
    }

    #[test]
    fn only_numbers_can_carry_a_bitrate() {
        let text = glib::ParamSpecString::builder("bitrate").build();
        assert_eq!(largest(&text), None);
        let signed = glib::ParamSpecInt64::builder("bitrate")
            .minimum(-5)
            .maximum(-1)
            .default_value(-2)
            .build();
        assert_eq!(largest(&signed), Some(0));
    }
}
