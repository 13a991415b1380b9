// SPDX-License-Identifier: MPL-2.0
//! `openh264enc`.
//!
//! A row only; see `mod.rs`. Detecting scene changes is off because each would be a key frame, many times the size of
//! what a consumer's network was found to carry.

use super::{Rate, Row, Unit};

pub(super) const ROWS: &[Row] = &[Row::new(
    "openh264enc",
    Rate::Property("bitrate", Unit::Bits),
    &[
        ("gop-size", "2560"),
        ("rate-control", "bitrate"),
        ("complexity", "low"),
        ("background-detection", "false"),
        ("scene-change-detection", "false"),
        // Without it 1 Mbit/s of noise at 320x240 leaves at 4.6.
        ("enable-frame-skip", "true"),
    ],
)];
