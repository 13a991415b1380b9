// SPDX-License-Identifier: MPL-2.0
//! Connecting to the signals, one typed function each.
//!
//! A handler receives owned values. An emission from another language that passes NULL where text is required never
//! reaches a handler: it is logged and dropped.

#![allow(
    clippy::unit_arg,
    reason = "a handler's unit passes through the chain that ends at a missing argument"
)]

use gst::glib;
use gst::glib::prelude::*;
use gst_webrtc::WebRTCSessionDescription;

use super::values::{emitter, read};
use super::*;

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
        Some(handler(this, read(values, 1)?, read(values, 2)?))
    };
    connect(signaller, SESSION_STARTED, handler, || ())
}

/// `handler(signaller, session id, peer id, offer)`.
pub fn connect_session_requested(
    signaller: &Signallable,
    handler: impl Fn(&Signallable, String, String, Option<WebRTCSessionDescription>) + Send + Sync + 'static,
) -> glib::SignalHandlerId {
    let handler = move |this: &Signallable, values: &[glib::Value]| {
        Some(handler(this, read(values, 1)?, read(values, 2)?, read(values, 3)))
    };
    connect(signaller, SESSION_REQUESTED, handler, || ())
}

/// `handler(signaller, session id, description)`.
pub fn connect_session_description(
    signaller: &Signallable,
    handler: impl Fn(&Signallable, String, WebRTCSessionDescription) + Send + Sync + 'static,
) -> glib::SignalHandlerId {
    let handler = move |this: &Signallable, values: &[glib::Value]| {
        Some(handler(this, read(values, 1)?, read(values, 2)?))
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
            read(values, 1)?,
            index,
            read(values, 3),
            read(values, 4)?,
        ))
    };
    connect(signaller, HANDLE_ICE, handler, || ())
}

/// `handler(signaller, session id)` says whether the session was known.
pub fn connect_session_ended(
    signaller: &Signallable,
    handler: impl Fn(&Signallable, String) -> bool + Send + Sync + 'static,
) -> glib::SignalHandlerId {
    let handler = move |this: &Signallable, values: &[glib::Value]| Some(handler(this, read(values, 1)?));
    connect(signaller, SESSION_ENDED, handler, || false)
}

/// `handler(signaller, session id, error)` says whether the session was known.
pub fn connect_session_ended_with_error(
    signaller: &Signallable,
    handler: impl Fn(&Signallable, String, Option<String>) -> bool + Send + Sync + 'static,
) -> glib::SignalHandlerId {
    let handler = move |this: &Signallable, values: &[glib::Value]| {
        Some(handler(this, read(values, 1)?, read(values, 2)))
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
        Some(handler(this, read(values, 1)?, read(values, 2), is_new))
    };
    connect(signaller, PRODUCER_ADDED, handler, || ())
}

/// `handler(signaller, producer id, meta)`.
pub fn connect_producer_removed(
    signaller: &Signallable,
    handler: impl Fn(&Signallable, String, Option<gst::Structure>) + Send + Sync + 'static,
) -> glib::SignalHandlerId {
    let handler = move |this: &Signallable, values: &[glib::Value]| {
        Some(handler(this, read(values, 1)?, read(values, 2)))
    };
    connect(signaller, PRODUCER_REMOVED, handler, || ())
}

/// `handler(signaller, message)`.
pub fn connect_error(
    signaller: &Signallable,
    handler: impl Fn(&Signallable, String) + Send + Sync + 'static,
) -> glib::SignalHandlerId {
    let handler = move |this: &Signallable, values: &[glib::Value]| Some(handler(this, read(values, 1)?));
    connect(signaller, ERROR, handler, || ())
}

/// `handler(signaller, message)`.
pub fn connect_warning(
    signaller: &Signallable,
    handler: impl Fn(&Signallable, String) + Send + Sync + 'static,
) -> glib::SignalHandlerId {
    let handler = move |this: &Signallable, values: &[glib::Value]| Some(handler(this, read(values, 1)?));
    connect(signaller, WARNING, handler, || ())
}

/// `handler(signaller)`.
pub fn connect_shutdown(
    signaller: &Signallable,
    handler: impl Fn(&Signallable) + Send + Sync + 'static,
) -> glib::SignalHandlerId {
    connect(signaller, SHUTDOWN, move |this, _| Some(handler(this)), || ())
}

/// `handler(signaller, session id, mid, rids)`.
pub fn connect_layers_wanted(
    signaller: &Signallable,
    handler: impl Fn(&Signallable, String, String, Vec<String>) + Send + Sync + 'static,
) -> glib::SignalHandlerId {
    let handler = move |this: &Signallable, values: &[glib::Value]| {
        let rids = values.get(3)?.get().ok()?;
        Some(handler(this, read(values, 1)?, read(values, 2)?, rids))
    };
    connect(signaller, LAYERS_WANTED, handler, || ())
}

/// `handler(signaller, session id, whether silence is expected)`.
pub fn connect_silence_expected(
    signaller: &Signallable,
    handler: impl Fn(&Signallable, String, bool) + Send + Sync + 'static,
) -> glib::SignalHandlerId {
    let handler = move |this: &Signallable, values: &[glib::Value]| {
        Some(handler(this, read(values, 1)?, values.get(2)?.get().ok()?))
    };
    connect(signaller, SILENCE_EXPECTED, handler, || ())
}

/// `handler(signaller, session id, mid, (width, height))`.
pub fn connect_picture_size(
    signaller: &Signallable,
    handler: impl Fn(&Signallable, String, String, (u32, u32)) + Send + Sync + 'static,
) -> glib::SignalHandlerId {
    let handler = move |this: &Signallable, values: &[glib::Value]| {
        let size = (values.get(3)?.get().ok()?, values.get(4)?.get().ok()?);
        Some(handler(this, read(values, 1)?, read(values, 2)?, size))
    };
    connect(signaller, PICTURE_SIZE, handler, || ())
}

/// `handler(signaller, peer id, webrtcbin)`.
pub fn connect_webrtcbin_ready(
    signaller: &Signallable,
    handler: impl Fn(&Signallable, String, gst::Element) + Send + Sync + 'static,
) -> glib::SignalHandlerId {
    let handler = move |this: &Signallable, values: &[glib::Value]| {
        Some(handler(this, read(values, 1)?, values.get(2)?.get().ok()?))
    };
    connect(signaller, WEBRTCBIN_READY, handler, || ())
}

/// `handler(signaller, peer id, webrtcbin)`.
pub fn connect_consumer_removed(
    signaller: &Signallable,
    handler: impl Fn(&Signallable, String, gst::Element) + Send + Sync + 'static,
) -> glib::SignalHandlerId {
    let handler = move |this: &Signallable, values: &[glib::Value]| {
        Some(handler(this, read(values, 1)?, values.get(2)?.get().ok()?))
    };
    connect(signaller, CONSUMER_REMOVED, handler, || ())
}
