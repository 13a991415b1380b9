// SPDX-License-Identifier: MPL-2.0
//! Everything of a sink behind its state lock: streams, sessions, and how far it is started.
//!
//! Transitions only; whoever calls them acts on what they return after the lock is gone. The lock comes after that of
//! the settings. It is taken by state changes, the signaller's handlers, sessions and the pool's callbacks; for a
//! buffer only where its metadata is forwarded, as a stream has a lock of its own (`input`).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::WebRTCSinkError;
use super::consumers::Subscription;
use super::discovery::Discovery;
use super::encode::{BranchPool, StreamId};
use super::input::InputStream;
use super::session::Session;
use crate::codec::MediaKind;
use crate::runtime::Task;
use crate::signaller::Signallable;
use crate::webrtcbin::stun::StunServer;

/// How far a sink is started.
#[derive(Debug, Default)]
enum Phase {
    /// NULL or READY.
    #[default]
    Stopped,
    /// At least PAUSED, and the signaller has not been asked to start.
    Prepared,
    /// PLAYING was reached; the signaller starts as soon as every stream has caps.
    WaitingForCaps,
    /// This signaller was started, whatever the property says since.
    Signalling(Signallable),
}

/// See the module's documentation.
#[derive(Default)]
pub(super) struct State {
    /// In the order their pads were requested, which is the order of media sections.
    streams: Vec<Arc<InputStream>>,
    /// Those that are served, by their ids.
    sessions: BTreeMap<String, Arc<Session>>,
    /// Sessions their peers ended, until everything of them is released: their ids can be taken anew meanwhile.
    leaving: Vec<Arc<Session>>,
    /// Numbers for the next pads, by kind.
    next_pad: BTreeMap<MediaKind, u32>,
    /// Decides when the signaller is started: consumers that come before caps are known would get an empty offer.
    phase: Phase,
    /// Handlers on the signaller.
    pub(super) subscription: Option<Subscription>,
    /// The encoders of this run.
    pub(super) pool: Option<BranchPool>,
    /// What streams can leave as, as far as this run has found out.
    pub(super) discovery: Option<Discovery>,
    /// What is being found out about streams in the background.
    look_aheads: Vec<Task>,
    /// The STUN server of this run, its name looked up early.
    pub(super) stun: Option<Arc<StunServer>>,
    /// The web server of this run.
    #[cfg(feature = "web_server")]
    pub(super) web_server: Option<crate::embedded::web::WebServer>,
}

impl State {
    /// The number in the name of the next pad of a kind; numbers never come back.
    pub(super) fn take_pad_number(&mut self, kind: MediaKind) -> u32 {
        let next = self.next_pad.entry(kind).or_default();
        let number = *next;
        *next += 1;
        number
    }

    /// Adds a stream behind those there are.
    pub(super) fn add_stream(&mut self, stream: Arc<InputStream>) {
        self.streams.push(stream);
    }

    /// Takes out the stream of this pad.
    pub(super) fn remove_stream(&mut self, id: &StreamId) -> Option<Arc<InputStream>> {
        let index = self.streams.iter().position(|stream| stream.id() == id)?;
        Some(self.streams.remove(index))
    }

    /// All streams in order.
    pub(super) fn streams(&self) -> Vec<Arc<InputStream>> {
        self.streams.clone()
    }

    /// Adds a session.
    ///
    /// # Errors
    /// When the sink is stopped or one with its id is there.
    pub(super) fn add_session(&mut self, session: Arc<Session>) -> Result<(), WebRTCSinkError> {
        if matches!(self.phase, Phase::Stopped) {
            return Err(WebRTCSinkError::NotRunning);
        }
        if self.sessions.contains_key(session.id()) {
            return Err(WebRTCSinkError::DuplicateSessionId(session.id().to_owned()));
        }
        self.sessions.insert(session.id().to_owned(), session);
        Ok(())
    }

    /// Takes a session out of those that are served, and keeps it until it is released.
    pub(super) fn retire_session(&mut self, id: &str) -> Option<Arc<Session>> {
        let session = self.sessions.remove(id)?;
        self.leaving.push(session.clone());
        Some(session)
    }

    /// Forgets a session that is released. Another one may have its id by now.
    pub(super) fn forget_session(&mut self, session: &Arc<Session>) {
        self.leaving.retain(|it| !Arc::ptr_eq(it, session));
        if self
            .session(session.id())
            .is_some_and(|it| Arc::ptr_eq(&it, session))
        {
            self.sessions.remove(session.id());
        }
    }

