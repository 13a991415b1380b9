// SPDX-License-Identifier: MPL-2.0
//! Carries out offer and answer with webrtcbin, step by step; what to say is decided in `negotiate`.
//!
//! Every step ends the session with its reason when it fails. Part of the session's task. Owns the order of the steps,
//! which webrtcbin is particular about: what m-lines become is settled before it sees the peer's description, and
//! transceivers are prepared between making an answer and setting it. Every wait is bounded by `within`, so a webrtcbin
//! that never answers costs its session and not the element's stop.

use std::time::Instant;

use gst::prelude::*;
use gst_webrtc::{WebRTCSDPType, WebRTCSessionDescription};

use super::machine::Input;
use super::pads;
use super::task::{Flow, Interrupted, Task, over};
use super::transport::{self, Transport};
use crate::codec::{Codec, MediaKind};
use crate::end_reason::SessionEndReason;
use crate::gst_ext::promise::{self, PromiseError};
use crate::signaller::SignallableExt;
use crate::source::CAT;
use crate::source::negotiate::describe::{self, Ours, Reader};
use crate::source::negotiate::description::{Description, Media};
use crate::source::negotiate::lines::{self, Line};
use crate::source::negotiate::machine::Step;
use crate::source::negotiate::propose;
use crate::source::negotiate::select::Selection;
use crate::webrtcbin::ice::{self, Credentials};

/// Leaves the function with the session's end when a step brings one.
macro_rules! go_on {
    ($step:expr) => {
        match $step {
            Ok(value) => value,
            Err(flow) => return flow,
        }
    };
}

impl Task {
    /// A description came.
    pub(super) async fn described(&mut self, kind: WebRTCSDPType, text: &str) -> Flow {
        let theirs = match Description::parse(text) {
            Ok(theirs) => theirs,
            Err(error) => return over(SessionEndReason::BadDescription, &error.to_string()),
        };
        let step = match kind {
            WebRTCSDPType::Offer => self.order.offer(&theirs),
            WebRTCSDPType::Answer => self.order.answer(),
            _ => Step::Ignore,
        };
        gst::debug!(
            CAT,
            obj = &self.src,
            "session {}: {kind:?} means {step:?}",
            self.session.id
        );
        match step {
            Step::Answer => self.answer(theirs, None).await,
            Step::RestartIce => self.restart_ice(theirs).await,
            Step::Renew => match self.renew_transport().await {
                Flow::On => self.answer(theirs, None).await,
                flow => flow,
            },
            Step::TakeAnswer => self.take_answer(theirs).await,
            Step::Ignore => {
                gst::warning!(
                    CAT,
                    obj = &self.src,
                    "session {}: {kind:?} is not due, left",
                    self.session.id
                );
                Flow::On
            }
        }
    }

    /// The peer's offer carries new ICE credentials (RFC 8445, section 2.4), of which webrtcbin 1.22 takes no notice.
    async fn restart_ice(&mut self, theirs: Description) -> Flow {
        let restarted = self
            .transport
            .as_ref()
            .and_then(|transport| ice::restart(&transport.webrtcbin));
        match restarted {
            Some(credentials) => {
                self.candidates.restarted();
                let flow = self.answer(theirs, Some(credentials)).await;
                self.repeat_candidates();
                flow
            }
            // Without libnice beneath, only a fresh connection has fresh credentials; the peer may not follow.
            None => match self.renew_transport().await {
                Flow::On => self.answer(theirs, None).await,
                flow => flow,
            },
        }
    }

    /// Answers an offer. webrtcbin's own answer serves for its transport parameters only; the text that is set and the
    /// one that is sent come from `describe`, and differ where webrtcbin needs to be told something else than the peer.
    async fn answer(&mut self, theirs: Description, restarted: Option<Credentials>) -> Flow {
        if let Flow::Over(reason, by) = self.live(Input::Negotiating) {
            return Flow::Over(reason, by);
        }
        go_on!(self.plan(&theirs));
        if let Some(transport) = &self.transport {
            transport.prefer(&self.lines);
        }
        let remote = describe::remote(&theirs, &self.lines, self.abilities);
        go_on!(self.set_remote(WebRTCSDPType::Offer, &remote).await);
        let webrtcbin = go_on!(self.webrtcbin());
        let made = self.within(promise::create_answer(&webrtcbin)).await;
        let made = go_on!(self.settle(made));
        if let Some(transport) = &self.transport {
            transport.prepare_transceivers(self.abilities.retransmission);
        }
        let made = go_on!(generated(&made));
        let Some(parameters) = own_parameters(&made, theirs.media.len(), restarted.as_ref()) else {
            return over(
                SessionEndReason::Internal,
                "webrtcbin made an answer without transport parameters",
            );
        };
        self.version += 1;
        let write = |reader| {
            let ours = |index: usize| parameters[index].clone();
            describe::answer(&theirs, &self.lines, ours, self.abilities, self.version, reader)
        };
        let (local, wire) = (write(Reader::Local), write(Reader::Wire));
        // Candidates that come of setting the description are numbered by it.
        self.theirs = Some(theirs);
        go_on!(self.set_local(WebRTCSDPType::Answer, &local).await);
        go_on!(self.send(WebRTCSDPType::Answer, &wire));
        self.settled()
    }

