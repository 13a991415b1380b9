// SPDX-License-Identifier: MPL-2.0
//! `on-session-end` of sources whose peers come and go: the base class's property with another default, since the next peer
//! gets pads of its own.

use gst::glib;
use gst::prelude::*;

use crate::source::{BaseWebRTCSrc, WebRTCSrcSessionEnd};

/// What such a source does unless told otherwise.
const DEFAULT: WebRTCSrcSessionEnd = WebRTCSrcSessionEnd::RemovePads;

/// The property; `blurb` says when a session ends.
pub(super) fn property(blurb: &str) -> glib::ParamSpec {
    glib::ParamSpecEnum::builder_with_default("on-session-end", DEFAULT)
        .nick("On session end")
        .blurb(blurb)
        .mutable_ready()
        .build()
}

/// Makes the default true of a new `src`.
pub(super) fn choose_default(src: &impl IsA<BaseWebRTCSrc>) {
    src.upcast_ref().choose_session_end(DEFAULT);
}

/// Sets the property.
pub(super) fn set(src: &impl IsA<BaseWebRTCSrc>, value: &glib::Value) {
    let session_end = value
        .get()
        .expect("GObject checks the type of a property's value");
    src.upcast_ref().choose_session_end(session_end);
}

/// Reads the property.
pub(super) fn get(src: &impl IsA<BaseWebRTCSrc>) -> glib::Value {
    src.upcast_ref().session_end().to_value()
}
