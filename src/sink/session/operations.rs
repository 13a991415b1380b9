// SPDX-License-Identifier: MPL-2.0
//! What is done with webrtcbin, one thing at a time, on the session's task.
//!
//! Owns the order: preparation, descriptions, candidates. A step that fails gives the reason the session ends with. The
//! two roles are in `offering` and `answering`, recovery in `recovery`; what they share is here. Every wait for
//! webrtcbin may be cut short by the session's end, so nothing is left half-done that only a later step would undo.

use std::sync::Arc;
use std::time::Duration;

use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_webrtc::{WebRTCSDPType, WebRTCSessionDescription};

use super::handle::Session;
use super::machine::Fact;
use super::pipeline::internal;
use super::slots::Slots;
use super::{Input, blocking, pipeline};
use crate::end_reason::{EndReason, SessionEndReason};
use crate::gst_ext::promise;
use crate::sdp::candidate::Inbox;
use crate::signaller::{SignallableExt, signals as signaller_signals};
use crate::sink::encode::StreamId;
use crate::sink::imp::CAT;
use crate::sink::input;
use crate::sink::negotiate::machine::{Step, Turns};
use crate::sink::{channels, signals};

/// What a session's task works with. Nobody else reaches it.
pub(super) struct Operations {
    pub(super) session: Arc<Session>,
    pub(super) webrtcbin: gst::Element,
    pub(super) slots: Slots,
    pub(super) turns: Turns,
    pub(super) has_channels: bool,
    /// The local description as it was set, while one is.
    pub(super) local: Option<WebRTCSessionDescription>,
    /// Candidates of the peer, which mean nothing before its description.
    pub(super) candidates: Inbox,
    /// The section whose transport all others use although the peer refuses it: its candidates come under another one.
    pub(super) carrier: Option<u32>,
}

impl Operations {
    /// Makes webrtcbin and starts to negotiate, as the answerer if the peer sent an `offer`.
    ///
    /// # Errors
    /// The reason the session ends with.
    pub(super) async fn begin(
        session: &Arc<Session>,
        offer: Option<WebRTCSessionDescription>,
    ) -> Result<Self, EndReason> {
        let stun_server = stun_server(session).await;
        let webrtcbin =
            blocking::run(session, move |session| pipeline::prepare(session, stun_server)).await?;
        let mut operations = Self {
            session: session.clone(),
            webrtcbin,
            slots: Slots::default(),
            turns: Turns::default(),
            has_channels: false,
            local: None,
            candidates: Inbox::default(),
            carrier: None,
        };
        match offer {
            None => operations.begin_offering().await?,
            Some(offer) => operations.begin_answering(offer).await?,
        }
        Ok(operations)
    }

    /// Does one thing.
    ///
    /// # Errors
    /// The reason the session ends with.
    pub(super) async fn perform(&mut self, input: Input) -> Result<(), EndReason> {
        match input {
            Input::Description(description) => self.described(description).await,
            Input::RemoteCandidate {
                media_index,
                candidate,
            } => {
                self.take_candidate(media_index, &candidate);
                Ok(())
            }
            Input::LocalCandidate {
                media_index,
                candidate,
            } => {
                self.session
                    .settings()
                    .signaller
                    .add_ice(self.session.id(), &candidate, media_index, None);
                Ok(())
            }
            Input::StreamsChanged => self.streams_changed().await,
            Input::StreamReshaped(stream) => {
                self.stream_reshaped(&stream);
                Ok(())
            }
            Input::Recover => self.recover(),
        }
    }

    /// Channels, pads and webrtcbin are there: the application may add its own, then the pipeline starts.
    pub(super) async fn announce(&mut self, with_channels: bool) -> Result<(), EndReason> {
        let webrtcbin = self.webrtcbin.clone();
        self.has_channels = blocking::run(&self.session, move |session| {
            let has_channels = with_channels && channels::create(session, &webrtcbin);
            session.view().webrtcbin = Some(webrtcbin.clone());
            if let Some(sink) = session.sink() {
                signals::emit_consumer_added(&sink, session.peer_id(), &webrtcbin);
            }
            let signaller = &session.settings().signaller;
            signaller_signals::emit_consumer_added(signaller, session.peer_id(), &webrtcbin);
            signaller_signals::emit_webrtcbin_ready(signaller, session.peer_id(), &webrtcbin);
            pipeline::start(session, gst::State::Playing)?;
            Ok(has_channels)
        })
        .await?;
        self.session.observe(Fact::Prepared);
        Ok(())
    }

    /// Sets a description of ours, then sends it, changed by the signaller or the application if they want to.
    pub(super) async fn set_and_send(
        &mut self,
        description: WebRTCSessionDescription,
    ) -> Result<(), EndReason> {
        promise::set_local_description(&self.webrtcbin, &description)
            .await
            .map_err(internal)?;
        self.note_mids(&description);
        self.local = Some(description.clone());
        for slot in self.slots.iter() {
            slot.stream.iter().for_each(|stream| self.tell_size(stream));
        }
        self.send(&description);
        Ok(())
    }

