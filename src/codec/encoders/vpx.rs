// SPDX-License-Identifier: MPL-2.0
//! libvpx: `vp8enc` and `vp9enc`.
//!
//! Constant bitrate has to be asked for with its buffer sizes, and holds only if frames may be dropped when the coarsest
//! quantizer is still too fine: 1 Mbit/s of noise at 640x360 leaves at 6.2 without, at 1.02 with it.

use super::{Rate, Row, Setting, Unit};

pub(super) const ROWS: &[Row] = &[
    Row::new("vp8enc", RATE, SETTINGS),
    Row::new("vp9enc", RATE, SETTINGS),
];

const RATE: Rate = Rate::Property("target-bitrate", Unit::Bits);

/// Buffers in milliseconds at the target; a key frame may take two and a half frames' worth of it.
const SETTINGS: &[Setting] = &[
    ("deadline", "1"),
    ("cpu-used", "-16"),
    ("keyframe-max-dist", "2000"),
    ("keyframe-mode", "disabled"),
    ("end-usage", "cbr"),
    ("buffer-initial-size", "100"),
    ("buffer-optimal-size", "120"),
    ("buffer-size", "150"),
    ("max-intra-bitrate", "250"),
    ("error-resilient", "default"),
    ("lag-in-frames", "0"),
    // In percent of the buffer, as libwebrtc has it.
    ("dropframe-threshold", "30"),
];
