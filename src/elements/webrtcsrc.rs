// SPDX-License-Identifier: MPL-2.0
//! `webrtcsrc`: receives a producer that is found through this project's own signalling server.
//!
//! ```text
//! gst-launch-1.0 webrtcsrc signaller::producer-peer-id=ID ! videoconvert ! autovideosink
//! gst-launch-1.0 playbin3 uri="gstwebrtc://127.0.0.1:8443?peer-id=ID"
//! gst-launch-1.0 webrtcsrc connect-to-first-producer=true ! video/x-h264 ! h264parse ! matroskamux ! filesink location=a.mkv
//! ```
//!
//! The first two lines play the same: the element is the handler of `gstwebrtc://` and `gstwebrtcs://`, whose form is
//! `source/uri`'s. Receiving is the base class's, finding the producer the signaller's.

use std::sync::LazyLock;

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use crate::signaller::Signaller;
use crate::source::{BaseWebRTCSrc, BaseWebRTCSrcImpl, uri};

glib::wrapper! {
    /// The element `webrtcsrc`.
    pub struct WebRTCSrc(ObjectSubclass<imp::WebRTCSrc>)
        @extends BaseWebRTCSrc, gst::Bin, gst::Element, gst::Object,
        @implements gst::ChildProxy, gst::URIHandler;
}

/// Registers the element.
///
/// # Errors
/// When the registry refuses it.
pub(crate) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(
        Some(plugin),
        "webrtcsrc",
        gst::Rank::PRIMARY,
        WebRTCSrc::static_type(),
    )
}

#[allow(
    missing_docs,
    reason = "the accessors the derive makes are described by the blurbs"
)]
mod imp {
    use super::*;

    /// What `webrtcsrc` adds to its base: addresses.
    #[derive(Default, glib::Properties)]
    #[properties(wrapper_type = super::WebRTCSrc)]
    pub struct WebRTCSrc {
        #[property(name = "connect-to-first-producer", type = bool, get = Self::connects_to_first, set = Self::connect_to_first,
            mutable_ready, nick = "Connect to the first producer", blurb = "Without a producer id, play the first producer \
            there is or, while there is none, the first to come. Read when the element starts; means nothing to a \
            signaller of the application's own")]
        _connect_to_first_producer: (),
    }

    impl WebRTCSrc {
        /// The default signaller, unless the application gave the element another one.
        fn signaller(&self) -> Option<Signaller> {
            let signaller = self.obj().property::<Option<glib::Object>>("signaller");
            signaller.and_downcast()
        }

        fn connects_to_first(&self) -> bool {
            self.signaller()
                .is_some_and(|signaller| signaller.imp().connects_to_first_producer())
        }

        fn connect_to_first(&self, connects: bool) {
            if let Some(signaller) = self.signaller() {
                signaller.imp().set_connects_to_first_producer(connects);
            }
        }
    }

    #[glib::object_subclass]
    impl ObjectSubclass for WebRTCSrc {
        const NAME: &'static str = "GstWebRTCSrc";
        type Type = super::WebRTCSrc;
        type ParentType = BaseWebRTCSrc;
        type Interfaces = (gst::URIHandler,);
    }

    #[glib::derived_properties]
    impl ObjectImpl for WebRTCSrc {}
    impl GstObjectImpl for WebRTCSrc {}

    impl ElementImpl for WebRTCSrc {
        fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
            static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
                gst::subclass::ElementMetadata::new(
                    "WebRTCSrc",
                    "Source/Network/WebRTC",
                    "Receives the streams of a producer over WebRTC",
                    env!("CARGO_PKG_AUTHORS"),
                )
            });
            Some(&METADATA)
        }
    }

    impl BinImpl for WebRTCSrc {}
    impl BaseWebRTCSrcImpl for WebRTCSrc {}

    impl URIHandlerImpl for WebRTCSrc {
        const URI_TYPE: gst::URIType = gst::URIType::Src;

        fn protocols() -> &'static [&'static str] {
            uri::PROTOCOLS
        }

        fn uri(&self) -> Option<String> {
            uri::from_websocket(&self.signaller()?.property::<Option<String>>("uri")?)
        }

        fn set_uri(&self, uri: &str) -> Result<(), glib::Error> {
            let websocket = uri::to_websocket(uri)
                .map_err(|error| glib::Error::new(gst::URIError::BadUri, &error.to_string()))?;
            let signaller = self.signaller().ok_or_else(|| {
                glib::Error::new(
                    gst::URIError::BadReference,
                    "the element's signaller is not the default one",
                )
            })?;
            signaller.set_property("uri", websocket);
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_back_as_it_was_given() {
        gst::init().expect("GStreamer initialises");
        let src: WebRTCSrc = glib::Object::new();
        let uri = "gstwebrtcs://example.org:8443/?peer-id=abc";
        src.set_uri(uri).expect("an address");
        assert_eq!(src.uri().as_deref(), Some(uri));
        let signaller = src.property::<glib::Object>("signaller");
        assert_eq!(
            signaller
                .property::<Option<String>>("producer-peer-id")
                .as_deref(),
            Some("abc")
        );
        // GStreamer itself refuses what the element does not list.
        let error = src.set_uri("http://example.org/").expect_err("another scheme");
        assert!(error.matches(gst::URIError::UnsupportedProtocol), "{error}");
        let error = src.set_uri("gstwebrtc://host:port/").expect_err("no address");
        assert!(error.matches(gst::URIError::BadUri), "{error}");
    }

    #[test]
    fn the_first_producer_is_asked_for_by_property_or_address() {
        gst::init().expect("GStreamer initialises");
        let src: WebRTCSrc = glib::Object::new();
        assert!(!src.connect_to_first_producer());
        src.set_uri("gstwebrtc://h:1/?connect-to-first-producer")
            .expect("an address");
        assert!(src.connect_to_first_producer());
        src.set_connect_to_first_producer(false);
        assert!(!src.connect_to_first_producer());
    }
}
