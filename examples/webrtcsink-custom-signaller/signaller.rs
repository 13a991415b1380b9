// SPDX-License-Identifier: MPL-2.0
//! The signaller: implement these methods over whatever carries your messages.

use gst::glib;
use gst::glib::prelude::*;
use gst::glib::subclass::prelude::*;
use gst_webrtc::WebRTCSessionDescription;
use gstrswebrtc::signaller::{Signallable, SignallableImpl, signals};

mod imp {
    use std::sync::LazyLock;

    use super::*;

    #[derive(Default)]
    pub struct MyCustomSignaller;

    #[glib::object_subclass]
    impl ObjectSubclass for MyCustomSignaller {
        const NAME: &'static str = "MyCustomWebRTCSinkSignaller";
        type Type = super::MyCustomSignaller;
        type ParentType = glib::Object;
        type Interfaces = (Signallable,);
    }

    impl ObjectImpl for MyCustomSignaller {
        fn properties() -> &'static [glib::ParamSpec] {
            static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
                vec![glib::ParamSpecOverride::for_interface::<Signallable>(
                    "manual-sdp-munging",
                )]
            });
            &PROPERTIES
        }

        fn property(&self, _id: usize, _pspec: &glib::ParamSpec) -> glib::Value {
            false.to_value()
        }
    }

    impl SignallableImpl for MyCustomSignaller {
        fn start(&self) {
            println!("start: connect to your server here");
        }

        fn stop(&self) {
            println!("stop: disconnect here");
        }

        fn send_sdp(&self, session_id: &str, sdp: &WebRTCSessionDescription) {
            let text = sdp.sdp().as_text().unwrap_or_default();
            println!(
                "send_sdp to {session_id}: {} of {} bytes",
                sdp.type_().to_str(),
                text.len()
            );
        }

        fn add_ice(
            &self,
            session_id: &str,
            candidate: &str,
            sdp_m_line_index: u32,
            _sdp_mid: Option<String>,
        ) {
            println!("add_ice to {session_id}, m-line {sdp_m_line_index}: {candidate}");
        }

        fn end_session(&self, session_id: &str) {
            println!("end_session {session_id}");
        }
    }
}

glib::wrapper! {
    pub struct MyCustomSignaller(ObjectSubclass<imp::MyCustomSignaller>) @implements Signallable;
}

impl MyCustomSignaller {
    /// Tells the sink that a consumer wants media; without an offer of its own the sink makes one.
    pub fn consumer_arrived(&self, session_id: &str, peer_id: &str) {
        signals::emit_session_requested(self.upcast_ref(), session_id, peer_id, None);
    }
}

impl Default for MyCustomSignaller {
    fn default() -> Self {
        glib::Object::new()
    }
}
