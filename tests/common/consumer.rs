// SPDX-License-Identifier: MPL-2.0
//! A consumer made of a stock webrtcbin, as a peer knows nothing of this crate.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use gst::glib;
use gst::prelude::*;
use gst_webrtc::{WebRTCDataChannel, WebRTCPeerConnectionState, WebRTCSDPType, WebRTCSessionDescription};
use testkit::relay::{Link, Side};

use super::loopback::{Loopback, Sent, reparsed};
use super::wait_until;

/// Watches what a producer sends. Leaving is [`Consumer::leave`], vanishing without a word is dropping.
pub struct Consumer {
    pub id: String,
    pub webrtcbin: gst::Element,
    pub seen: Arc<Seen>,
    pipeline: gst::Pipeline,
    signaller: Loopback,
}

/// What a consumer has seen so far.
#[derive(Default)]
pub struct Seen {
    /// By the number of the media section.
    pub streams: Mutex<BTreeMap<u32, Arc<Stream>>>,
    /// Every description the producer sent, as text.
    pub descriptions: Mutex<Vec<String>>,
    /// Every candidate the producer sent.
    pub candidates: Mutex<Vec<String>>,
    /// How the producer ended the session, once it did.
    pub end: Mutex<Option<Option<String>>>,
    /// Data channels the producer opened, by label.
    pub channels: Mutex<BTreeMap<String, WebRTCDataChannel>>,
    /// Messages on them.
    pub messages: Mutex<Vec<(String, String)>>,
    /// Packets that were lost on purpose.
    pub lost: AtomicU64,
    is_cut: AtomicBool,
    packets: AtomicU64,
}

/// One stream as it arrived.
#[derive(Default)]
pub struct Stream {
    pub encoding: Mutex<String>,
    /// Complete frames, by their marker for video and by packet for audio.
    pub frames: AtomicU64,
    /// Sequence numbers that never came.
    pub missing: AtomicU64,
    /// Frames that were decoded.
    pub decoded: AtomicU64,
    /// Width and height of the last decoded frame.
    pub size: Mutex<(i32, i32)>,
    /// Differences between successive RTP timestamps of video frames, largest so far.
    pub largest_step: AtomicU64,
    last: Mutex<Option<(u16, u32)>>,
}

/// How a consumer deals with what it gets.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Decode video instead of counting packets only.
    pub decode: bool,
    /// How the answer is altered before it is sent.
    pub alter_answer: Option<fn(String) -> String>,
    /// Which codec the consumer insists on for video.
    pub video_codec: Option<&'static str>,
    /// Make the offer instead of waiting for one: VP8 as 120 and Opus as 111.
    pub offers: bool,
    /// Ask for retransmission, and lose every so many packets on the way.
    pub loses_every: Option<u64>,
    /// Connect through this link, at its right side, and ask for retransmission and feedback.
    pub link: Option<&'static Link>,
    /// How long its jitterbuffers hold packets, in milliseconds; webrtcbin's own 200 without.
    pub latency_ms: Option<u32>,
}

impl Options {
    /// A consumer that decodes, and is like any other else.
    pub const DECODING: Self = Self {
        decode: true,
        alter_answer: None,
        video_codec: None,
        offers: false,
        loses_every: None,
        link: None,
        latency_ms: None,
    };
}

impl Consumer {
    /// Joins at once.
    pub fn join(signaller: &Loopback, id: &str) -> Self {
        Self::join_with(signaller, id, Options::default())
    }

