// SPDX-License-Identifier: MPL-2.0
//! The signals of a signaller: each named once, declared, and wrapped in typed functions.
//!
//! `emit_*` and `connect_*` are all that other code uses. A handler receives owned values; an emission from another
//! language that passes NULL where text is required never reaches a handler, it is logged and dropped.

#![allow(
    clippy::unit_arg,
    reason = "a handler's unit passes through the chain that ends at a missing argument"
)]

use std::ops::ControlFlow;
use std::sync::LazyLock;

use gst::glib;
use gst::glib::prelude::*;
use gst::glib::subclass::Signal;
use gst_webrtc::WebRTCSessionDescription;

use super::{CAT, Signallable};

const START: &str = "start";
const STOP: &str = "stop";
const SEND_SESSION_DESCRIPTION: &str = "send-session-description";
const SEND_ICE: &str = "send-ice";
const END_SESSION: &str = "end-session";
const END_SESSION_WITH_ERROR: &str = "end-session-with-error";
const MUNGE_SESSION_DESCRIPTION: &str = "munge-session-description";
const REQUEST_META: &str = "request-meta";
const SESSION_STARTED: &str = "session-started";
const SESSION_REQUESTED: &str = "session-requested";
const SESSION_DESCRIPTION: &str = "session-description";
const HANDLE_ICE: &str = "handle-ice";
const SESSION_ENDED: &str = "session-ended";
const SESSION_ENDED_WITH_ERROR: &str = "session-ended-with-error";
const PRODUCER_ADDED: &str = "producer-added";
const PRODUCER_REMOVED: &str = "producer-removed";
const ERROR: &str = "error";
const WARNING: &str = "warning";
const SHUTDOWN: &str = "shutdown";
const CONSUMER_ADDED: &str = "consumer-added";
const CONSUMER_REMOVED: &str = "consumer-removed";
const WEBRTCBIN_READY: &str = "webrtcbin-ready";

/// Every signal of the interface, as glib wants them declared.
pub(super) fn declarations() -> &'static [Signal] {
    static SIGNALS: LazyLock<Vec<Signal>> = LazyLock::new(|| {
        let mut signals = verbs();
        signals.extend(reports());
        signals.extend(notices());
        signals
    });
    &SIGNALS
}

/// What the element asks of the signaller. The first handler decides: one connected by an application replaces the
/// signaller's own method.
fn verbs() -> Vec<Signal> {
    let text = String::static_type();
    let sdp = WebRTCSessionDescription::static_type();
    vec![
        verb(START, &[], |this, _| Some((this.vtable().start)(this))),
        verb(STOP, &[], |this, _| Some((this.vtable().stop)(this))),
        verb(SEND_SESSION_DESCRIPTION, &[text, sdp], |this, values| {
            let sdp = description(values, 2)?;
            Some((this.vtable().send_sdp)(this, &string(values, 1)?, &sdp))
        }),
        verb(
            SEND_ICE,
            &[text, text, u32::static_type(), text],
            |this, values| {
                let (session_id, candidate) = (string(values, 1)?, string(values, 2)?);
                let index = values.get(3)?.get::<u32>().ok()?;
                Some((this.vtable().add_ice)(
                    this,
                    &session_id,
                    &candidate,
                    index,
                    nullable(values, 4),
                ))
            },
        ),
        verb(END_SESSION, &[text], |this, values| {
            Some((this.vtable().end_session)(this, &string(values, 1)?))
        }),
        verb(END_SESSION_WITH_ERROR, &[text, text], |this, values| {
            let session_id = string(values, 1)?;
            Some(end_session_with_error(this, &session_id, nullable(values, 2)))
        }),
        Signal::builder(MUNGE_SESSION_DESCRIPTION)
            .param_types([text, sdp])
            .return_type::<WebRTCSessionDescription>()
            .accumulator(first_handler_decides)
            .class_handler(|values| Some(values[2].clone()))
            .build(),
        Signal::builder(REQUEST_META)
            .return_type::<Option<gst::Structure>>()
            .accumulator(first_handler_decides)
            .class_handler(|_| Some(None::<gst::Structure>.to_value()))
            .build(),
    ]
}

