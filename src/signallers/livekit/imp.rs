// SPDX-License-Identifier: MPL-2.0
//! The GObject of a LiveKit participant: properties in, client started and stopped, reports out as signals.
//!
//! Owns the GObject class alone: properties, the action `set-track-muted`, and the verbs of the interface as inputs of
//! the machine. What begins and ends with a start is `session`'s; joining, publishing and subscribing are decided by
//! `machine` and carried out by `client`.
//!
//! Verbs come from any thread and only enqueue. The locks of `settings` and `session` are never held together.

use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use gst::glib;
use gst::glib::prelude::*;
use gst::glib::subclass::prelude::*;
use gst::prelude::*;
use gst_webrtc::{WebRTCDataChannel, WebRTCSDPType, WebRTCSessionDescription};

use super::ConnectionState;
use super::channels::Channel;
use super::machine::{DescriptionKind, Input};
use super::protocol::Candidate;
use super::session::Session;
use super::settings::Settings;
use crate::end_reason::EndReason;
use crate::signaller::{CAT, Signallable, SignallableImpl, WebRTCSignallerRole};

/// Implementation of `GstLiveKitWebRTCSinkSignaller`.
#[derive(Debug, Default, glib::Properties)]
#[properties(wrapper_type = super::LiveKitSignaller)]
pub struct Signaller {
    #[property(name = "ws-url", type = Option<String>, get, set, member = ws_url, mutable_ready,
        default = Some(Settings::WS_URL),
        blurb = "Address of the LiveKit server, ws:// or wss://; read when the element starts")]
    #[property(name = "api-key", type = Option<String>, get, set, member = api_key, mutable_ready,
        blurb = "API key to make a token with, unless auth-token is set; read when the element starts")]
    #[property(name = "secret-key", type = Option<String>, get, set, member = secret_key, mutable_ready,
        blurb = "Secret of the API key; read when the element starts")]
    #[property(name = "participant-name", type = Option<String>, get, set, member = participant_name, mutable_ready,
        default = Some(Settings::PARTICIPANT_NAME),
        blurb = "Name shown to the other participants, for tokens made here; read when the element starts")]
    #[property(name = "identity", type = Option<String>, get, set, member = identity, mutable_ready,
        default = Some(Settings::IDENTITY),
        blurb = "Identity in the room, for tokens made here; the server throws out who had it before. Read when the element \
            starts")]
    #[property(name = "auth-token", type = Option<String>, get, set, member = auth_token, mutable_ready,
        blurb = "Ready access token to join with; room and identity are in it. Read when the element starts")]
    #[property(name = "room-name", type = Option<String>, get, set, member = room_name, mutable_ready,
        blurb = "Room to join, for tokens made here; read when the element starts")]
    #[property(name = "timeout", type = u32, get, set, member = timeout, minimum = 1, maximum = 3600,
        default = Settings::TIMEOUT,
        blurb = "How many seconds the server may take to acknowledge a published track before that is an error; read when \
            the element starts")]
    #[property(name = "role", type = WebRTCSignallerRole, get, set, member = role,
        blurb = "Whether to publish (producer) or to subscribe (consumer); read when the element starts",
        builder(WebRTCSignallerRole::Consumer))]
    #[property(name = "producer-peer-id", type = Option<String>, get, set = Self::set_producer_peer_id,
        member = producer_peer_id,
        blurb = "Session id or identity of the one participant to subscribe to; NULL for everybody. Takes effect at once")]
    #[property(name = "room-timeout", type = u32, get, set = Self::set_room_timeout, member = room_timeout, default = 0,
        blurb = "How many milliseconds without any other participant end the session with an error; 0 never. Takes effect \
            at once")]
    #[property(name = "reconnect-timeout", type = u32, get, set, member = reconnect_timeout,
        default = Settings::RECONNECT_TIMEOUT,
        blurb = "How many seconds a server that was lost is looked for before that is an error; 0 for ever. Read when the \
            element starts")]
    #[property(name = "cafile", type = Option<String>, get, set, member = cafile, mutable_ready,
        blurb = "PEM file of certificates to trust beside those of the system, for wss://; read when the element starts")]
    #[property(name = "insecure-tls", type = bool, get, set, member = insecure_tls, default = false, mutable_ready,
        blurb = "Accept any certificate the server shows, for wss://; read when the element starts")]
    settings: Mutex<Settings>,
    #[property(name = "reliable-channel", type = Option<WebRTCDataChannel>, get = Self::reliable_channel,
        blurb = "The data channel _reliable; NULL until there is one")]
    #[property(name = "lossy-channel", type = Option<WebRTCDataChannel>, get = Self::lossy_channel,
        blurb = "The data channel _lossy, which never retransmits; NULL until there is one")]
    #[property(name = "connection-state", type = ConnectionState, get = Self::connection_state,
        blurb = "How far the participation has come; notified when it changes",
        builder(ConnectionState::ServerDisconnected))]
    #[property(name = "manual-sdp-munging", type = bool, get = Self::is_munging_manually, default = false,
        blurb = "Whether the signaller changes session descriptions itself before sending them")]
    /// What is between start and stop. Taken alone, after no other lock.
    pub(super) session: Mutex<Session>,
}

