// SPDX-License-Identifier: MPL-2.0
//! A producer made of a stock webrtcbin, as a peer knows nothing of this crate.

use std::sync::{Arc, Mutex};

use gst::prelude::*;
use gst_webrtc::{WebRTCDataChannel, WebRTCPeerConnectionState, WebRTCSDPType, WebRTCSessionDescription};
use gstrswebrtc::signaller::signals;

use super::loopback::{Loopback, Sent, reparsed};
use super::wait_until;

/// 320x240 at 30 frames a second in VP8, a key frame a second.
pub const VP8: &str = "videotestsrc is-live=true pattern=smpte75 ! video/x-raw,width=320,height=240,framerate=30/1 ! \
    vp8enc deadline=1 cpu-used=8 end-usage=cbr target-bitrate=1000000 keyframe-max-dist=30 ! rtpvp8pay picture-id-mode=15-bit ! \
    application/x-rtp,media=video,encoding-name=VP8,clock-rate=90000";
/// The same picture in H.264, four slices each.
pub const H264: &str = "videotestsrc is-live=true pattern=smpte75 ! video/x-raw,format=I420,width=320,height=240,framerate=30/1 ! \
    x264enc tune=zerolatency sliced-threads=true threads=4 speed-preset=ultrafast bitrate=1000 key-int-max=30 ! \
    video/x-h264,profile=constrained-baseline ! rtph264pay config-interval=-1 aggregate-mode=zero-latency ! \
    application/x-rtp,media=video,encoding-name=H264,clock-rate=90000";
/// The same picture in VP9.
pub const VP9: &str = "videotestsrc is-live=true pattern=smpte75 ! video/x-raw,width=320,height=240,framerate=30/1 ! \
    vp9enc deadline=1 cpu-used=8 end-usage=cbr target-bitrate=1000000 keyframe-max-dist=30 ! \
    rtpvp9pay picture-id-mode=15-bit ! application/x-rtp,media=video,encoding-name=VP9,clock-rate=90000";
/// A tone in Opus.
pub const OPUS: &str = "audiotestsrc is-live=true ! audio/x-raw,rate=48000,channels=2 ! opusenc ! rtpopuspay ! \
    application/x-rtp,media=audio,encoding-name=OPUS,clock-rate=48000";

/// Sends its streams to one element under test. Vanishes without a word when dropped.
pub struct Producer {
    pub id: String,
    pub webrtcbin: gst::Element,
    pub pipeline: gst::Pipeline,
    pub seen: Arc<Seen>,
    signaller: Loopback,
    streams: i32,
}

/// What the element under test sent.
#[derive(Default)]
pub struct Seen {
    /// Its descriptions, as text.
    pub descriptions: Mutex<Vec<String>>,
    /// How it ended the session.
    pub end: Mutex<Option<Option<String>>>,
    /// Texts on data channels, by label.
    pub messages: Mutex<Vec<(String, String)>>,
}

/// How a producer changes its offer on the way.
pub type Alter = fn(String) -> String;

fn unchanged(text: String) -> String {
    text
}

impl Producer {
    /// A producer of these streams, each a launch line that ends in RTP; it has begun a session but not offered.
    pub fn new(signaller: &Loopback, id: &str, streams: &[&str]) -> Self {
        // webrtcbin numbers RTX, RED and ULPFEC from there on.
        let payload_types: Vec<usize> = (0..streams.len()).map(|index| 96 + 6 * index).collect();
        Self::with_payload_types(signaller, id, streams, &payload_types)
    }

    /// A producer that goes on with a session that has begun.
    pub fn returning(signaller: &Loopback, id: &str, streams: &[&str]) -> Self {
        let payload_types: Vec<usize> = (0..streams.len()).map(|index| 96 + 6 * index).collect();
        Self::prepare(signaller, id, streams, &payload_types)
    }

    /// As [`Producer::new`], with these payload types.
    pub fn with_payload_types(
        signaller: &Loopback,
        id: &str,
        streams: &[&str],
        payload_types: &[usize],
    ) -> Self {
        let producer = Self::prepare(signaller, id, streams, payload_types);
        signals::emit_session_started(signaller.upcast_ref(), id, &format!("peer-{id}"));
        producer
    }