    /// Says what every m-line becomes, with pads for what is received.
    fn plan(&mut self, theirs: &Description) -> Result<(), Flow> {
        let bad = |error: lines::LinesError| over(SessionEndReason::BadDescription, &error.to_string());
        lines::check(self.theirs.as_ref(), theirs).map_err(bad)?;
        self.streams.prepare(theirs, &self.settings);
        let planned = {
            let choose =
                |index: usize, media: &Media, known: Option<&Selection>| self.choose(index, media, known);
            lines::plan(&self.lines, theirs, choose).map_err(bad)?
        };
        if !planned.iter().any(Line::is_used) {
            let text = "nothing the producer offers can be received";
            return Err(over(SessionEndReason::NoCommonCodec, text));
        }
        self.lines = planned;
        if let Some(transport) = &self.transport {
            transport.follow_clocks(theirs);
        }
        let transport = self.transport.as_ref().filter(|_| self.is_verified);
        self.streams.follow(&self.lines, theirs, transport);
        Ok(())
    }

    /// Chooses for one m-line what its pad's downstream can use, and where nothing fits, what is accepted at all: the
    /// application may still link something else.
    fn choose(&self, index: usize, media: &Media, known: Option<&Selection>) -> Option<Selection> {
        let kind = match media.kind.as_str() {
            "video" => MediaKind::Video,
            "audio" => MediaKind::Audio,
            _ => return None,
        };
        let stream = self.streams_by_line().get(&index);
        if stream.is_none() && self.streams.is_limited() {
            return None;
        }
        let tiers = pads::tiers(stream, self.settings.codecs(kind));
        let abilities = self.abilities;
        tiers.iter().find_map(|tier| {
            let accepts = |codec: Codec, _: &_| tier.contains(&codec);
            match known {
                Some(known) => known.choose_again(media, accepts, abilities),
                None => Selection::choose(media, accepts, abilities),
            }
        })
    }

    /// Makes an offer to receive: every pad requested, or one stream of each kind.
    pub(super) async fn offer(&mut self) -> Flow {
        if let Flow::Over(reason, by) = self.live(Input::Negotiating) {
            return Flow::Over(reason, by);
        }
        let webrtcbin = go_on!(self.webrtcbin());
        let wishes = pads::wishes(&self.src, &self.settings);
        let proposals: Vec<_> = propose::proposals(&wishes, self.abilities)
            .into_iter()
            .flatten()
            .collect();
        if proposals.is_empty() {
            return over(
                SessionEndReason::NoCommonCodec,
                "no codec is accepted, there is nothing to ask for",
            );
        }
        for proposal in &proposals {
            add_transceiver(&webrtcbin, proposal);
        }
        let made = self.within(promise::create_offer(&webrtcbin)).await;
        let made = go_on!(self.settle(made));
        let made = go_on!(generated(&made));
        let Some(parameters) = own_parameters(&made, proposals.len(), None) else {
            return over(
                SessionEndReason::Internal,
                "webrtcbin made an offer without transport parameters",
            );
        };
        if let Some(transport) = &self.transport {
            transport.prepare_transceivers(self.abilities.retransmission);
        }
        let text = describe::offer(&made.session_id, &proposals, |index| parameters[index].clone());
        self.order.offering();
        self.offered = proposals;
        go_on!(self.set_local(WebRTCSDPType::Offer, &text).await);
        go_on!(self.send(WebRTCSDPType::Offer, &text));
        Flow::On
    }

