// SPDX-License-Identifier: MPL-2.0
//! `livekitwebrtcsink`: publishes its streams to a room on a LiveKit server.
//!
//! ```text
//! gst-launch-1.0 livekitwebrtcsink name=sink signaller::ws-url=ws://127.0.0.1:7880 signaller::api-key=devkey \
//!     signaller::secret-key=secret signaller::room-name=testroom videotestsrc ! sink. audiotestsrc ! sink.
//! ```
//!
//! A ready token (`signaller::auth-token=…`) stands for key, secret and room. A track bears the `msid` of its pad as its
//! name, or the pad's mid; `signaller::track-sources` says what a named track shows.
//!
//! With `simulcast-layers=3` a picture is sent in up to three sizes, of which the room's subscribers get the one that
//! fits them.

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use crate::signaller::WebRTCSignallerRole;
use crate::signallers::livekit::LiveKitSignaller;
use crate::sink::{BaseWebRTCSink, BaseWebRTCSinkImpl};

glib::wrapper! {
    /// A sink that publishes to a LiveKit room.
    pub struct LiveKitWebRTCSink(ObjectSubclass<imp::LiveKitWebRTCSink>)
        @extends BaseWebRTCSink, gst::Bin, gst::Element, gst::Object,
        @implements gst::ChildProxy, gst_video::Navigation;
}

/// Registers the element.
///
/// # Errors
/// When the registry refuses it.
pub(super) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(
        Some(plugin),
        "livekitwebrtcsink",
        gst::Rank::NONE,
        LiveKitWebRTCSink::static_type(),
    )
}

mod imp {
    use std::marker::PhantomData;
    use std::sync::LazyLock;

    use super::*;

    /// Implementation of `GstLiveKitWebRTCSink`.
    #[derive(Default, glib::Properties)]
    #[properties(wrapper_type = super::LiveKitWebRTCSink)]
    pub struct LiveKitWebRTCSink {
        #[property(name = "simulcast-layers", type = u32, get = Self::simulcast_layers, set = Self::set_simulcast_layers,
            mutable_ready, minimum = 1, maximum = 3, default = BaseWebRTCSink::SIMULCAST_LAYERS, nick = "Simulcast layers",
            blurb = "Most sizes that raw video is sent in, each with half the sides of the next and an encoder of its own, \
            so that every subscriber can be given the one that fits; small pictures have fewer. Only VP8 and H.264 are \
            offered then. 1 sends one size. Read when a consumer connects")]
        _simulcast_layers: PhantomData<u32>,
    }

    impl LiveKitWebRTCSink {
        fn simulcast_layers(&self) -> u32 {
            self.obj().upcast_ref::<BaseWebRTCSink>().simulcast_layers()
        }

        fn set_simulcast_layers(&self, layers: u32) {
            self.obj()
                .upcast_ref::<BaseWebRTCSink>()
                .set_simulcast_layers(layers);
        }
    }

    #[glib::object_subclass]
    impl ObjectSubclass for LiveKitWebRTCSink {
        const NAME: &'static str = "GstLiveKitWebRTCSink";
        type Type = super::LiveKitWebRTCSink;
        type ParentType = BaseWebRTCSink;
    }

    #[glib::derived_properties]
    impl ObjectImpl for LiveKitWebRTCSink {
        fn constructed(&self) {
            self.parent_constructed();
            self.obj()
                .set_property("signaller", LiveKitSignaller::new(WebRTCSignallerRole::Producer));
        }
    }

    impl GstObjectImpl for LiveKitWebRTCSink {}

    impl ElementImpl for LiveKitWebRTCSink {
        fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
            static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
                gst::subclass::ElementMetadata::new(
                    "LiveKitWebRTCSink",
                    "Sink/Network/WebRTC",
                    "WebRTC sink that publishes to a LiveKit room",
                    env!("CARGO_PKG_AUTHORS"),
                )
            });
            Some(&METADATA)
        }
    }

    impl BinImpl for LiveKitWebRTCSink {}
    impl BaseWebRTCSinkImpl for LiveKitWebRTCSink {}
}
