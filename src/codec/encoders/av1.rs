// SPDX-License-Identifier: MPL-2.0
//! AV1 in software: `av1enc` (libaom) and `rav1enc`.
//!
//! Rows only; see `mod.rs`. Intervals between key frames are out of reach: one comes when a consumer needs it.

use super::{Rate, Row, Unit};

pub(super) const ROWS: &[Row] = &[
    Row::new(
        "av1enc",
        Rate::Property("target-bitrate", Unit::Kilobits),
        &[
            ("end-usage", "cbr"),
            ("keyframe-max-dist", "2147483647"),
            ("usage-profile", "realtime"),
            // libaom's realtime mode starts at 7; the element's default of 0 takes seconds for a frame.
            ("cpu-used", "8"),
            ("lag-in-frames", "0"),
        ],
    ),
    Row::new(
        "rav1enc",
        Rate::Property("bitrate", Unit::Bits),
        &[
            ("low-latency", "true"),
            ("max-key-frame-interval", "715827882"),
            ("speed-preset", "10"),
        ],
    ),
];
