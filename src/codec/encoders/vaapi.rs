// SPDX-License-Identifier: MPL-2.0
//! VA-API through both plugins (`vaapi…` and `va…`), and Intel's Quick Sync.
//!
//! Rows only; see `mod.rs`. The older plugin has one name for a property where the newer one has another, and both
//! count in kbit/s.

use super::{Rate, Row, Setting, Unit};

pub(super) const ROWS: &[Row] = &[
    Row::new("vaapih264enc", RATE, VAAPI),
    Row::new("vaapivp8enc", RATE, VAAPI),
    Row::new("vaapivp9enc", RATE, VAAPI),
    Row::new("vavp8enc", RATE, VA),
    Row::new("vavp8lpenc", RATE, VA),
    Row::new("vavp9enc", RATE, VA),
    Row::new("vavp9lpenc", RATE, VA),
    Row::new("vah264enc", RATE, VA),
    Row::new("vah264lpenc", RATE, VA),
    Row::new("vah265enc", RATE, VA),
    Row::new("vah265lpenc", RATE, VA),
    Row::new("vaav1enc", RATE, VA),
    Row::new("vaav1lpenc", RATE, VA),
    Row::new(
        "qsvh264enc",
        RATE,
        &[
            ("gop-size", "2560"),
            ("low-latency", "true"),
            ("disable-hrd-conformance", "true"),
            ("rate-control", "cbr"),
        ],
    ),
];

const RATE: Rate = Rate::Property("bitrate", Unit::Kilobits);

const VAAPI: &[Setting] = &[("keyframe-period", "2560"), ("rate-control", "cbr")];

const VA: &[Setting] = &[("key-int-max", "256"), ("rate-control", "cbr")];