    /// The session with this id.
    pub(super) fn session(&self, id: &str) -> Option<Arc<Session>> {
        self.sessions.get(id).cloned()
    }

    /// All sessions.
    pub(super) fn sessions(&self) -> Vec<Arc<Session>> {
        self.sessions.values().cloned().collect()
    }

    /// Ids of all sessions.
    pub(super) fn session_ids(&self) -> Vec<String> {
        self.sessions.keys().cloned().collect()
    }

    /// READY to PAUSED.
    pub(super) fn prepare(&mut self, pool: BranchPool) {
        self.phase = Phase::Prepared;
        self.pool = Some(pool);
    }

    /// PLAYING was reached. True when the signaller is to be started now.
    pub(super) fn playing(&mut self, signaller: &Signallable) -> bool {
        if matches!(self.phase, Phase::Prepared) {
            self.phase = Phase::WaitingForCaps;
        }
        self.start_if_described(signaller)
    }

    /// Some stream got caps, or went away. True when the signaller is to be started now.
    pub(super) fn start_if_described(&mut self, signaller: &Signallable) -> bool {
        let is_due = matches!(self.phase, Phase::WaitingForCaps)
            && self.streams.iter().all(|stream| stream.caps().is_some());
        if is_due {
            self.phase = Phase::Signalling(signaller.clone());
        }
        is_due
    }

    /// The signaller in use, while one is.
    pub(super) fn signaller(&self) -> Option<&Signallable> {
        match &self.phase {
            Phase::Signalling(signaller) => Some(signaller),
            Phase::Stopped | Phase::Prepared | Phase::WaitingForCaps => None,
        }
    }

    /// Keeps hold of something that is being found out about a stream.
    pub(super) fn add_look_ahead(&mut self, task: Task) {
        self.look_aheads.retain(|task| !task.is_finished());
        self.look_aheads.push(task);
    }

    /// What is still being found out, to be waited for.
    pub(super) fn take_look_aheads(&mut self) -> Vec<Task> {
        std::mem::take(&mut self.look_aheads)
    }

    /// PAUSED to READY. Gives what has to be wound up, with the signaller if one was started.
    pub(super) fn stop(&mut self) -> (Vec<Arc<Session>>, Option<BranchPool>, Option<Signallable>) {
        let signaller = self.signaller().cloned();
        self.phase = Phase::Stopped;
        self.stun = None;
        self.discovery = None;
        let sessions = self.sessions.values().chain(&self.leaving).cloned().collect();
        (sessions, self.pool.take(), signaller)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gst::prelude::*;

    use crate::signaller::{Signaller, WebRTCSignallerRole};

    fn signaller() -> Signallable {
        gst::init().expect("GStreamer initialises");
        Signaller::new(WebRTCSignallerRole::Producer).upcast()
    }

    #[test]
    fn pad_numbers_count_per_kind_and_never_come_back() {
        let mut state = State::default();
        let kinds = [
            MediaKind::Video,
            MediaKind::Audio,
            MediaKind::Video,
            MediaKind::Video,
        ];
        assert_eq!(kinds.map(|kind| state.take_pad_number(kind)), [0, 0, 1, 2]);
    }

    #[test]
    fn the_signaller_starts_once_per_run_and_not_before_playing() {
        let mut state = State {
            phase: Phase::Prepared,
            ..State::default()
        };
        let (first, second) = (signaller(), signaller());
        assert!(!state.start_if_described(&first));
        assert!(state.playing(&first));
        assert!(!state.playing(&second));
        assert!(!state.start_if_described(&second));
        let (_, _, stopped) = state.stop();
        assert_eq!(
            stopped,
            Some(first),
            "the one that was started is the one to stop"
        );
        assert_eq!(state.signaller(), None);
    }

    #[test]
    fn a_run_that_never_signalled_has_nothing_to_stop() {
        let mut state = State {
            phase: Phase::Prepared,
            ..State::default()
        };
        let (sessions, pool, started) = state.stop();
        assert!(sessions.is_empty() && pool.is_none() && started.is_none());
        assert!(
            !state.playing(&signaller()),
            "a stopped sink does not start its signaller"
        );
    }
}
