// SPDX-License-Identifier: MPL-2.0
//! The session's side that offers: first offer, answers to it, and more offers when streams come and go.
//!
//! Owns the order of the steps with webrtcbin when this side begins. When an offer may be made at all is decided by
//! `negotiate/machine` (one at a time; changes that come meanwhile are offered after the answer); sections are opened
//! and vacated by `slots`, never removed (RFC 8829, section 5.2.2). Part of the session's task; what blocks runs by
//! `blocking`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use gst::subclass::prelude::*;
use gst_webrtc::{WebRTCSDPType, WebRTCSessionDescription};

use super::blocking;
use super::handle::Session;
use super::layering;
use super::machine::Fact;
use super::operations::{Operations, bad_description, reparsed};
use super::pipeline::internal;
use super::retransmission;
use super::slots::{self, Slot};
use crate::codec::caps::is_raw;
use crate::end_reason::{EndReason, SessionEndReason};
use crate::error;
use crate::gst_ext::promise;
use crate::sdp::payload_types;
use crate::sink::channels;
use crate::sink::encode::StreamId;
use crate::sink::imp::CAT;
use crate::sink::input::InputStream;
use crate::sink::negotiate::bundle;
use crate::sink::negotiate::payloads::{self, Payload};
use crate::sink::negotiate::select::{self, SelectError};
use crate::sink::negotiate::simulcast;

impl Operations {
    /// Opens a section per stream, announces the consumer, and offers.
    pub(super) async fn begin_offering(&mut self) -> Result<(), EndReason> {
        let streams = described_streams(&self.session);
        self.open(streams).await?;
        self.announce(channels::is_wanted(self.session.settings()))
            .await?;
        self.offer().await
    }

    /// The peer's answer to our offer.
    pub(super) async fn take_answer(&mut self, answer: WebRTCSessionDescription) -> Result<(), EndReason> {
        let Some(offer) = self.local.clone() else {
            return Err(internal("an answer came before an offer"));
        };
        let verdicts = select::read_answer(offer.sdp(), answer.sdp()).map_err(refused)?;
        let shown = self.shown(&offer, &answer)?;
        self.set_remote(&shown).await?;
        retransmission::limit(&self.session, &self.webrtcbin);
        if self.slots.iter().any(|slot| !slot.layers.is_empty()) {
            layering::bind_repairs(&self.webrtcbin, offer.sdp());
        }
        self.link(verdicts, &answer).await?;
        self.session.observe(Fact::Described);
        if self.turns.answered() {
            self.streams_changed().await
        } else {
            Ok(())
        }
    }

    /// What webrtcbin is shown of `answer`: the section that carries the transport stays in use, whatever the peer says.
    fn shown(
        &mut self,
        offer: &WebRTCSessionDescription,
        answer: &WebRTCSessionDescription,
    ) -> Result<WebRTCSessionDescription, EndReason> {
        let text = |description: &WebRTCSessionDescription| description.sdp().as_text().map_err(internal);
        let kept = bundle::keep_transport(&text(offer)?, &text(answer)?);
        self.carrier = kept.as_ref().and_then(|(_, index)| u32::try_from(*index).ok());
        let Some((text, _)) = kept else {
            return Ok(answer.clone());
        };
        let sdp = crate::sdp::parse(&text).map_err(bad_description)?;
        Ok(WebRTCSessionDescription::new(WebRTCSDPType::Answer, sdp))
    }

    /// Streams came or went: sections are opened and vacated, and offered anew if that makes a difference.
    pub(super) async fn streams_changed(&mut self) -> Result<(), EndReason> {
        if !self.turns.change() {
            return Ok(());
        }
        let present = described_streams(&self.session);
        let ids: BTreeSet<StreamId> = present.iter().map(|stream| stream.id().clone()).collect();
        let known = self.slots.streams();
        let gone: Vec<_> = known.difference(&ids).cloned().collect();
        let new: Vec<_> = present
            .into_iter()
            .filter(|stream| !known.contains(stream.id()))
            .collect();
        if gone.is_empty() && new.is_empty() {
            return Ok(());
        }
        gst::info!(
            CAT,
            "session {}: {} streams came, {} went",
            self.session.id(),
            new.len(),
            gone.len()
        );
        for stream in &gone {
            self.unlink(stream).await?;
            self.slots.vacate(stream);
        }
        if !gone.is_empty() {
            tokio::time::sleep(LAST_PACKETS).await;
        }
        self.open(new).await?;
        self.offer().await
    }

