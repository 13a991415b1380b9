// SPDX-License-Identifier: MPL-2.0
//! The contract every signalling protocol fulfils, as a GObject interface.
//!
//! A signaller finds peers and carries descriptions and candidates; it never touches media. The elements call it
//! through [`SignallableExt`] and listen to it through [`signals`]. Both directions are GObject signals, so that an
//! application can write a signaller in any language, or replace single steps of a stock one by connecting to it.
//!
//! Signals may be emitted from any thread. Handlers of the elements only enqueue, so an emission returns at once.
//!
//! ```no_run
//! use gstrswebrtc::signaller::{Signallable, Signaller, WebRTCSignallerRole};
//! use gst::glib::prelude::*;
//!
//! let signaller = Signaller::new(WebRTCSignallerRole::Producer);
//! let sink = gstrswebrtc::webrtcsink::BaseWebRTCSink::with_signaller(signaller.upcast::<Signallable>());
//! ```

mod iface;
pub mod signals;
#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use gst::glib;
use gst::glib::prelude::*;

pub use crate::signallers::default::{Signaller, WebRTCSignallerRole};
pub use iface::SignallableImpl;

/// What code that implements or calls a signaller imports.
pub mod prelude {
    pub use super::{SignallableExt, SignallableImpl};
}

/// Debug category of the interface and of the stock signallers.
pub static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "webrtc-signaller",
        gst::DebugColorFlags::empty(),
        Some("WebRTC signallers"),
    )
});

glib::wrapper! {
    /// An object that implements the interface `GstRSWebRTCSignallableIface`.
    pub struct Signallable(ObjectInterface<iface::Signallable>);
}

// SAFETY: implementors are required to be thread safe (`SignallableImpl: Send + Sync` through `ObjectImpl` types that
// the elements use from their streaming, runtime and application threads alike); GObject signals and properties,
// all this wrapper offers, are thread safe.
#[allow(
    unsafe_code,
    reason = "glib wrappers of interfaces cannot derive Send and Sync"
)]
unsafe impl Send for Signallable {}
// SAFETY: as above.
#[allow(
    unsafe_code,
    reason = "glib wrappers of interfaces cannot derive Send and Sync"
)]
unsafe impl Sync for Signallable {}

/// The verbs of a signaller, for whoever uses one.
///
/// Each emits the signal of the same meaning; its class handler calls the implementor's method. A handler connected by
/// the application runs first and replaces it.
pub trait SignallableExt: IsA<Signallable> {
    /// Starts signalling: connects to a server, listens, or whatever the protocol asks for. Returns at once.
    fn start(&self) {
        signals::emit_start(self.upcast_ref());
    }

    /// Stops signalling and forgets its sessions. Bounded in time.
    fn stop(&self) {
        signals::emit_stop(self.upcast_ref());
    }

    /// Sends the local description `sdp`, an offer or an answer, to the peer of `session_id`.
    fn send_sdp(&self, session_id: &str, sdp: &gst_webrtc::WebRTCSessionDescription) {
        signals::emit_send_session_description(self.upcast_ref(), session_id, sdp);
    }

    /// Sends a local ICE candidate, in the form `candidate:…` (RFC 8839), of the m-line at `sdp_m_line_index`.
    fn add_ice(&self, session_id: &str, candidate: &str, sdp_m_line_index: u32, sdp_mid: Option<String>) {
        signals::emit_send_ice(
            self.upcast_ref(),
            session_id,
            candidate,
            sdp_m_line_index,
            sdp_mid,
        );
    }

    /// Tells the peer that the session is over.
    fn end_session(&self, session_id: &str) {
        signals::emit_end_session(self.upcast_ref(), session_id);
    }

    /// Tells the peer that the session is over and, where the protocol can say it, why.
    fn end_session_with_error(&self, session_id: &str, error: Option<String>) {
        signals::emit_end_session_with_error(self.upcast_ref(), session_id, error);
    }

    /// Lets the signaller, or the application, change a description before it is sent. The local description stays as
    /// it was. Returns `sdp` itself when nobody changes it.
    fn munge_sdp(
        &self,
        session_id: &str,
        sdp: &gst_webrtc::WebRTCSessionDescription,
    ) -> gst_webrtc::WebRTCSessionDescription {
        signals::emit_munge_session_description(self.upcast_ref(), session_id, sdp)
    }

    /// Whether the signaller sends descriptions exactly as given and calls [`SignallableExt::munge_sdp`] by itself if
    /// at all. False for implementors that lack the property.
    fn is_munging_manually(&self) -> bool {
        let is_declared = self
            .find_property(iface::MANUAL_SDP_MUNGING)
            .is_some_and(|property| property.value_type() == bool::static_type());
        is_declared && self.property::<bool>(iface::MANUAL_SDP_MUNGING)
    }
}

impl<T: IsA<Signallable>> SignallableExt for T {}
