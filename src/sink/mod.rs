// SPDX-License-Identifier: MPL-2.0
//! What all sending elements share: `BaseWebRTCSink`, a bin that serves its input streams to any number of consumers.
//!
//! - `imp`, `settings`, `signals`, `pad`: the outside, as GObject sees it.
//! - `state`: everything behind the state lock. `lifecycle`: what state changes of the element do.
//! - `input`: one stream per request pad. [`encode`]: encoders that feed several consumers; [`discovery`]: what a
//!   stream can leave as.
//! - `consumers`: from the signaller's signals to sessions and back. `session`: one consumer.
//! - `negotiate`: what to offer and what an answer means. `clock`: which clock timestamps follow (RFC 7273).
//! - `rate`: who decides how much may be sent. `mitigation`: how pictures may be made smaller for that. `loss`:
//!   retransmission and redundancy of a stream.
//! - `host`: what encoding asks of the element. `channels`: data channels of a session. `report`: the statistics.
//! - `addresses`: servers the user named that cannot be any. `web_server`: the one the element runs itself.
//!
//! Lock order: settings, then state; neither is held while anything outside of this folder is called.

mod addresses;
mod channels;
mod clock;
mod consumers;
pub(crate) mod discovery;
pub(crate) mod encode;
mod host;
mod imp;
mod input;
mod lifecycle;
mod loss;
mod mitigation;
mod negotiate;
mod pad;
mod rate;
mod report;
mod session;
mod settings;
mod signals;
mod state;
mod web_server;

use gst::glib;
use gst::subclass::prelude::*;

use crate::signaller::Signallable;

pub(crate) use imp::BaseWebRTCSinkImpl;
pub use mitigation::WebRTCSinkMitigationMode;
pub use pad::WebRTCSinkPad;

glib::wrapper! {
    /// Serves its input streams to any number of consumers over WebRTC.
    ///
    /// The stock elements derive from it and choose a signaller; an application with a signaller of its own uses
    /// [`BaseWebRTCSink::with_signaller`].
    pub struct BaseWebRTCSink(ObjectSubclass<imp::BaseWebRTCSink>)
        @extends gst::Bin, gst::Element, gst::Object,
        @implements gst::ChildProxy, gst_video::Navigation;
}

#[allow(
    unsafe_code,
    reason = "derived elements need it, and the binding offers nothing else"
)]
// SAFETY: the class adds no virtual methods of its own, so that there is nothing for a subclass to initialise.
unsafe impl<T: BaseWebRTCSinkImpl> IsSubclassable<T> for BaseWebRTCSink {}

impl BaseWebRTCSink {
    /// A sink whose consumers come by `signaller`.
    pub fn with_signaller(signaller: Signallable) -> Self {
        glib::Object::builder().property("signaller", signaller).build()
    }

    /// Leaves restarts of ICE to the peers, for protocols in which only they can ask for one. A restart that the peer does
    /// not learn of would end what a network that comes back by itself would have mended.
    #[cfg(feature = "whep")]
    pub(crate) fn leave_restarts_to_peers(&self) {
        self.imp().settings().may_restart_ice = false;
    }

    /// Most layers a video stream is sent in unless the user wants more: one size.
    #[cfg(feature = "livekit")]
    pub(crate) const SIMULCAST_LAYERS: u32 = settings::Settings::SIMULCAST_LAYERS;

    /// Most layers a video stream is sent in.
    #[cfg(feature = "livekit")]
    pub(crate) fn simulcast_layers(&self) -> u32 {
        self.imp().settings().simulcast_layers
    }

    /// For peers that forward to others: has video sent in up to so many layers to consumers that come from now on.
    #[cfg(feature = "livekit")]
    pub(crate) fn set_simulcast_layers(&self, layers: u32) {
        self.imp().settings().simulcast_layers = layers;
    }
}

impl Default for BaseWebRTCSink {
    fn default() -> Self {
        glib::Object::new()
    }
}

/// How a session finds out how much it may send.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, glib::Enum)]
#[repr(u32)]
#[enum_type(name = "GstWebRTCSinkCongestionControl")]
#[non_exhaustive]
pub enum WebRTCSinkCongestionControl {
    /// Not at all: encoders run at `max-bitrate`.
    #[enum_value(name = "Disabled: no congestion control is performed", nick = "disabled")]
    Disabled,
    /// A simple heuristic on the sender's side.
    #[enum_value(name = "Homegrown: simple sender-side heuristic", nick = "homegrown")]
    Homegrown,
    /// Google congestion control (draft-ietf-rmcat-gcc-02).
    #[default]
    #[enum_value(name = "Google Congestion Control algorithm", nick = "gcc")]
    GoogleCongestionControl,
}

/// Why a sink does not do what its signaller asks about a session.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WebRTCSinkError {
    /// The signaller speaks of a session that is not there.
    #[error("no session with id {0}")]
    NoSessionWithId(String),
    /// The sink is not started, or is on its way down.
    #[error("the sink is not running")]
    NotRunning,
    /// A session with this id exists already.
    #[error("session {0} exists already")]
    DuplicateSessionId(String),
}
