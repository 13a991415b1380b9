// SPDX-License-Identifier: MPL-2.0
//! `whipserversrc`: a WHIP server that receives what one client after the other publishes (RFC 9725).
//!
//! ```text
//! gst-launch-1.0 whipserversrc signaller::host-addr=http://127.0.0.1:8080 ! videoconvert ! autovideosink
//! ```
//!
//! Clients POST to `/whip/endpoint`. A second client is told to come back until the first one has left. The element's
//! `stun-server` and `turn-servers` are announced to clients too once they are set; until then the signaller's own are.

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use super::session_end;
use crate::signallers::whip::server::WhipServerSignaller;
use crate::source::{BaseWebRTCSrc, BaseWebRTCSrcImpl};

glib::wrapper! {
    /// A source that a WHIP client publishes to.
    pub struct WhipServerSrc(ObjectSubclass<imp::WhipServerSrc>)
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
        "whipserversrc",
        gst::Rank::PRIMARY,
        WhipServerSrc::static_type(),
    )
}

/// Blurb of `on-session-end`.
const WHEN_A_SESSION_ENDS: &str = "What happens to the pads when a client leaves. Read when a session begins";

mod imp {
    use std::sync::LazyLock;

    use super::*;

    /// Implementation of `GstWhipServerSrc`.
    #[derive(Default)]
    pub struct WhipServerSrc;

    #[glib::object_subclass]
    impl ObjectSubclass for WhipServerSrc {
        const NAME: &'static str = "GstWhipServerSrc";
        type Type = super::WhipServerSrc;
        type ParentType = BaseWebRTCSrc;
    }

    impl ObjectImpl for WhipServerSrc {
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
            let src = self.obj();
            let signaller = WhipServerSignaller::default();
            for name in ["stun-server", "turn-servers"] {
                src.bind_property(name, &signaller, name).build();
            }
            src.upcast_ref::<BaseWebRTCSrc>()
                .set_signaller(signaller.upcast());
            session_end::choose_default(&*src);
        }
    }

    impl GstObjectImpl for WhipServerSrc {}

    impl ElementImpl for WhipServerSrc {
        fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
            static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
                gst::subclass::ElementMetadata::new(
                    "WhipServerSrc",
                    "Source/Network/WebRTC",
                    "WebRTC source element using WHIP Server as the signaller",
                    env!("CARGO_PKG_AUTHORS"),
                )
            });
            Some(&METADATA)
        }
    }

    impl BinImpl for WhipServerSrc {}
    impl BaseWebRTCSrcImpl for WhipServerSrc {}
}