#[glib::object_subclass]
impl ObjectSubclass for Signaller {
    const NAME: &'static str = "GstLiveKitWebRTCSinkSignaller";
    type Type = super::LiveKitSignaller;
    type ParentType = glib::Object;
    type Interfaces = (Signallable,);
}

impl ObjectImpl for Signaller {
    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
            // The derive has no form for structures and arrays.
            Signaller::derived_properties()
                .iter()
                .cloned()
                .chain(boxed_properties())
                .collect()
        });
        &PROPERTIES
    }

    fn set_property(&self, id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        const CHECKED: &str = "GObject checks the type of a property's value";
        match pspec.name() {
            EXCLUDED => self.set_excluded(value.get().expect(CHECKED)),
            HEADERS => self.settings().headers = value.get().expect(CHECKED),
            TRACK_SOURCES => self.settings().track_sources = value.get().expect(CHECKED),
            _ => self.derived_set_property(id, value, pspec),
        }
    }

    fn property(&self, id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        match pspec.name() {
            EXCLUDED => gst::Array::new(&self.settings().excluded_producer_peer_ids).to_value(),
            HEADERS => self.settings().headers.to_value(),
            TRACK_SOURCES => self.settings().track_sources.to_value(),
            _ => self.derived_property(id, pspec),
        }
    }

    fn signals() -> &'static [glib::subclass::Signal] {
        static SIGNALS: LazyLock<Vec<glib::subclass::Signal>> = LazyLock::new(|| {
            let mute = glib::subclass::Signal::builder(SET_TRACK_MUTED)
                .param_types([String::static_type(), bool::static_type()])
                .action()
                .class_handler(|values| {
                    let signaller = values.first()?.get::<super::LiveKitSignaller>().ok()?;
                    let (name, muted) = (values.get(1)?.get().ok()?, values.get(2)?.get().ok()?);
                    signaller.imp().handle(Input::MuteTrack { name, muted });
                    None
                })
                .build();
            vec![mute]
        });
        &SIGNALS
    }

    fn constructed(&self) {
        self.parent_constructed();
        self.watch_webrtcbins();
        self.watch_sizes();
    }
}

impl SignallableImpl for Signaller {
    fn start(&self) {
        let settings = self.settings().clone();
        self.begin(&settings);
    }

    fn stop(&self) {
        self.finish();
    }

    fn send_sdp(&self, session_id: &str, sdp: &WebRTCSessionDescription) {
        let Ok(text) = sdp.sdp().as_text() else {
            return gst::error!(
                CAT,
                imp = self,
                "{session_id}: a description that cannot be printed is not sent"
            );
        };
        let kind = match sdp.type_() {
            WebRTCSDPType::Offer => DescriptionKind::Offer,
            _ => DescriptionKind::Answer,
        };
        self.handle(Input::Description {
            session: session_id.to_owned(),
            kind,
            sdp: text,
        });
    }

