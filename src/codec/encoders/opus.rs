// SPDX-License-Identifier: MPL-2.0
//! Opus. Its bitrate is an application's choice and does not follow the congestion controller.
//!
//! A row only; see `mod.rs`. Audio is a small and steady part of what is sent, so video alone gives way.

use super::{Rate, Row};

pub(super) const ROWS: &[Row] = &[Row::new(
    "opusenc",
    Rate::Uncontrolled,
    &[("perfect-timestamp", "true")],
)];