    /// Offers what the sections hold. Without any there is nothing to offer yet.
    async fn offer(&mut self) -> Result<(), EndReason> {
        if self.slots.is_empty() && !self.has_channels {
            return Ok(());
        }
        let offer = promise::create_offer(&self.webrtcbin).await.map_err(internal)?;
        let mut sdp = offer.sdp().to_owned();
        payload_types::complete_rtx(&mut sdp);
        if self.session.settings().do_retransmission {
            layering::name_repairs(&mut sdp, self.slots.iter());
        }
        let offer = reparsed(WebRTCSDPType::Offer, &sdp)?;
        self.turns.offered();
        self.set_and_send(offer).await
    }

    /// Opens a section for each stream that can leave as anything.
    async fn open(&mut self, streams: Vec<Arc<InputStream>>) -> Result<(), EndReason> {
        if streams.is_empty() {
            return Ok(());
        }
        let described = self.local.as_ref().map_or(0, |local| local.sdp().medias_len());
        let first = self.slots.next_index(described);
        let webrtcbin = self.webrtcbin.clone();
        let opened = blocking::run(&self.session, move |session| {
            open_all(session, &webrtcbin, &streams, first)
        })
        .await?;
        opened.into_iter().for_each(|slot| self.slots.push(slot));
        Ok(())
    }
}

/// How long the last packets of a stream that left may take to the peer before it hears that the stream left.
///
/// A webrtcbin that receives ends the stream when it hears so, and all of its transport when a packet of that stream
/// comes later: its peers would get nothing any more. This covers what waits in the pacer, and half a round trip.
const LAST_PACKETS: Duration = Duration::from_millis(200);

/// Streams whose caps are known, in the order of their pads.
fn described_streams(session: &Session) -> Vec<Arc<InputStream>> {
    let Some(sink) = session.sink() else {
        return Vec::new();
    };
    let streams = sink.imp().state().streams();
    streams
        .into_iter()
        .filter(|stream| stream.caps().is_some())
        .collect()
}

/// A stream that can leave as nothing is left out and told about on the bus; the others go on without it.
fn open_all(
    session: &Arc<Session>,
    webrtcbin: &gst::Element,
    streams: &[Arc<InputStream>],
    first: u32,
) -> Result<Vec<Slot>, EndReason> {
    let sink = session.sink().ok_or_else(|| internal("the element is gone"))?;
    let mut slots = Vec::new();
    let mut failure = None;
    for (index, stream) in (first..).zip(streams) {
        match payloads::find(&sink, session.settings(), stream) {
            Ok(payloads) => {
                let index = index - u32::from(failure.is_some());
                slots.push(open_one(session, webrtcbin, stream, index, payloads)?);
            }
            Err(why) => {
                error::post_warning(&sink, &why);
                failure = Some(why);
            }
        }
    }
    match failure {
        Some(why) if slots.is_empty() => Err(EndReason::new(SessionEndReason::NoCommonCodec, why)),
        _ => Ok(slots),
    }
}

/// In layers if the user wants them and a codec has them, and the picture is large enough. Input that comes encoded has
/// one size.
fn open_one(
    session: &Arc<Session>,
    webrtcbin: &gst::Element,
    stream: &InputStream,
    index: u32,
    mut payloads: Vec<Payload>,
) -> Result<Slot, EndReason> {
    let most = usize::try_from(session.settings().simulcast_layers).unwrap_or(usize::MAX);
    let is_raw = stream.caps().is_some_and(|caps| is_raw(&caps));
    let layers = match stream.size().filter(|_| is_raw) {
        Some(size) => simulcast::layers(most, size, rand::random),
        None => Vec::new(),
    };
    let has_layers = |payload: &Payload| simulcast::is_layered(payload.proposal.codec);
    if layers.is_empty() || !payloads.iter().any(has_layers) {
        return slots::open(session, webrtcbin, stream, index, &payloads);
    }
    payloads.retain(has_layers);
    slots::open_layered(session, webrtcbin, stream, index, &payloads, layers)
}

/// A peer that wants nothing of all this is told apart from one whose answer makes no sense.
fn refused(error: SelectError) -> EndReason {
    match error {
        SelectError::AllDeclined => EndReason::new(SessionEndReason::NoCommonCodec, error.to_string()),
        _ => bad_description(error),
    }
}
