// SPDX-License-Identifier: MPL-2.0
//! The session's side that answers: the peer's offer decides on sections and numbers, the user's order on codecs.
//!
//! Owns the order of the steps with webrtcbin when the peer begins (WHEP players, viewers of a Kinesis channel):
//! sections are filled, their pads requested and the consumer announced before the offer is set. What to choose is said
//! by `negotiate/select` and the catalogue's order; `offering` is the other role.
//!
//! Part of the session's task; what blocks runs by `blocking`. JSEP: RFC 8829, section 5.3.

use std::sync::Arc;

use gst::subclass::prelude::*;
use gst_webrtc::{WebRTCSDPType, WebRTCSessionDescription};

use super::blocking;
use super::handle::Session;
use super::machine::Fact;
use super::operations::{Operations, bad_description, reparsed};
use super::pipeline::internal;
use super::retransmission;
use super::slots::{self, Slot};
use crate::end_reason::{EndReason, SessionEndReason};
use crate::gst_ext::promise;
use crate::sdp::extmap;
use crate::sink::channels;
use crate::sink::negotiate::payloads::{self, Payload};
use crate::sink::negotiate::select::{self, Agreement, Opening, Verdict};

impl Operations {
    /// Takes the peer's offer, announces the consumer, and answers.
    pub(super) async fn begin_answering(&mut self, offer: WebRTCSessionDescription) -> Result<(), EndReason> {
        if offer.type_() != WebRTCSDPType::Offer {
            return Err(bad_description("what should be an offer is none"));
        }
        let offer = reparsed(WebRTCSDPType::Offer, offer.sdp())?;
        let openings = select::read_offer(offer.sdp()).map_err(bad_description)?;
        let verdicts = self.fill(openings, &offer).await?;
        let with_channels = channels::is_wanted(self.session.settings()) && select::has_data(offer.sdp());
        self.announce(with_channels).await?;
        self.set_remote(&offer).await?;
        let answer = promise::create_answer(&self.webrtcbin)
            .await
            .map_err(bad_description)?;
        self.set_and_send(reparsed(WebRTCSDPType::Answer, answer.sdp())?)
            .await?;
        retransmission::limit(&self.session, &self.webrtcbin);
        self.link(verdicts, &offer).await?;
        self.session.observe(Fact::Described);
        Ok(())
    }

    /// Finds a stream and a codec for each section of the offer; verdicts are by section.
    async fn fill(
        &mut self,
        openings: Vec<Opening>,
        offer: &WebRTCSessionDescription,
    ) -> Result<Vec<Verdict>, EndReason> {
        let sections = offer.sdp().medias_len() as usize;
        let (webrtcbin, offer) = (self.webrtcbin.clone(), offer.clone());
        let filled = blocking::run(&self.session, move |session| {
            fill(session, &webrtcbin, &openings, &offer)
        })
        .await?;
        let mut verdicts = vec![Verdict::Declined; sections];
        for (slot, agreement) in filled {
            if let (Some(agreement), Some(verdict)) = (agreement, verdicts.get_mut(slot.media_index as usize))
            {
                *verdict = Verdict::Accepted(agreement);
            }
            self.slots.push(slot);
        }
        if verdicts.iter().all(|verdict| *verdict == Verdict::Declined) {
            return Err(EndReason::new(
                SessionEndReason::NoCommonCodec,
                "nothing of the peer's offer can be sent",
            ));
        }
        Ok(verdicts)
    }
}

/// Gives each section a stream: the first of its kind that is not taken yet, in the order of the pads. Blocks, as it
/// asks for what a stream can leave as.
fn fill(
    session: &Arc<Session>,
    webrtcbin: &gst::Element,
    openings: &[Opening],
    offer: &WebRTCSessionDescription,
) -> Result<Vec<(Slot, Option<Agreement>)>, EndReason> {
    let sink = session.sink().ok_or_else(|| internal("the element is gone"))?;
    let mut streams = sink.imp().state().streams();
    let mut filled = Vec::new();
    for opening in openings {
        let index = u32::try_from(opening.media_index).map_err(internal)?;
        let next = streams
            .iter()
            .position(|stream| stream.kind() == opening.kind && stream.caps().is_some());
        let found = next
            .filter(|_| !opening.codecs.is_empty())
            .map(|position| streams.remove(position));
        let chosen = found.and_then(|stream| {
            // A stream that can leave as nothing declines its section like one that shares no codec with the peer.
            let payloads = payloads::find(&sink, session.settings(), &stream).ok()?;
            let (payload, agreement) = choose(&payloads, opening)?;
            Some((stream, payload, agreement))
        });
        let Some((stream, payload, agreement)) = chosen else {
            filled.push((slots::decline(session, webrtcbin, index, opening.kind)?, None));
            continue;
        };
        let slot = slots::open(session, webrtcbin, &stream, index, &[payload])?;
        if let Some(caps) = answered_caps(offer, index, &agreement, slot.ssrc) {
            slots::prefer(&slot.pad, &caps);
        }
        filled.push((slot, Some(agreement)));
    }
    Ok(filled)
}

/// The user's order outranks the offerer's.
fn choose(payloads: &[Payload], opening: &Opening) -> Option<(Payload, Agreement)> {
    payloads.iter().find_map(|payload| {
        let agreement = opening
            .codecs
            .iter()
            .find(|agreement| agreement.codec == payload.proposal.codec)?;
        Some((payload.clone(), *agreement))
    })
}

/// The offer's own words on the chosen payload type, with our SSRC.
fn answered_caps(
    offer: &WebRTCSessionDescription,
    media_index: u32,
    agreement: &Agreement,
    ssrc: u32,
) -> Option<gst::Caps> {
    let mut caps = offer
        .sdp()
        .media(media_index)?
        .caps_from_media(agreement.payload_type.into())?;
    let structure = caps.make_mut().structure_mut(0)?;
    structure.set_name("application/x-rtp");
    structure.set("ssrc", ssrc);
    if let Some(id) = agreement.twcc_id {
        structure.set(extmap::caps_field(id), extmap::TWCC_URI);
        structure.set("rtcp-fb-transport-cc", true);
    }
    Some(caps)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::proposals::Proposal;
    use crate::codec::{Codec, MediaKind};

    fn payload(codec: Codec) -> Payload {
        gst::init().expect("GStreamer initialises");
        let rtp_caps = gst::Caps::new_empty_simple("application/x-rtp");
        Payload {
            proposal: Proposal {
                codec,
                payload_type: 96,
            },
            rtp_caps,
        }
    }

    fn opening(codecs: &[(Codec, u8)]) -> Opening {
        let agreement = |&(codec, payload_type)| Agreement {
            codec,
            payload_type,
            twcc_id: None,
        };
        Opening {
            media_index: 0,
            kind: MediaKind::Video,
            codecs: codecs.iter().map(agreement).collect(),
        }
    }

    #[test]
    fn the_users_order_outranks_the_offerers() {
        let payloads = [payload(Codec::Vp9), payload(Codec::Vp8)];
        let chosen = choose(&payloads, &opening(&[(Codec::Vp8, 120), (Codec::Vp9, 121)]));
        assert_eq!(chosen.map(|(_, agreement)| agreement.payload_type), Some(121));
    }

    #[test]
    fn nothing_in_common_is_nothing() {
        assert!(choose(&[payload(Codec::Vp8)], &opening(&[(Codec::H264, 120)])).is_none());
        assert!(choose(&[], &opening(&[(Codec::H264, 120)])).is_none());
    }
}