/// What the signaller reports to the element.
fn reports() -> Vec<Signal> {
    let text = String::static_type();
    let sdp = WebRTCSessionDescription::static_type();
    vec![
        Signal::builder(SESSION_STARTED).param_types([text, text]).build(),
        Signal::builder(SESSION_REQUESTED)
            .param_types([text, text, sdp])
            .build(),
        Signal::builder(SESSION_DESCRIPTION)
            .param_types([text, sdp])
            .action()
            .build(),
        Signal::builder(HANDLE_ICE)
            .param_types([text, u32::static_type(), text, text])
            .action()
            .build(),
        Signal::builder(SESSION_ENDED)
            .param_types([text])
            .return_type::<bool>()
            .build(),
        Signal::builder(SESSION_ENDED_WITH_ERROR)
            .param_types([text, text])
            .return_type::<bool>()
            .build(),
        Signal::builder(ERROR).param_types([text]).build(),
        Signal::builder(WARNING).param_types([text]).build(),
        Signal::builder(SHUTDOWN).action().build(),
    ]
}

/// What applications may watch.
fn notices() -> Vec<Signal> {
    let text = String::static_type();
    let (meta, flag) = (gst::Structure::static_type(), bool::static_type());
    let element = gst::Element::static_type();
    vec![
        Signal::builder(PRODUCER_ADDED)
            .param_types([text, meta, flag])
            .build(),
        Signal::builder(PRODUCER_REMOVED)
            .param_types([text, meta])
            .build(),
        Signal::builder(CONSUMER_ADDED)
            .param_types([text, element])
            .deprecated()
            .build(),
        Signal::builder(CONSUMER_REMOVED)
            .param_types([text, element])
            .build(),
        Signal::builder(WEBRTCBIN_READY)
            .param_types([text, element])
            .build(),
    ]
}

/// Declares a verb; `call` gives `None` when an argument is missing, which is logged and otherwise ignored.
fn verb(
    name: &'static str,
    params: &[glib::Type],
    call: fn(&Signallable, &[glib::Value]) -> Option<()>,
) -> Signal {
    Signal::builder(name)
        .param_types(params.iter().copied())
        .return_type::<bool>()
        .accumulator(first_handler_decides)
        .class_handler(move |values| {
            if let Some(this) = emitter(values)
                && call(&this, values).is_none()
            {
                gst::warning!(CAT, obj = &this, "signal {name} without its arguments is ignored");
            }
            Some(false.to_value())
        })
        .build()
}

fn first_handler_decides(
    _: &glib::subclass::SignalInvocationHint,
    _: glib::Value,
    value: &glib::Value,
) -> ControlFlow<glib::Value, glib::Value> {
    ControlFlow::Break(value.clone())
}

/// An application that replaced `end-session` by its own handler and knows nothing of the variant with a reason still
/// sees every end.
fn end_session_with_error(this: &Signallable, session_id: &str, error: Option<String>) {
    let replaces_plain_end = glib::subclass::SignalId::lookup(END_SESSION, Signallable::static_type())
        .is_some_and(|id| glib::signal::signal_has_handler_pending(this, id, None, false));
    if replaces_plain_end {
        emit_end_session(this, session_id);
    } else {
        (this.vtable().end_session_with_error)(this, session_id, error);
    }
}

impl Signallable {
    /// The implementor's methods: plain function pointers, copied out.
    fn vtable(&self) -> super::iface::SignallableInterface {
        *self
            .interface::<Signallable>()
            .expect("a Signallable has its own interface")
            .as_ref()
    }
}

fn emitter(values: &[glib::Value]) -> Option<Signallable> {
    values.first()?.get::<Signallable>().ok()
}

