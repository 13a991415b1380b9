// SPDX-License-Identifier: MPL-2.0
//! The GObject of the default signaller: properties in, client started and stopped.

use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use gst::glib;
use gst::glib::prelude::*;
use gst::glib::subclass::prelude::*;

use super::WebRTCSignallerRole;
use super::settings::{Settings, UriNotice};
use crate::signaller::{CAT, Signallable, SignallableImpl};

#[derive(Debug, Default, glib::Properties)]
#[properties(wrapper_type = super::Signaller)]
pub struct Signaller {
    #[property(name = "uri", type = Option<String>, get = Self::uri, set = Self::set_uri,
        blurb = "Address of the signalling server, ws:// or wss://; read when the element starts. For a consumer, the query \
            parameter peer-id=ID chooses the producer")]
    #[property(name = "producer-peer-id", type = Option<String>, get = Self::producer_peer_id, set = Self::set_producer_peer_id,
        blurb = "Id of the producer to play, for a consumer; read when the element starts")]
    #[property(name = "cafile", type = Option<String>, get, set = Self::set_cafile, member = cafile,
        blurb = "PEM file of certificates to trust beside those of the system, for wss://; read when the element starts")]
    #[property(name = "role", type = WebRTCSignallerRole, get, set, member = role,
        blurb = "What this client is to the signalling server; read when the element starts",
        builder(WebRTCSignallerRole::Consumer))]
    #[property(name = "insecure-tls", type = bool, get, set, member = insecure_tls, default = false,
        blurb = "Accept any certificate the server shows, for wss://; read when the element starts")]
    settings: Mutex<Settings>,
    #[property(name = "client-id", type = Option<String>, get,
        blurb = "Id the server gave this client; NULL while not connected. Notified when it changes")]
    client_id: Mutex<Option<String>>,
    #[property(name = "manual-sdp-munging", type = bool, get = Self::is_munging_manually, default = false,
        blurb = "Whether the signaller changes session descriptions itself before sending them")]
    _manual_sdp_munging: (),
}

#[glib::object_subclass]
impl ObjectSubclass for Signaller {
    const NAME: &'static str = "GstWebRTCSignaller";
    type Type = super::Signaller;
    type ParentType = glib::Object;
    type Interfaces = (Signallable,);
}

impl ObjectImpl for Signaller {
    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
            let mut properties = Signaller::derived_properties().to_vec();
            // The derive has no form for structures.
            properties.push(
                glib::ParamSpecBoxed::builder::<gst::Structure>(HEADERS)
                    .blurb("HTTP headers to add to the websocket handshake, a field each; read at each connection")
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
        let headers = value
            .get()
            .expect("GObject checks the type of a property's value");
        self.settings().headers = headers;
    }

    fn property(&self, id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        if pspec.name() != HEADERS {
            return self.derived_property(id, pspec);
        }
        self.settings().headers.to_value()
    }
}

impl SignallableImpl for Signaller {}

impl Signaller {
    fn settings(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_munging_manually(&self) -> bool {
        false
    }

    fn uri(&self) -> Option<String> {
        Some(self.settings().uri.to_string())
    }

    fn set_uri(&self, uri: Option<String>) {
        let result = self.settings().set_uri(uri.as_deref().unwrap_or_default());
        match result {
            Ok(notices) => {
                for UriNotice::OnlyForConsumers { parameter } in notices {
                    gst::warning!(
                        CAT,
                        imp = self,
                        "{parameter} in the address means nothing to a client that is no consumer"
                    );
                }
            }
            Err(error) => gst::error!(CAT, imp = self, "the server's address stays as it was: {error}"),
        }
    }

    fn producer_peer_id(&self) -> Option<String> {
        self.settings().producer_peer_id.clone()
    }

    fn set_producer_peer_id(&self, id: Option<String>) {
        let is_consumer = {
            let mut settings = self.settings();
            let is_consumer = settings.role == WebRTCSignallerRole::Consumer;
            if is_consumer {
                settings.producer_peer_id = non_empty(id);
            }
            is_consumer
        };
        if !is_consumer {
            gst::warning!(
                CAT,
                imp = self,
                "producer-peer-id means nothing to a client that is no consumer"
            );
        }
    }

    fn set_cafile(&self, path: Option<String>) {
        self.settings().cafile = non_empty(path);
    }
}

const HEADERS: &str = "headers";

/// An empty text stands for NULL, which a launch line cannot write.
fn non_empty(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}
