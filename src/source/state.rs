// SPDX-License-Identifier: MPL-2.0
//! Everything behind a source's state lock, and its transitions.
//!
//! Nothing here calls out: methods change plain data and give back what the caller has to act on once the lock is free.
//! The lock comes last of the element's three (settings, connection, state). Called by the session's thread, by
//! application threads (requests, statistics) and by the thread that changes the element's state.

use std::sync::Arc;

use super::WebRTCSrcPad;
use super::output::outlet::Outlet;
use super::session::Session;
use crate::codec::MediaKind;
use crate::signaller::Signallable;
use crate::webrtcbin::stun::StunServer;

/// State of one element.
#[derive(Default)]
pub(crate) struct State {
    /// Whether the signaller was started and not stopped since.
    pub(super) is_signalling: bool,
    /// The STUN server of the sessions of this run.
    pub(super) stun: Option<Arc<StunServer>>,
    /// A source has one producer at a time.
    session: Option<Arc<Session>>,
    /// Sessions that are over but still let go of what they had.
    leaving: Vec<Arc<Session>>,
    /// In the order they were added.
    pads: Vec<Exposed>,
    /// Numbers for the next requested pads of audio and of video. They are never given out twice, so that a name stays
    /// with its pad after others were released.
    requests: [u32; 2],
}

/// Why a session cannot begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// There is one.
    #[error("the consumer has a session already")]
    Busy,
    /// The signaller reports one that it was not started for: nothing would play, and nothing would end it.
    #[error("the consumer does not play")]
    Stopped,
}

/// A pad of the element.
#[derive(Debug, Clone)]
pub(super) struct Exposed {
    /// The ghost pad the application sees.
    pub(super) pad: WebRTCSrcPad,
    /// Fixed by the template the pad was made of.
    pub(super) kind: MediaKind,
    /// What feeds the pad; a requested pad has none until a stream is found for it.
    pub(super) outlet: Option<Outlet>,
    /// Whether the application asked for the pad.
    pub(super) is_requested: bool,
}

impl State {
    /// Takes in a new session; gives those that still leave.
    ///
    /// # Errors
    /// [`Refusal`] when the element can have none now.
    pub(super) fn begin(&mut self, session: &Arc<Session>) -> Result<Vec<Arc<Session>>, Refusal> {
        if !self.is_signalling {
            return Err(Refusal::Stopped);
        }
        if self.session.is_some() {
            return Err(Refusal::Busy);
        }
        self.session = Some(session.clone());
        Ok(self.leaving.clone())
    }

    /// The session that is on.
    pub(super) fn session(&self) -> Option<Arc<Session>> {
        self.session.clone()
    }

    /// The session that is on, if it has this id.
    pub(super) fn session_named(&self, id: &str) -> Option<Arc<Session>> {
        self.session
            .as_ref()
            .filter(|session| session.id() == id)
            .cloned()
    }

    /// The session is over: another one may begin. False when it was over already.
    pub(super) fn leave(&mut self, session: &Arc<Session>) -> bool {
        let is_current = self
            .session
            .as_ref()
            .is_some_and(|current| Arc::ptr_eq(current, session));
        if is_current {
            self.session = None;
            self.leaving.push(session.clone());
        }
        is_current
    }

    /// The session has let go of everything.
    pub(super) fn gone(&mut self, session: &Arc<Session>) {
        self.leaving.retain(|other| !Arc::ptr_eq(other, session));
    }

    /// Every session that holds anything.
    pub(super) fn all_sessions(&self) -> Vec<Arc<Session>> {
        self.session.iter().chain(&self.leaving).cloned().collect()
    }

    /// Marks the signaller as started; false when it was.
    pub(super) fn start_signalling(&mut self) -> bool {
        !std::mem::replace(&mut self.is_signalling, true)
    }

    /// Marks the signaller as stopped; false when it was.
    pub(super) fn stop_signalling(&mut self) -> bool {
        std::mem::replace(&mut self.is_signalling, false)
    }

    /// The number of the next pad to be requested.
    pub(super) fn next_request(&mut self, kind: MediaKind) -> u32 {
        let counter = &mut self.requests[usize::from(kind == MediaKind::Video)];
        let number = *counter;
        *counter += 1;
        number
    }

    /// Every pad.
    pub(super) fn pads(&self) -> Vec<Exposed> {
        self.pads.clone()
    }

    /// Whether the application asked for any pad: then there are none but those.
    pub(super) fn has_requests(&self) -> bool {
        self.pads.iter().any(|exposed| exposed.is_requested)
    }

    /// Remembers a pad.
    pub(super) fn add_pad(&mut self, exposed: Exposed) {
        self.pads.push(exposed);
    }

    /// Forgets a pad and gives what was known of it.
    pub(super) fn remove_pad(&mut self, pad: &WebRTCSrcPad) -> Option<Exposed> {
        let index = self.pads.iter().position(|exposed| exposed.pad == *pad)?;
        Some(self.pads.remove(index))
    }

    /// Gives a requested pad its outlet; false when the pad was released or has one.
    pub(super) fn occupy(&mut self, pad: &WebRTCSrcPad, outlet: &Outlet) -> bool {
        let free = |exposed: &&mut Exposed| exposed.pad == *pad && exposed.outlet.is_none();
        match self.pads.iter_mut().find(free) {
            Some(exposed) => {
                exposed.outlet = Some(outlet.clone());
                true
            }
            None => false,
        }
    }

    /// Takes the outlet from a pad.
    pub(super) fn vacate(&mut self, pad: &WebRTCSrcPad) -> Option<Outlet> {
        self.pads
            .iter_mut()
            .find(|exposed| exposed.pad == *pad)?
            .outlet
            .take()
    }
}

/// A signaller and the handlers connected to it.
#[derive(Default)]
pub(super) struct Connection {
    pub(super) signaller: Option<Signallable>,
    pub(super) handlers: Vec<gst::glib::SignalHandlerId>,
}
