// SPDX-License-Identifier: MPL-2.0
//! `x264enc` and `x265enc`.
//!
//! Rows only; see `mod.rs`. No look-ahead and no B-frames, either of which would hold pictures back; x264's rate buffer
//! is in milliseconds and as short as that of `vpx`, so that a burst does not outrun a consumer's network.

use super::{Rate, Row, Unit};

pub(super) const ROWS: &[Row] = &[
    Row::new(
        "x264enc",
        Rate::Property("bitrate", Unit::Kilobits),
        &[
            ("tune", "zerolatency"),
            ("speed-preset", "ultrafast"),
            ("threads", "4"),
            ("key-int-max", "2560"),
            ("b-adapt", "false"),
            ("vbv-buf-capacity", "120"),
        ],
    ),
    Row::new(
        "x265enc",
        Rate::Property("bitrate", Unit::Kilobits),
        &[
            ("tune", "zerolatency"),
            ("speed-preset", "ultrafast"),
            ("key-int-max", "2560"),
        ],
    ),
];
