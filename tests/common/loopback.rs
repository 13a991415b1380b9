// SPDX-License-Identifier: MPL-2.0
//! A signaller without a network: what the element sends goes straight to a handler, or to its twin.
//!
//! Either two elements are joined by [`Loopback::pair`], or a test plays the peers itself by [`Loopback::route`].

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use gst::glib;
use gst::glib::prelude::*;
use gst::glib::subclass::prelude::*;
use gst_webrtc::WebRTCSessionDescription;
use gstrswebrtc::signaller::prelude::*;
use gstrswebrtc::signaller::{Signallable, signals};

/// What the element under test sends to a peer.
#[derive(Debug, Clone)]
pub enum Sent {
    /// Its description.
    Description(WebRTCSessionDescription),
    /// One of its candidates.
    Candidate(u32, String),
    /// The end of the session, with a reason if there is one.
    End(Option<String>),
}

/// Where what is sent in one session goes.
pub type Route = Arc<dyn Fn(Sent) + Send + Sync>;

glib::wrapper! {
    /// See the module's documentation.
    pub struct Loopback(ObjectSubclass<imp::Loopback>) @implements Signallable;
}

mod imp {
    use super::*;

    #[derive(Default)]
    pub struct Loopback {
        pub routes: Mutex<BTreeMap<String, Route>>,
        pub twin: Mutex<glib::WeakRef<super::Loopback>>,
        pub is_started: Mutex<bool>,
        pub starts: Mutex<u32>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for Loopback {
        const NAME: &'static str = "TestLoopbackSignaller";
        type Type = super::Loopback;
        type Interfaces = (Signallable,);
    }

    impl ObjectImpl for Loopback {
        fn properties() -> &'static [glib::ParamSpec] {
            static PROPERTIES: std::sync::LazyLock<Vec<glib::ParamSpec>> = std::sync::LazyLock::new(|| {
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

    impl Loopback {
        fn deliver(&self, session_id: &str, sent: Sent) {
            let route = self.routes.lock().unwrap().get(session_id).cloned();
            if let Some(route) = route {
                return route(sent);
            }
            let twin = self.twin.lock().unwrap().upgrade();
            if let Some(twin) = twin {
                twin.receive(session_id, sent);
            }
        }
    }

    impl SignallableImpl for Loopback {
        fn start(&self) {
            *self.is_started.lock().unwrap() = true;
            *self.starts.lock().unwrap() += 1;
        }

        fn stop(&self) {
            *self.is_started.lock().unwrap() = false;
        }

        fn send_sdp(&self, session_id: &str, sdp: &WebRTCSessionDescription) {
            self.deliver(session_id, Sent::Description(sdp.clone()));
        }

        fn add_ice(&self, session_id: &str, candidate: &str, index: u32, _mid: Option<String>) {
            self.deliver(session_id, Sent::Candidate(index, candidate.to_owned()));
        }

        fn end_session(&self, session_id: &str) {
            self.deliver(session_id, Sent::End(None));
        }

        fn end_session_with_error(&self, session_id: &str, error: Option<String>) {
            self.deliver(session_id, Sent::End(error));
        }
    }
}

impl Default for Loopback {
    fn default() -> Self {
        glib::Object::new()
    }
}

impl Loopback {
    /// Two signallers, each the other's peer: the producer's and the consumer's.
    pub fn pair() -> (Self, Self) {
        let (producer, consumer) = (Self::default(), Self::default());
        producer.join(&consumer);
        (producer, consumer)
    }

    /// Makes two signallers each other's peer.
    pub fn join(&self, other: &Self) {
        self.imp().twin.lock().unwrap().set(Some(other));
        other.imp().twin.lock().unwrap().set(Some(self));
    }

    /// Called on the producer's side of a pair: begins a session on both sides.
    pub fn begin(&self, session_id: &str, offer: Option<WebRTCSessionDescription>) {
        let twin = self.imp().twin.lock().unwrap().upgrade().expect("a pair");
        signals::emit_session_started(twin.upcast_ref(), session_id, "producer");
        self.request(session_id, "consumer", offer);
    }

    /// A consumer wants to watch.
    pub fn request(&self, session_id: &str, peer_id: &str, offer: Option<WebRTCSessionDescription>) {
        signals::emit_session_requested(self.upcast_ref(), session_id, peer_id, offer.as_ref());
    }

    /// Has `route` get what the element sends in a session.
    pub fn route(&self, session_id: &str, route: impl Fn(Sent) + Send + Sync + 'static) {
        self.imp()
            .routes
            .lock()
            .unwrap()
            .insert(session_id.to_owned(), Arc::new(route));
    }

    /// Forgets a session's route.
    pub fn forget(&self, session_id: &str) {
        self.imp().routes.lock().unwrap().remove(session_id);
    }

    /// Hands the element what its peer sent.
    pub fn receive(&self, session_id: &str, sent: Sent) {
        let this = self.upcast_ref();
        match sent {
            Sent::Description(description) => {
                signals::emit_session_description(this, session_id, &reparsed(&description))
            }
            Sent::Candidate(index, candidate) => {
                signals::emit_handle_ice(this, session_id, index, None, &candidate)
            }
            Sent::End(None) => drop(signals::emit_session_ended(this, session_id)),
            Sent::End(error) => drop(signals::emit_session_ended_with_error(
                this,
                session_id,
                error.as_deref(),
            )),
        }
    }

    /// Whether the element has started its signaller and not stopped it.
    pub fn is_started(&self) -> bool {
        *self.imp().is_started.lock().unwrap()
    }

    /// How often the element has started its signaller.
    pub fn starts(&self) -> u32 {
        *self.imp().starts.lock().unwrap()
    }
}

/// As if it had crossed a network: two webrtcbins of a process must not share the object.
pub fn reparsed(description: &WebRTCSessionDescription) -> WebRTCSessionDescription {
    let text = description.sdp().as_text().expect("a description prints");
    let sdp = gst_sdp::SDPMessage::parse_buffer(text.as_bytes()).expect("what was printed parses");
    WebRTCSessionDescription::new(description.type_(), sdp)
}
