// SPDX-License-Identifier: MPL-2.0
//! From the signaller's signals to sessions: who wants to watch, what they answer, when they leave.
//!
//! Handlers run on whatever thread the signaller emits from, and only hand on. Owns which session a signal is for. What
//! a message means is the session's to decide, on its own task; a session that is not known any more costs a line in
//! the log. The subscription is kept in `state`, the handlers hold the element weakly.

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_webrtc::WebRTCSessionDescription;

use super::imp::CAT;
use super::session::{Input, Session};
use super::{BaseWebRTCSink, WebRTCSinkError};
use crate::end_reason::{EndReason, SessionEndReason};
use crate::error;
use crate::signaller::{Signallable, SignallableExt, signals};

/// The handlers on a signaller; dropping it takes them off.
pub(super) struct Subscription {
    signaller: Signallable,
    handlers: Vec<glib::SignalHandlerId>,
}

impl Drop for Subscription {
    fn drop(&mut self) {
        for handler in self.handlers.drain(..) {
            self.signaller.disconnect(handler);
        }
    }
}

/// Listens to `signaller`, and no longer to the one before.
pub(super) fn listen(sink: &BaseWebRTCSink, signaller: &Signallable) {
    let listens_already = {
        let state = sink.imp().state();
        state
            .subscription
            .as_ref()
            .is_some_and(|it| it.signaller == *signaller)
    };
    if listens_already {
        return;
    }
    let subscription = Subscription {
        handlers: handlers(sink, signaller),
        signaller: signaller.clone(),
    };
    let old = sink.imp().state().subscription.replace(subscription);
    // Taking handlers off calls into GObject, so it happens after the lock is gone.
    drop(old);
}

fn handlers(sink: &BaseWebRTCSink, signaller: &Signallable) -> Vec<glib::SignalHandlerId> {
    let weak = sink.downgrade();
    let with_sink = move || weak.upgrade();
    vec![
        signals::connect_error(signaller, {
            let with_sink = with_sink.clone();
            move |_, message| {
                with_sink()
                    .into_iter()
                    .for_each(|sink| error::post_signalling_error(&sink, &message))
            }
        }),
        signals::connect_warning(signaller, {
            let with_sink = with_sink.clone();
            move |_, message| {
                with_sink()
                    .into_iter()
                    .for_each(|sink| error::post_warning(&sink, &message))
            }
        }),
        signals::connect_request_meta(signaller, {
            let with_sink = with_sink.clone();
            move |_| with_sink()?.imp().settings().meta.clone()
        }),
        signals::connect_session_requested(signaller, {
            let with_sink = with_sink.clone();
            move |signaller, id, peer_id, offer| {
                with_sink()
                    .into_iter()
                    .for_each(|sink| request(&sink, signaller, &id, &peer_id, offer.clone()))
            }
        }),
        signals::connect_session_description(signaller, {
            let with_sink = with_sink.clone();
            move |_, id, description| deliver(with_sink(), &id, Input::Description(description))
        }),
        signals::connect_handle_ice(signaller, {
            let with_sink = with_sink.clone();
            move |_, id, media_index, _, candidate| {
                deliver(
                    with_sink(),
                    &id,
                    Input::RemoteCandidate {
                        media_index,
                        candidate,
                    },
                );
            }
        }),
        signals::connect_session_ended(signaller, {
            let with_sink = with_sink.clone();
            move |_, id| leave(with_sink(), &id, None)
        }),
        signals::connect_session_ended_with_error(signaller, {
            let with_sink = with_sink.clone();
            move |_, id, error| leave(with_sink(), &id, error.as_deref())
        }),
        signals::connect_layers_wanted(signaller, {
            let with_sink = with_sink.clone();
            move |_, id, mid, rids| want_layers(with_sink(), &id, &mid, rids)
        }),
        signals::connect_shutdown(signaller, move |_| with_sink().iter().for_each(shut_down)),
    ]
}

/// Refused while the element is stopped, or for an id that is being served.
fn request(
    sink: &BaseWebRTCSink,
    signaller: &Signallable,
    id: &str,
    peer_id: &str,
    offer: Option<WebRTCSessionDescription>,
) {
    gst::info!(CAT, obj = sink, "session {id}: requested by {peer_id}");
    let Err(refusal) = Session::start(sink, signaller, id, peer_id, offer) else {
        return;
    };
    gst::warning!(CAT, obj = sink, "session {id}: refused: {refusal}");
    // A peer that uses an id twice has a session by it, which goes on; any other would wait for an answer.
    if !matches!(refusal, WebRTCSinkError::DuplicateSessionId(_)) {
        let reason = EndReason::new(SessionEndReason::Closed, refusal.to_string());
        signaller.end_session_with_error(id, Some(reason.to_wire()));
    }
}

/// Posts to the session's queue; messages cross with a session's end all the time.
fn deliver(sink: Option<BaseWebRTCSink>, id: &str, input: Input) {
    let Some(sink) = sink else { return };
    let session = sink.imp().state().session(id);
    match session {
        Some(session) => session.post(input),
        None => gst::warning!(
            CAT,
            obj = sink,
            "{}",
            WebRTCSinkError::NoSessionWithId(id.to_owned())
        ),
    }
}

/// Layers come and go without the session's task: nothing is negotiated.
fn want_layers(sink: Option<BaseWebRTCSink>, id: &str, mid: &str, rids: Vec<String>) {
    let session = sink.and_then(|sink| sink.imp().state().session(id));
    if let Some(session) = session {
        session.set_wanted_layers(mid, rids);
    }
}

/// The peer ended its session; it need not be told so. Whether there was one.
fn leave(sink: Option<BaseWebRTCSink>, id: &str, error: Option<&str>) -> bool {
    let Some(sink) = sink else { return false };
    let session = sink.imp().state().retire_session(id);
    let is_known = session.is_some();
    if let Some(session) = session {
        session.end_by_peer(EndReason::from_wire(error));
    }
    is_known
}

/// The signaller wants the element to finish gracefully.
fn shut_down(sink: &BaseWebRTCSink) {
    // Refused only while the element has no bus, and then nobody is listening.
    let _ = sink.post_message(gst::message::Eos::builder().src(sink).build());
}
