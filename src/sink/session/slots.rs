// SPDX-License-Identifier: MPL-2.0
//! Which stream has which media section: webrtcbin's sink pads and what is offered on them.
//!
//! A section once made stays for the session's life (RFC 8829, section 5.2.2); a stream that left leaves it inactive.
//! Called on a thread that may block. Owns indices, pads and transceivers; which streams there are is `offering`'s and
//! `answering`'s, and what caps say `negotiate/describe`'s.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gst::prelude::*;
use gst_webrtc::{WebRTCRTPTransceiver, WebRTCRTPTransceiverDirection};

use super::handle::Session;
use super::pipeline::internal;
use crate::codec::MediaKind;
use crate::end_reason::EndReason;
use crate::sink::encode::StreamId;
use crate::sink::input::InputStream;
use crate::sink::negotiate::describe::{self, Common};
use crate::sink::negotiate::payloads::Payload;
use crate::sink::negotiate::simulcast::{self, Layer, Naming};
use crate::sink::{clock::ClockSource, loss};

/// One media section with a stream in it.
#[derive(Debug, Clone)]
pub(super) struct Slot {
    /// Which stream; nothing once it left, or for a section that none fits.
    pub(super) stream: Option<StreamId>,
    /// Position in the description.
    pub(super) media_index: u32,
    /// webrtcbin's pad for it.
    pub(super) pad: gst::Pad,
    /// The stream's SSRC in this session; its layers have their own.
    pub(super) ssrc: u32,
    /// The layers it is sent in, smallest first; empty for one size.
    pub(super) layers: Vec<Layer>,
    /// With layers: what is offered for each codec, by payload type.
    pub(super) described: BTreeMap<u8, gst::Caps>,
    /// Whether a peer that accepted it is being sent to.
    pub(super) is_linked: bool,
}

/// All sections of a session.
#[derive(Debug, Default)]
pub(super) struct Slots {
    slots: Vec<Slot>,
}

