// SPDX-License-Identifier: MPL-2.0
//! One stream's way into one consumer's webrtcbin, from encoded samples on: filter of the application, payloader, caps.
//!
//! Built on a thread that may block. Media passes it only after [`Outlet::start`]. Owns the elements between an
//! encoding branch and webrtcbin, and takes them out again. Which branch feeds it, and at which rate, is the pool's
//! affair (`encode`); payload type, SSRC and caps were agreed on in `negotiate`.

use std::sync::Arc;
use std::time::Instant;

use congestion::units::Bitrate;
use gst::prelude::*;
use gst::subclass::prelude::*;

use super::handle::Session;
use super::pipeline::internal;
use super::slots::{self, Slot};
use crate::codec::{Codec, MediaKind, catalogue};
use crate::end_reason::EndReason;
use crate::gst_ext::make;
use crate::sink::encode::{AttachRequest, Attachment, StreamId};
use crate::sink::negotiate::describe;
use crate::sink::negotiate::select::Agreement;
use crate::sink::{BaseWebRTCSink, clock::ClockSource, loss, rate, signals};

/// See the module's documentation.
pub(in crate::sink) struct Outlet {
    session_id: String,
    stream: StreamId,
    codec: Codec,
    /// The place at an encoder; given back when dropped.
    attachment: Attachment,
    pad: gst::Pad,
    // Taken out of the pipeline again when the outlet goes.
    _chain: Chain,
}

impl Outlet {
    /// Builds the chain for what was agreed on in `slot`, and attaches it to an encoder.
    ///
    /// # Errors
    /// When an element is missing or does not fit, or when no encoder works.
    pub(super) fn build(
        session: &Arc<Session>,
        slot: &Slot,
        agreement: Agreement,
        encoder_caps: gst::Caps,
    ) -> Result<Self, EndReason> {
        let sink = session.sink().ok_or_else(|| internal("the element is gone"))?;
        let stream = slot
            .stream
            .clone()
            .ok_or_else(|| internal("the section has no stream"))?;
        let pool = sink
            .imp()
            .state()
            .pool
            .clone()
            .ok_or_else(|| internal("the element is stopping"))?;
        let (appsrc, chain) = chain(&sink, session, slot, &stream, agreement)?;
        let attachment = pool
            .attach(AttachRequest {
                stream: stream.clone(),
                codec: agreement.codec,
                encoder_caps,
                consumer_id: session.peer_id().to_owned(),
                session_id: session.id().to_owned(),
                appsrc,
                target: rate::initial_target(session.settings()),
            })
            .map_err(internal)?;
        // The pool makes the appsrc live, which it can only do before it runs.
        chain.start()?;
        Ok(Self {
            session_id: session.id().to_owned(),
            stream,
            codec: agreement.codec,
            attachment,
            pad: slot.pad.clone(),
            _chain: chain,
        })
    }

    /// Lets media pass, beginning with a key frame.
    pub(super) fn start(&self) {
        self.attachment.set_flowing(true);
    }

    /// What the consumer may be sent of this stream.
    pub(in crate::sink) fn set_target(&self, target: Bitrate) {
        self.attachment.set_target(target);
    }

    pub(in crate::sink) fn session_id(&self) -> &str {
        &self.session_id
    }

    pub(in crate::sink) fn stream(&self) -> &StreamId {
        &self.stream
    }

    pub(in crate::sink) fn codec(&self) -> Codec {
        self.codec
    }

    pub(in crate::sink) fn is_video(&self) -> bool {
        self.codec.media() == MediaKind::Video
    }

    pub(in crate::sink) fn attachment(&self) -> &Attachment {
        &self.attachment
    }

    /// Sets the share of the stream that is redundancy, in percent.
    pub(in crate::sink) fn set_fec_percentage(&self, percentage: u32) {
        loss::set_fec_percentage(&slots::transceiver(&self.pad), percentage);
    }

    /// The share of the stream that is redundancy, in percent.
    pub(in crate::sink) fn fec_percentage(&self) -> u32 {
        loss::fec_percentage(&slots::transceiver(&self.pad))
    }
}

/// Elements in a session's pipeline, taken out again when dropped.
struct Chain {
    pipeline: gst::Pipeline,
    elements: Vec<gst::Element>,
}

impl Chain {
    fn add(&mut self, element: gst::Element) -> Result<(), EndReason> {
        self.pipeline.add(&element).map_err(internal)?;
        self.elements.push(element);
        Ok(())
    }

    fn link(&self, pad: &gst::Pad) -> Result<(), EndReason> {
        gst::Element::link_many(&self.elements).map_err(internal)?;
        let last = self.elements.last().and_then(|element| element.static_pad("src"));
        let last = last.ok_or_else(|| internal("a chain ends with a source pad"))?;
        last.link(pad)
            .map_err(|error| internal(format_args!("webrtcbin cannot be linked: {error:?}")))?;
        Ok(())
    }