fn nullable(values: &[glib::Value], index: usize) -> Option<String> {
    values.get(index)?.get::<Option<String>>().ok().flatten()
}

fn string(values: &[glib::Value], index: usize) -> Option<String> {
    nullable(values, index)
}

fn description(values: &[glib::Value], index: usize) -> Option<WebRTCSessionDescription> {
    values
        .get(index)?
        .get::<Option<WebRTCSessionDescription>>()
        .ok()
        .flatten()
}

fn structure(values: &[glib::Value], index: usize) -> Option<gst::Structure> {
    values.get(index)?.get::<Option<gst::Structure>>().ok().flatten()
}

/// Connects `handler`; it gives `None` when a required argument is missing.
fn connect<R>(
    signaller: &Signallable,
    name: &'static str,
    handler: impl Fn(&Signallable, &[glib::Value]) -> Option<R> + Send + Sync + 'static,
    or_else: fn() -> R,
) -> glib::SignalHandlerId
where
    R: IntoReturn + 'static,
{
    signaller.connect(name, false, move |values| {
        let signaller = emitter(values)?;
        let value = handler(&signaller, values).unwrap_or_else(|| {
            gst::warning!(
                CAT,
                obj = &signaller,
                "signal {name} without its arguments is ignored"
            );
            or_else()
        });
        value.into_return()
    })
}

/// A handler's result in the shape glib's untyped closures return.
trait IntoReturn {
    fn into_return(self) -> Option<glib::Value>;
}

impl IntoReturn for () {
    fn into_return(self) -> Option<glib::Value> {
        None
    }
}

impl IntoReturn for bool {
    fn into_return(self) -> Option<glib::Value> {
        Some(self.to_value())
    }
}

pub(super) fn emit_start(signaller: &Signallable) {
    signaller.emit_by_name::<bool>(START, &[]);
}

pub(super) fn emit_stop(signaller: &Signallable) {
    signaller.emit_by_name::<bool>(STOP, &[]);
}

pub(super) fn emit_send_session_description(
    signaller: &Signallable,
    session_id: &str,
    sdp: &WebRTCSessionDescription,
) {
    signaller.emit_by_name::<bool>(SEND_SESSION_DESCRIPTION, &[&session_id, sdp]);
}

pub(super) fn emit_send_ice(
    signaller: &Signallable,
    session_id: &str,
    candidate: &str,
    sdp_m_line_index: u32,
    sdp_mid: Option<String>,
) {
    signaller.emit_by_name::<bool>(SEND_ICE, &[&session_id, &candidate, &sdp_m_line_index, &sdp_mid]);
}

pub(super) fn emit_end_session(signaller: &Signallable, session_id: &str) {
    signaller.emit_by_name::<bool>(END_SESSION, &[&session_id]);
}

pub(super) fn emit_end_session_with_error(signaller: &Signallable, session_id: &str, error: Option<String>) {
    signaller.emit_by_name::<bool>(END_SESSION_WITH_ERROR, &[&session_id, &error]);
}

pub(super) fn emit_munge_session_description(
    signaller: &Signallable,
    session_id: &str,
    sdp: &WebRTCSessionDescription,
) -> WebRTCSessionDescription {
    signaller
        .emit_by_name::<Option<WebRTCSessionDescription>>(MUNGE_SESSION_DESCRIPTION, &[&session_id, sdp])
        .unwrap_or_else(|| sdp.clone())
}

/// Whether one of the texts, which may come from a peer, cannot be a GObject string. That is logged.
fn has_nul(signaller: &Signallable, texts: &[&str]) -> bool {
    let has_nul = texts.iter().any(|text| text.contains('\0'));
    if has_nul {
        gst::warning!(CAT, obj = signaller, "a peer's text with a NUL in it is dropped");
    }
    has_nul
}

