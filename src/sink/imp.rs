// SPDX-License-Identifier: MPL-2.0
//! The GObject shell of a sink: properties, pads and state changes handed on to where they are decided.
//!
//! No logic lives here. Virtual methods come from the application's threads, those of pads from streaming threads.
//! Defaults and what else follows from a setting are in `settings`, what an element holds while it runs in `state`.
#![allow(
    missing_docs,
    reason = "the accessors the derive makes are described by the blurbs"
)]

use std::collections::BTreeSet;
use std::sync::{LazyLock, Mutex, MutexGuard, OnceLock, PoisonError};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_video::subclass::prelude::*;
use gst_webrtc::WebRTCICETransportPolicy;

use super::settings::Settings;
use super::state::State;
use super::{WebRTCSinkCongestionControl, WebRTCSinkMitigationMode, WebRTCSinkPad};
use super::{consumers, input, lifecycle, report, signals};
use crate::gst_ext::property::non_empty;
use crate::signaller::Signallable;

pub(super) static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("webrtcsink", gst::DebugColorFlags::empty(), Some("WebRTC sinks"))
});

/// What classes derived from `BaseWebRTCSink` inside of this crate implement.
pub(crate) trait BaseWebRTCSinkImpl: BinImpl {}

/// Private data of a sink. Lock order: settings before state.
#[derive(Default, glib::Properties)]
#[properties(wrapper_type = super::BaseWebRTCSink)]
pub struct BaseWebRTCSink {
    #[property(name = "video-caps", type = gst::Caps, get, set = Self::set_video_caps, member = video_caps, mutable_ready,
        nick = "Video caps", blurb = "Video codecs to offer, in order of preference, as caps such as \
        \"video/x-h264; video/x-vp8\"; video/x-raw sends pictures as they are (RFC 4175). NULL or empty offers none. Read \
        when a consumer connects")]
    #[property(name = "audio-caps", type = gst::Caps, get, set = Self::set_audio_caps, member = audio_caps, mutable_ready,
        nick = "Audio caps", blurb = "Audio codecs to offer, in order of preference, as caps such as audio/x-opus; \
        audio/x-raw,format=S16BE sends L16, S24BE L24, U8 L8. NULL or empty offers none. Read when a consumer connects")]
    #[property(name = "stun-server", type = Option<String>, get, set = Self::set_stun_server, member = stun_server,
        default = Some(Settings::STUN_SERVER), nick = "STUN server", blurb = "STUN server that tells this host its \
        public address, as stun://host:port; empty (gst-launch-1.0 ... stun-server='\"\"') or NULL for none. Read when a \
        consumer connects")]
    #[property(name = "turn-servers", type = gst::Array, get, set, member = turn_servers, mutable_ready,
        element_spec = &*TURN_SERVER, nick = "TURN servers", blurb = "TURN servers that relay where no direct path \
        exists, each as turn://user:password@host:port or turns://user:password@host:port: gst-launch-1.0 ... \
        turn-servers='<\"turn://user:password@host:port\">'. Read when a consumer connects")]
    #[property(name = "congestion-control", type = WebRTCSinkCongestionControl, get, set, member = congestion_control,
        mutable_ready, nick = "Congestion control", blurb = "How the bitrate that a consumer's network carries is \
        found: gcc follows delay and loss, homegrown is a simpler heuristic, disabled sends max-bitrate to everybody. \
        Read when a consumer connects", builder(WebRTCSinkCongestionControl::default()))]
    #[property(name = "min-bitrate", type = u32, get, set, member = min_bitrate, mutable_ready, minimum = 1,
        default = Settings::MIN_BITRATE, nick = "Minimal bitrate", blurb = "Lowest bitrate, in bit/s, that a video \
        encoder is asked for. Read when a consumer connects")]
    #[property(name = "max-bitrate", type = u32, get, set, member = max_bitrate, mutable_ready, minimum = 1,
        default = Settings::MAX_BITRATE, nick = "Maximal bitrate", blurb = "Highest bitrate, in bit/s, that a video \
        encoder is asked for. Read when a consumer connects")]
    #[property(name = "start-bitrate", type = u32, get, set, member = start_bitrate, mutable_ready, minimum = 1,
        default = Settings::START_BITRATE, nick = "Start bitrate", blurb = "Bitrate, in bit/s, that a video encoder \
        begins with, and the first estimate of a consumer's bandwidth. Read when a consumer connects")]
    #[property(name = "do-fec", type = bool, get, set, member = do_fec, mutable_ready, default = true,
        nick = "Forward error correction", blurb = "Whether video may be protected by ULPFEC where packets are lost \
        and the round trip is too long for retransmission. Read when a consumer connects")]
    #[property(name = "do-retransmission", type = bool, get, set, member = do_retransmission, mutable_ready, default = true,
        nick = "Retransmission", blurb = "Whether lost video packets are sent again on request. Read when a consumer \
        connects")]
    #[property(name = "do-clock-signalling", type = bool, get, set, member = do_clock_signalling, mutable_ready,
        nick = "Clock signalling", blurb = "Whether offers tell which clock the timestamps follow (RFC 7273), so that \
        receivers on the same clock can play in sync. Read when a consumer connects")]
    #[property(name = "enable-data-channel-navigation", type = bool, get, set, member = enable_data_channel_navigation,
        mutable_ready, nick = "Navigation channel", blurb = "Whether consumers get a data channel called input for \
        navigation events; enable-control-data-channel does more. Read when a consumer connects")]
    #[property(name = "enable-control-data-channel", type = bool, get, set, member = enable_control_data_channel,
        mutable_ready, nick = "Control channel", blurb = "Whether consumers get a data channel called control for \
        navigation and custom events, with replies. Read when a consumer connects")]
    #[property(name = "ice-transport-policy", type = WebRTCICETransportPolicy, get, set, member = ice_transport_policy,
        mutable_ready, nick = "ICE transport policy", blurb = "Whether any path may be used or only those through a \
        TURN server. Read when a consumer connects", builder(WebRTCICETransportPolicy::All))]
    #[property(name = "signaller", type = Signallable, get, set = Self::set_signaller, member = signaller, mutable_ready,
        nick = "Signaller", blurb = "Object that finds consumers and carries descriptions and candidates to them. \
        Its properties are set as signaller::name, such as signaller::uri, and read when the element starts; an object \
        that is set while the element runs takes over when it starts anew")]
    #[property(name = "run-web-server", type = bool, get, set, member = run_web_server, mutable_ready,
        nick = "Run web server", blurb = "Whether the element serves web-server-directory over HTTP at \
        web-server-host-addr while it is at least PAUSED")]
    #[property(name = "web-server-cert", type = Option<String>, get, set = Self::set_web_server_cert, member = web_server_cert,
        nick = "Web server certificate", blurb = "PEM file with the web server's certificate chain; with \
        web-server-key it makes the server speak TLS. Read when the server starts")]
    #[property(name = "web-server-key", type = Option<String>, get, set = Self::set_web_server_key, member = web_server_key,
        nick = "Web server key", blurb = "PEM file with the private key of web-server-cert. Read when the server starts")]
    #[property(name = "web-server-path", type = Option<String>, get, set = Self::set_web_server_path, member = web_server_path,
        nick = "Web server path", blurb = "URL path below which files are served; empty or NULL for the root. Read \
        when the server starts")]
    #[property(name = "web-server-directory", type = Option<String>, get, set = Self::set_web_server_directory,
        member = web_server_directory, default = Some(Settings::WEB_SERVER_DIRECTORY), nick = "Web server directory",
        blurb = "Directory whose files are served, relative to the working directory. Read when the server starts")]
    #[property(name = "web-server-host-addr", type = String, get = Self::web_server_host_addr,
        set = Self::set_web_server_host_addr, default = Some(Settings::WEB_SERVER_HOST_ADDR), nick = "Web server address",
        blurb = "Address the web server listens at, as http://host:port; with what is no URL the server does not \
        start. Read when the server starts")]
    #[property(name = "forward-metas", type = String, get = Self::forward_metas, set = Self::set_forward_metas,
        default = Some(""), mutable_playing, nick = "Forward metas", blurb = "Buffer metadata told on the control channel, \
        separated by commas; timecode is known. Takes effect at once")]
    #[property(name = "enable-mitigation-modes", type = WebRTCSinkMitigationMode, get, set, member = enable_mitigation_modes,
        mutable_playing, default = WebRTCSinkMitigationMode::all(), nick = "Mitigation modes", blurb = "Ways in which \
        video may be degraded when its bitrate is low. Takes effect at the next change of a bitrate")]
    #[property(name = "rtx-percentage", type = i32, get, set, member = rtx_percentage, mutable_ready, minimum = -1,
        default = Settings::RTX_PERCENTAGE, nick = "Retransmission percentage", blurb = "Most that retransmission may \
        take, in percent of the media's bitrate; -1 for no limit. Read when a consumer connects")]
    #[property(name = "max-encoders", type = u32, get, set, member = max_encoders, mutable_ready,
        default = Settings::MAX_ENCODERS, nick = "Maximal encoders", blurb = "Most encoders that run for one stream in \
        one codec: consumers of similar bandwidth share one. 0 gives every consumer its own. Takes effect when \
        consumers are grouped anew")]
    #[property(name = "session-timeout", type = u32, get, set, member = session_timeout, mutable_ready,
        default = Settings::SESSION_TIMEOUT_SECONDS, nick = "Session timeout", blurb = "Seconds a consumer has to get \
        connected before its session is ended; 0 for no limit. Read when a consumer connects")]
    #[property(name = "max-playout-delay", type = u32, get, set, member = max_playout_delay, mutable_ready,
        default = Settings::MAX_PLAYOUT_DELAY_MS, nick = "Maximum playout delay", blurb = "Longest time, in ms, that a \
        consumer whose link loses packets is asked to hold pictures back, so that repairs arrive before they are shown; \
        0 never asks. Read when a consumer connects")]
    /// What the user chose; whoever begins something takes a copy.
    settings: Mutex<Settings>,
    /// What changes while the element runs; see `state`.
    state: Mutex<State>,
}

