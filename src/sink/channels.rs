// SPDX-License-Identifier: MPL-2.0
//! A session's data channels: what a consumer sends becomes events on the input pads, and gets its reply.
//!
//! Callbacks come from webrtcbin's SCTP threads, one per channel; a consumer that floods holds up only itself. Nothing
//! is acted upon before the peer's certificate was verified. Owns which channels there are and what is replied; labels
//! and wire forms are `datachannel`'s, notices are composed in `input/events` and sent by the session.

use std::sync::{Arc, Weak};

use gst::prelude::*;
use gst_webrtc::{WebRTCDataChannel, WebRTCDataChannelState};

use super::encode::StreamId;
use super::imp::CAT;
use super::input::{self, InputStream};
use super::session::Session;
use super::settings::Settings;
use crate::datachannel::control::{ControlMessage, ControlRequest, Request};
use crate::datachannel::navigation::NavigationMessage;
use crate::datachannel::{CONTROL_LABEL, INPUT_LABEL, sending};

/// Whether consumers get any channel.
pub(super) fn is_wanted(settings: &Settings) -> bool {
    settings.enable_data_channel_navigation || settings.enable_control_data_channel
}

/// Creates the channels that the settings ask for. Whether there is one.
///
/// Called in READY, before anything is negotiated, so that the first offer has a section for them.
pub(super) fn create(session: &Arc<Session>, webrtcbin: &gst::Element) -> bool {
    let settings = session.settings();
    let input = settings
        .enable_data_channel_navigation
        .then(|| channel(webrtcbin, INPUT_LABEL))
        .flatten();
    let control = settings
        .enable_control_data_channel
        .then(|| channel(webrtcbin, CONTROL_LABEL))
        .flatten();
    if let Some(input) = &input {
        listen(session, input, navigate);
    }
    if let Some(control) = &control {
        listen(session, control, control_message);
        offer_notices(session, control);
    }
    input.is_some() || control.is_some()
}

/// Of high priority: what a person does with a mouse must not wait behind anything else.
fn channel(webrtcbin: &gst::Element, label: &str) -> Option<WebRTCDataChannel> {
    let options = gst::Structure::builder("config")
        .field("priority", gst_webrtc::WebRTCPriorityType::High)
        .build();
    let channel =
        webrtcbin.emit_by_name::<Option<WebRTCDataChannel>>("create-data-channel", &[&label, &options]);
    if channel.is_none() {
        gst::error!(CAT, obj = webrtcbin, "data channel {label} could not be created");
    }
    channel
}

/// Passes on what comes once the peer is known to be the one that signalling named.
fn listen(
    session: &Arc<Session>,
    channel: &WebRTCDataChannel,
    handle: fn(&Session, &WebRTCDataChannel, &str),
) {
    let weak = Arc::downgrade(session);
    channel.connect_on_message_string(move |channel, text| {
        let (Some(session), Some(text)) = (weak.upgrade(), text) else {
            return;
        };
        if session.is_verified() {
            handle(&session, channel, text);
        }
    });
}

/// Notices go out while the channel is open.
fn offer_notices(session: &Arc<Session>, channel: &WebRTCDataChannel) {
    let weak: Weak<Session> = Arc::downgrade(session);
    channel.connect_ready_state_notify(move |channel| {
        let Some(session) = weak.upgrade() else { return };
        let is_open = channel.ready_state() == WebRTCDataChannelState::Open;
        session.view().control = is_open.then(|| channel.clone());
    });
}

/// A message on the channel for navigation: there is no reply, whatever becomes of it.
fn navigate(session: &Session, _channel: &WebRTCDataChannel, text: &str) {
    let parsed = NavigationMessage::parse(text).and_then(|message| {
        let event = gst::event::Navigation::new(message.event.to_structure()?);
        Ok((message.mid, event))
    });
    match parsed {
        Ok((mid, event)) => {
            send(session, mid.as_deref(), &event, InputStream::is_video).unwrap_or_else(|refusal| {
                gst::warning!(CAT, "session {}: navigation: {refusal}", session.id());
            });
        }
        Err(error) => gst::warning!(CAT, "session {}: navigation: {error}", session.id()),
    }
}

/// A message on the channel for control: every one that bears an id is answered.
fn control_message(session: &Session, channel: &WebRTCDataChannel, text: &str) {
    let (id, outcome) = match ControlRequest::parse(text) {
        Ok(request) => (
            request.id,
            carry_out(session, request.mid.as_deref(), &request.request),
        ),
        Err(malformed) => {
            gst::warning!(CAT, "session {}: control: {malformed}", session.id());
            let Some(id) = malformed.id else { return };
            (id, Err(malformed.to_string()))
        }
    };
    let reply = ControlMessage::reply(id, outcome);
    if let Err(error) = sending::send(channel, &reply.to_json()) {
        gst::warning!(CAT, "session {}: control: no reply: {error}", session.id());
    }
}

fn carry_out(session: &Session, mid: Option<&str>, request: &Request) -> Result<(), String> {
    let event = request.to_event().map_err(|error| error.to_string())?;
    send(session, mid, &event, |_| true)
}

/// Sends an event to the stream of `mid`, or without one to every stream that `is_meant` names.
fn send(
    session: &Session,
    mid: Option<&str>,
    event: &gst::Event,
    is_meant: fn(&InputStream) -> bool,
) -> Result<(), String> {
    let Some(sink) = session.sink() else {
        return Err("the producer is gone".to_owned());
    };
    let target: Option<StreamId> = match mid {
        None => None,
        Some(mid) => {
            let known = session.view().mids.get(mid).cloned();
            Some(known.ok_or_else(|| format!("no stream has the mid {mid}"))?)
        }
    };
    let is_taken = match target {
        Some(target) => input::send_upstream(&sink, event, |stream| *stream.id() == target),
        None => input::send_upstream(&sink, event, is_meant),
    };
    if is_taken {
        Ok(())
    } else {
        Err("no stream could handle the event".to_owned())
    }
}
