// SPDX-License-Identifier: MPL-2.0
//! What statistics show of the branches.
//!
//! Plain copies, made under the pool's locks and read without them; the property's structure is written in
//! `sink/report`.

use congestion::units::Bitrate;

use super::{BranchId, Mitigation};

/// One branch at one moment.
#[derive(Clone, Debug)]
pub(crate) struct BranchSnapshot {
    /// Which branch.
    pub(crate) branch: BranchId,
    /// Factory of the encoder; `None` for input that came encoded.
    pub(crate) encoder: Option<String>,
    /// What the encoder is set to; `None` where there is nothing to control.
    pub(crate) bitrate: Option<Bitrate>,
    /// What left over the last second.
    pub(crate) sent: Bitrate,
    /// Size of what leaves, in pixels; `None` for audio and before the first frame.
    pub(crate) size: Option<(u32, u32)>,
    /// How the picture is degraded.
    pub(crate) mitigation: Mitigation,
    /// Frames that left.
    pub(crate) frames: u64,
    /// How many of them were key frames.
    pub(crate) key_frames: u64,
    /// What converting and encoding add to the latency.
    pub(crate) latency: gst::ClockTime,
    /// Who is fed.
    pub(crate) consumers: Vec<ConsumerSnapshot>,
}

/// One consumer of a branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConsumerSnapshot {
    /// Peer id.
    pub(crate) consumer_id: String,
    /// Session id.
    pub(crate) session_id: String,
    /// What its congestion controller allows.
    pub(crate) target: Bitrate,
    /// Whether it takes frames at the moment.
    pub(crate) is_needed: bool,
}
