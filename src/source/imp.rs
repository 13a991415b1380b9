// SPDX-License-Identifier: MPL-2.0
//! The GObject shell of a source: properties, pads and state changes handed on to where they are decided.
//!
//! No logic lives here. Virtual methods come from the application's threads, messages also from streaming threads.

use std::sync::{LazyLock, Mutex, MutexGuard, OnceLock, PoisonError};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use super::settings::{self, Settings};
use super::state::{Connection, State};
use super::{
    CAT, WebRTCSrcPad, WebRTCSrcSessionEnd, events, exposure, lifecycle, report, signalling, signals,
};
use crate::codec::MediaKind;
use crate::gst_ext::property::non_empty;
use crate::signaller::Signallable;

/// What classes derived from `BaseWebRTCSrc` inside of this crate implement.
pub(crate) trait BaseWebRTCSrcImpl: BinImpl {}

/// Private data of a source. Lock order: settings, connection, state.
#[derive(Default, glib::Properties)]
#[properties(wrapper_type = super::BaseWebRTCSrc)]
pub struct BaseWebRTCSrc {
    #[property(name = "stun-server", type = Option<String>, get, set = Self::set_stun_server, member = stun_server, mutable_ready,
        default = Some(Settings::STUN_SERVER), nick = "STUN server", blurb = "STUN server that tells this host its \
        public address, as stun://host:port; empty or NULL for none. Read when the element starts")]
    #[property(name = "turn-servers", type = gst::Array, get, set, member = turn_servers, mutable_ready,
        element_spec = &*TURN_SERVER, nick = "TURN servers", blurb = "TURN servers that relay where no direct path \
        exists, each as turn://user:password@host:port or turns://user:password@host:port. Read when a session begins")]
    #[property(name = "video-codecs", type = gst::Array, get = Self::video_codecs, set = Self::set_video_codecs, mutable_ready,
        element_spec = &*CODEC, nick = "Video codecs", blurb = "Encoding names of the video codecs to accept; when \
        this side offers, in order of preference. Names that are not known are left out. Read when a session begins")]
    #[property(name = "audio-codecs", type = gst::Array, get = Self::audio_codecs, set = Self::set_audio_codecs, mutable_ready,
        element_spec = &*CODEC, nick = "Audio codecs", blurb = "Encoding names of the audio codecs to accept; when \
        this side offers, in order of preference. Names that are not known are left out. Read when a session begins")]
    #[property(name = "enable-data-channel-navigation", type = bool, get, set, member = enable_data_channel_navigation,
        mutable_ready, nick = "Navigation channel", blurb = "Whether navigation events are sent to the producer on its \
        data channel input; enable-control-data-channel does more. Read when a session begins")]
    #[property(name = "enable-control-data-channel", type = bool, get, set, member = enable_control_data_channel,
        mutable_ready, nick = "Control channel", blurb = "Whether navigation and custom upstream events are sent to \
        the producer on its data channel control, and what it tells of its buffers is attached to ours. Read when a \
        session begins")]
    #[property(name = "do-retransmission", type = bool, get, set, member = do_retransmission, mutable_ready, default = true,
        nick = "Retransmission", blurb = "Whether lost packets are asked for again. Read when a session begins")]
    #[property(name = "latency", type = u32, get, set, member = latency, mutable_ready, default = Settings::LATENCY_MS,
        nick = "Latency", blurb = "How long, in milliseconds, packets are kept to bring them into order and to get \
        lost ones again; it is reported in the latency query. Read when a session begins")]
    #[property(name = "session-timeout", type = u32, get, set, member = session_timeout, mutable_ready,
        default = Settings::SESSION_TIMEOUT_SECONDS, nick = "Session timeout", blurb = "Seconds a session has to get \
        connected before it is ended; 0 for no limit. Read when a session begins")]
    #[property(name = "on-session-end", type = WebRTCSrcSessionEnd, get, set, member = on_session_end, mutable_ready,
        nick = "On session end", blurb = "What happens to the pads when the producer's session ends. Read when a session \
        begins", builder(WebRTCSrcSessionEnd::default()))]
    settings: Mutex<Settings>,
    #[property(name = "signaller", type = Option<Signallable>, get = Self::signaller, set = Self::set_signaller, construct_only,
        nick = "Signaller", blurb = "Object that finds the producer and carries descriptions and candidates; NULL for \
        a client of the default signalling server")]
    /// The signaller and the handlers on it; replaced as one, so that no handler outlives its signaller's turn.
    connection: Mutex<Connection>,
    /// What changes while the element runs; see `state`.
    state: Mutex<State>,
}

static TURN_SERVER: LazyLock<glib::ParamSpec> = LazyLock::new(|| {
    glib::ParamSpecString::builder("turn-server")
        .nick("TURN server")
        .blurb("turn://user:password@host:port")
        .build()
});

static CODEC: LazyLock<glib::ParamSpec> = LazyLock::new(|| {
    glib::ParamSpecString::builder("codec")
        .nick("Codec")
        .blurb("Encoding name, such as VP8")
        .build()
});

