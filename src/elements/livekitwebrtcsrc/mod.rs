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

use super::session_end;
use crate::signaller::WebRTCSignallerRole;
use crate::signallers::livekit::LiveKitSignaller;
use crate::source::{self, BaseWebRTCSrc, BaseWebRTCSrcImpl};

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

/// Blurb of `on-session-end`.
const WHEN_A_SESSION_ENDS: &str =
    "What happens to the pads when the session ends, as when the server restarts. Read when a session begins";

mod imp {
    use super::*;

    /// Implementation of `GstLiveKitWebRTCSrc`.
    #[derive(Default)]
    pub struct LiveKitWebRTCSrc;

    #[glib::object_subclass]
    impl ObjectSubclass for LiveKitWebRTCSrc {
        const NAME: &'static str = "GstLiveKitWebRTCSrc";
        type Type = super::LiveKitWebRTCSrc;
        type ParentType = BaseWebRTCSrc;
    }

    impl ObjectImpl for LiveKitWebRTCSrc {
        fn properties() -> &'static [glib::ParamSpec] {
            static PROPERTIES: LazyLock<[glib::ParamSpec; 1]> =
                LazyLock::new(|| [session_end::property(WHEN_A_SESSION_ENDS)]);
            &*PROPERTIES
        }

        fn set_property(&self, _id: usize, value: &glib::Value, _pspec: &glib::ParamSpec) {
            session_end::set(&*self.obj(), value);
        }

        fn property(&self, _id: usize, _pspec: &glib::ParamSpec) -> glib::Value {
            session_end::get(&*self.obj())
        }

        fn constructed(&self) {
            self.parent_constructed();
            let signaller = LiveKitSignaller::new(WebRTCSignallerRole::Consumer);
            let src = self.obj();
            src.upcast_ref::<BaseWebRTCSrc>()
                .set_signaller(signaller.upcast());
            session_end::choose_default(&*src);
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
