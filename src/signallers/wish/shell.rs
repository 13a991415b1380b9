// SPDX-License-Identifier: MPL-2.0
//! What the GObjects of both protocols and both sides have in common: whatever the element wants of its signaller goes to the
//! client or the server inside.

use gst::{glib, glib::subclass::prelude::*, prelude::*};
use gst_webrtc::WebRTCSessionDescription;

use crate::{
    end_reason::{EndReason, SessionEndReason},
    signaller::{Signallable, SignallableImpl},
};

/// The value given to a property.
pub(super) fn typed<'v, T: glib::value::FromValue<'v>>(value: &'v glib::Value) -> T {
    value
        .get()
        .expect("GObject checks the type of a property's value")
}

/// A client or a server, as its GObject sees it.
pub(crate) trait Inside {
    /// Starts, as the settings of this moment say.
    fn start(&self, signaller: &Signallable);
    /// Ends every session and stops; bounded in time.
    fn stop(&self);
    /// Takes the element's description of session `id`.
    fn send_sdp(&self, signaller: &Signallable, id: &str, sdp: &WebRTCSessionDescription);
    /// Takes a candidate of the element; an empty one is the last.
    fn add_ice(&self, id: &str, candidate: &str, m_line: u32);
    /// The element ended session `id`.
    fn end_session(&self, id: &str, reason: EndReason);
}

/// A GObject that is no more than the shell of a client or a server.
pub(crate) trait Shell {
    /// Which of the two.
    type Inside: Inside;

    /// What it holds.
    fn inside(&self) -> &Self::Inside;
}

impl<T> SignallableImpl for T
where
    T: Shell + ObjectImpl + ObjectSubclass<Type: IsA<Signallable>>,
{
    fn start(&self) {
        self.inside().start(self.obj().upcast_ref());
    }

    fn stop(&self) {
        self.inside().stop();
    }

    fn send_sdp(&self, session_id: &str, sdp: &WebRTCSessionDescription) {
        self.inside().send_sdp(self.obj().upcast_ref(), session_id, sdp);
    }

    fn add_ice(&self, session_id: &str, candidate: &str, sdp_m_line_index: u32, _sdp_mid: Option<String>) {
        self.inside().add_ice(session_id, candidate, sdp_m_line_index);
    }

    fn end_session(&self, session_id: &str) {
        let reason = EndReason::new(SessionEndReason::Closed, "");
        self.inside().end_session(session_id, reason);
    }

    fn end_session_with_error(&self, session_id: &str, error: Option<String>) {
        match error {
            Some(error) => self
                .inside()
                .end_session(session_id, EndReason::from_wire(Some(&error))),
            None => self.end_session(session_id),
        }
    }
}
