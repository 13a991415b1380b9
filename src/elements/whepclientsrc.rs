// SPDX-License-Identifier: MPL-2.0
//! `whepclientsrc`: plays what a WHEP server offers (draft-ietf-wish-whep-03).
//!
//! ```text
//! gst-launch-1.0 whepclientsrc signaller::whep-endpoint=http://127.0.0.1:9090/whep/endpoint ! videoconvert ! autovideosink
//! ```
//!
//! A server that has nothing to play yet is asked again when it says so; one that answers with an offer of its own gets an
//! answer.

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use crate::signallers::whep::client::WhepClientSignaller;
use crate::source::{BaseWebRTCSrc, BaseWebRTCSrcImpl};

glib::wrapper! {
    /// A source that plays from a WHEP server.
    pub struct WhepClientSrc(ObjectSubclass<imp::WhepClientSrc>)
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
        "whepclientsrc",
        gst::Rank::PRIMARY,
        WhepClientSrc::static_type(),
    )
}

mod imp {
    use std::sync::LazyLock;

    use super::*;

    /// Implementation of `GstWhepClientSrc`.
    #[derive(Default)]
    pub struct WhepClientSrc;

    #[glib::object_subclass]
    impl ObjectSubclass for WhepClientSrc {
        const NAME: &'static str = "GstWhepClientSrc";
        type Type = super::WhepClientSrc;
        type ParentType = BaseWebRTCSrc;
    }

    impl ObjectImpl for WhepClientSrc {
        fn constructed(&self) {
            self.parent_constructed();
            self.obj()
                .upcast_ref::<BaseWebRTCSrc>()
                .set_signaller(WhepClientSignaller::default().upcast());
        }
    }

    impl GstObjectImpl for WhepClientSrc {}

    impl ElementImpl for WhepClientSrc {
        fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
            static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
                gst::subclass::ElementMetadata::new(
                    "WhepClientSrc",
                    "Source/Network/WebRTC",
                    "WebRTC source element using WHEP Client as the signaller",
                    env!("CARGO_PKG_AUTHORS"),
                )
            });
            Some(&METADATA)
        }
    }

    impl BinImpl for WhepClientSrc {}
    impl BaseWebRTCSrcImpl for WhepClientSrc {}
}
