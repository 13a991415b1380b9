// SPDX-License-Identifier: MPL-2.0
//! The public signals of a sink: each declared once, with its typed emitter.
//!
//! Emitters are called with no lock held. "Consumer id" is the peer id that the signaller gave. Owns names, signatures
//! and what happens without a handler; when each is emitted is decided where the event is: sessions, encoding branches
//! and discovery, each on a thread of its own.

use std::ops::ControlFlow;
use std::sync::OnceLock;

use gst::glib;
use gst::glib::subclass::Signal;
use gst::prelude::*;
use gst::subclass::prelude::*;

use super::encode::{EncodeSettings, Mitigation};
use super::{BaseWebRTCSink, WebRTCSinkMitigationMode, imp};
use crate::codec::{EncoderControl, payloaders};
use crate::end_reason::{EndReason, SessionEndReason};

const CONSUMER_PIPELINE_CREATED: &str = "consumer-pipeline-created";
const CONSUMER_ADDED: &str = "consumer-added";
const CONSUMER_REMOVED: &str = "consumer-removed";
const ENCODER_SETUP: &str = "encoder-setup";
const PAYLOADER_SETUP: &str = "payloader-setup";
const REQUEST_ENCODED_FILTER: &str = "request-encoded-filter";
const GET_SESSIONS: &str = "get-sessions";
const DEFINE_ENCODER_BITRATES: &str = "define-encoder-bitrates";
const CONFIGURE_MITIGATION_CAPS: &str = "configure-mitigation-caps";
const SESSION_ENDED: &str = "session-ended";

/// All signals of the class.
pub(super) fn all() -> &'static [Signal] {
    static SIGNALS: OnceLock<Vec<Signal>> = OnceLock::new();
    SIGNALS.get_or_init(|| {
        [consumers(), setup(), rates(), sessions()]
            .into_iter()
            .flatten()
            .collect()
    })
}

/// Who comes and goes.
fn consumers() -> Vec<Signal> {
    let with_webrtcbin = || [String::static_type(), gst::Element::static_type()];
    vec![
        Signal::builder(CONSUMER_PIPELINE_CREATED)
            .param_types([String::static_type(), gst::Pipeline::static_type()])
            .build(),
        Signal::builder(CONSUMER_ADDED)
            .param_types(with_webrtcbin())
            .build(),
        Signal::builder(CONSUMER_REMOVED)
            .param_types(with_webrtcbin())
            .build(),
    ]
}

/// Elements that the application may configure. A normal handler that returns TRUE keeps the class handler, which
/// applies the defaults, from running; one connected with `after` works on top of them.
fn setup() -> Vec<Signal> {
    let types = || {
        [
            String::static_type(),
            String::static_type(),
            gst::Element::static_type(),
        ]
    };
    vec![
        Signal::builder(ENCODER_SETUP)
            .param_types(types())
            .return_type::<bool>()
            .accumulator(stop_at_true)
            .class_handler(apply_encoder_defaults)
            .build(),
        Signal::builder(PAYLOADER_SETUP)
            .param_types(types())
            .return_type::<bool>()
            .accumulator(stop_at_true)
            .class_handler(apply_payloader_defaults)
            .build(),
        Signal::builder(REQUEST_ENCODED_FILTER)
            .param_types([
                String::static_type(),
                String::static_type(),
                gst::Caps::static_type(),
            ])
            .return_type::<gst::Element>()
            .build(),
    ]
}

/// Decisions about rates that the application may take over; the first handler wins.
fn rates() -> Vec<Signal> {
    vec![
        Signal::builder(DEFINE_ENCODER_BITRATES)
            .param_types([
                String::static_type(),
                i32::static_type(),
                gst::Structure::static_type(),
            ])
            .return_type::<gst::Structure>()
            .accumulator(|_, _, value| ControlFlow::Break(value.clone()))
            .class_handler(|values| values.get(3).cloned())
            .build(),
        Signal::builder(CONFIGURE_MITIGATION_CAPS)
            .param_types([
                String::static_type(),
                gst_video::VideoInfo::static_type(),
                i32::static_type(),
                WebRTCSinkMitigationMode::static_type(),
            ])
            .return_type::<gst::Caps>()
            .accumulator(|_, _, value| ControlFlow::Break(value.clone()))
            .class_handler(|_| Some(None::<gst::Caps>.to_value()))
            .build(),
    ]
}

/// Sessions, by their own ids.
fn sessions() -> Vec<Signal> {
    vec![
        Signal::builder(GET_SESSIONS)
            .action()
            .return_type::<Vec<String>>()
            .class_handler(|values| {
                let sink = values[0].get::<BaseWebRTCSink>().ok()?;
                Some(sink.imp().state().session_ids().to_value())
            })
            .build(),
        Signal::builder(SESSION_ENDED)
            .param_types([
                String::static_type(),
                String::static_type(),
                SessionEndReason::static_type(),
                String::static_type(),
            ])
            .build(),
    ]
}