    fn add_ice(&self, session_id: &str, candidate: &str, sdp_m_line_index: u32, sdp_mid: Option<String>) {
        let candidate = Candidate {
            candidate: candidate.to_owned(),
            sdp_mid,
            sdp_m_line_index: Some(sdp_m_line_index),
        };
        self.handle(Input::Candidate {
            session: session_id.to_owned(),
            candidate,
        });
    }

    fn end_session(&self, session_id: &str) {
        self.handle(Input::Ended {
            session: session_id.to_owned(),
            reason: None,
        });
    }

    fn end_session_with_error(&self, session_id: &str, error: Option<String>) {
        let reason = error.map(|error| EndReason::from_wire(Some(&error)));
        self.handle(Input::Ended {
            session: session_id.to_owned(),
            reason,
        });
    }
}

impl Signaller {
    pub(super) fn settings(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn session(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whom to subscribe to changes while playing as well.
    fn set_producer_peer_id(&self, id: Option<String>) {
        let filter = {
            let mut settings = self.settings();
            settings.producer_peer_id = id.filter(|id| !id.is_empty());
            settings.filter()
        };
        self.handle(Input::Filter(filter));
    }

    /// As [`Self::set_producer_peer_id`].
    fn set_excluded(&self, ids: gst::Array) {
        let filter = {
            let mut settings = self.settings();
            settings.excluded_producer_peer_ids = ids.iter().filter_map(|id| id.get().ok()).collect();
            settings.filter()
        };
        self.handle(Input::Filter(filter));
    }

    /// Counts from when the room became empty, not from now.
    fn set_room_timeout(&self, timeout: u32) {
        let timeout = {
            let mut settings = self.settings();
            settings.room_timeout = timeout;
            settings.room_timeout()
        };
        self.handle(Input::RoomTimeout(timeout));
    }

    /// Tells the machine, if it runs.
    pub(super) fn handle(&self, input: Input) {
        let is_queued = self.session().client.as_ref().map(|client| client.handle(input));
        if is_queued == Some(false) {
            gst::error!(CAT, imp = self, "a message is lost, the server takes none");
        }
    }

    /// Of the session at hand.
    fn reliable_channel(&self) -> Option<WebRTCDataChannel> {
        self.session().channel(Channel::Reliable)
    }

    /// Of the session at hand.
    fn lossy_channel(&self) -> Option<WebRTCDataChannel> {
        self.session().channel(Channel::Lossy)
    }

    /// As the last report had it.
    fn connection_state(&self) -> ConnectionState {
        self.session().state
    }

    /// Descriptions go out as the element made them.
    fn is_munging_manually(&self) -> bool {
        false
    }
}

/// Structures and arrays among the properties.
fn boxed_properties() -> [glib::ParamSpec; 3] {
    [
        gst::ParamSpecArray::builder(EXCLUDED)
            .blurb(
                "Session ids or identities of participants not to subscribe to, while no producer-peer-id is set. Takes \
                effect at once",
            )
            .element_spec(&glib::ParamSpecString::builder("excluded-producer-peer-id").build())
            .build(),
        glib::ParamSpecBoxed::builder::<gst::Structure>(HEADERS)
            .blurb("HTTP headers to add to the websocket handshake, a field each; read when the element starts")
            .mutable_ready()
            .build(),
        glib::ParamSpecBoxed::builder::<gst::Structure>(TRACK_SOURCES)
            .blurb(
                "What tracks show, a field each: name of the track (the msid of its pad) = camera, microphone, screen_share or \
                screen_share_audio. Others are camera or microphone. Read when the element starts",
            )
            .mutable_ready()
            .build(),
    ]
}

const EXCLUDED: &str = "excluded-producer-peer-ids";
const HEADERS: &str = "headers";
const TRACK_SOURCES: &str = "track-sources";
/// Action: mutes or unmutes a published track, by name.
const SET_TRACK_MUTED: &str = "set-track-muted";
