// SPDX-License-Identifier: MPL-2.0
//! Opus. Its bitrate is an application's choice and does not follow the congestion controller.

use super::{Rate, Row};

pub(super) const ROWS: &[Row] = &[Row::new(
    "opusenc",
    Rate::Uncontrolled,
    &[("perfect-timestamp", "true")],
)];
