// SPDX-License-Identifier: MPL-2.0
//! The GObject of the WHIP client: properties in, everything else handed to [`Asking`].
//!
//! Owns names and blurbs of the properties, and the lock around the settings, which is taken alone and never while
//! something is called. RFC 9725, the client's side; a sink is behind it.

use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use gst::{glib, glib::subclass::prelude::*, prelude::*};

use crate::{
    signaller::{Signallable, SignallableImpl, prelude::SignallableExt as _},
    signallers::wish::{
        client::{Asking, Settings},
        non_empty,
        server::Kind,
    },
};

/// Property whose type the derive has no form for.
const HEADERS: &str = "headers";

/// Private data of the WHIP client.
#[derive(Debug, glib::Properties)]
#[properties(wrapper_type = super::WhipClientSignaller)]
pub struct WhipClientSignaller {
    #[property(name = "whip-endpoint", type = Option<String>, get, set = Self::set_endpoint, member = endpoint, mutable_ready,
        blurb = "URL of the WHIP endpoint to publish to, http:// or https://; read when the element starts")]
    #[property(name = "use-link-headers", type = bool, get, set, member = use_link_headers, default = false, mutable_ready,
        blurb = "Use the STUN and TURN servers that the server announces, asking for them by OPTIONS before the offer is made; \
            read when the element starts")]
    #[property(name = "auth-token", type = Option<String>, get, set = Self::set_auth_token, member = auth_token, mutable_ready,
        blurb = "Bearer token sent with every request, though not to another origin after a redirect; read when the element \
            starts")]
    #[property(name = "timeout", type = u32, get, set, member = timeout, default = Settings::TIMEOUT, maximum = 3600,
        blurb = "How long the server may take to answer the offer, redirects included, in seconds; 0 waits for ever. Read when \
            the element starts")]
    #[property(name = "cafile", type = Option<String>, get, set = Self::set_cafile, member = cafile,
        blurb = "PEM file of certificates to trust beside those of the system, for https://; read when the element starts")]
    #[property(name = "insecure-tls", type = bool, get, set, member = insecure_tls, default = false,
        blurb = "Accept any certificate the server shows, for https://; read when the element starts")]
    settings: Mutex<Settings>,
    #[property(name = "manual-sdp-munging", type = bool, get = |_: &Self| true, default = true,
        blurb = "The signaller lets handlers of munge-session-description change the offer right before it is sent")]
    /// Everything that runs; has a lock of its own.
    asking: Asking,
}

impl Default for WhipClientSignaller {
    fn default() -> Self {
        Self {
            settings: Mutex::default(),
            asking: Asking::new(Kind::Whip),
        }
    }
}

#[glib::object_subclass]
impl ObjectSubclass for WhipClientSignaller {
    const NAME: &'static str = "GstWhipClientSignaller";
    type Type = super::WhipClientSignaller;
    type ParentType = glib::Object;
    type Interfaces = (Signallable,);
}

impl ObjectImpl for WhipClientSignaller {
    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
            let mut properties = WhipClientSignaller::derived_properties().to_vec();
            let blurb = "HTTP headers to add to every request that may carry the token, a field each; read when the element starts";
            properties.push(
                glib::ParamSpecBoxed::builder::<gst::Structure>(HEADERS)
                    .blurb(blurb)
                    .build(),
            );
            properties
        });
        &PROPERTIES
    }

    fn set_property(&self, id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        if pspec.name() != HEADERS {
            return self.derived_set_property(id, value, pspec);
        }
        self.settings().headers = value
            .get()
            .expect("GObject checks the type of a property's value");
    }

    fn property(&self, id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        if pspec.name() != HEADERS {
            return self.derived_property(id, pspec);
        }
        self.settings().headers.to_value()
    }
}

impl SignallableImpl for WhipClientSignaller {
    fn start(&self) {
        let settings = self.settings().clone();
        self.asking.start(self.obj().upcast_ref(), &settings);
    }

    fn stop(&self) {
        self.asking.stop();
    }

    fn send_sdp(&self, session_id: &str, sdp: &gst_webrtc::WebRTCSessionDescription) {
        // Munging is this signaller's own business (manual-sdp-munging): just before the description leaves.
        let munged = self.obj().munge_sdp(session_id, sdp);
        self.asking.send_sdp(session_id, &munged);
    }

    fn add_ice(&self, session_id: &str, candidate: &str, sdp_m_line_index: u32, _sdp_mid: Option<String>) {
        self.asking.add_ice(session_id, candidate, sdp_m_line_index);
    }

    fn end_session(&self, session_id: &str) {
        self.asking.end_session(session_id, None);
    }

    fn end_session_with_error(&self, session_id: &str, error: Option<String>) {
        self.asking.end_session(session_id, error.as_deref());
    }
}

impl WhipClientSignaller {
    fn settings(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_endpoint(&self, url: Option<String>) {
        self.settings().endpoint = non_empty(url);
    }

    fn set_auth_token(&self, token: Option<String>) {
        self.settings().auth_token = non_empty(token);
    }

    fn set_cafile(&self, path: Option<String>) {
        self.settings().cafile = non_empty(path);
    }
}
