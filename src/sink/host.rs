// SPDX-License-Identifier: MPL-2.0
//! What encoding asks of the element it works for.
//!
//! Calls come from the pool's worker and from streaming threads, with no lock held; each is handed on and returns. Owns
//! which signal or session each call is for; what encoding decides itself is in `encode` and `discovery`. Holds the
//! element weakly: its pool outlives it while encoders stop.

use congestion::units::Bitrate;
use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use super::discovery::DiscoveryHost;
use super::encode::{BranchFailure, BranchHost, EncodeSettings, Mitigation, StreamId};
use super::imp::CAT;
use super::{BaseWebRTCSink, signals};
use crate::end_reason::{EndReason, SessionEndReason};

/// The element behind a branch pool, which may be gone before the pool is.
pub(super) struct SinkHost(glib::WeakRef<BaseWebRTCSink>);

impl SinkHost {
    pub(super) fn new(sink: &BaseWebRTCSink) -> Self {
        Self(sink.downgrade())
    }
}

impl BranchHost for SinkHost {
    fn clock_and_base_time(&self) -> Option<(gst::Clock, gst::ClockTime)> {
        let sink = self.0.upgrade()?;
        Some((sink.clock()?, sink.base_time()?))
    }

    /// Without the element nothing is worth sharing or degrading any more.
    fn encode_settings(&self) -> EncodeSettings {
        self.0.upgrade().map_or(
            EncodeSettings {
                max_encoders: 0,
                mitigation: Mitigation::default(),
            },
            |sink| sink.imp().encode_settings(),
        )
    }

    fn pipeline_created(&self, consumer_id: &str, pipeline: &gst::Pipeline) {
        if let Some(sink) = self.0.upgrade() {
            signals::emit_consumer_pipeline_created(&sink, consumer_id, pipeline);
        }
    }

    fn encoder_setup(&self, consumer_id: &str, pad_name: &str, encoder: &gst::Element) {
        if let Some(sink) = self.0.upgrade() {
            signals::emit_encoder_setup(&sink, consumer_id, pad_name, encoder);
        }
    }

    fn mitigation_caps(
        &self,
        pad_name: &str,
        input: &gst_video::VideoInfo,
        bitrate: Bitrate,
        allowed: Mitigation,
    ) -> Option<gst::Caps> {
        let bitrate = i32::try_from(bitrate.bps()).unwrap_or(i32::MAX);
        signals::emit_configure_mitigation_caps(&self.0.upgrade()?, pad_name, input, bitrate, allowed)
    }

    fn request_upstream_key_frame(&self, stream: &StreamId, running_time: Option<gst::ClockTime>) {
        let Some(sink) = self.0.upgrade() else { return };
        let streams = sink.imp().state().streams();
        if let Some(stream) = streams.iter().find(|known| known.id() == stream) {
            stream.request_key_frame(running_time);
        }
    }

    /// A branch that fails costs its own consumers; others go on.
    fn branch_failed(&self, failure: BranchFailure) {
        let Some(sink) = self.0.upgrade() else { return };
        gst::warning!(
            CAT,
            obj = sink,
            "{} of {} failed: {}",
            failure.branch,
            failure.stream,
            failure.error
        );
        let reason = EndReason::new(
            SessionEndReason::Internal,
            format!("{}: {}", failure.stream, failure.error),
        );
        for id in failure.sessions {
            let session = sink.imp().state().session(&id);
            if let Some(session) = session {
                session.end(reason.clone());
            }
        }
    }

    fn stream_ended(&self, stream: &StreamId, sessions: Vec<String>) {
        let Some(sink) = self.0.upgrade() else { return };
        for id in sessions {
            let session = sink.imp().state().session(&id);
            if let Some(session) = session {
                session.stream_ended(stream);
            }
        }
    }

    fn context_message(&self, message: &gst::Message) {
        if let Some(sink) = self.0.upgrade() {
            // Refused only while the element has no bus, and then nobody could answer.
            let _ = sink.post_message(message.clone());
        }
    }
}

impl DiscoveryHost for SinkHost {
    fn encoder_setup(&self, pad_name: &str, encoder: &gst::Element) {
        BranchHost::encoder_setup(self, DISCOVERY, pad_name, encoder);
    }

    fn payloader_setup(&self, pad_name: &str, payloader: &gst::Element) {
        if let Some(sink) = self.0.upgrade() {
            signals::emit_payloader_setup(&sink, DISCOVERY, pad_name, payloader);
        }
    }

    fn encoded_filter(&self, pad_name: &str, encoded: &gst::Caps) -> Option<gst::Element> {
        signals::emit_request_encoded_filter(&self.0.upgrade()?, None, pad_name, encoded)
    }

    fn context_message(&self, message: &gst::Message) {
        BranchHost::context_message(self, message);
    }
}

/// What stands for a consumer while there is none.
const DISCOVERY: &str = "discovery";
