// SPDX-License-Identifier: MPL-2.0
//! `whipclientsink`: publishes its streams to a WHIP server (RFC 9725). Also found as `whipwebrtcsink`.
//!
//! ```text
//! gst-launch-1.0 videotestsrc ! whipclientsink signaller::whip-endpoint=http://127.0.0.1:8080/whip/endpoint
//! ```
//!
//! A token goes in by `signaller::auth-token=…`, STUN and TURN servers that the server announces are used with
//! `signaller::use-link-headers=true`. A session that is lost is restarted or replaced for half a minute; after that, and
//! when the server refuses the first one, the element posts an error.

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use crate::signallers::whip::client::WhipClientSignaller;
use crate::sink::{BaseWebRTCSink, BaseWebRTCSinkImpl};

glib::wrapper! {
    /// A sink that publishes to a WHIP server.
    pub struct WhipWebRTCSink(ObjectSubclass<imp::WhipWebRTCSink>)
        @extends BaseWebRTCSink, gst::Bin, gst::Element, gst::Object,
        @implements gst::ChildProxy, gst_video::Navigation;
}

/// Registers the element, under the name that older documentation gives it as well.
///
/// # Errors
/// When the registry refuses it.
pub(super) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    let register =
        |name| gst::Element::register(Some(plugin), name, gst::Rank::NONE, WhipWebRTCSink::static_type());
    register("whipclientsink")?;
    register("whipwebrtcsink")
}

mod imp {
    use std::sync::LazyLock;

    use super::*;

    /// Implementation of `GstWhipWebRTCSink`.
    #[derive(Default)]
    pub struct WhipWebRTCSink;

    #[glib::object_subclass]
    impl ObjectSubclass for WhipWebRTCSink {
        const NAME: &'static str = "GstWhipWebRTCSink";
        type Type = super::WhipWebRTCSink;
        type ParentType = BaseWebRTCSink;
    }

    impl ObjectImpl for WhipWebRTCSink {
        fn constructed(&self) {
            self.parent_constructed();
            self.obj()
                .set_property("signaller", WhipClientSignaller::default());
        }
    }

    impl GstObjectImpl for WhipWebRTCSink {}

    impl ElementImpl for WhipWebRTCSink {
        fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
            static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
                gst::subclass::ElementMetadata::new(
                    "WhipWebRTCSink",
                    "Sink/Network/WebRTC",
                    "WebRTC sink that publishes to a WHIP server",
                    env!("CARGO_PKG_AUTHORS"),
                )
            });
            Some(&METADATA)
        }
    }

    impl BinImpl for WhipWebRTCSink {}
    impl BaseWebRTCSinkImpl for WhipWebRTCSink {}
}
