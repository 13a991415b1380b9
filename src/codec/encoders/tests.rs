// SPDX-License-Identifier: MPL-2.0
//! The table against what every family is documented to need, row by row.

use super::*;

/// Factory, where its bitrate is, and settings that must be among its own.
type Documented = (&'static str, Rate, &'static [Setting]);

const fn bits(property: &'static str) -> Rate {
    Rate::Property(property, Unit::Bits)
}

const fn kilobits(property: &'static str) -> Rate {
    Rate::Property(property, Unit::Kilobits)
}

const SOFTWARE: &[Documented] = &[
    (
        "vp8enc",
        bits("target-bitrate"),
        &[
            ("deadline", "1"),
            ("end-usage", "cbr"),
            ("keyframe-mode", "disabled"),
        ],
    ),
    (
        "vp9enc",
        bits("target-bitrate"),
        &[
            ("cpu-used", "-16"),
            ("buffer-size", "150"),
            ("max-intra-bitrate", "250"),
        ],
    ),
    (
        "x264enc",
        kilobits("bitrate"),
        &[
            ("tune", "zerolatency"),
            ("speed-preset", "ultrafast"),
            ("key-int-max", "2560"),
        ],
    ),
    (
        "openh264enc",
        bits("bitrate"),
        &[
            ("gop-size", "2560"),
            ("rate-control", "bitrate"),
            ("complexity", "low"),
        ],
    ),
    (
        "av1enc",
        kilobits("target-bitrate"),
        &[("end-usage", "cbr"), ("usage-profile", "realtime")],
    ),
    (
        "rav1enc",
        bits("bitrate"),
        &[("low-latency", "true"), ("speed-preset", "10")],
    ),
    ("opusenc", Rate::Uncontrolled, &[("perfect-timestamp", "true")]),
];

const NVIDIA: &[Documented] = &[
    (
        "nvh264enc",
        kilobits("bitrate"),
        &[
            ("gop-size", "2560"),
            ("rc-mode", "cbr-ld-hq"),
            ("zerolatency", "true"),
        ],
    ),
    ("nvh265enc", kilobits("bitrate"), &[("rc-mode", "cbr-ld-hq")]),
    (
        "nvav1enc",
        kilobits("bitrate"),
        &[("gop-size", "-1"), ("rc-mode", "cbr")],
    ),
    (
        "nvv4l2h264enc",
        bits("bitrate"),
        &[("insert-sps-pps", "true"), ("control-rate", "constant_bitrate")],
    ),
    (
        "nvv4l2h265enc",
        bits("bitrate"),
        &[("insert-aud", "true"), ("idrinterval", "256")],
    ),
    (
        "nvv4l2vp8enc",
        bits("bitrate"),
        &[("preset-level", "UltraFastPreset")],
    ),
    ("nvv4l2vp9enc", bits("bitrate"), &[("maxperf-enable", "true")]),
    (
        "nvv4l2av1enc",
        bits("bitrate"),
        &[("control-rate", "constant_bitrate")],
    ),
];

const INTEL_AND_AMD: &[Documented] = &[
    (
        "vaapih264enc",
        kilobits("bitrate"),
        &[("keyframe-period", "2560"), ("rate-control", "cbr")],
    ),
    ("vaapivp8enc", kilobits("bitrate"), &[("rate-control", "cbr")]),
    ("vaapivp9enc", kilobits("bitrate"), &[("rate-control", "cbr")]),
    (
        "vavp8enc",
        kilobits("bitrate"),
        &[("key-int-max", "256"), ("rate-control", "cbr")],
    ),
    ("vavp8lpenc", kilobits("bitrate"), &[("key-int-max", "256")]),
    ("vavp9enc", kilobits("bitrate"), &[("key-int-max", "256")]),
    ("vavp9lpenc", kilobits("bitrate"), &[("key-int-max", "256")]),
    ("vah264enc", kilobits("bitrate"), &[("key-int-max", "256")]),
    ("vah264lpenc", kilobits("bitrate"), &[("key-int-max", "256")]),
    ("vah265enc", kilobits("bitrate"), &[("key-int-max", "256")]),
    ("vah265lpenc", kilobits("bitrate"), &[("key-int-max", "256")]),
    ("vaav1enc", kilobits("bitrate"), &[("key-int-max", "256")]),
    ("vaav1lpenc", kilobits("bitrate"), &[("key-int-max", "256")]),
    (
        "qsvh264enc",
        kilobits("bitrate"),
        &[("low-latency", "true"), ("disable-hrd-conformance", "true")],
    ),
];

