// SPDX-License-Identifier: MPL-2.0
//! One stream's way into one consumer's webrtcbin, from encoded samples on.
//!
//! Built on a thread that may block. Media passes it only after [`Outlet::start`]. Owns what a session has of a stream:
//! its elements (`chain`, and `layering` where it is sent in layers) and its places at encoders (`encodings`). Which
//! branch feeds it, and at which rate, is the pool's affair (`encode`); what was agreed on is `negotiate`'s.

use std::sync::Arc;

use congestion::units::Bitrate;
use gst::prelude::*;
use gst::subclass::prelude::*;

use super::chain::{self, Chain, Plan};
use super::encodings::{Encoding, Encodings, Feed};
use super::handle::Session;
use super::layering;
use super::pipeline::internal;
use super::slots::{self, Slot};
use crate::codec::{Codec, MediaKind};
use crate::end_reason::EndReason;
use crate::sink::encode::{AttachRequest, PictureSize, StreamId};
use crate::sink::negotiate::select::Agreement;
use crate::sink::{loss, rate};

/// See the module's documentation.
pub(in crate::sink) struct Outlet {
    session_id: String,
    stream: StreamId,
    codec: Codec,
    /// Given back before the elements go.
    encodings: Encodings,
    /// Where requests for key frames of a layer go in, by SSRC; empty for a stream that is not sent in layers.
    layer_ends: Vec<(u32, gst::Pad)>,
    pad: gst::Pad,
    // Taken out of the pipeline again when the outlet goes.
    _chains: Vec<Chain>,
}

impl Outlet {
    /// Builds the chains for what was agreed on in `slot`, and attaches them to encoders.
    ///
    /// # Errors
    /// When an element is missing or does not fit, or when no encoder works.
    pub(super) fn build(
        session: &Arc<Session>,
        slot: &Slot,
        agreement: Agreement,
        encoder_caps: &gst::Caps,
    ) -> Result<Self, EndReason> {
        let sink = session.sink().ok_or_else(|| internal("the element is gone"))?;
        let stream = slot
            .stream
            .as_ref()
            .ok_or_else(|| internal("the section has no stream"))?;
        let plan = Plan {
            sink: &sink,
            session,
            stream,
            agreement,
        };
        let (feeds, chains) = if slot.layers.is_empty() {
            plain(&plan, slot)?
        } else {
            layering::build(&plan, slot)?
        };
        let encodings = feeds
            .into_iter()
            .map(|feed| attach(&plan, feed, encoder_caps))
            .collect::<Result<Vec<_>, _>>()?;
        // The pool makes appsrcs live, which it can only do before they run.
        chains.iter().rev().try_for_each(Chain::start)?;
        let ends = slot.layers.iter().zip(&chains);
        let layer_ends = ends.filter_map(|(layer, chain)| Some((layer.ssrc, chain.end()?)));
        let outlet = Self {
            session_id: session.id().to_owned(),
            stream: stream.clone(),
            codec: agreement.codec,
            encodings: Encodings::new(encodings),
            layer_ends: layer_ends.collect(),
            pad: slot.pad.clone(),
            _chains: chains,
        };
        outlet.set_target(rate::initial_target(session.settings()));
        Ok(outlet)
    }

    /// Lets media pass, beginning with a key frame.
    pub(super) fn start(&self) {
        self.encodings.start();
    }

    /// What the consumer may be sent of this stream.
    pub(in crate::sink) fn set_target(&self, target: Bitrate) {
        self.encodings.set_target(target);
    }

    /// Which layers of the stream somebody receives, by rid.
    pub(in crate::sink) fn set_wanted_layers(&self, rids: Vec<String>) {
        self.encodings.set_wanted(rids);
    }

    /// The stream comes in another size.
    pub(super) fn reshaped(&self) {
        self.encodings.reshaped();
    }

    /// Where a request for a key frame of the layer with this SSRC goes in.
    pub(super) fn layer_end(&self, ssrc: u32) -> Option<gst::Pad> {
        let mut ends = self.layer_ends.iter();
        ends.find(|(known, _)| *known == ssrc).map(|(_, pad)| pad.clone())
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

    /// Its places at encoders, one for each layer.
    pub(in crate::sink) fn encodings(&self) -> impl Iterator<Item = &Encoding> {
        self.encodings.iter()
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

/// The chain of a stream that is sent in one size.
fn plain(plan: &Plan<'_>, slot: &Slot) -> Result<(Vec<Feed>, Vec<Chain>), EndReason> {
    let (appsrc, chain) = chain::packetizer(plan, plan.stream.as_str(), slot.ssrc, |_| Ok(()))?;
    // What was offered must not bind what the encoder makes of it within the agreement.
    slots::transceiver(&slot.pad).set_property("codec-preferences", None::<gst::Caps>);
    chain.link(&slot.pad)?;
    let feed = Feed {
        rid: None,
        size: PictureSize::Adaptive,
        appsrc,
    };
    Ok((vec![feed], vec![chain]))
}

/// Takes a place at an encoder. Blocks until one runs.
fn attach(plan: &Plan<'_>, feed: Feed, encoder_caps: &gst::Caps) -> Result<Encoding, EndReason> {
    let Plan { sink, session, .. } = plan;
    let pool = sink.imp().state().pool.clone();
    let pool = pool.ok_or_else(|| internal("the element is stopping"))?;
    let attachment = pool
        .attach(AttachRequest {
            stream: plan.stream.clone(),
            codec: plan.agreement.codec,
            encoder_caps: encoder_caps.clone(),
            size: feed.size,
            consumer_id: session.peer_id().to_owned(),
            session_id: session.id().to_owned(),
            appsrc: feed.appsrc,
            target: rate::initial_target(session.settings()),
        })
        .map_err(internal)?;
    Ok(Encoding::new(feed.rid, feed.size, attachment))
}