    /// Joins at once, with options.
    pub fn join_with(signaller: &Loopback, id: &str, options: Options) -> Self {
        let pipeline = gst::Pipeline::with_name(&format!("consumer-{id}"));
        let webrtcbin = gst::ElementFactory::make("webrtcbin")
            .build()
            .expect("webrtcbin is installed");
        webrtcbin.set_property_from_str("bundle-policy", "max-bundle");
        if let Some(latency) = options.latency_ms {
            webrtcbin.set_property("latency", latency);
        }
        pipeline.add(&webrtcbin).expect("a fresh element");
        let seen = Arc::new(Seen::default());
        watch_pads(&pipeline, &webrtcbin, &seen, options);
        watch_channels(&webrtcbin, &seen);
        watch_network(&webrtcbin, &seen, options);
        tune(&webrtcbin);
        let consumer = Self {
            id: id.to_owned(),
            webrtcbin,
            seen,
            pipeline,
            signaller: signaller.clone(),
        };
        consumer
            .pipeline
            .set_state(gst::State::Playing)
            .expect("webrtcbin starts");
        consumer.listen(options);
        if options.offers {
            consumer.offer();
        } else {
            signaller.request(id, &format!("peer-{id}"), None);
        }
        consumer
    }

    fn listen(&self, options: Options) {
        let (webrtcbin, seen) = (self.webrtcbin.downgrade(), self.seen.clone());
        let (signaller, id) = (self.signaller.clone(), self.id.clone());
        self.signaller.route(&self.id, move |sent| match sent {
            Sent::Description(description) => {
                seen.descriptions
                    .lock()
                    .unwrap()
                    .push(description.sdp().as_text().expect("it prints"));
                let Some(webrtcbin) = webrtcbin.upgrade() else {
                    return;
                };
                if description.type_() == WebRTCSDPType::Offer {
                    answer(&webrtcbin, &description, &signaller, &id, options);
                } else {
                    let answer = reparsed(&description);
                    webrtcbin.emit_by_name::<()>("set-remote-description", &[&answer, &None::<gst::Promise>]);
                }
            }
            Sent::Candidate(index, candidate) => {
                seen.candidates.lock().unwrap().push(candidate.clone());
                let relayed = relayed(candidate, Side::Left, options);
                if let (Some(webrtcbin), Some(candidate)) = (webrtcbin.upgrade(), relayed) {
                    webrtcbin.emit_by_name::<()>("add-ice-candidate", &[&index, &candidate]);
                }
            }
            Sent::End(reason) => *seen.end.lock().unwrap() = Some(reason),
        });
        let (signaller, id) = (self.signaller.clone(), self.id.clone());
        self.webrtcbin.connect("on-ice-candidate", false, move |values| {
            let (index, candidate) = (
                values[1].get().expect("an index"),
                values[2].get::<String>().expect("text"),
            );
            if let Some(candidate) = relayed(candidate, Side::Right, options) {
                signaller.receive(&id, Sent::Candidate(index, candidate));
            }
            None
        });
    }

    /// Makes the offer itself.
    fn offer(&self) {
        let receive = gst_webrtc::WebRTCRTPTransceiverDirection::Recvonly;
        for (kind, name, rate, payload) in [("video", "VP8", 90_000, 120), ("audio", "OPUS", 48_000, 111)] {
            let caps = gst::Caps::builder("application/x-rtp")
                .field("media", kind)
                .field("encoding-name", name)
                .field("clock-rate", rate)
                .field("payload", payload)
                .build();
            self.webrtcbin
                .emit_by_name::<Option<gst_webrtc::WebRTCRTPTransceiver>>(
                    "add-transceiver",
                    &[&receive, &caps],
                );
        }
        let (weak, signaller, id) = (
            self.webrtcbin.downgrade(),
            self.signaller.clone(),
            self.id.clone(),
        );
        let created = gst::Promise::with_change_func(move |reply| {
            let Some(webrtcbin) = weak.upgrade() else { return };
            let reply = reply.expect("a reply").expect("with a structure");
            let offer = reply
                .get::<WebRTCSessionDescription>("offer")
                .expect("with an offer");
            webrtcbin.emit_by_name::<()>("set-local-description", &[&offer, &None::<gst::Promise>]);
            signaller.request(&id, &format!("peer-{id}"), Some(reparsed(&offer)));
        });
        self.webrtcbin
            .emit_by_name::<()>("create-offer", &[&None::<gst::Structure>, &created]);
    }

