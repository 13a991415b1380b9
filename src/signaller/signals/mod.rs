// SPDX-License-Identifier: MPL-2.0
//! The signals of a signaller: each named once, declared here, and wrapped in the typed functions `emit_*` and
//! `connect_*`, which are all that other code uses.
//!
//! The names, parameters and accumulators are the contract with signallers written in other languages. They run on
//! whatever thread emits.

#![allow(
    clippy::unit_arg,
    reason = "a verb's unit passes through the chain that ends at a missing argument"
)]

use std::ops::ControlFlow;
use std::sync::LazyLock;

use gst::glib;
use gst::glib::prelude::*;
use gst::glib::subclass::Signal;
use gst_webrtc::WebRTCSessionDescription;

pub use self::connect::*;
pub use self::emit::*;
use self::values::{emitter, read};
use super::{CAT, Signallable};

mod connect;
mod emit;
mod values;

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
const LAYERS_WANTED: &str = "layers-wanted";
const SILENCE_EXPECTED: &str = "silence-expected";
const PICTURE_SIZE: &str = "picture-size";
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
            let sdp: WebRTCSessionDescription = read(values, 2)?;
            Some((this.vtable().send_sdp)(this, &read::<String>(values, 1)?, &sdp))
        }),
        verb(
            SEND_ICE,
            &[text, text, u32::static_type(), text],
            |this, values| {
                let (session_id, candidate): (String, String) = (read(values, 1)?, read(values, 2)?);
                let index = values.get(3)?.get::<u32>().ok()?;
                Some((this.vtable().add_ice)(
                    this,
                    &session_id,
                    &candidate,
                    index,
                    read(values, 4),
                ))
            },
        ),
        verb(END_SESSION, &[text], |this, values| {
            Some((this.vtable().end_session)(this, &read::<String>(values, 1)?))
        }),
        verb(END_SESSION_WITH_ERROR, &[text, text], |this, values| {
            let session_id: String = read(values, 1)?;
            Some(end_session_with_error(this, &session_id, read(values, 2)))
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
        Signal::builder(SILENCE_EXPECTED)
            .param_types([text, bool::static_type()])
            .build(),
        Signal::builder(LAYERS_WANTED)
            .param_types([text, text, <Vec<String>>::static_type()])
            .build(),
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
        Signal::builder(PICTURE_SIZE)
            .param_types([text, text, u32::static_type(), u32::static_type()])
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

/// The class handler is the last one, so that it speaks only where no application does.
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
