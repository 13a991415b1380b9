// SPDX-License-Identifier: MPL-2.0
//! The data channels a producer opens: input events and control requests go out, notices about buffers come in.
//!
//! Wire forms are `crate::datachannel`'s. Called by the session's thread; messages arrive on webrtcbin's and are
//! queued. Owns which channels are taken and what is said on them. Which events there are to send is decided where they
//! come from: `source/events` for the element, an outlet for its pad.

use gst_video::{ValidVideoTimeCode, VideoTimeCode, VideoTimeCodeFlags};
use gst_webrtc::WebRTCDataChannel;
use tokio::sync::mpsc;

use super::Remote;
use crate::datachannel::control::{ControlMessage, ControlRequest, Info, Meta, Request, TimeCode};
use crate::datachannel::navigation::{NavigationEvent, NavigationMessage};
use crate::datachannel::{CONTROL_LABEL, INPUT_LABEL, MAX_MESSAGE_BYTES};
use crate::gst_ext::structure::to_json;
use crate::source::CAT;
use crate::source::settings::Settings;

/// The channels of one session.
pub(crate) struct Channels {
    wants_input: bool,
    wants_control: bool,
    /// The last channel of the name wins: a producer that opens it again has given up the one before.
    input: Option<WebRTCDataChannel>,
    control: Option<WebRTCDataChannel>,
    /// Ids of control requests, by which the producer's responses name them.
    next_id: u64,
}

impl Channels {
    /// None yet; `settings` say which are used when they come.
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            wants_input: settings.enable_data_channel_navigation,
            wants_control: settings.enable_control_data_channel,
            input: None,
            control: None,
            next_id: 0,
        }
    }

    /// Takes in a channel that the producer opened, by its label; others are the application's.
    pub(crate) fn add(&mut self, channel: WebRTCDataChannel, remote: &mpsc::Sender<Remote>) {
        match channel.label().as_deref() {
            Some(INPUT_LABEL) if self.wants_input => self.input = Some(channel),
            Some(CONTROL_LABEL) if self.wants_control => {
                let remote = remote.clone();
                channel.connect_on_message_string(move |_, text| {
                    // More than the queue holds is more than anybody could act on.
                    let _ = remote.try_send(Remote::Message(text.unwrap_or_default().to_owned()));
                });
                self.control = Some(channel);
            }
            label => gst::debug!(
                CAT,
                obj = &channel,
                "channel {label:?} is left to the application"
            ),
        }
    }

    /// Sends an event to the producer on every channel that carries its kind. `mid` names the stream it came from.
    pub(crate) fn send(&mut self, event: &gst::EventRef, mid: Option<String>) {
        let Some(structure) = event.structure() else {
            return;
        };
        if let (gst::EventView::Navigation(_), Some(channel)) = (event.view(), &self.input)
            && let Some(event) = NavigationEvent::from_structure(structure)
        {
            say(channel, &NavigationMessage { mid: None, event }.to_json());
        }
        if let (Some(channel), Some(request)) = (&self.control, request(event, structure)) {
            let request = ControlRequest {
                id: self.next_id,
                mid,
                request,
            };
            self.next_id += 1;
            say(channel, &request.to_json());
        }
    }
}

/// What a text on the control channel says of the next buffer of a stream: its mid and its time code.
pub(crate) fn notice(text: &str) -> Option<(String, ValidVideoTimeCode)> {
    if text.len() > MAX_MESSAGE_BYTES {
        return None;
    }
    match serde_json::from_str(text) {
        Ok(ControlMessage::InfoMessage {
            mid,
            info: Info::Meta(Meta::TimeCode(code)),
        }) => Some((mid, time_code(&code)?)),
        Ok(ControlMessage::ControlResponseMessage {
            id,
            error: Some(error),
        }) => {
            gst::warning!(CAT, "control request {id} was refused by the producer: {error}");
            None
        }
        Ok(ControlMessage::ControlResponseMessage { .. }) => None,
        Err(error) => {
            gst::warning!(CAT, "message on the control channel is not understood: {error}");
            None
        }
    }
}

/// What the control channel carries: navigation, and upstream events that GStreamer has no name for.
fn request(event: &gst::EventRef, structure: &gst::StructureRef) -> Option<Request> {
    match event.view() {
        gst::EventView::Navigation(_) => {
            let event = NavigationEvent::from_structure(structure)?;
            Some(Request::NavigationEvent { event })
        }
        gst::EventView::CustomUpstream(_) => Some(Request::CustomUpstreamEvent {
            structure_name: structure.name().to_string(),
            structure: to_json(structure).as_object().cloned().unwrap_or_default(),
        }),
        _ => None,
    }
}