const SINGLE_PLATFORMS: &[Documented] = &[
    ("vpuenc_h264", kilobits("bitrate"), &[("gop-size", "2560")]),
    ("vpuenc_hevc", kilobits("bitrate"), &[("gop-size", "2560")]),
    (
        "qtic2venc",
        bits("target-bitrate"),
        &[("idr-interval", "4294967295"), ("control-rate", "constant")],
    ),
    ("v4l2h264enc", Rate::ExtraControls, &[]),
];

fn rows() -> impl Iterator<Item = &'static Row> {
    FAMILIES.iter().flat_map(|family| family.iter())
}

#[test]
fn every_documented_encoder_has_its_row() {
    for (factory, rate, settings) in [SOFTWARE, NVIDIA, INTEL_AND_AMD, SINGLE_PLATFORMS].concat() {
        let row = Row::find(factory).unwrap_or_else(|| panic!("{factory} has no row"));
        assert_eq!(row.rate, rate, "{factory}");
        for setting in settings {
            assert!(
                row.settings.contains(setting),
                "{factory}: {setting:?} is not among {:?}",
                row.settings
            );
        }
    }
}

#[test]
fn rows_set_no_property_twice_and_leave_the_bitrate_to_control() {
    for row in rows() {
        let mut names: Vec<_> = row.settings.iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count, "{}", row.factory);
        if let Rate::Property(property, _) = row.rate {
            assert!(!names.contains(&property), "{}", row.factory);
        }
    }
}

#[test]
fn jetson_encoders_are_told_by_action_to_make_key_frames() {
    for row in rows() {
        let expected = row.factory.starts_with("nvv4l2").then_some(Quirk::ForceIdr);
        if row.factory != "qtic2venc" {
            assert_eq!(row.quirk, expected, "{}", row.factory);
        }
    }
    assert_eq!(
        Row::find("qtic2venc").and_then(|row| row.quirk),
        Some(Quirk::VideoMeta)
    );
}

#[test]
fn formats_are_narrowed_only_where_documented() {
    let narrowed: Vec<_> = rows()
        .filter(|row| row.formats.is_some())
        .map(|row| row.factory)
        .collect();
    assert_eq!(narrowed, ["nvh264enc", "qtic2venc"]);
}

/// An element of the row's factory, or `None`, said aloud, where it is not installed.
fn installed(row: &Row) -> Option<gst::Element> {
    gst::init().unwrap();
    let element = gst::ElementFactory::make(row.factory).build().ok();
    if element.is_none() {
        eprintln!("{} is not installed: its row was not tried", row.factory);
    }
    element
}

#[test]
fn factories_have_one_row_each() {
    let mut names: Vec<_> = rows().map(|row| row.factory).collect();
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
    assert!(Row::find("vp8enc").is_some() && Row::find("lamemp3enc").is_none());
}

#[test]
fn settings_fit_every_encoder_installed_here() {
    let mut tried = 0;
    for row in rows() {
        let Some(element) = installed(row) else { continue };
        for (name, value) in row.settings {
            assert_eq!(
                set(&element, name, value),
                Ok(()),
                "{}: {name}={value}",
                row.factory
            );
        }
        tried += 1;
    }
    assert!(tried >= 4, "only {tried} encoders of the table are installed");
}

#[test]
fn settings_read_back_as_written() {
    for row in rows() {
        let Some(element) = installed(row) else { continue };
        apply(&element, row.settings);
        for (name, text) in row.settings {
            let pspec = element.find_property(name).unwrap();
            let wanted = gst::glib::Value::deserialize_with_pspec(text, &pspec).unwrap();
            let read = element.property_value(name);
            assert_eq!(
                read.compare(&wanted),
                Some(std::cmp::Ordering::Equal),
                "{}: {name}",
                row.factory
            );
        }
    }
}

#[test]
fn missing_and_unfit_properties_are_refused() {
    gst::init().unwrap();
    let element = gst::ElementFactory::make("identity").build().unwrap();
    assert!(set(&element, "no-such-thing", "1").is_err());
    assert!(set(&element, "last-message", "x").is_err());
    assert!(set(&element, "datarate", "many").is_err());
    assert_eq!(set(&element, "datarate", "7"), Ok(()));
}