    /// The peer answers what this side offered.
    async fn take_answer(&mut self, theirs: Description) -> Flow {
        go_on!(self.plan(&theirs));
        lines::keep_offered(&mut self.lines, &self.offered);
        let remote = describe::remote(&theirs, &self.lines, self.abilities);
        self.theirs = Some(theirs);
        go_on!(self.set_remote(WebRTCSDPType::Answer, &remote).await);
        self.settled()
    }

    /// Both sides have described themselves.
    fn settled(&mut self) -> Flow {
        if let Some(theirs) = &self.theirs {
            self.order.settled(theirs);
        }
        self.take_early_candidates();
        self.streams.announce();
        self.live(Input::Described)
    }

    async fn set_remote(&self, kind: WebRTCSDPType, text: &str) -> Result<(), Flow> {
        let webrtcbin = self.webrtcbin()?;
        let description = parsed(kind, text)?;
        let outcome = self
            .within(promise::set_remote_description(&webrtcbin, &description))
            .await;
        self.settle(outcome)
    }

    async fn set_local(&self, kind: WebRTCSDPType, text: &str) -> Result<(), Flow> {
        let webrtcbin = self.webrtcbin()?;
        let description = parsed(kind, text)?;
        let outcome = self
            .within(promise::set_local_description(&webrtcbin, &description))
            .await;
        self.settle(outcome)
    }

    /// Parsed again for the signaller: a description shared with webrtcbin crashed GStreamer 1.22.
    fn send(&self, kind: WebRTCSDPType, text: &str) -> Result<(), Flow> {
        let description = parsed(kind, text)?;
        self.signaller.send_sdp(&self.session.id, &description);
        Ok(())
    }

    fn webrtcbin(&self) -> Result<gst::Element, Flow> {
        let webrtcbin = |transport: &Transport| transport.webrtcbin.clone();
        let missing = || over(SessionEndReason::Internal, "there is no connection");
        self.transport.as_ref().map(webrtcbin).ok_or_else(missing)
    }

    /// What a refusal, a stop or a delay of webrtcbin means for the session.
    fn settle<T>(&self, outcome: Result<Result<T, PromiseError>, Interrupted>) -> Result<T, Flow> {
        match outcome {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(over(SessionEndReason::BadDescription, &error.to_string())),
            Err(Interrupted::Stopped) => Err(Flow::Stopped),
            Err(Interrupted::TooLong) => {
                gst::error!(
                    CAT,
                    obj = &self.src,
                    "{:?}: webrtcbin gives no answer",
                    Instant::now()
                );
                Err(over(SessionEndReason::Internal, "webrtcbin gives no answer"))
            }
        }
    }
}

/// Transport parameters for every m-line; `restarted` are those of a new ICE generation, which webrtcbin does not know.
fn own_parameters(made: &Description, lines: usize, restarted: Option<&Credentials>) -> Option<Vec<Ours>> {
    let parameters = |index: usize| {
        let mut ours = Ours::of(made, index)?;
        if let Some(credentials) = restarted {
            ours.ufrag = credentials.ufrag.clone();
            ours.pwd = credentials.pwd.clone();
        }
        Some(ours)
    };
    (0..lines).map(parameters).collect()
}

/// Tells webrtcbin of an m-line to be offered; repair formats are left out, which it would take for codecs.
fn add_transceiver(webrtcbin: &gst::Element, proposal: &describe::Proposal) {
    let mut caps = gst::Caps::new_empty();
    for format in proposal
        .formats
        .iter()
        .filter(|format| Codec::from_encoding_name(&format.encoding).is_some())
    {
        caps.make_mut().append(transport::caps_of(proposal.kind, format));
    }
    let direction = gst_webrtc::WebRTCRTPTransceiverDirection::Recvonly;
    webrtcbin.emit_by_name::<gst_webrtc::WebRTCRTPTransceiver>("add-transceiver", &[&direction, &caps]);
}

fn generated(description: &WebRTCSessionDescription) -> Result<Description, Flow> {
    let text = description.sdp().as_text().unwrap_or_default();
    Description::parse(&text).map_err(|error| over(SessionEndReason::Internal, &error.to_string()))
}

fn parsed(kind: WebRTCSDPType, text: &str) -> Result<WebRTCSessionDescription, Flow> {
    promise::parsed(kind, text).ok_or_else(|| {
        over(
            SessionEndReason::Internal,
            "a description of ours cannot be read back",
        )
    })
}
