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

use crate::signallers::whip::server::WhipServerSignaller;
use crate::source::{BaseWebRTCSrc, BaseWebRTCSrcImpl, WebRTCSrcSessionEnd};

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

#[allow(
    missing_docs,
    reason = "the accessors the derive makes are described by the blurbs"
)]
mod imp {
    use std::sync::LazyLock;

    use super::*;

    /// Implementation of `GstWhipServerSrc`.
    #[derive(Default, glib::Properties)]
    #[properties(wrapper_type = super::WhipServerSrc)]
    pub struct WhipServerSrc {
        // The base class declares it with another default: clients come and go, and the next one gets pads of its own.
        #[property(name = "on-session-end", type = WebRTCSrcSessionEnd, get = Self::session_end, set = Self::set_session_end,
            mutable_ready, nick = "On session end", blurb = "What happens to the pads when a client leaves. Read when a \
            session begins", builder(WebRTCSrcSessionEnd::RemovePads))]
        _on_session_end: (),
    }

    #[glib::object_subclass]
    impl ObjectSubclass for WhipServerSrc {
        const NAME: &'static str = "GstWhipServerSrc";
        type Type = super::WhipServerSrc;
        type ParentType = BaseWebRTCSrc;
    }

    #[glib::derived_properties]
    impl ObjectImpl for WhipServerSrc {
        fn constructed(&self) {
            self.parent_constructed();
            let src = self.obj();
            let signaller = WhipServerSignaller::default();
            for name in ["stun-server", "turn-servers"] {
                src.bind_property(name, &signaller, name).build();
            }
            src.upcast_ref::<BaseWebRTCSrc>()
                .set_signaller(signaller.upcast());
            self.base().choose_session_end(WebRTCSrcSessionEnd::RemovePads);
        }
    }

    impl WhipServerSrc {
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
