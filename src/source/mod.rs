// SPDX-License-Identifier: MPL-2.0
//! What all receiving elements share: `BaseWebRTCSrc`, a bin that receives the streams of one producer.
//!
//! - `imp`, `settings`, `signals`, `pad`: the outside, as GObject sees it; `uri` is the address form of it.
//! - `state`: everything behind the state lock. `lifecycle`: what state changes of the element do. `events`: what
//!   the application sends to the element. `report`: statistics.
//! - `signalling`: from the signaller's signals to the session. `exposure`: pads that come and go.
//! - `session`: the connection to the producer, a thread with one queue of operations.
//! - `negotiate`: the receiving side of offer and answer, pure. `output`: from webrtcbin's pads to ours.
//!
//! Lock order: settings, then state; neither is held while anything outside of this folder is called.

mod events;
mod exposure;
#[allow(
    missing_docs,
    reason = "the accessors the derive makes are described by the blurbs"
)]
mod imp;
mod lifecycle;
mod negotiate;
mod output;
#[allow(
    missing_docs,
    reason = "the accessors the derive makes are described by the blurbs"
)]
mod pad;
mod report;
mod session;
mod settings;
mod signalling;
mod signals;
mod state;
pub(crate) mod uri;

use std::sync::LazyLock;

use gst::glib;
use gst::subclass::prelude::*;

use crate::signaller::Signallable;

#[cfg(feature = "livekit")]
pub(crate) use exposure::templates;
pub(crate) use imp::BaseWebRTCSrcImpl;
pub use pad::WebRTCSrcPad;
#[cfg(feature = "livekit")]
pub(crate) use pad::WebRTCSrcPadImpl;

/// Debug category of all receiving elements.
pub(crate) static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("webrtcsrc", gst::DebugColorFlags::empty(), Some("WebRTC sources"))
});

glib::wrapper! {
    /// Receives the streams of one producer over WebRTC.
    ///
    /// The stock elements derive from it and choose a signaller; an application with a signaller of its own passes it
    /// as the property `signaller`.
    pub struct BaseWebRTCSrc(ObjectSubclass<imp::BaseWebRTCSrc>)
        @extends gst::Bin, gst::Element, gst::Object,
        @implements gst::ChildProxy;
}

#[allow(
    unsafe_code,
    reason = "derived elements need it, and the binding offers nothing else"
)]
// SAFETY: the class adds no virtual methods of its own, so that there is nothing for a subclass to initialise.
unsafe impl<T: BaseWebRTCSrcImpl> IsSubclassable<T> for BaseWebRTCSrc {}

impl BaseWebRTCSrc {
    /// A source whose producer comes by `signaller`.
    pub fn with_signaller(signaller: Signallable) -> Self {
        glib::Object::builder().property("signaller", signaller).build()
    }

    /// What the property `on-session-end` holds, for a derived element that declares it anew with a default of its own.
    #[cfg(any(feature = "livekit", feature = "whip"))]
    pub(crate) fn session_end(&self) -> WebRTCSrcSessionEnd {
        self.imp().settings().on_session_end
    }

    /// Sets what [`Self::session_end`] gives.
    #[cfg(any(feature = "livekit", feature = "whip"))]
    pub(crate) fn choose_session_end(&self, session_end: WebRTCSrcSessionEnd) {
        self.imp().settings().on_session_end = session_end;
    }

    /// Gives a derived element its own signaller, in place of whatever it was constructed with.
    #[cfg(any(feature = "livekit", feature = "whip", feature = "whep"))]
    pub(crate) fn set_signaller(&self, signaller: Signallable) {
        signalling::replace(self, signaller);
    }
}

/// What happens to the pads when the producer's session ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, glib::Enum)]
#[repr(u32)]
#[enum_type(name = "GstWebRTCSrcSessionEnd")]
#[non_exhaustive]
pub enum WebRTCSrcSessionEnd {
    /// Every pad gets end of stream and stays until the element is stopped or the next session begins.
    #[default]
    #[enum_value(name = "End of stream on every pad", nick = "eos")]
    Eos,
    /// Every pad is removed; the element waits for the next session.
    #[enum_value(name = "Pads are removed, ready for the next session", nick = "remove-pads")]
    RemovePads,
}
