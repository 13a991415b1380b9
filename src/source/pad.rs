// SPDX-License-Identifier: MPL-2.0
//! The pads of a source: which stream of the producer each one carries.
//!
//! Owns the pad type and making pads of the type that an element's template names; a derived element may have a
//! derived pad. Adding and removing is `exposure`'s.

use std::sync::{Mutex, MutexGuard, PoisonError};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

glib::wrapper! {
    /// One stream of the producer.
    pub struct WebRTCSrcPad(ObjectSubclass<imp::WebRTCSrcPad>) @extends gst::GhostPad, gst::ProxyPad, gst::Pad, gst::Object;
}

/// What pads derived inside of this crate implement.
pub(crate) trait WebRTCSrcPadImpl: GhostPadImpl {}

#[allow(
    unsafe_code,
    reason = "derived pads need it, and the binding offers nothing else"
)]
// SAFETY: the class adds no virtual methods of its own, so that there is nothing for a subclass to initialise.
unsafe impl<T: WebRTCSrcPadImpl> IsSubclassable<T> for WebRTCSrcPad {}

impl WebRTCSrcPad {
    /// A pad of the type that `template` names.
    pub(crate) fn of_template(template: &gst::PadTemplate, name: &str) -> Self {
        glib::Object::builder_with_type(template.gtype())
            .property("name", name)
            .property("direction", gst::PadDirection::Src)
            .property("template", template)
            .build()
            .downcast()
            .expect("templates of a source name WebRTCSrcPad or a class derived from it")
    }

    /// Says which stream the pad carries; both are `None` when it carries none.
    pub(crate) fn set_stream(&self, msid: Option<&str>, mid: Option<&str>) {
        let changed = {
            let mut stream = self.imp().stream();
            let changed = (stream.msid.as_deref() != msid, stream.mid.as_deref() != mid);
            stream.msid = msid.map(str::to_owned);
            stream.mid = mid.map(str::to_owned);
            changed
        };
        if changed.0 {
            self.notify_msid();
        }
        if changed.1 {
            self.notify_mid();
        }
    }
}

mod imp {
    use super::*;

    /// The settings and the origin of a stream.
    #[derive(Default, glib::Properties)]
    #[properties(wrapper_type = super::WebRTCSrcPad)]
    pub struct WebRTCSrcPad {
        #[property(name = "msid", type = Option<String>, get, member = msid, nick = "Media stream identifier",
            blurb = "Name of the producer's media stream this stream belongs to, as its a=msid says; NULL while none is known")]
        #[property(name = "mid", type = Option<String>, get, member = mid, nick = "Media identification",
            blurb = "Name of this stream's m-line in the session description; NULL while none is known")]
        stream: Mutex<Stream>,
    }

    #[derive(Default)]
    pub(super) struct Stream {
        pub(super) msid: Option<String>,
        pub(super) mid: Option<String>,
    }

    impl WebRTCSrcPad {
        pub(super) fn stream(&self) -> MutexGuard<'_, Stream> {
            self.stream.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }

    #[glib::object_subclass]
    impl ObjectSubclass for WebRTCSrcPad {
        const NAME: &'static str = "GstWebRTCSrcPad";
        type Type = super::WebRTCSrcPad;
        type ParentType = gst::GhostPad;
    }

    #[glib::derived_properties]
    impl ObjectImpl for WebRTCSrcPad {}
    impl GstObjectImpl for WebRTCSrcPad {}
    impl PadImpl for WebRTCSrcPad {}
    impl ProxyPadImpl for WebRTCSrcPad {}
    impl GhostPadImpl for WebRTCSrcPad {}
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn a_pad_tells_its_stream_and_notifies_changes_only() {
        gst::init().expect("GStreamer initialises");
        let template = gst::PadTemplate::with_gtype(
            "video_%u",
            gst::PadDirection::Src,
            gst::PadPresence::Sometimes,
            &gst::Caps::new_any(),
            WebRTCSrcPad::static_type(),
        )
        .expect("a valid template");
        let pad = WebRTCSrcPad::of_template(&template, "video_0");
        assert_eq!(
            (pad.name().as_str(), pad.msid(), pad.mid()),
            ("video_0", None, None)
        );
        let notified = Arc::new(AtomicU32::new(0));
        let counter = notified.clone();
        pad.connect_notify(None, move |_, _| {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        pad.set_stream(Some("stream track"), Some("0"));
        pad.set_stream(Some("stream track"), Some("0"));
        assert_eq!(pad.msid().as_deref(), Some("stream track"));
        assert_eq!(pad.mid().as_deref(), Some("0"));
        assert_eq!(notified.load(Ordering::Relaxed), 2);
    }
}