/// Asks the element for its `meta`, to be sent to the server.
pub fn emit_request_meta(signaller: &Signallable) -> Option<gst::Structure> {
    signaller.emit_by_name(REQUEST_META, &[])
}

/// Reports to a consuming element that session `session_id` with the producer `peer_id` exists.
pub fn emit_session_started(signaller: &Signallable, session_id: &str, peer_id: &str) {
    if has_nul(signaller, &[session_id, peer_id]) {
        return;
    }
    signaller.emit_by_name::<()>(SESSION_STARTED, &[&session_id, &peer_id]);
}

/// Reports that `peer_id` asks for media. Without `offer` the element makes one, else it answers.
pub fn emit_session_requested(
    signaller: &Signallable,
    session_id: &str,
    peer_id: &str,
    offer: Option<&WebRTCSessionDescription>,
) {
    if has_nul(signaller, &[session_id, peer_id]) {
        return;
    }
    signaller.emit_by_name::<()>(SESSION_REQUESTED, &[&session_id, &peer_id, &offer]);
}

/// Hands the peer's description to the element.
pub fn emit_session_description(signaller: &Signallable, session_id: &str, sdp: &WebRTCSessionDescription) {
    if has_nul(signaller, &[session_id]) {
        return;
    }
    signaller.emit_by_name::<()>(SESSION_DESCRIPTION, &[&session_id, sdp]);
}

/// Hands a candidate of the peer to the element.
pub fn emit_handle_ice(
    signaller: &Signallable,
    session_id: &str,
    sdp_m_line_index: u32,
    sdp_mid: Option<&str>,
    candidate: &str,
) {
    if has_nul(signaller, &[session_id, sdp_mid.unwrap_or_default(), candidate]) {
        return;
    }
    signaller.emit_by_name::<()>(
        HANDLE_ICE,
        &[&session_id, &sdp_m_line_index, &sdp_mid, &candidate],
    );
}

/// Reports that the peer ended the session. True when the element knew it.
pub fn emit_session_ended(signaller: &Signallable, session_id: &str) -> bool {
    if has_nul(signaller, &[session_id]) {
        return false;
    }
    signaller.emit_by_name(SESSION_ENDED, &[&session_id])
}

/// Reports that the peer ended the session and what it said of the reason. True when the element knew the session.
pub fn emit_session_ended_with_error(signaller: &Signallable, session_id: &str, error: Option<&str>) -> bool {
    if has_nul(signaller, &[session_id, error.unwrap_or_default()]) {
        return false;
    }
    signaller.emit_by_name(SESSION_ENDED_WITH_ERROR, &[&session_id, &error])
}

/// Announces a producer; `is_new` is false for those that were there before this client came.
pub fn emit_producer_added(
    signaller: &Signallable,
    producer_id: &str,
    meta: Option<&gst::Structure>,
    is_new: bool,
) {
    if has_nul(signaller, &[producer_id]) {
        return;
    }
    signaller.emit_by_name::<()>(PRODUCER_ADDED, &[&producer_id, &meta, &is_new]);
}

/// Announces that a producer left or stopped producing.
pub fn emit_producer_removed(signaller: &Signallable, producer_id: &str, meta: Option<&gst::Structure>) {
    if has_nul(signaller, &[producer_id]) {
        return;
    }
    signaller.emit_by_name::<()>(PRODUCER_REMOVED, &[&producer_id, &meta]);
}

/// Reports that signalling failed for good: the element posts it as an error on the bus.
pub fn emit_error(signaller: &Signallable, message: &str) {
    signaller.emit_by_name::<()>(ERROR, &[&message.replace('\0', "\u{fffd}")]);
}

/// Reports trouble the signaller lives with: the element posts it as a warning on the bus.
pub fn emit_warning(signaller: &Signallable, message: &str) {
    signaller.emit_by_name::<()>(WARNING, &[&message.replace('\0', "\u{fffd}")]);
}