/// TRUE from a handler says that the element is configured; the class handler, which is the last, says FALSE.
fn stop_at_true(
    _: &glib::subclass::SignalInvocationHint,
    _: glib::Value,
    value: &glib::Value,
) -> ControlFlow<glib::Value, glib::Value> {
    match value.get::<bool>() {
        Ok(true) => ControlFlow::Break(value.clone()),
        _ => ControlFlow::Continue(value.clone()),
    }
}

/// Begins at the start bitrate; the branch sets the bitrate of its group right after.
fn apply_encoder_defaults(values: &[glib::Value]) -> Option<glib::Value> {
    let sink = values[0].get::<BaseWebRTCSink>().ok()?;
    let encoder = values[3].get::<gst::Element>().ok()?;
    let start = congestion::units::Bitrate::from_bps(sink.start_bitrate().into());
    EncoderControl::new(&encoder).apply_defaults(start);
    Some(false.to_value())
}

fn apply_payloader_defaults(values: &[glib::Value]) -> Option<glib::Value> {
    payloaders::configure(&values[3].get::<gst::Element>().ok()?);
    Some(false.to_value())
}

/// A consumer's pipeline, or an encoder's, was made and is still empty.
pub(super) fn emit_consumer_pipeline_created(
    sink: &BaseWebRTCSink,
    consumer_id: &str,
    pipeline: &gst::Pipeline,
) {
    sink.emit_by_name::<()>(CONSUMER_PIPELINE_CREATED, &[&consumer_id, pipeline]);
}

/// A consumer's webrtcbin is there and has not negotiated yet.
pub(super) fn emit_consumer_added(sink: &BaseWebRTCSink, consumer_id: &str, webrtcbin: &gst::Element) {
    sink.emit_by_name::<()>(CONSUMER_ADDED, &[&consumer_id, webrtcbin]);
}

/// A consumer that was added is gone.
pub(super) fn emit_consumer_removed(sink: &BaseWebRTCSink, consumer_id: &str, webrtcbin: &gst::Element) {
    sink.emit_by_name::<()>(CONSUMER_REMOVED, &[&consumer_id, webrtcbin]);
}

/// Has an encoder configured by the application or by the defaults of its factory.
pub(super) fn emit_encoder_setup(
    sink: &BaseWebRTCSink,
    consumer_id: &str,
    pad_name: &str,
    encoder: &gst::Element,
) {
    sink.emit_by_name::<bool>(ENCODER_SETUP, &[&consumer_id, &pad_name, encoder]);
}

/// Has a payloader configured by the application or by the defaults of its factory.
pub(super) fn emit_payloader_setup(
    sink: &BaseWebRTCSink,
    consumer_id: &str,
    pad_name: &str,
    payloader: &gst::Element,
) {
    sink.emit_by_name::<bool>(PAYLOADER_SETUP, &[&consumer_id, &pad_name, payloader]);
}

/// The application's own element between encoder and payloader, if it wants one there.
pub(super) fn emit_request_encoded_filter(
    sink: &BaseWebRTCSink,
    consumer_id: Option<&str>,
    pad_name: &str,
    caps: &gst::Caps,
) -> Option<gst::Element> {
    sink.emit_by_name(REQUEST_ENCODED_FILTER, &[&consumer_id, &pad_name, caps])
}

/// How an overall bitrate is split over the video streams of a consumer.
pub(super) fn emit_define_encoder_bitrates(
    sink: &BaseWebRTCSink,
    consumer_id: &str,
    overall: i32,
    defaults: &gst::Structure,
) -> Option<gst::Structure> {
    sink.emit_by_name(DEFINE_ENCODER_BITRATES, &[&consumer_id, &overall, defaults])
}

/// What the application wants a picture of this bitrate to look like.
pub(super) fn emit_configure_mitigation_caps(
    sink: &BaseWebRTCSink,
    pad_name: &str,
    input: &gst_video::VideoInfo,
    bitrate: i32,
    allowed: Mitigation,
) -> Option<gst::Caps> {
    let allowed = WebRTCSinkMitigationMode::from(allowed);
    sink.emit_by_name(CONFIGURE_MITIGATION_CAPS, &[&pad_name, input, &bitrate, &allowed])
}

/// A session is over.
pub(super) fn emit_session_ended(sink: &BaseWebRTCSink, session_id: &str, peer_id: &str, reason: &EndReason) {
    sink.emit_by_name::<()>(
        SESSION_ENDED,
        &[&session_id, &peer_id, &reason.kind, &reason.text],
    );
}

impl imp::BaseWebRTCSink {
    /// What encoding reads live.
    pub(super) fn encode_settings(&self) -> EncodeSettings {
        let settings = self.settings();
        EncodeSettings {
            max_encoders: settings.max_encoders,
            mitigation: settings.enable_mitigation_modes.into(),
        }
    }
}
