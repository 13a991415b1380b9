// SPDX-License-Identifier: MPL-2.0
//! One webrtcbin in a bin of its own, and what it reports.
//!
//! Callbacks come on webrtcbin's and on streaming threads and only enqueue, each with the number of the webrtcbin that
//! made it: what comes late from one that was replaced is recognised. Media is held at webrtcbin's pads until the
//! session's thread has looked at it, which it does only after the peer's certificate was found to be the right one.
//! Owns the bin and its callbacks; which stream media is for is `packet`'s and `streams`' to say, what a report means
//! `task`'s.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use gst::prelude::*;
use gst_webrtc::{
    WebRTCDataChannel, WebRTCICEConnectionState, WebRTCPeerConnectionState, WebRTCRTPTransceiver,
};
use tokio::sync::mpsc;

use super::Op;
use super::clocks::Clocks;
use super::packet::FirstPacket;
use crate::source::negotiate::description::{Description, Format};
use crate::source::negotiate::lines::Line;
use crate::source::{BaseWebRTCSrc, CAT};
use crate::webrtcbin::fingerprint::{self, Verdict};
use crate::webrtcbin::{self, Config, MakeError};

/// A connection to the producer.
pub(crate) struct Transport {
    /// Holds everything of the connection; a child of the element.
    pub(crate) bin: gst::Bin,
    /// The webrtcbin itself.
    pub(crate) webrtcbin: gst::Element,
    heard: Arc<Heard>,
    clocks: Arc<Clocks>,
}

/// What a webrtcbin reports.
#[derive(Debug)]
pub(crate) enum Event {
    /// A local candidate for the m-line.
    Candidate { index: u32, text: String },
    /// Media arrives at a new pad, where the probe holds it.
    Media {
        pad: gst::Pad,
        gate: gst::PadProbeId,
        first: FirstPacket,
    },
    /// ICE has a new state.
    Ice(WebRTCICEConnectionState),
    /// ICE and DTLS together have a new state.
    Peer(WebRTCPeerConnectionState),
    /// The peer showed its certificate.
    Certificate(Verdict),
    /// The peer opened a data channel.
    Channel(WebRTCDataChannel),
}

/// When RTP or RTCP came last, without a lock.
#[derive(Debug)]
struct Heard {
    since: Instant,
    last_ms: AtomicU64,
}

/// Why a connection cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum TransportError {
    /// Something is not installed.
    #[error(transparent)]
    Make(#[from] MakeError),
    /// GStreamer refused.
    #[error("connection cannot be put together: {0}")]
    Assemble(String),
}

impl Transport {
    /// Makes one inside of `src`, running as `src` does.
    ///
    /// # Errors
    /// [`TransportError`]; nothing is left then.
    pub(crate) fn new(
        src: &BaseWebRTCSrc,
        generation: u64,
        config: &Config,
        queue: &mpsc::UnboundedSender<Op>,
    ) -> Result<Self, TransportError> {
        let assemble = |error: gst::glib::BoolError| TransportError::Assemble(error.message.to_string());
        let webrtcbin = webrtcbin::make(&format!("webrtcbin{generation}"), config)?;
        let bin = gst::Bin::new();
        bin.set_suppressed_flags(gst::ElementFlags::SINK | gst::ElementFlags::SOURCE);
        bin.add(&webrtcbin).map_err(assemble)?;
        let heard = Arc::new(Heard {
            since: Instant::now(),
            last_ms: AtomicU64::new(0),
        });
        let report = Report {
            generation,
            queue: queue.clone(),
        };
        report.connect(&webrtcbin);
        heard.listen(&webrtcbin);
        let clocks = Arc::new(Clocks::default());
        if let Some(rtpbin) = rtpbin(&webrtcbin) {
            clocks.serve(&rtpbin);
        }
        let transport = Self {
            bin,
            webrtcbin,
            heard,
            clocks,
        };
        src.add(&transport.bin).map_err(assemble)?;
        transport.bin.sync_state_with_parent().map_err(assemble)?;
        Ok(transport)
    }

    /// When the peer was heard last; `None` when never.
    pub(crate) fn last_packet(&self) -> Option<Instant> {
        match self.heard.last_ms.load(Ordering::Relaxed) {
            0 => None,
            ms => Some(self.heard.since + Duration::from_millis(ms)),
        }
    }

    /// Wants retransmissions and RED on every stream; the answer promises them only where they were chosen.
    pub(crate) fn prepare_transceivers(&self, retransmission: bool) {
        for transceiver in self.transceivers() {
            transceiver.set_property("do-nack", retransmission);
            transceiver.set_property("fec-type", gst_webrtc::WebRTCFECType::UlpRed);
        }
    }

    /// Has webrtcbin take what was chosen for the m-lines it knows: by itself it refuses an m-line whose codec or payload
    /// type is not the one of before.
    pub(crate) fn prefer(&self, lines: &[Line]) {
        for transceiver in self.transceivers() {
            let line = usize::try_from(transceiver.mlineindex()).ok();
            let selection = line.and_then(|line| lines.get(line)?.selection());
            if let Some(selection) = selection {
                let kind = selection.codec.media().as_str();
                transceiver.set_property("codec-preferences", caps_of(kind, &selection.primary));
            }
        }
    }

