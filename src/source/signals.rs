// SPDX-License-Identifier: MPL-2.0
//! The public signals of a source, and the message that goes with the end of a session: each declared once, with its
//! typed emitter. Emitters are called with no lock held.
//!
//! Owns names and signatures, which applications depend on. When to emit is the session's affair (`session/streams` and
//! `session/ending`), so handlers run on the session's thread and may take their time. `get-stats` is an action: the
//! application emits it.

use std::sync::OnceLock;

use gst::glib::subclass::Signal;
use gst::prelude::*;

use super::{BaseWebRTCSrc, CAT, report};
use crate::end_reason::{EndReason, SessionEndReason};

const REQUEST_ENCODED_FILTER: &str = "request-encoded-filter";
const GET_STATS: &str = "get-stats";
const SESSION_ENDED: &str = "session-ended";
const SESSION_ENDED_MESSAGE: &str = "webrtc-session-ended";

/// All signals of the class.
pub(super) fn all() -> &'static [Signal] {
    static SIGNALS: OnceLock<Vec<Signal>> = OnceLock::new();
    SIGNALS.get_or_init(|| {
        let text = String::static_type;
        vec![
            Signal::builder(REQUEST_ENCODED_FILTER)
                .param_types([text(), text(), gst::Caps::static_type()])
                .return_type::<gst::Element>()
                .build(),
            Signal::builder(GET_STATS)
                .param_types([gst::Pad::static_type(), gst::Promise::static_type()])
                .action()
                .class_handler(|values| {
                    let src = values[0].get().expect("GObject checks the type of the instance");
                    let pad = values[1].get().expect("GObject checks the types of arguments");
                    match values[2].get::<Option<gst::Promise>>() {
                        Ok(Some(promise)) => report::reply(&src, pad, promise),
                        _ => gst::warning!(CAT, obj = src, "{GET_STATS} needs a promise to reply to"),
                    }
                    None
                })
                .build(),
            Signal::builder(SESSION_ENDED)
                .param_types([text(), text(), SessionEndReason::static_type(), text()])
                .build(),
        ]
    })
}

/// Asks the application for an element to put behind the depayloader of the stream at `pad`.
pub(super) fn emit_request_encoded_filter(
    src: &BaseWebRTCSrc,
    producer_id: Option<&str>,
    pad: &gst::Pad,
    allowed: Option<&gst::Caps>,
) -> Option<gst::Element> {
    let (name, allowed) = (pad.name(), allowed.cloned());
    src.emit_by_name(REQUEST_ENCODED_FILTER, &[&producer_id, &name.as_str(), &allowed])
}

/// Says on the bus and by signal that a session is over.
pub(super) fn announce_session_ended(
    src: &BaseWebRTCSrc,
    session_id: &str,
    peer_id: &str,
    reason: &EndReason,
) {
    let structure = gst::Structure::builder(SESSION_ENDED_MESSAGE)
        .field("session-id", session_id)
        .field("peer-id", peer_id)
        .field("reason", reason.kind)
        .field("text", reason.text.as_str())
        .build();
    let message = gst::message::Element::builder(structure).src(src).build();
    // Without a bus there is nobody to tell.
    let _ = src.post_message(message);
    src.emit_by_name::<()>(
        SESSION_ENDED,
        &[&session_id, &peer_id, &reason.kind, &reason.text],
    );
}