static TURN_SERVER: LazyLock<glib::ParamSpec> = LazyLock::new(|| {
    glib::ParamSpecString::builder("turn-server")
        .nick("TURN server")
        .blurb("turn://user:password@host:port")
        .build()
});

impl BaseWebRTCSink {
    pub(super) fn settings(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_video_caps(&self, caps: Option<gst::Caps>) {
        self.settings().video_caps = caps.unwrap_or_else(gst::Caps::new_empty);
    }

    fn set_audio_caps(&self, caps: Option<gst::Caps>) {
        self.settings().audio_caps = caps.unwrap_or_else(gst::Caps::new_empty);
    }

    fn set_stun_server(&self, uri: Option<String>) {
        self.settings().stun_server = non_empty(uri);
        lifecycle::stun_server_changed(&self.obj());
    }

    fn set_signaller(&self, signaller: Option<Signallable>) {
        let Some(signaller) = signaller else {
            gst::warning!(
                CAT,
                imp = self,
                "a sink cannot be without a signaller, the old one stays"
            );
            return;
        };
        self.settings().signaller = signaller.clone();
        lifecycle::signaller_changed(&self.obj(), &signaller);
    }

    fn set_web_server_cert(&self, path: Option<String>) {
        self.settings().web_server_cert = non_empty(path);
    }

    fn set_web_server_key(&self, path: Option<String>) {
        self.settings().web_server_key = non_empty(path);
    }

    fn set_web_server_path(&self, path: Option<String>) {
        self.settings().web_server_path = non_empty(path);
    }

    fn set_web_server_directory(&self, path: Option<String>) {
        self.settings().web_server_directory = non_empty(path);
    }

    fn web_server_host_addr(&self) -> String {
        self.settings().web_server_host_addr.to_string()
    }

    fn set_web_server_host_addr(&self, address: Option<String>) {
        let address = address.unwrap_or_default();
        match address.parse() {
            Ok(url) => {
                let mut settings = self.settings();
                settings.web_server_host_addr = url;
                settings.unusable_web_server_host_addr = None;
            }
            Err(_) => self.settings().unusable_web_server_host_addr = Some(address),
        }
    }

    fn forward_metas(&self) -> String {
        self.settings()
            .forward_metas
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(",")
    }

    /// Names that nobody knows are kept: a later version may, and reading the property names them all.
    fn set_forward_metas(&self, metas: Option<String>) {
        let metas = metas.unwrap_or_default();
        let names = metas
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .map(str::to_owned);
        self.settings().forward_metas = names.collect::<BTreeSet<_>>();
    }
}

#[glib::object_subclass]
impl ObjectSubclass for BaseWebRTCSink {
    const NAME: &'static str = "GstBaseWebRTCSink";
    type Type = super::BaseWebRTCSink;
    type ParentType = gst::Bin;
    type Interfaces = (gst::ChildProxy, gst_video::Navigation);
}

/// The derive has no form for structures.
static STRUCTURES: LazyLock<[glib::ParamSpec; 2]> = LazyLock::new(|| {
    [
        glib::ParamSpecBoxed::builder::<gst::Structure>(META)
            .nick("Metadata")
            .blurb(
                "What signalling tells others about this producer, such as meta=\"meta,name=camera\". Read when the \
                 signaller asks",
            )
            .build(),
        glib::ParamSpecBoxed::builder::<gst::Structure>(STATS)
            .nick("Statistics")
            .blurb(
                "Statistics of every session by its id: those of webrtcbin, and in consumer-stats its encoders, \
                 bitrates, losses and path (docs/statistics.md)",
            )
            .read_only()
            .build(),
    ]
});

const META: &str = "meta";
const STATS: &str = "stats";

impl ObjectImpl for BaseWebRTCSink {
    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> =
            LazyLock::new(|| [BaseWebRTCSink::derived_properties(), &*STRUCTURES].concat());
        &PROPERTIES
    }

