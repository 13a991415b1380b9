// SPDX-License-Identifier: MPL-2.0
//! The elements between encoded samples and a packet on its way: filter of the application, payloader, caps.
//!
//! Built on a thread that may block, linked upstream to downstream, and taken out of the session's pipeline again when
//! dropped. A stream has one chain, or one for each of its layers (`layering`). Payload type, SSRC and caps were agreed
//! on in `negotiate`; what feeds a chain is `encodings`'.

use std::sync::Arc;
use std::time::Instant;

use gst::prelude::*;

use super::handle::Session;
use super::pipeline::internal;
use crate::codec::{Codec, MediaKind, catalogue};
use crate::end_reason::EndReason;
use crate::gst_ext::make;
use crate::sink::encode::StreamId;
use crate::sink::negotiate::describe;
use crate::sink::negotiate::select::Agreement;
use crate::sink::{BaseWebRTCSink, clock::ClockSource, signals};

/// Elements in a session's pipeline, taken out again when dropped.
pub(super) struct Chain {
    pipeline: gst::Pipeline,
    elements: Vec<gst::Element>,
}

impl Chain {
    /// No element yet.
    pub(super) fn new(session: &Session) -> Self {
        Self {
            pipeline: session.pipeline().clone(),
            elements: Vec::new(),
        }
    }

    /// Appends an element.
    ///
    /// # Errors
    /// When the pipeline refuses it.
    pub(super) fn add(&mut self, element: gst::Element) -> Result<(), EndReason> {
        self.pipeline.add(&element).map_err(internal)?;
        self.elements.push(element);
        Ok(())
    }

    /// Links the elements to each other and the last one to `pad`.
    ///
    /// # Errors
    /// When two of them do not fit.
    pub(super) fn link(&self, pad: &gst::Pad) -> Result<(), EndReason> {
        gst::Element::link_many(&self.elements).map_err(internal)?;
        let last = self
            .end()
            .ok_or_else(|| internal("a chain ends with a source pad"))?;
        last.link(pad)
            .map_err(|error| internal(format_args!("{} cannot be linked: {error:?}", pad.name())))?;
        Ok(())
    }

    /// Where packets leave it.
    pub(super) fn end(&self) -> Option<gst::Pad> {
        self.elements.last().and_then(|element| element.static_pad("src"))
    }

    /// Takes the elements to the state of their pipeline, the last one first.
    ///
    /// # Errors
    /// When one of them does not get there.
    pub(super) fn start(&self) -> Result<(), EndReason> {
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

/// What the chains of one stream in one session have in common.
#[derive(Clone, Copy)]
pub(super) struct Plan<'a> {
    pub(super) sink: &'a BaseWebRTCSink,
    pub(super) session: &'a Arc<Session>,
    pub(super) stream: &'a StreamId,
    pub(super) agreement: Agreement,
}

/// Begins a chain: adds an appsrc called `name` and what makes packets of `ssrc` from its samples; nothing is linked yet.
/// `set_up` has its say on the payloader before caps do.
pub(super) fn packetizer(
    plan: &Plan<'_>,
    name: &str,
    ssrc: u32,
    set_up: impl FnOnce(&gst::Element) -> Result<(), EndReason>,
) -> Result<(gst_app::AppSrc, Chain), EndReason> {
    let Plan {
        sink,
        session,
        stream,
        agreement,
    } = plan;
    let appsrc = gst_app::AppSrc::builder().name(name).build();
    let mut chain = Chain::new(session);
    chain.add(appsrc.clone().upcast())?;
    let codec = agreement.codec;
    let wanted =
        signals::emit_request_encoded_filter(sink, Some(session.peer_id()), stream.as_str(), &codec.caps());
    if let Some(filter) = wanted {
        chain.add(filter)?;
    }
    let payloader = payloader(plan, ssrc)?;
    set_up(&payloader)?;
    chain.add(payloader)?;
    let filter = capsfilter(&format!("webrtc-pay-filter-{name}"))?;
    filter.set_property("caps", describe::negotiated(agreement, ssrc));
    note_packets(session, &filter, codec.media());
    chain.add(filter)?;
    Ok((appsrc, chain))
}

/// A filter that has no caps yet.
pub(super) fn capsfilter(name: &str) -> Result<gst::Element, EndReason> {
    make::element("capsfilter", Some(name), "to bind a payloader").map_err(internal)
}

fn payloader(plan: &Plan<'_>, ssrc: u32) -> Result<gst::Element, EndReason> {
    let codec = plan.agreement.codec;
    let factory = catalogue()
        .payloader(codec)
        .ok_or_else(|| internal(format_args!("no payloader for {codec}")))?;
    let payloader = factory.create().build().map_err(internal)?;
    signals::emit_payloader_setup(
        plan.sink,
        plan.session.peer_id(),
        plan.stream.as_str(),
        &payloader,
    );
    leave_parameter_sets(&payloader);
    // Written as text: payloaders differ in the types of these properties.
    payloader.set_property_from_str("pt", &plan.agreement.payload_type.to_string());
    payloader.set_property_from_str("ssrc", &ssrc.to_string());
    if plan.session.settings().do_clock_signalling
        && let Some(offset) = timestamp_offset(plan.sink, codec)
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