    /// Lets nothing in or out, or everything again.
    pub fn cut(&self, is_cut: bool) {
        self.seen.is_cut.store(is_cut, Ordering::SeqCst);
    }

    /// Ends the session as a consumer that says so.
    pub fn leave(self) {
        self.signaller.receive(&self.id, Sent::End(None));
    }

    pub fn is_connected(&self) -> bool {
        self.webrtcbin
            .property::<WebRTCPeerConnectionState>("connection-state")
            == WebRTCPeerConnectionState::Connected
    }

    /// The stream in this media section, once something of it arrived.
    pub fn stream(&self, media_index: u32) -> Option<Arc<Stream>> {
        self.seen.streams.lock().unwrap().get(&media_index).cloned()
    }

    /// Frames that arrived in this media section.
    pub fn frames(&self, media_index: u32) -> u64 {
        self.stream(media_index)
            .map_or(0, |stream| stream.frames.load(Ordering::SeqCst))
    }

    /// Waits for so many frames more than now.
    pub fn wait_frames(&self, media_index: u32, more: u64) {
        let target = self.frames(media_index) + more;
        wait_until(
            &format!("{} gets {more} frames of section {media_index}", self.id),
            || self.frames(media_index) >= target,
        );
    }

    /// Waits until the producer ended the session; gives its words.
    pub fn wait_end(&self) -> Option<String> {
        wait_until(&format!("the producer ends {}", self.id), || {
            self.seen.end.lock().unwrap().is_some()
        });
        self.seen.end.lock().unwrap().clone().expect("it was just there")
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.signaller.forget(&self.id);
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

/// The candidate of the peer at `side` as the other one gets it; none where it would pass the link by.
fn relayed(candidate: String, side: Side, options: Options) -> Option<String> {
    match options.link {
        None => Some(candidate),
        Some(link) => testkit::candidate::rewrite(&candidate, |address| link.relay(side, address)),
    }
}

/// Where packets get lost: at the ends of the ICE agent.
fn watch_network(webrtcbin: &gst::Element, seen: &Arc<Seen>, options: Options) {
    if options.loses_every.is_some() || options.video_codec.is_some() || options.link.is_some() {
        webrtcbin.connect("on-new-transceiver", false, move |values| {
            let transceiver = values[1]
                .get::<gst_webrtc::WebRTCRTPTransceiver>()
                .expect("a transceiver");
            if transceiver.property::<gst_webrtc::WebRTCKind>("kind") != gst_webrtc::WebRTCKind::Audio {
                insist(&transceiver, options);
            }
            None
        });
    }
    let seen = seen.clone();
    let bin = webrtcbin.downcast_ref::<gst::Bin>().expect("webrtcbin is a bin");
    bin.connect_deep_element_added(move |_, _, element| {
        let pad = match element
            .factory()
            .map(|factory| factory.name().to_string())
            .as_deref()
        {
            Some("nicesrc") => element.static_pad("src"),
            Some("nicesink") => element.static_pad("sink"),
            _ => return,
        };
        let (seen, pad) = (seen.clone(), pad.expect("both have one pad"));
        pad.add_probe(
            gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST,
            move |pad, info| {
                if seen.is_cut.load(Ordering::SeqCst) {
                    // The bindings release what a probe drops, and a sink pad of GStreamer 1.22 would do so again.
                    return gst::PadProbeReturn::Handled;
                }
                let is_media = pad.direction() == gst::PadDirection::Src
                    && info.buffer().is_some_and(|it| it.size() > 300);
                let Some(every) = options.loses_every.filter(|_| is_media) else {
                    return gst::PadProbeReturn::Ok;
                };
                if seen.packets.fetch_add(1, Ordering::SeqCst) % every != every - 1 {
                    return gst::PadProbeReturn::Ok;
                }
                seen.lost.fetch_add(1, Ordering::SeqCst);
                gst::PadProbeReturn::Handled
            },
        );
    });
}

/// Pacing and UPnP as an impatient peer has them; a stock one takes 45 ms longer.
fn tune(webrtcbin: &gst::Element) {
    let agent = webrtcbin
        .property::<glib::Object>("ice-agent")
        .property::<glib::Object>("agent");
    agent.set_property("upnp", false);
}

fn answer(
    webrtcbin: &gst::Element,
    offer: &WebRTCSessionDescription,
    signaller: &Loopback,
    id: &str,
    options: Options,
) {
    let offer = reparsed(offer);
    let (signaller, id) = (signaller.clone(), id.to_owned());
    let weak = webrtcbin.downgrade();
    let described = gst::Promise::with_change_func(move |reply| {
        let error = reply
            .ok()
            .flatten()
            .and_then(|reply| reply.get::<glib::Error>("error").ok());
        assert!(error.is_none(), "{id}: the offer is refused: {error:?}");
        let Some(webrtcbin) = weak.upgrade() else { return };
        create_answer(&webrtcbin, signaller, id, options);
    });
    webrtcbin.emit_by_name::<()>("set-remote-description", &[&offer, &described]);
}

fn create_answer(webrtcbin: &gst::Element, signaller: Loopback, id: String, options: Options) {
    let weak = webrtcbin.downgrade();
    let created = gst::Promise::with_change_func(move |reply| {
        let Some(webrtcbin) = weak.upgrade() else { return };
        let reply = reply.expect("a reply").expect("with a structure");
        let answer = reply
            .get::<WebRTCSessionDescription>("answer")
            .expect("with an answer");
        webrtcbin.emit_by_name::<()>("set-local-description", &[&answer, &None::<gst::Promise>]);
        let answer = match options.alter_answer {
            None => answer,
            Some(alter) => {
                let text = alter(answer.sdp().as_text().expect("it prints"));
                let sdp = gst_sdp::SDPMessage::parse_buffer(text.as_bytes()).expect("it still parses");
                WebRTCSessionDescription::new(WebRTCSDPType::Answer, sdp)
            }
        };
        signaller.receive(&id, Sent::Description(answer));
    });
    webrtcbin.emit_by_name::<()>("create-answer", &[&None::<gst::Structure>, &created]);
}

/// Narrows a video transceiver to one codec, with everything that 1.22 does not answer by itself.
fn insist(transceiver: &gst_webrtc::WebRTCRTPTransceiver, options: Options) {
    let codec = options.video_codec.unwrap_or("VP8");
    let caps = gst::Caps::builder("application/x-rtp")
        .field("media", "video")
        .field("encoding-name", codec)
        .field("clock-rate", 90_000)
        .field("rtcp-fb-nack", true)
        .field("rtcp-fb-nack-pli", true)
        .field("rtcp-fb-transport-cc", true)
        .field("extmap-1", TWCC)
        .field("extmap-2", PLAYOUT_DELAY)
        .build();
    transceiver.set_property("do-nack", options.loses_every.is_some() || options.link.is_some());
    transceiver.set_property("codec-preferences", caps);
}

/// Asks a receiver to hold pictures back.
pub const PLAYOUT_DELAY: &str = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay";
const TWCC: &str = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";

fn watch_channels(webrtcbin: &gst::Element, seen: &Arc<Seen>) {
    let seen = seen.clone();
    webrtcbin.connect("on-data-channel", false, move |values| {
        let channel = values[1].get::<WebRTCDataChannel>().expect("a channel");
        let label = channel.label().map(String::from).unwrap_or_default();
        let messages = seen.clone();
        channel.connect_on_message_string(move |channel, text| {
            let label = channel.label().map(String::from).unwrap_or_default();
            messages
                .messages
                .lock()
                .unwrap()
                .push((label, text.unwrap_or_default().to_owned()));
        });
        seen.channels.lock().unwrap().insert(label, channel);
        None
    });
}

fn watch_pads(pipeline: &gst::Pipeline, webrtcbin: &gst::Element, seen: &Arc<Seen>, options: Options) {
    let (weak, seen) = (pipeline.downgrade(), seen.clone());
    webrtcbin.connect_pad_added(move |_, pad| {
        let Some(pipeline) = weak.upgrade() else { return };
        if pad.direction() != gst::PadDirection::Src {
            return;
        }
        let transceiver = pad.property::<gst_webrtc::WebRTCRTPTransceiver>("transceiver");
        let index = transceiver.property::<u32>("mlineindex");
        let stream = seen.streams.lock().unwrap().entry(index).or_default().clone();
        let caps = pad.current_caps().expect("webrtcbin's pads have caps");
        let structure = caps.structure(0).expect("fixed caps");
        let encoding = structure.get::<String>("encoding-name").unwrap_or_default();
        *stream.encoding.lock().unwrap() = encoding.clone();
        count_packets(pad, &stream);
        connect(&pipeline, pad, &stream, &encoding, options.decode);
    });
}

fn count_packets(pad: &gst::Pad, stream: &Arc<Stream>) {
    let stream = stream.clone();
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let Some(buffer) = info.buffer() else {
            return gst::PadProbeReturn::Ok;
        };
        let rtp = gst_rtp::RTPBuffer::from_buffer_readable(buffer).expect("RTP");
        let mut last = stream.last.lock().unwrap();
        if let Some((seq, timestamp)) = *last {
            let gap = rtp.seq().wrapping_sub(seq).wrapping_sub(1);
            stream.missing.fetch_add(gap.into(), Ordering::SeqCst);
            let step = rtp.timestamp().wrapping_sub(timestamp);
            stream.largest_step.fetch_max(step.into(), Ordering::SeqCst);
        }
        *last = Some((rtp.seq(), rtp.timestamp()));
        let is_audio = stream.encoding.lock().unwrap().eq_ignore_ascii_case("OPUS");
        if rtp.is_marker() || is_audio {
            stream.frames.fetch_add(1, Ordering::SeqCst);
        }
        gst::PadProbeReturn::Ok
    });
}