fn say(channel: &WebRTCDataChannel, text: &str) {
    if let Err(error) = channel.send_string_full(Some(text)) {
        gst::debug!(CAT, obj = channel, "event is not sent: {error}");
    }
}

/// Numbers of a peer: whatever makes no valid time code is left out rather than attached.
fn time_code(code: &TimeCode) -> Option<ValidVideoTimeCode> {
    let mut flags = VideoTimeCodeFlags::empty();
    for name in code.flags.split('+') {
        match name {
            "drop-frame" => flags |= VideoTimeCodeFlags::DROP_FRAME,
            "interlaced" => flags |= VideoTimeCodeFlags::INTERLACED,
            _ => {}
        }
    }
    let (numerator, denominator) = code.fps;
    if numerator <= 0 || denominator <= 0 {
        return None;
    }
    // Text with a NUL is no date, and GLib could not be given it.
    let jam = code
        .latest_daily_jam
        .as_deref()
        .filter(|text| !text.contains('\0'));
    let jam = jam.and_then(|text| gst::glib::DateTime::from_iso8601(text, None).ok());
    let code = VideoTimeCode::new(
        gst::Fraction::new(numerator, denominator),
        jam.as_ref(),
        flags,
        code.hours,
        code.minutes,
        code.seconds,
        code.frames,
        code.field_count,
    );
    code.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTICE: &str = r#"{"type":"InfoMessage","mid":"video0","info":{"meta":{"type":"timeCode","hours":0,"minutes":0,
        "seconds":5,"frames":17,"field_count":0,"fps":[30,1],"flags":"none","latest_daily_jam":null}}}"#;

    #[test]
    fn a_time_code_is_read_with_its_stream() {
        gst::init().expect("GStreamer initialises");
        let (mid, code) = notice(NOTICE).expect("a notice");
        assert_eq!(mid, "video0");
        assert_eq!(
            (code.seconds(), code.frames(), code.fps()),
            (5, 17, gst::Fraction::new(30, 1))
        );
    }

    #[test]
    fn a_day_that_cannot_be_read_costs_only_itself() {
        gst::init().expect("GStreamer initialises");
        for day in ["x", "", "2024-01-01T00:00:00\\u0000Z", "\\u0000"] {
            let text = NOTICE.replace(
                "\"latest_daily_jam\":null",
                &format!("\"latest_daily_jam\":\"{day}\""),
            );
            let (_, code) = notice(&text).expect("the rest is sound");
            assert!(code.latest_daily_jam().is_none(), "{day}");
        }
        let text = NOTICE.replace(
            "\"latest_daily_jam\":null",
            "\"latest_daily_jam\":\"2024-01-01T00:00:00Z\"",
        );
        let (_, code) = notice(&text).expect("a notice");
        assert!(code.latest_daily_jam().is_some());
    }

    #[test]
    fn what_cannot_be_used_is_no_notice() {
        gst::init().expect("GStreamer initialises");
        let cases = [
            "{}".to_owned(),
            "nonsense".to_owned(),
            NOTICE.replace("[30,1]", "[0,0]"),
            NOTICE.replace("\"hours\":0", "\"hours\":99"),
            r#"{"type":"ControlResponseMessage","id":1,"error":"no"}"#.to_owned(),
            r#"{"type":"ControlResponseMessage","id":1,"error":null}"#.to_owned(),
            format!("\"{}\"", "x".repeat(MAX_MESSAGE_BYTES)),
        ];
        for text in cases {
            assert!(notice(&text).is_none(), "{text:.60}");
        }
    }

    #[test]
    fn events_become_requests_by_their_kind() {
        gst::init().expect("GStreamer initialises");
        let custom =
            gst::event::CustomUpstream::new(gst::Structure::builder("app/ask").field("on", true).build());
        let made = request(&custom, custom.structure().expect("it has one"));
        assert!(
            matches!(made, Some(Request::CustomUpstreamEvent { structure_name, .. }) if structure_name == "app/ask")
        );
        let key = gst_video::NavigationEvent::new_key_press("a").structure();
        let key = gst::event::Navigation::new(key);
        let made = request(&key, key.structure().expect("it has one"));
        assert!(matches!(made, Some(Request::NavigationEvent { .. })));
        let other = gst::event::Reconfigure::new();
        assert!(request(&other, gst::Structure::new_empty("x").as_ref()).is_none());
    }
}