    fn set_property(&self, id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        if pspec.name() != META {
            return self.derived_set_property(id, value, pspec);
        }
        self.settings().meta = value
            .get()
            .expect("GObject checks the type of a property's value");
    }

    fn property(&self, id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        match pspec.name() {
            META => self.settings().meta.to_value(),
            STATS => report::stats(&self.obj()).to_value(),
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
        obj.set_element_flags(gst::ElementFlags::SINK);
        let signaller = self.settings().signaller.clone();
        consumers::listen(&obj, &signaller);
    }
}

impl GstObjectImpl for BaseWebRTCSink {}

impl ElementImpl for BaseWebRTCSink {
    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: OnceLock<Vec<gst::PadTemplate>> = OnceLock::new();
        TEMPLATES.get_or_init(input::templates)
    }

    fn request_new_pad(
        &self,
        template: &gst::PadTemplate,
        _name: Option<&str>,
        _caps: Option<&gst::Caps>,
    ) -> Option<gst::Pad> {
        let pad = input::add(&self.obj(), template)?;
        Some(pad.upcast())
    }

    fn release_pad(&self, pad: &gst::Pad) {
        if let Some(pad) = pad.downcast_ref::<WebRTCSinkPad>() {
            input::remove(&self.obj(), pad);
        }
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        let obj = self.obj();
        lifecycle::before(&obj, transition)?;
        match self.parent_change_state(transition) {
            Ok(success) => Ok(lifecycle::after(&obj, transition, success)),
            Err(error) => {
                lifecycle::failed(&obj, transition);
                Err(error)
            }
        }
    }
}

impl BinImpl for BaseWebRTCSink {}

impl ChildProxyImpl for BaseWebRTCSink {
    fn child_by_index(&self, _index: u32) -> Option<glib::Object> {
        None
    }

    fn children_count(&self) -> u32 {
        0
    }

    /// What a launch line may set by `signaller::` or by a pad's name.
    fn child_by_name(&self, name: &str) -> Option<glib::Object> {
        match name {
            "signaller" => Some(self.settings().signaller.clone().upcast()),
            pad => self.obj().static_pad(pad).map(Cast::upcast),
        }
    }
}

impl NavigationImpl for BaseWebRTCSink {
    fn send_event(&self, structure: gst::Structure) {
        let event = gst::event::Navigation::new(structure);
        input::send_upstream(&self.obj(), &event, |stream| stream.is_video());
    }
}
