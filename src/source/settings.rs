// SPDX-License-Identifier: MPL-2.0
//! What the properties of a source hold, with their defaults.
//!
//! A session copies all of it when it begins. Setters that have to check or convert are `imp`'s; nothing here looks at
//! what is installed.

use std::time::Duration;

use super::WebRTCSrcSessionEnd;
use crate::codec::{Codec, MediaKind};

/// Values of all properties but the signaller, which is fixed at construction.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// `stun://host:port`; looked up when the element starts, before any session asks for it.
    pub(crate) stun_server: Option<String>,
    pub(crate) turn_servers: gst::Array,
    /// What signalling shows of this consumer.
    pub(crate) meta: Option<gst::Structure>,
    /// In order of preference where this side offers; where the producer offers, its own order counts.
    pub(crate) video_codecs: Vec<Codec>,
    pub(crate) audio_codecs: Vec<Codec>,
    pub(crate) enable_data_channel_navigation: bool,
    pub(crate) enable_control_data_channel: bool,
    pub(crate) do_retransmission: bool,
    /// Of the jitterbuffers, in milliseconds.
    pub(crate) latency: u32,
    /// In seconds; 0 is no limit.
    pub(crate) session_timeout: u32,
    pub(crate) on_session_end: WebRTCSrcSessionEnd,
}

impl Settings {
    /// Public and free to use without registration.
    pub(crate) const STUN_SERVER: &str = "stun://stun.l.google.com:19302";
    /// webrtcbin's own: room for one retransmission over a continent.
    pub(crate) const LATENCY_MS: u32 = 200;
    /// As long as sinks give their consumers.
    pub(crate) const SESSION_TIMEOUT_SECONDS: u32 = 10;

    /// The codecs accepted for one kind of media, in order.
    pub(crate) fn codecs(&self, kind: MediaKind) -> &[Codec] {
        match kind {
            MediaKind::Video => &self.video_codecs,
            MediaKind::Audio => &self.audio_codecs,
        }
    }

    /// How long the producer has until connected; `None` when for ever.
    pub(crate) fn session_timeout(&self) -> Option<Duration> {
        (self.session_timeout > 0).then(|| Duration::from_secs(self.session_timeout.into()))
    }

    /// The jitterbuffers' latency.
    pub(crate) fn latency(&self) -> gst::ClockTime {
        gst::ClockTime::from_mseconds(self.latency.into())
    }

    /// The TURN servers as text.
    pub(crate) fn turn_servers(&self) -> Vec<String> {
        self.turn_servers
            .iter()
            .filter_map(|server| server.get().ok())
            .collect()
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            stun_server: Some(Self::STUN_SERVER.to_owned()),
            turn_servers: gst::Array::default(),
            meta: None,
            video_codecs: vec![Codec::Vp8, Codec::H264, Codec::Vp9, Codec::H265, Codec::Av1],
            audio_codecs: vec![Codec::Opus],
            enable_data_channel_navigation: false,
            enable_control_data_channel: false,
            do_retransmission: true,
            latency: Self::LATENCY_MS,
            session_timeout: Self::SESSION_TIMEOUT_SECONDS,
            on_session_end: WebRTCSrcSessionEnd::default(),
        }
    }
}

/// Codecs by their encoding names, as a property carries them.
pub(crate) fn names(codecs: &[Codec]) -> gst::Array {
    gst::Array::new(codecs.iter().map(|codec| codec.encoding_name()))
}

/// The codecs named in `names` that carry `kind`, each once, and the names that mean none.
pub(crate) fn codecs(names: &gst::Array, kind: MediaKind) -> (Vec<Codec>, Vec<String>) {
    let (mut codecs, mut unknown) = (Vec::new(), Vec::new());
    for name in names.iter().filter_map(|name| name.get::<String>().ok()) {
        match Codec::from_encoding_name(&name).filter(|codec| codec.media() == kind) {
            Some(codec) if !codecs.contains(&codec) => codecs.push(codec),
            Some(_) => {}
            None => unknown.push(name),
        }
    }
    (codecs, unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_once_each_and_by_kind() {
        gst::init().expect("GStreamer initialises");
        let given = gst::Array::new(["h264", "VP8", "H264", "OPUS", "theora"]);
        let (codecs, unknown) = codecs(&given, MediaKind::Video);
        assert_eq!(codecs, [Codec::H264, Codec::Vp8]);
        assert_eq!(unknown, ["OPUS", "theora"]);
        let read: Vec<String> = names(&codecs).iter().filter_map(|name| name.get().ok()).collect();
        assert_eq!(read, ["H264", "VP8"]);
    }

    #[test]
    fn zero_means_no_time_limit() {
        let settings = Settings {
            session_timeout: 0,
            ..Settings::default()
        };
        assert_eq!(settings.session_timeout(), None);
        assert_eq!(
            Settings::default().session_timeout(),
            Some(Duration::from_secs(10))
        );
        assert_eq!(Settings::default().latency(), gst::ClockTime::from_mseconds(200));
    }
}
