// SPDX-License-Identifier: MPL-2.0
//! `whepserversink`: a WHEP server that lets any number of players play its streams (draft-ietf-wish-whep-03).
//!
//! ```text
//! gst-launch-1.0 videotestsrc ! whepserversink signaller::host-addr=http://127.0.0.1:9090
//! ```
//!
//! Players POST to `/whep/endpoint`. The server listens from PAUSED on: until there is media, players are told to come back.

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use crate::signallers::whep::server::WhepServerSignaller;
use crate::sink::{BaseWebRTCSink, BaseWebRTCSinkImpl};

glib::wrapper! {
    /// A sink that serves WHEP players.
    pub struct WhepWebRTCSink(ObjectSubclass<imp::WhepWebRTCSink>)
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
        "whepserversink",
        gst::Rank::NONE,
        WhepWebRTCSink::static_type(),
    )
}

/// Whether there is anything to play: some stream that has caps and has not ended.
fn has_media(sink: &WhepWebRTCSink) -> bool {
    let is_live = |pad: &gst::Pad| pad.has_current_caps() && !pad.pad_flags().contains(gst::PadFlags::EOS);
    sink.current_state() >= gst::State::Paused && sink.sink_pads().iter().any(is_live)
}

mod imp {
    use std::sync::LazyLock;

    use super::*;
    use crate::signaller::{Signallable, prelude::*};

    /// Implementation of `GstWhepWebRTCSink`.
    #[derive(Default)]
    pub struct WhepWebRTCSink;

    #[glib::object_subclass]
    impl ObjectSubclass for WhepWebRTCSink {
        const NAME: &'static str = "GstWhepWebRTCSink";
        type Type = super::WhepWebRTCSink;
        type ParentType = BaseWebRTCSink;
    }

    impl ObjectImpl for WhepWebRTCSink {
        fn constructed(&self) {
            self.parent_constructed();
            let weak = self.obj().downgrade();
            let signaller = WhepServerSignaller::default();
            signaller.set_media_probe(move || weak.upgrade().is_some_and(|sink| has_media(&sink)));
            let sink = self.obj();
            sink.set_property("signaller", signaller);
            sink.upcast_ref::<BaseWebRTCSink>().leave_restarts_to_peers();
        }
    }

    impl GstObjectImpl for WhepWebRTCSink {}

    impl ElementImpl for WhepWebRTCSink {
        fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
            static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
                gst::subclass::ElementMetadata::new(
                    "WhepWebRTCSink",
                    "Sink/Network/WebRTC",
                    "WebRTC sink that serves WHEP players",
                    env!("CARGO_PKG_AUTHORS"),
                )
            });
            Some(&METADATA)
        }

        fn change_state(
            &self,
            transition: gst::StateChange,
        ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
            let success = self.parent_change_state(transition)?;
            // The base starts its signaller once every stream has caps. Starting or stopping twice changes nothing.
            match transition {
                gst::StateChange::ReadyToPaused => self.signaller().start(),
                gst::StateChange::PausedToReady => self.signaller().stop(),
                _ => {}
            }
            Ok(success)
        }
    }

    impl BinImpl for WhepWebRTCSink {}
    impl BaseWebRTCSinkImpl for WhepWebRTCSink {}

    impl WhepWebRTCSink {
        fn signaller(&self) -> Signallable {
            self.obj().property("signaller")
        }
    }
}