    fn prepare(signaller: &Loopback, id: &str, streams: &[&str], payload_types: &[usize]) -> Self {
        let branches: Vec<_> = streams
            .iter()
            .zip(payload_types)
            .map(|(stream, number)| format!("{stream},payload={number} ! w."))
            .collect();
        let line = format!("webrtcbin name=w bundle-policy=max-bundle {}", branches.join(" "));
        let pipeline: gst::Pipeline = gst::parse::launch(&line)
            .expect("a valid line")
            .downcast()
            .expect("a pipeline");
        let webrtcbin = pipeline.by_name("w").expect("it is called w");
        let producer = Self {
            id: id.to_owned(),
            webrtcbin,
            pipeline,
            seen: Arc::default(),
            signaller: signaller.clone(),
            streams: i32::try_from(streams.len()).expect("a few"),
        };
        producer.protect();
        producer.listen();
        producer
            .pipeline
            .set_state(gst::State::Playing)
            .expect("it plays");
        producer.wait_caps();
        producer
    }

    /// webrtcbin neither offers nor answers a stream whose caps it has not seen: a description made while an encoder
    /// still works on its first frame would be without that stream.
    fn wait_caps(&self) {
        wait_until("every stream of the producer has its caps", || {
            let pads = self.webrtcbin.sink_pads();
            pads.iter().all(|pad| pad.current_caps().is_some())
        });
    }

    /// Creates a data channel called `label`, before offering.
    pub fn channel(&self, label: &str) -> WebRTCDataChannel {
        let channel = self
            .webrtcbin
            .emit_by_name::<WebRTCDataChannel>("create-data-channel", &[&label, &None::<gst::Structure>]);
        let (seen, label) = (self.seen.clone(), label.to_owned());
        channel.connect_on_message_string(move |_, text| {
            let text = text.unwrap_or_default().to_owned();
            seen.messages.lock().unwrap().push((label.clone(), text));
        });
        channel
    }

    /// Offers what there is.
    pub fn offer(&self) {
        self.offer_altered(unchanged);
    }

    /// Offers, with a change that only the peer sees; in the answer, `inactive` is hidden from this side's webrtcbin.
    pub fn offer_altered(&self, alter: Alter) {
        let (signaller, id, weak) = (
            self.signaller.clone(),
            self.id.clone(),
            self.webrtcbin.downgrade(),
        );
        let made = gst::Promise::with_change_func(move |reply| {
            let Some(webrtcbin) = weak.upgrade() else { return };
            let reply = reply.expect("a reply").expect("an answer");
            let offer = reply.get::<WebRTCSessionDescription>("offer").expect("an offer");
            webrtcbin.emit_by_name::<()>("set-local-description", &[&offer, &None::<gst::Promise>]);
            let text = alter(offer.sdp().as_text().expect("it prints"));
            let sdp = gst_sdp::SDPMessage::parse_buffer(text.as_bytes()).expect("it parses");
            let altered = WebRTCSessionDescription::new(WebRTCSDPType::Offer, sdp);
            signaller.receive(&id, Sent::Description(altered));
        });
        self.webrtcbin
            .emit_by_name::<()>("create-offer", &[&None::<gst::Structure>, &made]);
    }

    /// Waits for the offer of the element under test and answers it.
    pub fn answer_offer(&self) {
        let (signaller, id, webrtcbin) = (self.signaller.clone(), self.id.clone(), self.webrtcbin.clone());
        self.signaller.route(&self.id, move |sent| match sent {
            Sent::Description(offer) => {
                let (signaller, id, weak) = (signaller.clone(), id.clone(), webrtcbin.downgrade());
                let set = gst::Promise::with_change_func(move |_| answer(&weak, signaller, id));
                webrtcbin.emit_by_name::<()>("set-remote-description", &[&reparsed(&offer), &set]);
            }
            Sent::Candidate(index, text) => {
                webrtcbin.emit_by_name::<()>("add-ice-candidate", &[&index, &text]);
            }
            Sent::End(_) => {}
        });
        signals::emit_session_requested(self.signaller.upcast_ref(), &self.id, "peer", None);
    }

