// SPDX-License-Identifier: MPL-2.0
//! The request pad of a sink, and its property.
//!
//! Owns what an application can set per stream. What flows through it is the `input`'s. Its lock guards the one value
//! and is held for a copy.

use std::sync::{Mutex, MutexGuard, PoisonError};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

glib::wrapper! {
    /// One input stream of a sink.
    pub struct WebRTCSinkPad(ObjectSubclass<imp::WebRTCSinkPad>) @extends gst::GhostPad, gst::ProxyPad, gst::Pad, gst::Object;
}

#[allow(
    missing_docs,
    reason = "the accessors the derive makes are described by the blurbs"
)]
mod imp {
    use super::*;

    /// The settings of a stream.
    #[derive(Default, glib::Properties)]
    #[properties(wrapper_type = super::WebRTCSinkPad)]
    pub struct WebRTCSinkPad {
        #[property(name = "msid", type = Option<String>, get, set = Self::set_msid, member = msid, mutable_ready,
            nick = "Media stream identifier", blurb = "Name of the media stream this pad's stream belongs to, \
            as a=msid tells it to the consumer; streams of one name are played in sync. NULL leaves the choice to \
            webrtcbin. Read when a consumer connects")]
        settings: Mutex<Settings>,
    }

    #[derive(Default)]
    struct Settings {
        msid: Option<String>,
    }

    impl WebRTCSinkPad {
        fn settings(&self) -> MutexGuard<'_, Settings> {
            self.settings.lock().unwrap_or_else(PoisonError::into_inner)
        }

        fn set_msid(&self, msid: Option<String>) {
            self.settings().msid = crate::gst_ext::property::non_empty(msid);
        }
    }

    #[glib::object_subclass]
    impl ObjectSubclass for WebRTCSinkPad {
        const NAME: &'static str = "GstWebRTCSinkPad";
        type Type = super::WebRTCSinkPad;
        type ParentType = gst::GhostPad;
    }

    #[glib::derived_properties]
    impl ObjectImpl for WebRTCSinkPad {}
    impl GstObjectImpl for WebRTCSinkPad {}
    impl PadImpl for WebRTCSinkPad {}
    impl ProxyPadImpl for WebRTCSinkPad {}
    impl GhostPadImpl for WebRTCSinkPad {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_msid_is_none() {
        gst::init().unwrap();
        let pad: WebRTCSinkPad = glib::Object::builder()
            .property("direction", gst::PadDirection::Sink)
            .build();
        assert_eq!(pad.msid(), None);
        pad.set_property("msid", "camera");
        assert_eq!(pad.msid().as_deref(), Some("camera"));
        pad.set_property("msid", "");
        assert_eq!(pad.msid(), None);
    }
}
