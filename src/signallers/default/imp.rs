// SPDX-License-Identifier: MPL-2.0
//! The GObject of the default signaller: properties in, client started and stopped.
//!
//! Owns the properties and the way between GObject signals and the client's plain values: descriptions are parsed here,
//! so that text which is none ends its session and goes no further. What to say to the server is decided by `machine`,
//! the connection is `client`'s; the messages themselves are those of `docs/protocol.md`.
//!
//! Verbs come from any thread and only enqueue. Reports come on the client's task, and signals are emitted there with
//! no lock held; three locks, each taken alone.

use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use gst::glib;
use gst::glib::prelude::*;
use gst::glib::subclass::prelude::*;

use gst_plugin_webrtc_signalling_protocol::{PeerMessageInner, SdpMessage};
use gst_webrtc::{WebRTCSDPType, WebRTCSessionDescription};

use super::WebRTCSignallerRole;
use super::client::{self, Client, Endpoint, Host};
use super::machine::{Input, Machine, Report};
use super::settings::{Settings, UriNotice};
use crate::end_reason::{EndReason, SessionEndReason};
use crate::gst_ext::property::{self, non_empty};
use crate::gst_ext::{promise, structure};
use crate::signaller::{CAT, Signallable, SignallableImpl, signals};

/// Settings, and the client while it runs.
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
    /// Present between start and stop. Taken alone, after no other lock.
    client: Mutex<Option<Client>>,
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

impl SignallableImpl for Signaller {
    fn start(&self) {
        let settings = self.settings().clone();
        if let Some(error) = &settings.refused_uri {
            return signals::emit_error(self.obj().upcast_ref(), &error.to_string());
        }
        let endpoint = Endpoint {
            server: settings.server(),
            cafile: settings.cafile.as_ref().map(PathBuf::from),
            is_insecure: settings.insecure_tls,
        };
        let machine = Machine::new(settings.role, settings.target());
        let host = Arc::new(Reporter {
            signaller: self.obj().downgrade(),
        });
        let former = self.client().replace(client::start(endpoint, machine, host));
        drop(former);
    }

    fn stop(&self) {
        let client = self.client().take();
        if let Some(client) = client {
            client.stop();
        }
        self.set_client_id(None);
    }

    fn send_sdp(&self, session_id: &str, sdp: &WebRTCSessionDescription) {
        let Ok(text) = sdp.sdp().as_text() else {
            return gst::error!(
                CAT,
                imp = self,
                "{session_id}: a description that cannot be printed is not sent"
            );
        };
        let description = match sdp.type_() {
            WebRTCSDPType::Offer => SdpMessage::Offer { sdp: text },
            _ => SdpMessage::Answer { sdp: text },
        };
        self.send(session_id, PeerMessageInner::Sdp(description));
    }

    fn add_ice(&self, session_id: &str, candidate: &str, sdp_m_line_index: u32, sdp_mid: Option<String>) {
        let candidate = candidate.to_owned();
        let message = PeerMessageInner::Ice {
            candidate,
            sdp_m_line_index,
            sdp_mid,
            username_fragment: None,
        };
        self.send(session_id, message);
    }

    fn end_session(&self, session_id: &str) {
        self.handle(Input::End {
            session_id: session_id.to_owned(),
            error: None,
        });
    }

    fn end_session_with_error(&self, session_id: &str, error: Option<String>) {
        self.handle(Input::End {
            session_id: session_id.to_owned(),
            error,
        });
    }
}

impl Signaller {
    fn settings(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn client(&self) -> MutexGuard<'_, Option<Client>> {
        self.client.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&self, session_id: &str, message: PeerMessageInner) {
        self.handle(Input::Send {
            session_id: session_id.to_owned(),
            message,
        });
    }

    /// Passes a verb to the client, where one runs. Nothing is kept for later: sessions do not outlive a stop.
    fn handle(&self, input: Input) {
        let is_queued = self.client().as_ref().map(|client| client.handle(input));
        match is_queued {
            Some(true) => {}
            Some(false) => gst::error!(CAT, imp = self, "a message is lost, the server takes none"),
            None => gst::debug!(CAT, imp = self, "a message is dropped, signalling is stopped"),
        }
    }

