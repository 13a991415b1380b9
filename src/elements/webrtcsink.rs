// SPDX-License-Identifier: MPL-2.0
//! `webrtcsink`: serves its streams to the consumers that the plugin's own signalling server introduces.
//!
//! ```text
//! gst-launch-1.0 webrtcsink name=ws meta="meta,name=gst-stream" videotestsrc ! ws. audiotestsrc ! ws.
//! ```

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use crate::sink::{BaseWebRTCSink, BaseWebRTCSinkImpl};

glib::wrapper! {
    /// A sink whose consumers come over the plugin's own signalling server.
    pub struct WebRTCSink(ObjectSubclass<imp::WebRTCSink>)
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
        "webrtcsink",
        gst::Rank::NONE,
        WebRTCSink::static_type(),
    )
}

mod imp {
    use std::sync::LazyLock;

    use super::*;

    #[derive(Default)]
    pub struct WebRTCSink;

    #[glib::object_subclass]
    impl ObjectSubclass for WebRTCSink {
        const NAME: &'static str = "GstWebRTCSink";
        type Type = super::WebRTCSink;
        type ParentType = BaseWebRTCSink;
    }

    impl ObjectImpl for WebRTCSink {}
    impl GstObjectImpl for WebRTCSink {}

    impl ElementImpl for WebRTCSink {
        fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
            static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
                gst::subclass::ElementMetadata::new(
                    "WebRTCSink",
                    "Sink/Network/WebRTC",
                    "WebRTC sink with the plugin's own signalling protocol",
                    env!("CARGO_PKG_AUTHORS"),
                )
            });
            Some(&METADATA)
        }
    }

    impl BinImpl for WebRTCSink {}
    impl BaseWebRTCSinkImpl for WebRTCSink {}
}