/// Asks the element to finish gracefully: it posts an end-of-stream message.
pub fn emit_shutdown(signaller: &Signallable) {
    signaller.emit_by_name::<()>(SHUTDOWN, &[]);
}

/// Tells watchers that the session's webrtcbin exists and is not yet negotiating.
pub fn emit_webrtcbin_ready(signaller: &Signallable, peer_id: &str, webrtcbin: &gst::Element) {
    signaller.emit_by_name::<()>(WEBRTCBIN_READY, &[&peer_id, webrtcbin]);
}

/// The older name of [`emit_webrtcbin_ready`], emitted right before it.
pub fn emit_consumer_added(signaller: &Signallable, peer_id: &str, webrtcbin: &gst::Element) {
    signaller.emit_by_name::<()>(CONSUMER_ADDED, &[&peer_id, webrtcbin]);
}

/// Tells watchers that a consumer's webrtcbin is gone.
pub fn emit_consumer_removed(signaller: &Signallable, peer_id: &str, webrtcbin: &gst::Element) {
    signaller.emit_by_name::<()>(CONSUMER_REMOVED, &[&peer_id, webrtcbin]);
}

/// Answers the signaller's question for metadata.
pub fn connect_request_meta(
    signaller: &Signallable,
    handler: impl Fn(&Signallable) -> Option<gst::Structure> + Send + Sync + 'static,
) -> glib::SignalHandlerId {
    signaller.connect(REQUEST_META, false, move |values| {
        Some(
            emitter(values)
                .and_then(|signaller| handler(&signaller))
                .to_value(),
        )
    })
}

/// `handler(signaller, session id, peer id)`.
pub fn connect_session_started(
    signaller: &Signallable,
    handler: impl Fn(&Signallable, String, String) + Send + Sync + 'static,
) -> glib::SignalHandlerId {
    let handler = move |this: &Signallable, values: &[glib::Value]| {
        Some(handler(this, string(values, 1)?, string(values, 2)?))
    };
    connect(signaller, SESSION_STARTED, handler, || ())
}

/// `handler(signaller, session id, peer id, offer)`.
pub fn connect_session_requested(
    signaller: &Signallable,
    handler: impl Fn(&Signallable, String, String, Option<WebRTCSessionDescription>) + Send + Sync + 'static,
) -> glib::SignalHandlerId {
    let handler = move |this: &Signallable, values: &[glib::Value]| {
        Some(handler(
            this,
            string(values, 1)?,
            string(values, 2)?,
            description(values, 3),
        ))
    };
    connect(signaller, SESSION_REQUESTED, handler, || ())
}

/// `handler(signaller, session id, description)`.
pub fn connect_session_description(
    signaller: &Signallable,
    handler: impl Fn(&Signallable, String, WebRTCSessionDescription) + Send + Sync + 'static,
) -> glib::SignalHandlerId {
    let handler = move |this: &Signallable, values: &[glib::Value]| {
        Some(handler(this, string(values, 1)?, description(values, 2)?))
    };
    connect(signaller, SESSION_DESCRIPTION, handler, || ())
}

/// `handler(signaller, session id, m-line index, mid, candidate)`.
pub fn connect_handle_ice(
    signaller: &Signallable,
    handler: impl Fn(&Signallable, String, u32, Option<String>, String) + Send + Sync + 'static,
) -> glib::SignalHandlerId {
    let handler = move |this: &Signallable, values: &[glib::Value]| {
        let index = values.get(2)?.get::<u32>().ok()?;
        Some(handler(
            this,
            string(values, 1)?,
            index,
            nullable(values, 3),
            string(values, 4)?,
        ))
    };
    connect(signaller, HANDLE_ICE, handler, || ())
}

