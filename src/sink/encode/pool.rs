// SPDX-License-Identifier: MPL-2.0
//! The surface of encoding: streams in, consumers on and off.

use std::sync::Arc;

use congestion::units::Bitrate;

use super::{AttachRequest, BranchError, BranchHost, BranchId, BranchSnapshot, StreamId};

/// All branches of one element. Clones are the same pool.
#[derive(Clone)]
pub(crate) struct BranchPool {
    _host: Arc<dyn BranchHost>,
}

impl BranchPool {
    /// An empty pool for an element.
    pub(crate) fn new(host: Arc<dyn BranchHost>) -> Self {
        Self { _host: host }
    }

    /// Adds a consumer. Blocks while a branch is made, some milliseconds: not for a streaming thread. Nothing reaches
    /// the consumer before [`Attachment::set_flowing`].
    ///
    /// # Errors
    /// [`BranchError`] says what was tried. An encoder that fails later is replaced by the next one; when none is left
    /// the host hears of it by `branch_failed`.
    pub(crate) fn attach(&self, _request: AttachRequest) -> Result<Attachment, BranchError> {
        Err(BranchError::ShutDown)
    }

    /// A stream has these caps from its next buffer on; also how a stream becomes known. Running branches follow.
    pub(crate) fn input_caps_changed(&self, _stream: &StreamId, _caps: &gst::Caps) {}

    /// Latency of everything before the pad, as its latency query gives it.
    pub(crate) fn input_latency_changed(&self, _stream: &StreamId, _latency: gst::ClockTime) {}

    /// Hands one buffer of input to every branch of the stream. For the streaming thread: never blocks.
    pub(crate) fn push_input(&self, _stream: &StreamId, _sample: &gst::Sample) {}

    /// The input ended: what is being encoded is finished, then consumers get EOS.
    pub(crate) fn end_of_stream(&self, _stream: &StreamId) {}

    /// The pad is gone; its branches stop and its attachments fall silent.
    pub(crate) fn remove_stream(&self, _stream: &StreamId) {}

    /// The element has another clock or base time, after a pause or for want of the old clock.
    pub(crate) fn clock_changed(&self) {}

    /// What statistics show.
    pub(crate) fn snapshot(&self) -> Vec<BranchSnapshot> {
        Vec::new()
    }

    /// Stops everything and refuses newcomers. Returns when all branches are down, or after two seconds.
    pub(crate) fn shutdown(&self) {}
}

/// A consumer's hold on the encoded form of one stream. Dropping it lets go; the last one out stops the branch.
pub(crate) struct Attachment {
    branch: BranchId,
}

impl Attachment {
    /// What the consumer's congestion controller allows now.
    pub(crate) fn set_target(&self, _target: Bitrate) {}

    /// What the encoder that feeds the consumer is set to; `None` where nothing is controlled.
    pub(crate) fn bitrate(&self) -> Option<Bitrate> {
        None
    }

    /// The consumer needs a key frame. Requests are merged, never lost. A force-key-unit event that reaches the
    /// appsrc's source pad does the same.
    pub(crate) fn request_key_frame(&self) {}

    /// Whether samples may reach the consumer. Starts as `false`; turning it on asks for a key frame to begin with.
    pub(crate) fn set_flowing(&self, _flowing: bool) {}

    /// The encoder that feeds the consumer now; `None` for input that came encoded.
    pub(crate) fn encoder(&self) -> Option<gst::Element> {
        None
    }

    /// The branch that feeds the consumer now.
    pub(crate) fn branch_id(&self) -> BranchId {
        self.branch
    }
}