    /// Notifies only of a change, with the lock released: handlers may read the property.
    fn set_client_id(&self, id: Option<String>) {
        let is_news = {
            let mut current = self.client_id.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *current, id.clone()) != id
        };
        if is_news {
            self.obj().notify_client_id();
        }
    }

    /// Whether a consumer without a producer id plays whoever produces first.
    pub(crate) fn connects_to_first_producer(&self) -> bool {
        self.settings().connect_to_first_producer
    }

    /// See [`Signaller::connects_to_first_producer`]; read when the element starts.
    pub(crate) fn set_connects_to_first_producer(&self, connects: bool) {
        self.settings().connect_to_first_producer = connects;
    }

    fn report(&self, report: Report) {
        let object = self.obj();
        let this: &Signallable = object.upcast_ref();
        match report {
            Report::ClientId(id) => self.set_client_id(id),
            Report::ProducerChosen(id) => {
                self.settings().producer_peer_id = Some(id);
                object.notify_producer_peer_id();
            }
            Report::ProducerAdded { id, meta, is_new } => {
                signals::emit_producer_added(this, &id, structure::from_json(&meta).as_ref(), is_new);
            }
            Report::ProducerRemoved { id, meta } => {
                signals::emit_producer_removed(this, &id, structure::from_json(&meta).as_ref());
            }
            Report::SessionStarted { session_id, peer_id } => {
                signals::emit_session_started(this, &session_id, &peer_id);
            }
            Report::SessionRequested {
                session_id,
                peer_id,
                offer,
            } => {
                self.session_requested(this, &session_id, &peer_id, offer);
            }
            Report::Description {
                session_id,
                description,
            } => self.description(this, &session_id, description),
            Report::Candidate {
                session_id,
                index,
                mid,
                candidate,
            } => {
                signals::emit_handle_ice(this, &session_id, index, mid.as_deref(), &candidate);
            }
            Report::SessionEnded { session_id } => {
                signals::emit_session_ended(this, &session_id);
            }
            Report::SessionEndedWithError { session_id, error } => {
                signals::emit_session_ended_with_error(this, &session_id, error.as_deref());
            }
            Report::Warning(message) => signals::emit_warning(this, &message),
            Report::Error(message) => signals::emit_error(this, &message),
        }
    }

    fn session_requested(&self, this: &Signallable, session_id: &str, peer_id: &str, offer: Option<String>) {
        let offer = match offer {
            None => None,
            Some(text) => match promise::parsed(WebRTCSDPType::Offer, &text) {
                Some(offer) => Some(offer),
                None => return self.refuse_description(session_id),
            },
        };
        signals::emit_session_requested(this, session_id, peer_id, offer.as_ref());
    }

    fn description(&self, this: &Signallable, session_id: &str, description: SdpMessage) {
        let (type_, text) = match description {
            SdpMessage::Offer { sdp } => (WebRTCSDPType::Offer, sdp),
            SdpMessage::Answer { sdp } => (WebRTCSDPType::Answer, sdp),
        };
        match promise::parsed(type_, &text) {
            Some(description) => signals::emit_session_description(this, session_id, &description),
            None => {
                self.refuse_description(session_id);
                let reason = bad_description();
                signals::emit_session_ended_with_error(this, session_id, Some(&reason));
            }
        }
    }

    /// Ends a session at the server for a description that is none.
    fn refuse_description(&self, session_id: &str) {
        gst::warning!(
            CAT,
            imp = self,
            "{session_id}: the peer's description cannot be parsed"
        );
        self.handle(Input::End {
            session_id: session_id.to_owned(),
            error: Some(bad_description()),
        });
    }

    /// Descriptions go out as the element made them.
    fn is_munging_manually(&self) -> bool {
        false
    }

    fn uri(&self) -> Option<String> {
        Some(self.settings().uri.to_string())
    }

    /// A setter cannot fail: an address that is none is kept aside, and starting reports it.
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

/// The client's way back to the object; the object may be gone.
struct Reporter {
    signaller: glib::WeakRef<super::Signaller>,
}

impl Host for Reporter {
    fn meta(&self) -> Option<serde_json::Value> {
        let meta = signals::emit_request_meta(self.signaller.upgrade()?.upcast_ref())?;
        Some(structure::to_json(&meta))
    }

    fn headers(&self) -> Vec<(String, String)> {
        let signaller = self.signaller.upgrade();
        let headers = signaller.and_then(|signaller| signaller.imp().settings().headers.clone());
        property::texts(headers.as_deref())
    }

    fn report(&self, report: Report) {
        if let Some(signaller) = self.signaller.upgrade() {
            signaller.imp().report(report);
        }
    }
}

fn bad_description() -> String {
    EndReason::new(SessionEndReason::BadDescription, "the SDP cannot be parsed").to_wire()
}

const HEADERS: &str = "headers";
