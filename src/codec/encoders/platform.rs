// SPDX-License-Identifier: MPL-2.0
//! Encoders of single platforms: the VPU of i.MX, Qualcomm's Codec2, and V4L2 memory-to-memory devices.
//!
//! Rows only; see `mod.rs`. Whatever a platform needs beyond values of properties is in `quirks`.

use super::{Quirk, Rate, Row, Setting, Unit};

pub(super) const ROWS: &[Row] = &[
    Row::new("vpuenc_h264", KILOBITS, VPU),
    Row::new("vpuenc_hevc", KILOBITS, VPU),
    Row::new(
        "qtic2venc",
        Rate::Property("target-bitrate", Unit::Bits),
        &[("idr-interval", "4294967295"), ("control-rate", "constant")],
    )
    .with_formats(&["NV12"])
    .with_quirk(Quirk::VideoMeta),
    Row::new("v4l2h264enc", Rate::ExtraControls, &[]),
];

const KILOBITS: Rate = Rate::Property("bitrate", Unit::Kilobits);

const VPU: &[Setting] = &[("gop-size", "2560")];
