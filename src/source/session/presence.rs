// SPDX-License-Identifier: MPL-2.0
//! A session's place in its element, given up however its thread ends: in order, by a panic, or by never starting.
//!
//! What the session held is let go of by the drops of what its task owns, before this one. Dropped on the session's
//! thread, or on the signaller's where no thread could be started.

use std::sync::Arc;

use gst::subclass::prelude::*;

use super::Session;
use crate::end_reason::{EndReason, SessionEndReason};
use crate::error;
use crate::signaller::SignallableExt;
use crate::source::{BaseWebRTCSrc, exposure, signals};

/// See the module's documentation.
pub(super) struct Presence {
    src: BaseWebRTCSrc,
    session: Arc<Session>,
}

impl Presence {
    /// The place of `session`, which is `src`'s.
    pub(super) fn new(src: BaseWebRTCSrc, session: Arc<Session>) -> Self {
        Self { src, session }
    }

    /// The element.
    pub(super) fn src(&self) -> &BaseWebRTCSrc {
        &self.src
    }

    /// The session.
    pub(super) fn session(&self) -> &Arc<Session> {
        &self.session
    }

    /// Tells everybody of an end that the session itself could not tell of.
    fn announce_failure(&self) {
        let reason = EndReason::new(SessionEndReason::Internal, "the session broke off");
        if let Some(signaller) = self.src.imp().signaller() {
            signaller.end_session_with_error(self.session.id(), Some(reason.to_wire()));
        }
        exposure::withdraw_all(&self.src);
        error::post_failure(&self.src, &format!("Session ended with error: {reason}"));
        signals::announce_session_ended(&self.src, self.session.id(), &self.session.peer, &reason);
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.src.imp().state().leave(&self.session);
        if !self.session.is_announced() {
            self.announce_failure();
        }
        self.src.imp().state().gone(&self.session);
        self.session.set_finished();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, mpsc};
    use std::time::Duration;

    use gst::prelude::*;

    use super::*;

    /// A source that has a session, and what it says of its end.
    fn source() -> (BaseWebRTCSrc, Arc<Session>, mpsc::Receiver<SessionEndReason>) {
        gst::init().expect("GStreamer initialises");
        let src: BaseWebRTCSrc = gst::glib::Object::new();
        let (session, _) = Session::new(&src, "one", "peer");
        src.imp().state().start_signalling();
        assert!(src.imp().state().begin(&session).is_ok());
        let (sender, ends) = mpsc::channel();
        let sender = Mutex::new(sender);
        src.connect("session-ended", false, move |values| {
            let reason = values[3].get().expect("a reason");
            sender
                .lock()
                .expect("the lock is whole")
                .send(reason)
                .expect("the test lives");
            None
        });
        (src, session, ends)
    }

    #[test]
    fn a_thread_that_panics_leaves_no_session_behind() {
        let (src, session, ends) = source();
        let presence = Presence::new(src.clone(), session.clone());
        let thread = std::thread::spawn(move || {
            let _presence = presence;
            panic!("this is the test's panic");
        });
        assert!(thread.join().is_err());
        assert!(session.wait(Duration::ZERO), "nobody waits for it");
        assert!(src.imp().state().all_sessions().is_empty());
        assert_eq!(ends.try_recv(), Ok(SessionEndReason::Internal));
        let (next, _) = Session::new(&src, "two", "peer");
        assert!(src.imp().state().begin(&next).is_ok(), "another may begin");
    }

    #[test]
    fn an_end_that_was_told_of_is_not_told_again() {
        let (src, session, ends) = source();
        session.set_announced();
        drop(Presence::new(src.clone(), session.clone()));
        assert!(session.wait(Duration::ZERO));
        assert!(ends.try_recv().is_err());
    }
}
