// SPDX-License-Identifier: MPL-2.0
//! The GObject of the WHEP server: properties and action signals in, everything else handed to [`Serving`].
//!
//! Owns names and blurbs of the properties, and the lock around the settings, which is taken alone and never while
//! something is called. draft-ietf-wish-whep-03, the server's side; a sink is behind it.

use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use gst::{
    glib,
    glib::subclass::{Signal, prelude::*},
    prelude::*,
};

use crate::{
    signaller::{Signallable, SignallableImpl},
    signallers::wish::{
        CAT, non_empty,
        server::{Kind, Response, Serving, Settings, actions},
    },
};

/// Private data of the WHEP server.
#[derive(Debug, glib::Properties)]
#[properties(wrapper_type = super::WhepServerSignaller)]
pub struct WhepServerSignaller {
    #[property(name = "host-addr", type = Option<String>, get = Self::host_addr, set = Self::set_host_addr,
        default = Settings::WHEP_HOST_ADDR,
        blurb = "Where to listen, http:// or https://, as a URL whose path is ignored; NULL or empty runs no server, for \
            applications that forward requests through the action signals. With port 0 reads the port in use. Read when the \
            element starts")]
    #[property(name = "stun-server", type = Option<String>, get, set, member = stun_server,
        default = Settings::STUN_SERVER,
        blurb = "STUN server announced to clients, stun://host:port; read when the element starts")]
    #[property(name = "turn-servers", type = gst::Array, get, set, member = turn_servers, mutable_ready,
        blurb = "TURN servers announced to clients that may publish or play, each turn(s)://user:password@host:port; read when \
            the element starts")]
    #[property(name = "timeout", type = u32, get, set, member = timeout, default = Settings::WHEP_TIMEOUT, maximum = 3600,
        blurb = "How long a client's request waits for the element's description, in seconds; 0 waits for ever. Read when the \
            element starts")]
    #[property(name = "auth-token", type = Option<String>, get, set = Self::set_auth_token, member = auth_token,
        blurb = "Bearer token that every request must carry; NULL lets everybody in. Read when the element starts")]
    #[property(name = "tls-cert", type = Option<String>, get, set = Self::set_tls_cert, member = tls_cert,
        blurb = "PEM file of the certificate chain shown to clients, for https://; read when the element starts")]
    #[property(name = "tls-key", type = Option<String>, get, set = Self::set_tls_key, member = tls_key,
        blurb = "PEM file of the certificate's private key, for https://; read when the element starts")]
    #[property(name = "send-counter-offer", type = bool, get, set, member = send_counter_offer, default = false,
        blurb = "Answer every player's offer with an offer of our own, which the player answers; read when the element starts")]
    settings: Mutex<Settings>,
    #[property(name = "manual-sdp-munging", type = bool, get = |_: &Self| false, default = false,
        blurb = "Whether the signaller changes session descriptions itself before sending them")]
    /// Everything that runs; has a lock of its own.
    serving: Serving,
}

impl Default for WhepServerSignaller {
    fn default() -> Self {
        Self {
            settings: Mutex::new(Settings::new(Kind::Whep)),
            serving: Serving::new(Kind::Whep),
        }
    }
}

#[glib::object_subclass]
impl ObjectSubclass for WhepServerSignaller {
    const NAME: &'static str = "GstWhepServerSignaller";
    type Type = super::WhepServerSignaller;
    type ParentType = glib::Object;
    type Interfaces = (Signallable,);
}

#[glib::derived_properties]
impl ObjectImpl for WhepServerSignaller {
    fn signals() -> &'static [Signal] {
        static SIGNALS: LazyLock<Vec<Signal>> = LazyLock::new(actions::declare::<super::WhepServerSignaller>);
        &SIGNALS
    }
}

impl SignallableImpl for WhepServerSignaller {
    fn start(&self) {
        let settings = self.settings().clone();
        self.serving.start(self.obj().upcast_ref(), &settings);
    }

    fn stop(&self) {
        self.serving.stop();
    }

    fn send_sdp(&self, session_id: &str, sdp: &gst_webrtc::WebRTCSessionDescription) {
        self.serving.send_sdp(session_id, sdp);
    }

    fn add_ice(&self, session_id: &str, candidate: &str, sdp_m_line_index: u32, _sdp_mid: Option<String>) {
        self.serving.add_ice(session_id, candidate, sdp_m_line_index);
    }

    fn end_session(&self, session_id: &str) {
        self.serving.end_session(session_id, None);
    }

    fn end_session_with_error(&self, session_id: &str, error: Option<String>) {
        self.serving.end_session(session_id, error.as_deref());
    }
}

impl actions::Forwarding for super::WhepServerSignaller {
    const KIND: Kind = Kind::Whep;

    fn forward(&self, request: http::Request<Bytes>, done: Box<dyn FnOnce(Response) + Send>) {
        let imp = self.imp();
        let settings = imp.settings().clone();
        imp.serving.forward(&settings, request, done);
    }
}

impl WhepServerSignaller {
    /// Called once by the element, which knows whether there is anything to play.
    pub(super) fn set_media_probe(&self, probe: Box<dyn Fn() -> bool + Send + Sync>) {
        self.serving.set_media_probe(probe);
    }

    fn settings(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The configured address, with the port in use where the system was left to choose one.
    fn host_addr(&self) -> Option<String> {
        let mut url = self.settings().host_addr.clone()?;
        if let Some(port) = self.serving.port().filter(|_| url.port() == Some(0)) {
            // A URL with a host takes any port.
            let _ = url.set_port(Some(port));
        }
        Some(url.into())
    }

    fn set_host_addr(&self, url: Option<String>) {
        let result = self.settings().set_host_addr(url.as_deref());
        if let Err(error) = result {
            gst::error!(CAT, imp = self, "the address stays as it was: {error}");
        }
    }

    fn set_auth_token(&self, token: Option<String>) {
        self.settings().auth_token = non_empty(token);
    }

    fn set_tls_cert(&self, path: Option<String>) {
        self.settings().tls_cert = non_empty(path);
    }

    fn set_tls_key(&self, path: Option<String>) {
        self.settings().tls_key = non_empty(path);
    }
}