    /// Ends the session as a producer that says so.
    pub fn leave(&self) {
        self.signaller.receive(&self.id, Sent::End(None));
    }

    /// Ends the session with a reason.
    pub fn leave_with(&self, reason: &str) {
        self.signaller
            .receive(&self.id, Sent::End(Some(reason.to_owned())));
    }

    pub fn is_connected(&self) -> bool {
        self.webrtcbin
            .property::<WebRTCPeerConnectionState>("connection-state")
            == WebRTCPeerConnectionState::Connected
    }

    /// The latest description of the element under test.
    pub fn answer(&self) -> Option<String> {
        self.seen.descriptions.lock().unwrap().last().cloned()
    }

    /// The reason the element under test gave for ending, once it did.
    pub fn end(&self) -> Option<Option<String>> {
        self.seen.end.lock().unwrap().clone()
    }

    /// Offers retransmission and FEC on every stream.
    fn protect(&self) {
        for index in 0..self.streams {
            let transceiver = self
                .webrtcbin
                .emit_by_name::<Option<gst_webrtc::WebRTCRTPTransceiver>>("get-transceiver", &[&index]);
            let Some(transceiver) = transceiver else { break };
            transceiver.set_property("do-nack", true);
            transceiver.set_property("fec-type", gst_webrtc::WebRTCFECType::UlpRed);
        }
    }

    fn listen(&self) {
        let (weak, seen) = (self.webrtcbin.downgrade(), self.seen.clone());
        self.signaller.route(&self.id, move |sent| match sent {
            Sent::Description(description) => {
                let text = description.sdp().as_text().expect("it prints");
                let sdp =
                    gst_sdp::SDPMessage::parse_buffer(text.replace("a=inactive", "a=recvonly").as_bytes());
                let description = WebRTCSessionDescription::new(description.type_(), sdp.expect("it parses"));
                seen.descriptions.lock().unwrap().push(text);
                // One that offers does not follow an offer.
                let is_answer = description.type_() == WebRTCSDPType::Answer;
                if let Some(webrtcbin) = weak.upgrade().filter(|_| is_answer) {
                    webrtcbin
                        .emit_by_name::<()>("set-remote-description", &[&description, &None::<gst::Promise>]);
                }
            }
            Sent::Candidate(index, candidate) => {
                if let Some(webrtcbin) = weak.upgrade() {
                    webrtcbin.emit_by_name::<()>("add-ice-candidate", &[&index, &candidate]);
                }
            }
            Sent::End(reason) => *seen.end.lock().unwrap() = Some(reason),
        });
        let (signaller, id) = (self.signaller.clone(), self.id.clone());
        self.webrtcbin.connect("on-ice-candidate", false, move |values| {
            let (index, candidate) = (values[1].get().expect("an index"), values[2].get().expect("text"));
            signaller.receive(&id, Sent::Candidate(index, candidate));
            None
        });
    }
}

fn answer(webrtcbin: &gst::glib::WeakRef<gst::Element>, signaller: Loopback, id: String) {
    let Some(webrtcbin) = webrtcbin.upgrade() else {
        return;
    };
    let weak = webrtcbin.downgrade();
    let made = gst::Promise::with_change_func(move |reply| {
        let Some(webrtcbin) = weak.upgrade() else { return };
        let reply = reply.expect("a reply").expect("an answer");
        let answer = reply
            .get::<WebRTCSessionDescription>("answer")
            .expect("an answer");
        webrtcbin.emit_by_name::<()>("set-local-description", &[&answer, &None::<gst::Promise>]);
        signaller.receive(&id, Sent::Description(answer));
    });
    webrtcbin.emit_by_name::<()>("create-answer", &[&None::<gst::Structure>, &made]);
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.signaller.forget(&self.id);
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}