    fn start(&self) -> Result<(), EndReason> {
        self.elements
            .iter()
            .rev()
            .try_for_each(|element| element.sync_state_with_parent().map_err(internal))
    }
}

impl Drop for Chain {
    fn drop(&mut self) {
        for element in self.elements.drain(..) {
            // Going to NULL never fails, and each is a child of this pipeline.
            let _ = element.set_state(gst::State::Null);
            let _ = self.pipeline.remove(&element);
        }
    }
}

/// Adds the elements in order and links them to the slot's pad. What was added is taken out again if a later step
/// fails.
fn chain(
    sink: &BaseWebRTCSink,
    session: &Arc<Session>,
    slot: &Slot,
    stream: &StreamId,
    agreement: Agreement,
) -> Result<(gst_app::AppSrc, Chain), EndReason> {
    let appsrc = gst_app::AppSrc::builder().name(stream.as_str()).build();
    let mut chain = Chain {
        pipeline: session.pipeline().clone(),
        elements: Vec::new(),
    };
    chain.add(appsrc.clone().upcast())?;
    let codec = agreement.codec;
    let wanted =
        signals::emit_request_encoded_filter(sink, Some(session.peer_id()), stream.as_str(), &codec.caps());
    if let Some(filter) = wanted {
        chain.add(filter)?;
    }
    chain.add(payloader(sink, session, slot, stream, agreement)?)?;
    let caps = describe::negotiated(&agreement, slot.ssrc);
    let filter = make::element(
        "capsfilter",
        Some(&format!("webrtc-pay-filter-{stream}")),
        "to bind a payloader",
    )
    .map_err(internal)?;
    filter.set_property("caps", caps);
    note_packets(session, &filter, codec.media());
    chain.add(filter)?;
    // What was offered must not bind what the encoder makes of it within the agreement.
    slots::transceiver(&slot.pad).set_property("codec-preferences", None::<gst::Caps>);
    chain.link(&slot.pad)?;
    Ok((appsrc, chain))
}

fn payloader(
    sink: &BaseWebRTCSink,
    session: &Session,
    slot: &Slot,
    stream: &StreamId,
    agreement: Agreement,
) -> Result<gst::Element, EndReason> {
    let codec = agreement.codec;
    let factory = catalogue()
        .payloader(codec)
        .ok_or_else(|| internal(format_args!("no payloader for {codec}")))?;
    let payloader = factory.create().build().map_err(internal)?;
    signals::emit_payloader_setup(sink, session.peer_id(), stream.as_str(), &payloader);
    leave_parameter_sets(&payloader);
    // Written as text: payloaders differ in the types of these properties.
    payloader.set_property_from_str("pt", &agreement.payload_type.to_string());
    payloader.set_property_from_str("ssrc", &slot.ssrc.to_string());
    if session.settings().do_clock_signalling
        && let Some(offset) = timestamp_offset(sink, codec)
    {
        payloader.set_property_from_str("timestamp-offset", &offset.to_string());
    }
    Ok(payloader)
}

/// Parsers give every key frame its parameter sets (`encode::chain`). rtph264pay and rtph265pay 1.22 would repeat them
/// before every slice, each of which then looks like the beginning of a picture (ITU-T H.264, 7.4.1.2.3).
fn leave_parameter_sets(payloader: &gst::Element) {
    const NAME: &str = "config-interval";
    if payloader.has_property_with_type(NAME, i32::static_type()) && payloader.property::<i32>(NAME) == -1 {
        payloader.set_property(NAME, 0i32);
    }
}

fn timestamp_offset(sink: &BaseWebRTCSink, codec: Codec) -> Option<u32> {
    ClockSource::of(&sink.clock()?).timestamp_offset(sink.base_time()?, codec.clock_rate()?)
}

/// Notes that media leaves, by which the machine tells a silent peer from one that has nothing to report on.
fn note_packets(session: &Arc<Session>, filter: &gst::Element, kind: MediaKind) {
    let pad = filter.static_pad("src").expect("a capsfilter has a source pad");
    let weak = Arc::downgrade(session);
    pad.add_probe(
        gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST,
        move |_, info| {
            if let Some(session) = weak.upgrade() {
                let now = Instant::now();
                session.traffic.sent(now);
                if kind == MediaKind::Video && session.traffic.first_frame().is_none() && ends_frame(info) {
                    session.traffic.frame_sent(now);
                }
            }
            gst::PadProbeReturn::Ok
        },
    );
}

/// Whether the last packet has the marker, as the last one of a frame does (RFC 7741, section 4.1; RFC 6184, 5.1).
fn ends_frame(info: &gst::PadProbeInfo) -> bool {
    let last = match &info.data {
        Some(gst::PadProbeData::Buffer(buffer)) => Some(buffer.as_ref()),
        Some(gst::PadProbeData::BufferList(list)) => {
            list.len().checked_sub(1).and_then(|index| list.get(index))
        }
        _ => None,
    };
    last.and_then(|packet| gst_rtp::RTPBuffer::from_buffer_readable(packet).ok())
        .is_some_and(|packet| packet.is_marker())
}
