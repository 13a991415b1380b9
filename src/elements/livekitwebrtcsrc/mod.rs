// SPDX-License-Identifier: MPL-2.0
//! `livekitwebrtcsrc`: receives what the participants of a room on a LiveKit server publish.
//!
//! ```text
//! gst-launch-1.0 livekitwebrtcsrc signaller::ws-url=ws://127.0.0.1:7880 signaller::api-key=devkey \
//!     signaller::secret-key=secret signaller::room-name=testroom signaller::identity=viewer \
//!     ! videoconvert ! autovideosink
//! ```
//!
//! A pad per track; they come and go with the tracks, and the element goes on when the room is empty. A requested pad
//! stays. `signaller::producer-peer-id` picks one participant, `signaller::excluded-producer-peer-ids` leaves some out.

mod pad;

use std::sync::LazyLock;

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use crate::signaller::WebRTCSignallerRole;
use crate::signallers::livekit::LiveKitSignaller;
use crate::source::{self, BaseWebRTCSrc, BaseWebRTCSrcImpl, WebRTCSrcSessionEnd};

use pad::LiveKitWebRTCSrcPad;

glib::wrapper! {
    /// A source that subscribes in a LiveKit room.
    pub struct LiveKitWebRTCSrc(ObjectSubclass<imp::LiveKitWebRTCSrc>)
        @extends BaseWebRTCSrc, gst::Bin, gst::Element, gst::Object,
        @implements gst::ChildProxy;
}

/// Registers the element.
///
/// # Errors
/// When the registry refuses it.
pub(super) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(
        Some(plugin),
        "livekitwebrtcsrc",
        gst::Rank::NONE,
        LiveKitWebRTCSrc::static_type(),
    )
}

#[allow(
    missing_docs,
    reason = "the accessors the derive makes are described by the blurbs"
)]
mod imp {
    use super::*;

    /// Implementation of `GstLiveKitWebRTCSrc`.
    #[derive(Default, glib::Properties)]
    #[properties(wrapper_type = super::LiveKitWebRTCSrc)]
    pub struct LiveKitWebRTCSrc {
        // The base class declares it with another default: a room outlives its sessions.
        #[property(name = "on-session-end", type = WebRTCSrcSessionEnd, get = Self::session_end, set = Self::set_session_end,
            mutable_ready, nick = "On session end", blurb = "What happens to the pads when the session ends, as when the \
            server restarts. Read when a session begins", builder(WebRTCSrcSessionEnd::RemovePads))]
        _on_session_end: (),
    }

    #[glib::object_subclass]
    impl ObjectSubclass for LiveKitWebRTCSrc {
        const NAME: &'static str = "GstLiveKitWebRTCSrc";
        type Type = super::LiveKitWebRTCSrc;
        type ParentType = BaseWebRTCSrc;
    }

    #[glib::derived_properties]
    impl ObjectImpl for LiveKitWebRTCSrc {
        fn constructed(&self) {
            self.parent_constructed();
            self.base().choose_session_end(WebRTCSrcSessionEnd::RemovePads);
            let signaller = LiveKitSignaller::new(WebRTCSignallerRole::Consumer);
            self.base().set_signaller(signaller.upcast());
        }
    }

    impl LiveKitWebRTCSrc {
        fn base(&self) -> BaseWebRTCSrc {
            self.obj().clone().upcast()
        }

        fn session_end(&self) -> WebRTCSrcSessionEnd {
            self.base().session_end()
        }

        fn set_session_end(&self, session_end: WebRTCSrcSessionEnd) {
            self.base().choose_session_end(session_end);
        }
    }

    impl GstObjectImpl for LiveKitWebRTCSrc {}

    impl ElementImpl for LiveKitWebRTCSrc {
        fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
            static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
                gst::subclass::ElementMetadata::new(
                    "LiveKitWebRTCSrc",
                    "Source/Network/WebRTC",
                    "WebRTC source that subscribes in a LiveKit room",
                    env!("CARGO_PKG_AUTHORS"),
                )
            });
            Some(&METADATA)
        }

        fn pad_templates() -> &'static [gst::PadTemplate] {
            static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> =
                LazyLock::new(|| source::templates(LiveKitWebRTCSrcPad::static_type()));
            &TEMPLATES
        }
    }

    impl BinImpl for LiveKitWebRTCSrc {}
    impl BaseWebRTCSrcImpl for LiveKitWebRTCSrc {}
}
