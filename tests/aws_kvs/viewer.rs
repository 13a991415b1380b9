// SPDX-License-Identifier: MPL-2.0
//! A viewer made of a stock webrtcbin, which talks to the double within this process.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use gst::prelude::*;
use gst_webrtc::{WebRTCRTPTransceiverDirection, WebRTCSDPType, WebRTCSessionDescription};
use serde_json::{Value, json};
use testkit::kvs::{self, Kvs};

use super::common::wait_until;

/// Watches the channel's video; leaves without a word when dropped, as the protocol has it.
pub(crate) struct Viewer {
    id: String,
    frames: Arc<AtomicU64>,
    pipeline: gst::Pipeline,
    link: Arc<kvs::Viewer>,
}

impl Viewer {
    /// Joins and offers.
    pub(crate) fn join(kvs: &Kvs, id: &str) -> Self {
        super::common::init();
        let pipeline = gst::Pipeline::with_name(&format!("viewer-{id}"));
        let webrtcbin = gst::ElementFactory::make("webrtcbin")
            .build()
            .expect("webrtcbin is installed");
        webrtcbin.set_property_from_str("bundle-policy", "max-bundle");
        pipeline.add(&webrtcbin).expect("a fresh element");
        let frames = Arc::<AtomicU64>::default();
        watch_pads(&pipeline, &webrtcbin, &frames);
        pipeline.set_state(gst::State::Playing).expect("webrtcbin starts");
        let weak = webrtcbin.downgrade();
        let link = kvs.viewer(id, move |text| {
            if let Some(webrtcbin) = weak.upgrade() {
                receive(&webrtcbin, &text);
            }
        });
        let link = Arc::new(link);
        trickle(&webrtcbin, &link);
        offer(&webrtcbin, &link);
        Self {
            id: id.to_owned(),
            frames,
            pipeline,
            link,
        }
    }

    /// Sends a message with this payload, whatever it is.
    pub(crate) fn send(&self, action: &str, payload: &str) {
        self.link
            .send(&json!({"action": action, "messagePayload": payload}).to_string());
    }

    /// Frames that arrived.
    pub(crate) fn frames(&self) -> u64 {
        self.frames.load(Ordering::SeqCst)
    }

    /// Waits for so many frames more than now.
    pub(crate) fn wait_frames(&self, more: u64) {
        let target = self.frames() + more;
        wait_until(&format!("{} gets {more} frames", self.id), || {
            self.frames() >= target
        });
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

/// A message's payload as it goes over the wire.
pub(crate) fn payload(value: &Value) -> String {
    gst::glib::base64_encode(value.to_string().as_bytes()).into()
}

fn offer(webrtcbin: &gst::Element, link: &Arc<kvs::Viewer>) {
    let caps = gst::Caps::builder("application/x-rtp")
        .field("media", "video")
        .field("encoding-name", "VP8")
        .field("clock-rate", 90_000)
        .field("payload", 96)
        .build();
    webrtcbin.emit_by_name::<gst_webrtc::WebRTCRTPTransceiver>(
        "add-transceiver",
        &[&WebRTCRTPTransceiverDirection::Recvonly, &caps],
    );
    let (weak, link) = (webrtcbin.downgrade(), link.clone());
    let created = gst::Promise::with_change_func(move |reply| {
        let Some(webrtcbin) = weak.upgrade() else { return };
        let reply = reply.expect("a reply").expect("with a structure");
        let offer = reply
            .get::<WebRTCSessionDescription>("offer")
            .expect("with an offer");
        webrtcbin.emit_by_name::<()>("set-local-description", &[&offer, &None::<gst::Promise>]);
        let sdp = offer.sdp().as_text().expect("it prints");
        let offer = payload(&json!({"type": "offer", "sdp": sdp}));
        link.send(&json!({"action": "SDP_OFFER", "messagePayload": offer}).to_string());
    });
    webrtcbin.emit_by_name::<()>("create-offer", &[&None::<gst::Structure>, &created]);
}

fn trickle(webrtcbin: &gst::Element, link: &Arc<kvs::Viewer>) {
    let link = Arc::downgrade(link);
    webrtcbin.connect("on-ice-candidate", false, move |values| {
        let (index, candidate) = (
            values[1].get::<u32>().expect("an index"),
            values[2].get::<String>(),
        );
        let candidate = json!({
            "candidate": candidate.expect("a text"),
            "sdpMid": "video0",
            "sdpMLineIndex": index,
        });
        if let Some(link) = link.upgrade() {
            let frame = json!({"action": "ICE_CANDIDATE", "messagePayload": payload(&candidate)});
            link.send(&frame.to_string());
        }
        None
    });
}

fn receive(webrtcbin: &gst::Element, text: &str) {
    let frame: Value = serde_json::from_str(text).expect("the service sends JSON");
    let payload = gst::glib::base64_decode(frame["messagePayload"].as_str().unwrap_or_default());
    let payload: Value = serde_json::from_slice(&payload).expect("the master sends JSON");
    match frame["messageType"].as_str() {
        Some("SDP_ANSWER") => {
            let sdp = payload["sdp"].as_str().expect("a description");
            let sdp = gst_sdp::SDPMessage::parse_buffer(sdp.as_bytes()).expect("it parses");
            let answer = WebRTCSessionDescription::new(WebRTCSDPType::Answer, sdp);
            webrtcbin.emit_by_name::<()>("set-remote-description", &[&answer, &None::<gst::Promise>]);
        }
        Some("ICE_CANDIDATE") => {
            let index = payload["sdpMLineIndex"].as_u64().expect("an index");
            let index = u32::try_from(index).expect("a small one");
            let candidate = payload["candidate"].as_str().expect("a candidate");
            webrtcbin.emit_by_name::<()>("add-ice-candidate", &[&index, &candidate]);
        }
        other => panic!("a viewer gets no {other:?}"),
    }
}

fn watch_pads(pipeline: &gst::Pipeline, webrtcbin: &gst::Element, frames: &Arc<AtomicU64>) {
    let (weak, frames) = (pipeline.downgrade(), frames.clone());
    webrtcbin.connect_pad_added(move |_, pad| {
        let Some(pipeline) = weak.upgrade() else { return };
        let frames = frames.clone();
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            if let Some(buffer) = info.buffer() {
                let rtp = gst_rtp::RTPBuffer::from_buffer_readable(buffer).expect("RTP");
                frames.fetch_add(u64::from(rtp.is_marker()), Ordering::SeqCst);
            }
            gst::PadProbeReturn::Ok
        });
        let sink = gst::ElementFactory::make("fakesink")
            .property("async", false)
            .property("sync", false)
            .build()
            .expect("fakesink is installed");
        pipeline.add(&sink).expect("a fresh element");
        sink.sync_state_with_parent().expect("it starts");
        pad.link(&sink.static_pad("sink").expect("it has one"))
            .expect("it takes anything");
    });
}