fn connect(pipeline: &gst::Pipeline, pad: &gst::Pad, stream: &Arc<Stream>, encoding: &str, decode: bool) {
    let decoding = match (decode, encoding.to_ascii_uppercase().as_str()) {
        (true, "VP8") => "rtpvp8depay ! vp8dec ! ",
        (true, "VP9") => "rtpvp9depay ! vp9dec ! ",
        (true, "H264") => "rtph264depay ! h264parse ! avdec_h264 ! ",
        (true, "H265") => "rtph265depay ! h265parse ! avdec_h265 ! ",
        (true, "OPUS") => "rtpopusdepay ! opusdec ! ",
        (true, "L16") => "rtpL16depay ! ",
        (true, "L24") => "rtpL24depay ! ",
        (true, "L8") => "rtpL8depay ! ",
        (true, "RAW") => "rtpvrawdepay ! ",
        _ => "",
    };
    let description = format!("queue ! {decoding} fakesink name=end sync=false async=false");
    let bin = gst::parse::bin_from_description(&description, true).expect("elements are installed");
    let end = bin
        .by_name("end")
        .and_then(|end| end.static_pad("sink"))
        .expect("it is in the description");
    let stream = stream.clone();
    end.add_probe(gst::PadProbeType::BUFFER, move |pad, _| {
        stream.decoded.fetch_add(1, Ordering::SeqCst);
        let caps = pad.current_caps();
        let structure = caps.as_ref().and_then(|caps| caps.structure(0));
        if let Some((Ok(width), Ok(height))) = structure.map(|s| (s.get("width"), s.get("height"))) {
            *stream.size.lock().unwrap() = (width, height);
        }
        gst::PadProbeReturn::Ok
    });
    pipeline.add(&bin).expect("a fresh bin");
    bin.sync_state_with_parent().expect("it starts");
    pad.link(&bin.static_pad("sink").expect("a ghost pad"))
        .expect("it takes anything");
}
