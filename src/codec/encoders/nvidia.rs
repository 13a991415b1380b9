// SPDX-License-Identifier: MPL-2.0
//! NVIDIA: NVENC on desktops and servers, and the V4L2 encoders of Jetson boards.
//!
//! Rows only; what they mean and how they are applied is said in `mod.rs`. The Jetson encoders count in bit/s, those of
//! desktops in kbit/s, although their properties have the same name.

use super::{Quirk, Rate, Row, Setting, Unit};

pub(super) const ROWS: &[Row] = &[
    Row::new("nvh264enc", KILOBITS, NVENC).with_formats(&["NV12", "YV12", "I420"]),
    Row::new("nvh265enc", KILOBITS, NVENC),
    Row::new(
        "nvav1enc",
        KILOBITS,
        &[("gop-size", "-1"), ("rc-mode", "cbr"), ("zerolatency", "true")],
    ),
    Row::new("nvv4l2h264enc", BITS, JETSON_H26X).with_quirk(Quirk::ForceIdr),
    Row::new("nvv4l2h265enc", BITS, JETSON_H26X).with_quirk(Quirk::ForceIdr),
    Row::new("nvv4l2vp8enc", BITS, JETSON_VPX).with_quirk(Quirk::ForceIdr),
    Row::new("nvv4l2vp9enc", BITS, JETSON_VPX).with_quirk(Quirk::ForceIdr),
    Row::new(
        "nvv4l2av1enc",
        BITS,
        &[
            ("maxperf-enable", "true"),
            ("control-rate", "constant_bitrate"),
            ("preset-level", "UltraFastPreset"),
        ],
    )
    .with_quirk(Quirk::ForceIdr),
];

const KILOBITS: Rate = Rate::Property("bitrate", Unit::Kilobits);
const BITS: Rate = Rate::Property("bitrate", Unit::Bits);

/// Constant bitrate in its low-delay form. Key frames come on request; the period is what is left in case nobody asks.
const NVENC: &[Setting] = &[
    ("gop-size", "2560"),
    ("rc-mode", "cbr-ld-hq"),
    ("zerolatency", "true"),
];

/// Preset and performance mode are missing on Orin and are then passed over.
const JETSON_H26X: &[Setting] = &[
    ("preset-level", "UltraFastPreset"),
    ("maxperf-enable", "true"),
    ("insert-vui", "true"),
    ("idrinterval", "256"),
    ("insert-sps-pps", "true"),
    ("insert-aud", "true"),
    ("control-rate", "constant_bitrate"),
];

/// The same without what belongs to the headers of H.264 and H.265.
const JETSON_VPX: &[Setting] = &[
    ("preset-level", "UltraFastPreset"),
    ("maxperf-enable", "true"),
    ("idrinterval", "256"),
    ("control-rate", "constant_bitrate"),
];