/// `handler(signaller, session id)` says whether the session was known.
pub fn connect_session_ended(
    signaller: &Signallable,
    handler: impl Fn(&Signallable, String) -> bool + Send + Sync + 'static,
) -> glib::SignalHandlerId {
    let handler = move |this: &Signallable, values: &[glib::Value]| Some(handler(this, string(values, 1)?));
    connect(signaller, SESSION_ENDED, handler, || false)
}

/// `handler(signaller, session id, error)` says whether the session was known.
pub fn connect_session_ended_with_error(
    signaller: &Signallable,
    handler: impl Fn(&Signallable, String, Option<String>) -> bool + Send + Sync + 'static,
) -> glib::SignalHandlerId {
    let handler = move |this: &Signallable, values: &[glib::Value]| {
        Some(handler(this, string(values, 1)?, nullable(values, 2)))
    };
    connect(signaller, SESSION_ENDED_WITH_ERROR, handler, || false)
}

/// `handler(signaller, producer id, meta, is new)`.
pub fn connect_producer_added(
    signaller: &Signallable,
    handler: impl Fn(&Signallable, String, Option<gst::Structure>, bool) + Send + Sync + 'static,
) -> glib::SignalHandlerId {
    let handler = move |this: &Signallable, values: &[glib::Value]| {
        let is_new = values.get(3)?.get::<bool>().ok()?;
        Some(handler(this, string(values, 1)?, structure(values, 2), is_new))
    };
    connect(signaller, PRODUCER_ADDED, handler, || ())
}

/// `handler(signaller, producer id, meta)`.
pub fn connect_producer_removed(
    signaller: &Signallable,
    handler: impl Fn(&Signallable, String, Option<gst::Structure>) + Send + Sync + 'static,
) -> glib::SignalHandlerId {
    let handler = move |this: &Signallable, values: &[glib::Value]| {
        Some(handler(this, string(values, 1)?, structure(values, 2)))
    };
    connect(signaller, PRODUCER_REMOVED, handler, || ())
}

/// `handler(signaller, message)`.
pub fn connect_error(
    signaller: &Signallable,
    handler: impl Fn(&Signallable, String) + Send + Sync + 'static,
) -> glib::SignalHandlerId {
    let handler = move |this: &Signallable, values: &[glib::Value]| Some(handler(this, string(values, 1)?));
    connect(signaller, ERROR, handler, || ())
}

/// `handler(signaller, message)`.
pub fn connect_warning(
    signaller: &Signallable,
    handler: impl Fn(&Signallable, String) + Send + Sync + 'static,
) -> glib::SignalHandlerId {
    let handler = move |this: &Signallable, values: &[glib::Value]| Some(handler(this, string(values, 1)?));
    connect(signaller, WARNING, handler, || ())
}

/// `handler(signaller)`.
pub fn connect_shutdown(
    signaller: &Signallable,
    handler: impl Fn(&Signallable) + Send + Sync + 'static,
) -> glib::SignalHandlerId {
    connect(signaller, SHUTDOWN, move |this, _| Some(handler(this)), || ())
}

/// `handler(signaller, peer id, webrtcbin)`.
pub fn connect_webrtcbin_ready(
    signaller: &Signallable,
    handler: impl Fn(&Signallable, String, gst::Element) + Send + Sync + 'static,
) -> glib::SignalHandlerId {
    let handler = move |this: &Signallable, values: &[glib::Value]| {
        Some(handler(this, string(values, 1)?, values.get(2)?.get().ok()?))
    };
    connect(signaller, WEBRTCBIN_READY, handler, || ())
}

/// `handler(signaller, peer id, webrtcbin)`.
pub fn connect_consumer_removed(
    signaller: &Signallable,
    handler: impl Fn(&Signallable, String, gst::Element) + Send + Sync + 'static,
) -> glib::SignalHandlerId {
    let handler = move |this: &Signallable, values: &[glib::Value]| {
        Some(handler(this, string(values, 1)?, values.get(2)?.get().ok()?))
    };
    connect(signaller, CONSUMER_REMOVED, handler, || ())
}