impl Slots {
    /// Streams that have a section.
    pub(super) fn streams(&self) -> BTreeSet<StreamId> {
        self.slots.iter().filter_map(|slot| slot.stream.clone()).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Slot> {
        self.slots.iter_mut()
    }

    pub(super) fn push(&mut self, slot: Slot) {
        self.slots.push(slot);
    }

    /// The first index that is free, given how many sections the last description had.
    pub(super) fn next_index(&self, described: u32) -> u32 {
        let used = self
            .slots
            .iter()
            .map(|slot| slot.media_index + 1)
            .max()
            .unwrap_or_default();
        used.max(described)
    }

    /// The stream left: its section becomes inactive in the next offer.
    pub(super) fn vacate(&mut self, stream: &StreamId) {
        for slot in self
            .slots
            .iter_mut()
            .filter(|slot| slot.stream.as_ref() == Some(stream))
        {
            slot.stream = None;
            slot.is_linked = false;
            set_direction(&slot.pad, WebRTCRTPTransceiverDirection::Inactive);
        }
    }
}

/// Gives `stream` a section of webrtcbin's, sending only, with what it can leave as.
///
/// # Errors
/// When webrtcbin refuses the pad.
pub(super) fn open(
    session: &Arc<Session>,
    webrtcbin: &gst::Element,
    stream: &InputStream,
    media_index: u32,
    payloads: &[Payload],
) -> Result<Slot, EndReason> {
    let common = common(session, stream.kind());
    let mut caps = gst::Caps::new_empty();
    for payload in payloads {
        caps.merge(describe::offered(&payload.rtp_caps, payload.proposal, &common));
    }
    let pad = request(webrtcbin, media_index, &caps)?;
    loss::protect(&transceiver(&pad), stream.kind(), session.settings());
    Ok(Slot {
        ssrc: common.ssrc,
        ..slot(stream, media_index, pad)
    })
}

/// Gives `stream` a section like [`open`] does, for codecs that are sent in `layers`.
///
/// # Errors
/// When webrtcbin refuses the pad.
pub(super) fn open_layered(
    session: &Arc<Session>,
    webrtcbin: &gst::Element,
    stream: &InputStream,
    media_index: u32,
    payloads: &[Payload],
    layers: Vec<Layer>,
) -> Result<Slot, EndReason> {
    // How long pictures are held is between the server that forwards and its receivers.
    let common = Common {
        playout_delay_id: None,
        ..common(session, stream.kind())
    };
    let msid = stream.pad().msid();
    let naming = Naming {
        msid: msid.as_deref(),
        track: stream.id().as_str(),
        size: stream.size().unwrap_or_default(),
    };
    let mut caps = gst::Caps::new_empty();
    let mut described = BTreeMap::new();
    for payload in payloads {
        let mut offered = describe::offered(&payload.rtp_caps, payload.proposal, &common);
        let mut announced = offered.clone();
        for caps in [&mut offered, &mut announced] {
            caps.make_mut().iter_mut().for_each(simulcast::identify);
        }
        for structure in announced.make_mut().iter_mut() {
            simulcast::announce(structure, &layers, naming);
        }
        let is_first = described.is_empty();
        caps.merge(if is_first { announced.clone() } else { offered });
        described.insert(payload.proposal.payload_type, announced);
    }
    let pad = request(webrtcbin, media_index, &caps)?;
    loss::protect_layers(&transceiver(&pad), session.settings());
    Ok(Slot {
        layers,
        described,
        ..slot(stream, media_index, pad)
    })
}

/// A section with a stream in it; what names its packets is yet to be said.
fn slot(stream: &InputStream, media_index: u32, pad: gst::Pad) -> Slot {
    if let Some(msid) = stream.pad().msid() {
        // The property is there from GStreamer 1.20 on.
        pad.set_property("msid", msid);
    }
    Slot {
        stream: Some(stream.id().clone()),
        media_index,
        pad,
        ssrc: 0,
        layers: Vec::new(),
        described: BTreeMap::new(),
        is_linked: false,
    }
}

/// A section for which this side has nothing.
///
/// # Errors
/// When webrtcbin refuses the pad.
pub(super) fn decline(
    session: &Arc<Session>,
    webrtcbin: &gst::Element,
    media_index: u32,
    kind: MediaKind,
) -> Result<Slot, EndReason> {
    let caps = gst::Caps::builder("application/x-rtp")
        .field("media", kind.as_str())
        .build();
    let pad = request(webrtcbin, media_index, &caps)?;
    loss::protect(&transceiver(&pad), kind, session.settings());
    set_direction(&pad, WebRTCRTPTransceiverDirection::Inactive);
    Ok(Slot {
        stream: None,
        media_index,
        pad,
        ssrc: 0,
        layers: Vec::new(),
        described: BTreeMap::new(),
        is_linked: false,
    })
}

/// Gives a section's pad the caps of a remote offer's choice.
pub(super) fn prefer(pad: &gst::Pad, caps: &gst::Caps) {
    transceiver(pad).set_property("codec-preferences", caps);
}

/// What all codecs of a stream share.
fn common(session: &Session, kind: MediaKind) -> Common {
    let settings = session.settings();
    let is_watched = settings.wants_transport_feedback();
    let may_hold = is_watched && kind == MediaKind::Video && settings.max_playout_delay > 0;
    let clock = settings
        .do_clock_signalling
        .then(|| session.sink().and_then(|sink| sink.clock()))
        .flatten()
        .map(|clock| ClockSource::of(&clock));
    // Two equal ones of 32 bit in a session of a few streams: RFC 3550, section 8.1, computes the odds.
    Common {
        ssrc: rand::random(),
        twcc_id: is_watched.then_some(TWCC_ID),
        playout_delay_id: may_hold.then_some(PLAYOUT_DELAY_ID),
        clock,
    }
}

/// The transceiver behind a sink pad.
pub(super) fn transceiver(pad: &gst::Pad) -> WebRTCRTPTransceiver {
    pad.property("transceiver")
}

/// The pad's name chooses the section; the transceiver is set up before webrtcbin describes it for the first time.
fn request(webrtcbin: &gst::Element, media_index: u32, caps: &gst::Caps) -> Result<gst::Pad, EndReason> {
    let pad = webrtcbin
        .request_pad_simple(&format!("sink_{media_index}"))
        .ok_or_else(|| {
            internal(format_args!(
                "webrtcbin has no pad for media section {media_index}"
            ))
        })?;
    let transceiver = transceiver(&pad);
    set_direction(&pad, WebRTCRTPTransceiverDirection::Sendonly);
    transceiver.set_property("codec-preferences", caps);
    Ok(pad)
}

fn set_direction(pad: &gst::Pad, direction: WebRTCRTPTransceiverDirection) {
    transceiver(pad).set_property("direction", direction);
}

/// The first ids of the one-byte form (RFC 8285, section 4.2); those of layers follow.
const TWCC_ID: u8 = 1;
const PLAYOUT_DELAY_ID: u8 = 2;