impl BaseWebRTCSrc {
    pub(super) fn settings(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The signaller; there is one as soon as the object is constructed.
    pub(super) fn signaller(&self) -> Option<Signallable> {
        self.connection().signaller.clone()
    }

    fn set_signaller(&self, signaller: Option<Signallable>) {
        self.connection().signaller = signaller;
    }

    fn set_stun_server(&self, uri: Option<String>) {
        self.settings().stun_server = non_empty(uri);
    }

    fn video_codecs(&self) -> gst::Array {
        settings::names(&self.settings().video_codecs)
    }

    fn set_video_codecs(&self, names: gst::Array) {
        self.settings().video_codecs = self.known_codecs(&names, MediaKind::Video);
    }

    fn audio_codecs(&self) -> gst::Array {
        settings::names(&self.settings().audio_codecs)
    }

    fn set_audio_codecs(&self, names: gst::Array) {
        self.settings().audio_codecs = self.known_codecs(&names, MediaKind::Audio);
    }

    /// Unknown names cost a warning and no more: a launch line for another version must not fail because of one.
    fn known_codecs(&self, names: &gst::Array, kind: MediaKind) -> Vec<crate::codec::Codec> {
        let (codecs, unknown) = settings::codecs(names, kind);
        for name in unknown {
            gst::warning!(CAT, imp = self, "{name} is no {kind} codec, it is left out");
        }
        codecs
    }
}

#[glib::object_subclass]
impl ObjectSubclass for BaseWebRTCSrc {
    const NAME: &'static str = "GstBaseWebRTCSrc";
    type Type = super::BaseWebRTCSrc;
    type ParentType = gst::Bin;
    type Interfaces = (gst::ChildProxy,);
}

impl ObjectImpl for BaseWebRTCSrc {
    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
            let mut properties = BaseWebRTCSrc::derived_properties().to_vec();
            // The derive has no form for structures.
            properties.extend([
                glib::ParamSpecBoxed::builder::<gst::Structure>(META)
                    .nick("Metadata")
                    .blurb("What signalling tells others about this consumer")
                    .mutable_ready()
                    .build(),
                glib::ParamSpecBoxed::builder::<gst::Structure>(STATS)
                    .nick("Statistics")
                    .blurb("Statistics of the session: webrtcbin's own, and those of each pad's stream")
                    .read_only()
                    .build(),
            ]);
            properties
        });
        &PROPERTIES
    }

    fn set_property(&self, id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        if pspec.name() != META {
            return self.derived_set_property(id, value, pspec);
        }
        let meta = value
            .get()
            .expect("GObject checks the type of a property's value");
        self.settings().meta = meta;
    }

    fn property(&self, id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        match pspec.name() {
            META => self.settings().meta.to_value(),
            STATS => report::now(&self.obj()).to_value(),
            _ => self.derived_property(id, pspec),
        }
    }

    fn signals() -> &'static [glib::subclass::Signal] {
        signals::all()
    }

    fn constructed(&self) {
        self.parent_constructed();
        let obj = self.obj();
        // What is inside must not change what the bin looks like from outside.
        obj.set_suppressed_flags(gst::ElementFlags::SINK | gst::ElementFlags::SOURCE);
        obj.set_element_flags(gst::ElementFlags::SOURCE);
        signalling::listen(&obj);
    }
}

impl GstObjectImpl for BaseWebRTCSrc {}

impl ElementImpl for BaseWebRTCSrc {
    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: OnceLock<Vec<gst::PadTemplate>> = OnceLock::new();
        TEMPLATES.get_or_init(|| exposure::templates(WebRTCSrcPad::static_type()))
    }

    fn request_new_pad(
        &self,
        template: &gst::PadTemplate,
        _name: Option<&str>,
        _caps: Option<&gst::Caps>,
    ) -> Option<gst::Pad> {
        exposure::request(&self.obj(), template).map(Cast::upcast)
    }

    fn release_pad(&self, pad: &gst::Pad) {
        if let Some(pad) = pad.downcast_ref::<WebRTCSrcPad>() {
            exposure::release(&self.obj(), pad);
        }
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        let obj = self.obj();
        lifecycle::before(&obj, transition)?;
        let success = self.parent_change_state(transition)?;
        Ok(lifecycle::after(&obj, transition, success))
    }

    fn send_event(&self, event: gst::Event) -> bool {
        match events::send(&self.obj(), event) {
            events::Sent::Done(is_handled) => is_handled,
            events::Sent::NotOurs(event) => self.parent_send_event(event),
        }
    }

    fn query(&self, query: &mut gst::QueryRef) -> bool {
        events::query(&self.obj(), query) || self.parent_query(query)
    }
}

impl BinImpl for BaseWebRTCSrc {
    fn handle_message(&self, message: gst::Message) {
        if let Some(message) = events::inner_message(&self.obj(), message) {
            self.parent_handle_message(message);
        }
    }
}

impl ChildProxyImpl for BaseWebRTCSrc {
    fn child_by_index(&self, index: u32) -> Option<glib::Object> {
        (index == 0).then(|| self.signaller().map(Cast::upcast)).flatten()
    }

    fn children_count(&self) -> u32 {
        1
    }

    fn child_by_name(&self, name: &str) -> Option<glib::Object> {
        (name == "signaller")
            .then(|| self.signaller().map(Cast::upcast))
            .flatten()
    }
}

const META: &str = "meta";
const STATS: &str = "stats";
