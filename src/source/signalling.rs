// SPDX-License-Identifier: MPL-2.0
//! From the signaller's signals to the session and back.
//!
//! Handlers run on whatever thread the signaller emits from: they look the session up and enqueue. Owns which signaller
//! is listened to and which session a message is for; what messages mean is the session's to say. No lock is held while
//! a session is called or the signaller is: both may emit from where they are called.

use gst::prelude::*;
use gst::subclass::prelude::*;

use super::session::{By, Session};
use super::state::Refusal;
use super::{BaseWebRTCSrc, CAT};
use crate::end_reason::{EndReason, SessionEndReason};
use crate::error;
use crate::signaller::{Signallable, SignallableExt, Signaller, signals};

/// Connects to the signaller, making the default one if there is none.
pub(super) fn listen(src: &BaseWebRTCSrc) {
    let given = src.imp().signaller();
    replace(src, given.unwrap_or_else(|| Signaller::default().upcast()));
}

/// Makes `signaller` the element's; the old one is not listened to any more.
pub(super) fn replace(src: &BaseWebRTCSrc, signaller: Signallable) {
    let old = std::mem::take(&mut *src.imp().connection());
    if let Some(old_signaller) = old.signaller {
        for handler in old.handlers {
            old_signaller.disconnect(handler);
        }
    }
    let handlers = connect(src, &signaller);
    let mut connection = src.imp().connection();
    connection.signaller = Some(signaller);
    connection.handlers = handlers;
}

/// Every handler holds the element weakly: a signaller that the application keeps must not keep the element.
fn connect(src: &BaseWebRTCSrc, signaller: &Signallable) -> Vec<gst::glib::SignalHandlerId> {
    let weak = || src.downgrade();
    let (started, requested, described) = (weak(), weak(), weak());
    let (candidate, ended, ended_with_error) = (weak(), weak(), weak());
    let (meta, failed, warned, shutdown, silent) = (weak(), weak(), weak(), weak(), weak());
    vec![
        signals::connect_session_started(signaller, move |_, id, peer| {
            started.upgrade().inspect(|src| begin(src, &id, &peer));
        }),
        signals::connect_session_requested(signaller, move |_, id, _, offer| {
            if let (Some(src), None) = (requested.upgrade(), offer) {
                with_session(&src, &id, "a request for an offer", |session| session.offer());
            }
        }),
        signals::connect_session_description(signaller, move |_, id, description| {
            if let Some(src) = described.upgrade() {
                with_session(&src, &id, "a description", |session| {
                    session.describe(&description)
                });
            }
        }),
        signals::connect_handle_ice(signaller, move |_, id, index, _, text| {
            if let Some(src) = candidate.upgrade() {
                with_session(&src, &id, "a candidate", |session| session.candidate(index, text));
            }
        }),
        signals::connect_session_ended(signaller, move |_, id| {
            let reason = EndReason::new(SessionEndReason::Closed, "");
            ended
                .upgrade()
                .is_some_and(|src| end(&src, &id, reason, By::Peer))
        }),
        signals::connect_session_ended_with_error(signaller, move |_, id, text| {
            let reason = EndReason::from_wire(text.as_deref());
            let is_foreign = text.is_some_and(|text| text != reason.to_wire());
            let by = if is_foreign { By::PeerWithError } else { By::Peer };
            ended_with_error
                .upgrade()
                .is_some_and(|src| end(&src, &id, reason, by))
        }),
        signals::connect_request_meta(signaller, move |_| meta.upgrade()?.imp().settings().meta.clone()),
        signals::connect_error(signaller, move |_, message| {
            failed
                .upgrade()
                .inspect(|src| error::post_signalling_error(src, &message));
        }),
        signals::connect_warning(signaller, move |_, message| {
            warned.upgrade().inspect(|src| error::post_warning(src, &message));
        }),
        signals::connect_silence_expected(signaller, move |_, id, is_expected| {
            if let Some(src) = silent.upgrade() {
                with_session(&src, &id, "word of a silence", |session| {
                    session.expect_silence(is_expected)
                });
            }
        }),
        signals::connect_shutdown(signaller, move |_| {
            shutdown.upgrade().inspect(end_all);
        }),
    ]
}

/// The signaller has a session for us. One that cannot be is refused with a word to its peer.
fn begin(src: &BaseWebRTCSrc, id: &str, peer: &str) {
    let (session, start) = Session::new(src, id, peer);
    let begun = src.imp().state().begin(&session);
    match begun {
        Ok(leaving) => {
            gst::info!(CAT, obj = src, "session {id} with {peer} begins");
            start.run(leaving);
        }
        Err(refusal) => {
            gst::warning!(CAT, obj = src, "session {id} is refused: {refusal}");
            refuse(src, id, refusal);
        }
    }
}

/// A session that has the id of the one that is on is passed over: the word would end that one.
fn refuse(src: &BaseWebRTCSrc, id: &str, refusal: Refusal) {
    let is_on = src.imp().state().session_named(id).is_some();
    if let Some(signaller) = src.imp().signaller().filter(|_| !is_on) {
        let reason = EndReason::new(SessionEndReason::Closed, refusal.to_string());
        signaller.end_session_with_error(id, Some(reason.to_wire()));
    }
}

fn with_session(src: &BaseWebRTCSrc, id: &str, what: &str, call: impl FnOnce(&Session)) {
    let session = src.imp().state().session_named(id);
    match session {
        Some(session) => call(&session),
        None => gst::warning!(
            CAT,
            obj = src,
            "{what} for session {id}, which is not on, is dropped"
        ),
    }
}

fn end(src: &BaseWebRTCSrc, id: &str, reason: EndReason, by: By) -> bool {
    let session = src.imp().state().session_named(id);
    let is_known = session.is_some();
    if let Some(session) = session {
        session.end(reason, by);
        // Another one may begin at once; it waits for what this one still lets go of.
        src.imp().state().leave(&session);
    }
    is_known
}

/// The signaller is done for good: what is on ends as if the producer had ended it.
fn end_all(src: &BaseWebRTCSrc) {
    let session = src.imp().state().session();
    if let Some(session) = session {
        session.end(
            EndReason::new(SessionEndReason::Closed, "the signaller shut down"),
            By::Peer,
        );
    }
}
