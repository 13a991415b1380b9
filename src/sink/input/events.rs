// SPDX-License-Identifier: MPL-2.0
//! Events of input pads: caps going down, requests of consumers going up, metadata told to consumers.
//!
//! Downstream ones come on the streaming thread, upstream ones from data channels and the application. Owns what an
//! event of the pad means for the rest of the sink. No lock is held while events are pushed or sessions told.

use std::sync::Arc;

use gst::prelude::*;
use gst::subclass::prelude::*;

use super::InputStream;
use super::caps::Change;
use crate::datachannel::control::{Info, Meta, TimeCode};
use crate::sink::encode::StreamId;
use crate::sink::imp::CAT;
use crate::sink::{BaseWebRTCSink, WebRTCSinkPad, negotiate};

/// The pad's event function.
pub(super) fn handle(
    sink: Option<BaseWebRTCSink>,
    pad: &WebRTCSinkPad,
    parent: Option<&gst::Object>,
    event: gst::Event,
) -> bool {
    if let (gst::EventView::Caps(caps), Some(sink)) = (event.view(), sink)
        && !take_caps(&sink, pad, &caps.caps_owned())
    {
        return false;
    }
    gst::Pad::event_default(pad, parent, event)
}

/// Sends `event` upstream on every stream that `is_meant` names. Whether anybody took it.
pub(in crate::sink) fn send_upstream(
    sink: &BaseWebRTCSink,
    event: &gst::Event,
    is_meant: impl Fn(&InputStream) -> bool,
) -> bool {
    let streams = sink.imp().state().streams();
    // Every one of them gets it, also after the first has taken it.
    let meant = streams.iter().filter(|stream| is_meant(stream));
    meant
        .filter(|stream| stream.pad().push_event(event.clone()))
        .count()
        > 0
}

/// The stream called so.
pub(in crate::sink) fn stream_named(sink: &BaseWebRTCSink, id: &StreamId) -> Option<Arc<InputStream>> {
    sink.imp()
        .state()
        .streams()
        .into_iter()
        .find(|stream| stream.id() == id)
}

/// Tells the consumers that want to know about the metadata of a buffer that is on its way to them.
///
/// Told here and not where packets leave: encoders drop metadata.
pub(super) fn forward_metas(sink: &BaseWebRTCSink, stream: &StreamId, sample: &gst::SampleRef) {
    let Some(meta) = sample
        .buffer()
        .and_then(|buffer| buffer.meta::<gst_video::VideoTimeCodeMeta>())
    else {
        return;
    };
    if !sink.imp().settings().forward_metas.contains(TIMECODE) {
        return;
    }
    let info = Info::Meta(Meta::TimeCode(TimeCode::from(&meta.tc())));
    let sessions = sink.imp().state().sessions();
    for session in sessions {
        session.inform(stream, &info);
    }
}

/// Whether the caps are taken; a refusal reaches upstream as one.
fn take_caps(sink: &BaseWebRTCSink, pad: &WebRTCSinkPad, caps: &gst::Caps) -> bool {
    let Some(stream) = stream_named(sink, &StreamId::new(&pad.name())) else {
        return true;
    };
    let allowed = sink.imp().settings().video_caps.clone();
    match stream.take_caps(caps, &allowed) {
        Change::Same => {}
        Change::Accepted => {
            gst::info!(CAT, obj = sink, "stream {}: input becomes {caps}", stream.id());
            super::reshaped(sink, &stream);
        }
        Change::First => {
            gst::info!(CAT, obj = sink, "stream {}: input is {caps}", stream.id());
            negotiate::look_ahead(sink, &stream);
            super::changed(sink);
        }
        Change::Refused(why) => {
            gst::error!(
                CAT,
                obj = sink,
                "stream {}: input cannot become {caps}: {why}",
                stream.id()
            );
            return false;
        }
    }
    true
}

/// The one kind of metadata that consumers can be told about.
const TIMECODE: &str = "timecode";