    /// Sends a description without setting it.
    pub(super) fn send(&self, description: &WebRTCSessionDescription) {
        let signaller = &self.session.settings().signaller;
        if signaller.is_munging_manually() {
            signaller.send_sdp(self.session.id(), description);
        } else {
            let munged = signaller.munge_sdp(self.session.id(), description);
            signaller.send_sdp(self.session.id(), &munged);
        }
    }

    /// Sets the peer's description; its candidates mean something from now on.
    pub(super) async fn set_remote(
        &mut self,
        description: &WebRTCSessionDescription,
    ) -> Result<(), EndReason> {
        promise::set_remote_description(&self.webrtcbin, description)
            .await
            .map_err(bad_description)?;
        for (media_index, candidate) in self.candidates.described() {
            self.add_candidate(media_index, &candidate);
        }
        Ok(())
    }

    /// A description of the peer after the beginning; `turns` knows whether one is due.
    async fn described(&mut self, description: WebRTCSessionDescription) -> Result<(), EndReason> {
        match self
            .turns
            .described(description.type_())
            .map_err(bad_description)?
        {
            Step::Apply => self.take_answer(description).await,
            Step::FinishRestart => self.finish_restart(&description).await,
            Step::Ignore => {
                gst::warning!(
                    CAT,
                    "session {}: a description came out of turn",
                    self.session.id()
                );
                Ok(())
            }
        }
    }

    /// Checks a candidate of the peer before webrtcbin sees it, which trusts what it gets. A bad one is dropped: others
    /// may serve.
    pub(super) fn take_candidate(&mut self, media_index: u32, text: &str) {
        match self.candidates.take(media_index, text) {
            Ok(Some((media_index, candidate))) => self.add_candidate(media_index, &candidate),
            Ok(None) => {}
            Err(error) => gst::warning!(CAT, "session {}: candidate dropped: {error}", self.session.id()),
        }
    }

    fn add_candidate(&self, media_index: u32, candidate: &str) {
        let media_index = self.carrier.unwrap_or(media_index);
        self.webrtcbin
            .emit_by_name::<()>("add-ice-candidate", &[&media_index, &candidate]);
    }

    /// A stream goes on with other caps.
    fn stream_reshaped(&self, stream: &StreamId) {
        let outlet = self.session.view().outlets.get(stream).cloned();
        if let Some(outlet) = outlet {
            outlet.reshaped();
        }
        self.tell_size(stream);
    }

    /// Tells the signaller of what size the pictures of a stream are, if it has a section.
    fn tell_size(&self, stream: &StreamId) {
        let mid = self.session.view().mid_of(stream);
        let input = self
            .session
            .sink()
            .and_then(|sink| input::stream_named(&sink, stream));
        if let Some((mid, size)) = mid.zip(input.and_then(|input| input.size())) {
            let signaller = &self.session.settings().signaller;
            signaller_signals::emit_picture_size(signaller, self.session.id(), &mid, size);
        }
    }

    /// Which stream goes by which `mid`, for messages of the data channels.
    fn note_mids(&self, description: &WebRTCSessionDescription) {
        let mut mids = std::collections::BTreeMap::new();
        for slot in self.slots.iter() {
            let mid = description
                .sdp()
                .media(slot.media_index)
                .and_then(|media| media.attribute_val("mid"));
            if let (Some(stream), Some(mid)) = (&slot.stream, mid) {
                mids.insert(mid.to_owned(), stream.clone());
            }
        }
        self.session.view().mids = mids;
    }
}

/// The end that an unusable description means.
pub(super) fn bad_description(error: impl std::fmt::Display) -> EndReason {
    EndReason::new(SessionEndReason::BadDescription, error.to_string())
}

/// A description of ours from text, free of what webrtcbin still holds on to.
pub(super) fn reparsed(
    kind: WebRTCSDPType,
    sdp: &gst_sdp::SDPMessageRef,
) -> Result<WebRTCSessionDescription, EndReason> {
    let text = sdp.as_text().map_err(internal)?;
    let sdp = crate::sdp::parse(&text).map_err(internal)?;
    Ok(WebRTCSessionDescription::new(kind, sdp))
}

/// The server's address, if its name has been resolved by now.
async fn stun_server(session: &Session) -> Option<String> {
    let stun = session.sink()?.imp().state().stun.clone()?;
    stun.resolved(STUN_PATIENCE).await
}

/// The name is looked up when the element starts. A consumer that comes at once waits no longer than a person notices.
const STUN_PATIENCE: Duration = Duration::from_millis(100);
