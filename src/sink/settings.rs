// SPDX-License-Identifier: MPL-2.0
//! What the properties of a sink hold, with their defaults.
//!
//! A session copies all of it when it begins; what is read later than that says so in its property's blurb. Setters
//! that have to check or convert are `imp`'s; the signaller is the one object among the values.

use std::collections::BTreeSet;
use std::time::Duration;

use gst::prelude::*;
use gst_webrtc::WebRTCICETransportPolicy;

use super::{WebRTCSinkCongestionControl, WebRTCSinkMitigationMode};
use crate::codec::MediaKind;
use crate::codec::proposals::default_caps;
use crate::signaller::{Signallable, Signaller, WebRTCSignallerRole};

/// Values of all properties. Bitrates are in bit/s.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// In order of preference; empty for no video. Read by `codec::proposals`.
    pub(crate) video_caps: gst::Caps,
    pub(crate) audio_caps: gst::Caps,
    /// `stun://host:port`; looked up when the element starts or the property is set, not when a consumer comes.
    pub(crate) stun_server: Option<String>,
    pub(crate) turn_servers: gst::Array,
    pub(crate) congestion_control: WebRTCSinkCongestionControl,
    pub(crate) min_bitrate: u32,
    pub(crate) max_bitrate: u32,
    /// Of an encoder, and the first estimate of a network nothing is known of.
    pub(crate) start_bitrate: u32,
    pub(crate) do_fec: bool,
    pub(crate) do_retransmission: bool,
    pub(crate) do_clock_signalling: bool,
    pub(crate) enable_data_channel_navigation: bool,
    pub(crate) enable_control_data_channel: bool,
    pub(crate) meta: Option<gst::Structure>,
    pub(crate) ice_transport_policy: WebRTCICETransportPolicy,
    pub(crate) signaller: Signallable,
    pub(crate) run_web_server: bool,
    pub(crate) web_server_cert: Option<String>,
    pub(crate) web_server_key: Option<String>,
    pub(crate) web_server_path: Option<String>,
    pub(crate) web_server_directory: Option<String>,
    pub(crate) web_server_host_addr: url::Url,
    /// What was set instead and is no address.
    pub(crate) unusable_web_server_host_addr: Option<String>,
    /// Names of buffer metadata that consumers are told of.
    pub(crate) forward_metas: BTreeSet<String>,
    pub(crate) enable_mitigation_modes: WebRTCSinkMitigationMode,
    /// In percent of the media's bitrate; -1 is no limit of its own.
    pub(crate) rtx_percentage: i32,
    pub(crate) max_encoders: u32,
    /// In seconds; 0 is no limit.
    pub(crate) session_timeout: u32,
    /// In milliseconds.
    pub(crate) max_playout_delay: u32,
    /// Most layers a video stream is sent in; up to 1 is one size. A property of sinks whose peers forward to others.
    pub(crate) simulcast_layers: u32,
    /// Whether signalling can carry an ICE restart of ours. No property: it follows from the protocol.
    pub(crate) may_restart_ice: bool,
}

impl Settings {
    pub(crate) const STUN_SERVER: &str = "stun://stun.l.google.com:19302";
    /// So low that it binds nobody who did not ask for it.
    pub(crate) const MIN_BITRATE: u32 = 1_000;
    /// This one and the next are defaults that applications rely on (`tests/contract/face.json`).
    pub(crate) const MAX_BITRATE: u32 = 8_192_000;
    pub(crate) const START_BITRATE: u32 = 2_048_000;
    pub(crate) const WEB_SERVER_DIRECTORY: &str = "gstwebrtc-api/dist";
    /// With the slash that the URL's own text form has, so that a new object reads back what the class declares.
    pub(crate) const WEB_SERVER_HOST_ADDR: &str = "http://127.0.0.1:8080/";
    /// The pacer bounds retransmission already.
    pub(crate) const RTX_PERCENTAGE: i32 = -1;
    /// One for good networks, one for the middle, one for the slow.
    pub(crate) const MAX_ENCODERS: u32 = 3;
    /// A peer behind a slow TURN server needs two or three seconds; ten leave room for a person's first packet loss.
    pub(crate) const SESSION_TIMEOUT_SECONDS: u32 = 10;

    /// A conversation bears 400 ms in all (ITU-T G.114).
    pub(crate) const MAX_PLAYOUT_DELAY_MS: u32 = 400;
    /// Layers cost an encoder each, and only a server that forwards has any use for them.
    pub(crate) const SIMULCAST_LAYERS: u32 = 1;

    /// How long a session may take to get connected; nothing when it may take for ever.
    pub(crate) fn session_timeout(&self) -> Option<Duration> {
        (self.session_timeout > 0).then(|| Duration::from_secs(self.session_timeout.into()))
    }

    /// The TURN servers as text.
    pub(crate) fn turn_servers(&self) -> impl Iterator<Item = String> + '_ {
        self.turn_servers
            .iter()
            .filter_map(|server| server.get::<String>().ok())
    }

    /// Whether consumers get transport-wide sequence numbers: everything that watches bandwidth needs them.
    pub(crate) fn wants_transport_feedback(&self) -> bool {
        self.congestion_control != WebRTCSinkCongestionControl::Disabled
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            video_caps: default_caps(MediaKind::Video),
            audio_caps: default_caps(MediaKind::Audio),
            stun_server: Some(Self::STUN_SERVER.to_owned()),
            turn_servers: gst::Array::default(),
            congestion_control: WebRTCSinkCongestionControl::default(),
            min_bitrate: Self::MIN_BITRATE,
            max_bitrate: Self::MAX_BITRATE,
            start_bitrate: Self::START_BITRATE,
            do_fec: true,
            do_retransmission: true,
            do_clock_signalling: false,
            enable_data_channel_navigation: false,
            enable_control_data_channel: false,
            meta: None,
            ice_transport_policy: WebRTCICETransportPolicy::All,
            signaller: Signaller::new(WebRTCSignallerRole::Producer).upcast(),
            run_web_server: false,
            web_server_cert: None,
            web_server_key: None,
            web_server_path: None,
            web_server_directory: Some(Self::WEB_SERVER_DIRECTORY.to_owned()),
            web_server_host_addr: Self::WEB_SERVER_HOST_ADDR.parse().expect("a constant URL"),
            unusable_web_server_host_addr: None,
            forward_metas: BTreeSet::new(),
            enable_mitigation_modes: WebRTCSinkMitigationMode::all(),
            rtx_percentage: Self::RTX_PERCENTAGE,
            max_encoders: Self::MAX_ENCODERS,
            session_timeout: Self::SESSION_TIMEOUT_SECONDS,
            max_playout_delay: Self::MAX_PLAYOUT_DELAY_MS,
            simulcast_layers: Self::SIMULCAST_LAYERS,
            may_restart_ice: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_seconds_are_no_timeout() {
        gst::init().expect("GStreamer initialises");
        let mut settings = Settings::default();
        assert_eq!(settings.session_timeout(), Some(Duration::from_secs(10)));
        settings.session_timeout = 0;
        assert_eq!(settings.session_timeout(), None);
    }

    #[test]
    fn only_disabled_control_goes_without_feedback() {
        gst::init().expect("GStreamer initialises");
        let mut settings = Settings::default();
        assert!(settings.wants_transport_feedback());
        settings.congestion_control = WebRTCSinkCongestionControl::Disabled;
        assert!(!settings.wants_transport_feedback());
    }
}