    /// In the order they were made.
    fn transceivers(&self) -> impl Iterator<Item = WebRTCRTPTransceiver> {
        (0i32..).map_while(|index| {
            self.webrtcbin
                .emit_by_name::<Option<WebRTCRTPTransceiver>>("get-transceiver", &[&index])
        })
    }

    /// Takes in the reference clocks the peer describes, before its description is set.
    pub(crate) fn follow_clocks(&self, theirs: &Description) {
        self.clocks.follow(theirs);
    }

    /// Gives a candidate of the peer to the agent.
    pub(crate) fn add_candidate(&self, index: u32, text: &str) {
        self.webrtcbin
            .emit_by_name::<()>("add-ice-candidate", &[&index, &text]);
    }
}

impl Drop for Transport {
    /// Stops everything; waits for streaming threads, so not to be dropped on one.
    fn drop(&mut self) {
        self.bin.set_locked_state(true);
        if self.bin.set_state(gst::State::Null).is_err() {
            gst::warning!(CAT, obj = &self.bin, "connection does not stop cleanly");
        }
        if let Some(parent) = self.bin.parent().and_downcast::<gst::Bin>() {
            // It is its child.
            let _ = parent.remove(&self.bin);
        }
    }
}

/// Where and under which number a webrtcbin's reports go.
#[derive(Clone)]
struct Report {
    generation: u64,
    queue: mpsc::UnboundedSender<Op>,
}

impl Report {
    fn send(&self, event: Event) {
        // Nobody listens any more when the session is gone.
        let _ = self.queue.send(Op::Webrtcbin(self.generation, event));
    }

    fn connect(&self, webrtcbin: &gst::Element) {
        let report = self.clone();
        webrtcbin.connect("on-ice-candidate", false, move |values| {
            let (index, text) = (values.get(1)?.get().ok()?, values.get(2)?.get().ok()?);
            report.send(Event::Candidate { index, text });
            None
        });
        let report = self.clone();
        webrtcbin.connect("on-data-channel", false, move |values| {
            report.send(Event::Channel(values.get(1)?.get().ok()?));
            None
        });
        let report = self.clone();
        webrtcbin.connect_notify(Some("ice-connection-state"), move |webrtcbin, _| {
            report.send(Event::Ice(webrtcbin.property("ice-connection-state")));
        });
        let report = self.clone();
        webrtcbin.connect_notify(Some("connection-state"), move |webrtcbin, _| {
            report.send(Event::Peer(webrtcbin.property("connection-state")));
        });
        let report = self.clone();
        fingerprint::watch(webrtcbin, move |verdict| report.send(Event::Certificate(verdict)));
        let report = self.clone();
        webrtcbin.connect_pad_added(move |_, pad| report.hold(pad));
    }

    /// Holds the first packet of a new pad and reports it; end of stream never leaves the pad.
    fn hold(&self, pad: &gst::Pad) {
        if pad.direction() != gst::PadDirection::Src {
            return;
        }
        pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, |_, info| {
            match info.event() {
                // The bindings release an event that a probe drops, and GStreamer 1.22 would do so again.
                Some(event) if event.type_() == gst::EventType::Eos => gst::PadProbeReturn::Handled,
                _ => gst::PadProbeReturn::Ok,
            }
        });
        let report = self.clone();
        let is_reported = std::sync::atomic::AtomicBool::new(false);
        let holding = gst::PadProbeType::BLOCK | gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST;
        pad.add_probe(holding, move |pad, info| {
            let Some(first) = info.buffer().and_then(FirstPacket::read) else {
                return gst::PadProbeReturn::Drop;
            };
            let gate = info.id.take_if(|_| !is_reported.swap(true, Ordering::Relaxed));
            if let Some(gate) = gate {
                let pad = pad.clone();
                report.send(Event::Media { pad, gate, first });
            }
            gst::PadProbeReturn::Ok
        });
    }
}

/// What webrtcbin calls a format of an m-line of this kind.
pub(crate) fn caps_of(kind: &str, format: &Format) -> gst::Caps {
    let clock_rate = i32::try_from(format.clock_rate).unwrap_or(90_000);
    gst::Caps::builder("application/x-rtp")
        .field("media", kind)
        .field("payload", i32::from(format.payload_type))
        .field("clock-rate", clock_rate)
        .field("encoding-name", format.encoding.to_uppercase())
        .build()
}

/// By the name that webrtcbin gives it.
fn rtpbin(webrtcbin: &gst::Element) -> Option<gst::Element> {
    webrtcbin.dynamic_cast_ref::<gst::Bin>()?.by_name("rtpbin")
}

impl Heard {
    /// Watches the pads where decrypted RTP and RTCP enter webrtcbin's rtpbin.
    fn listen(self: &Arc<Self>, webrtcbin: &gst::Element) {
        let Some(rtpbin) = rtpbin(webrtcbin) else { return };
        let heard = self.clone();
        rtpbin.connect_pad_added(move |_, pad| {
            if pad.direction() == gst::PadDirection::Sink && pad.name().starts_with("recv_") {
                heard.watch(pad);
            }
        });
    }

    fn watch(self: &Arc<Self>, pad: &gst::Pad) {
        let heard = self.clone();
        pad.add_probe(
            gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST,
            move |_, _| {
                let elapsed = u64::try_from(heard.since.elapsed().as_millis()).unwrap_or(u64::MAX);
                heard.last_ms.store(elapsed.max(1), Ordering::Relaxed);
                gst::PadProbeReturn::Ok
            },
        );
    }
}
