// SPDX-License-Identifier: MPL-2.0
//! One input stream per request pad: what arrives is paced by the clock and handed to the encoders.
//!
//! Owns the chain `ghost pad → clocksync → appsink`, the stream's caps and its events. Chain and event functions run on
//! the streaming thread and take only the stream's own lock, never one that negotiation holds. What becomes of buffers
//! is `encode`'s, who may watch them `session`'s.

mod caps;
mod events;
mod stream;

use std::sync::{Arc, OnceLock};

use gst::prelude::*;
use gst::subclass::prelude::*;

use super::imp::CAT;
use super::{BaseWebRTCSink, WebRTCSinkPad, lifecycle};
use crate::codec::MediaKind;
use crate::error;

pub(super) use events::{send_upstream, stream_named};
pub(super) use stream::InputStream;

/// The two pad templates.
pub(super) fn templates() -> Vec<gst::PadTemplate> {
    [MediaKind::Audio, MediaKind::Video]
        .into_iter()
        .map(|kind| template(kind).clone())
        .collect()
}

/// A new stream for a requested pad. Its name is ours to give, whatever was asked for.
pub(super) fn add(sink: &BaseWebRTCSink, template: &gst::PadTemplate) -> Option<WebRTCSinkPad> {
    let kind = if template.name_template().starts_with("video") {
        MediaKind::Video
    } else {
        MediaKind::Audio
    };
    let (number, pool) = {
        let mut state = sink.imp().state();
        (state.take_pad_number(kind), state.pool.clone())
    };
    let stream = match InputStream::new(sink, template, kind, number) {
        Ok(stream) => Arc::new(stream),
        Err(missing) => {
            error::post_failure(sink, &missing.to_string());
            return None;
        }
    };
    if let Some(pool) = pool {
        stream.start(pool);
    }
    sink.imp().state().add_stream(stream.clone());
    // An element that is running already needs its pads active before they are added.
    if let Err(failure) = stream
        .pad()
        .set_active(true)
        .and_then(|()| sink.add_pad(stream.pad()))
    {
        gst::error!(
            CAT,
            obj = sink,
            "pad {} could not be added: {failure}",
            stream.id()
        );
        forget(sink, &stream);
        return None;
    }
    gst::debug!(CAT, obj = sink, "stream {} added", stream.id());
    // A launch line may have set properties of the pad before there was one: `video_0::msid=camera`.
    sink.child_added(stream.pad(), stream.id().as_str());
    Some(stream.pad().clone())
}

/// The pad is released: its stream leaves every session.
pub(super) fn remove(sink: &BaseWebRTCSink, pad: &WebRTCSinkPad) {
    let streams = sink.imp().state().streams();
    let Some(stream) = streams.into_iter().find(|stream| stream.pad() == pad) else {
        return;
    };
    // Refused only when the pad is not ours, which it is.
    let _ = pad.set_active(false);
    let _ = sink.remove_pad(pad);
    forget(sink, &stream);
    sink.child_removed(pad, stream.id().as_str());
    gst::debug!(CAT, obj = sink, "stream {} removed", stream.id());
}

/// A stream got its first caps, or is gone: sessions negotiate anew, and the signaller may have waited for it.
fn changed(sink: &BaseWebRTCSink) {
    lifecycle::streams_changed(sink);
    let sessions = sink.imp().state().sessions();
    for session in sessions {
        session.post(super::session::Input::StreamsChanged);
    }
}

/// A stream goes on with other caps, which whoever is sent it follows without negotiating anew.
fn reshaped(sink: &BaseWebRTCSink, stream: &InputStream) {
    let sessions = sink.imp().state().sessions();
    for session in sessions {
        session.post(super::session::Input::StreamReshaped(stream.id().clone()));
    }
}

fn forget(sink: &BaseWebRTCSink, stream: &InputStream) {
    sink.imp().state().remove_stream(stream.id());
    stream.dismantle(sink);
    changed(sink);
}

fn template(kind: MediaKind) -> &'static gst::PadTemplate {
    static VIDEO: OnceLock<gst::PadTemplate> = OnceLock::new();
    static AUDIO: OnceLock<gst::PadTemplate> = OnceLock::new();
    let (cell, name, caps): (_, _, fn() -> gst::Caps) = match kind {
        MediaKind::Video => (&VIDEO, "video_%u", caps::video_template),
        MediaKind::Audio => (&AUDIO, "audio_%u", caps::audio_template),
    };
    cell.get_or_init(|| {
        gst::PadTemplate::with_gtype(
            name,
            gst::PadDirection::Sink,
            gst::PadPresence::Request,
            &caps(),
            WebRTCSinkPad::static_type(),
        )
        .expect("a template made of constants")
    })
}
