// SPDX-License-Identifier: MPL-2.0
//! What a branch pool asks of the element it serves: clocks, settings, signals, and somewhere to report to.
//!
//! Called with no lock of the pool held; from the pool's worker thread unless a method says otherwise. Kept apart as a
//! trait so that the pool can be tested without the element; `sink/host` implements it.

use congestion::units::Bitrate;

use super::{BranchError, BranchId, StreamId};

/// The element behind a pool.
pub(crate) trait BranchHost: Send + Sync + 'static {
    /// The clock and base time that every pipeline of the element runs on; `None` before the element has them.
    fn clock_and_base_time(&self) -> Option<(gst::Clock, gst::ClockTime)>;

    /// The settings that count now; read when a branch is made and when consumers are regrouped.
    fn encode_settings(&self) -> EncodeSettings;

    /// A branch was made because of `consumer_id`; its pipeline is still empty.
    fn pipeline_created(&self, consumer_id: &str, pipeline: &gst::Pipeline);

    /// Lets the application configure an encoder that is not running yet: emits `encoder-setup`, whose class handler
    /// is expected to call `EncoderControl::apply_defaults`. The bitrate is set once more afterwards.
    fn encoder_setup(&self, consumer_id: &str, pad_name: &str, encoder: &gst::Element);

    /// What the application makes of the picture at this bitrate; `None` leaves it to the default ladder.
    fn mitigation_caps(
        &self,
        pad_name: &str,
        input: &gst_video::VideoInfo,
        bitrate: Bitrate,
        allowed: Mitigation,
    ) -> Option<gst::Caps>;

    /// The source of an already encoded stream should make a key frame, at `running_time` or as soon as it can. On
    /// the thread that asked.
    fn request_upstream_key_frame(&self, stream: &StreamId, running_time: Option<gst::ClockTime>);

    /// No encoder worked, or input could not be parsed: these sessions get nothing more of this stream.
    fn branch_failed(&self, failure: BranchFailure);

    /// The input of a stream came to its end and everything encoded of it has been handed to these sessions.
    fn stream_ended(&self, stream: &StreamId, sessions: Vec<String>);

    /// An element of a branch wants or has a context (`need-context`, `have-context`): to be posted on as if by the
    /// element itself, before returning. On whatever thread the message was posted from.
    fn context_message(&self, message: &gst::Message);
}

/// Settings of the element that matter to encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EncodeSettings {
    /// Most branches with an encoder for one stream, codec and caps; 0: one for each consumer.
    pub(crate) max_encoders: u32,
    /// Which degradations of the picture are allowed.
    pub(crate) mitigation: Mitigation,
}

/// Degradations of the picture: those that are allowed, or those that are in effect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mitigation {
    /// Smaller than the input.
    pub(crate) downscaled: bool,
    /// Fewer frames than the input.
    pub(crate) downsampled: bool,
}

/// A branch that cannot go on.
#[derive(Debug)]
pub(crate) struct BranchFailure {
    /// Which branch.
    pub(crate) branch: BranchId,
    /// Of which stream.
    pub(crate) stream: StreamId,
    /// Ids of the sessions that were fed by it.
    pub(crate) sessions: Vec<String>,
    /// Why.
    pub(crate) error: BranchError,
}
