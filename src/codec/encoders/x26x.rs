// SPDX-License-Identifier: MPL-2.0
//! `x264enc` and `x265enc`.

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
