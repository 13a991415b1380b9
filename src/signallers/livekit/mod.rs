// SPDX-License-Identifier: MPL-2.0
//! LiveKit: one participant of a room on a LiveKit server, publishing or subscribing.
//!
//! `settings.rs` and `token.rs` hold what the user chose and make tokens of it, `request.rs` the HTTP request a
//! connection begins with; `protocol.rs` builds and reads messages, `offer.rs` reads local offers, `rewriting.rs` changes
//! descriptions on their way; `machine/` decides; `client.rs` talks; `imp.rs` is the GObject and `session.rs` what it does
//! between start and stop. `participant.rs` turns participants into structures; `ice_servers.rs`, `channels.rs` and
//! `mute.rs` are what is done to a session's webrtcbin.
//!
//! The protocol is LiveKit's signalling protocol, version 16, as livekit-server 1.13 speaks it.

mod channels;
mod client;
mod ice_servers;
#[allow(
    missing_docs,
    reason = "the accessors the derive makes are described by the blurbs"
)]
mod imp;
mod machine;
mod mute;
mod offer;
mod participant;
mod protocol;
mod request;
mod rewriting;
mod session;
mod settings;
#[cfg(test)]
mod tests;
mod token;

use gst::glib;
use gst::glib::subclass::prelude::*;

use crate::signaller::{Signallable, WebRTCSignallerRole};

/// How far a participation has come; GType `GstWebRTCLiveKitConnectionState`.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Hash, glib::Enum)]
#[repr(u32)]
#[enum_type(name = "GstWebRTCLiveKitConnectionState")]
pub enum ConnectionState {
    /// No connection to the server, or none at the moment.
    #[default]
    #[enum_value(name = "server-disconnected", nick = "server-disconnected")]
    ServerDisconnected,
    /// The room is joined.
    #[enum_value(name = "server-connected", nick = "server-connected")]
    ServerConnected,
    /// Tracks are announced and offered.
    #[enum_value(name = "publishing", nick = "publishing")]
    Publishing,
    /// The server answered the offer.
    #[enum_value(name = "published", nick = "published")]
    Published,
    /// The server's offer is answered.
    #[enum_value(name = "subscribed", nick = "subscribed")]
    Subscribed,
}

/// A layer of a track that its publisher sends in several sizes; GType `GstWebRTCLiveKitTrackQuality`.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Hash, glib::Enum)]
#[repr(u32)]
#[enum_type(name = "GstWebRTCLiveKitTrackQuality")]
pub enum TrackQuality {
    /// The smallest.
    #[enum_value(name = "low", nick = "low")]
    Low,
    /// One between.
    #[enum_value(name = "medium", nick = "medium")]
    Medium,
    /// The largest.
    #[default]
    #[enum_value(name = "high", nick = "high")]
    High,
}

impl From<TrackQuality> for livekit_protocol::VideoQuality {
    fn from(quality: TrackQuality) -> Self {
        match quality {
            TrackQuality::Low => Self::Low,
            TrackQuality::Medium => Self::Medium,
            TrackQuality::High => Self::High,
        }
    }
}

glib::wrapper! {
    /// Participant of a LiveKit room; GType `GstLiveKitWebRTCSinkSignaller`, for sink and source alike.
    pub struct LiveKitSignaller(ObjectSubclass<imp::Signaller>) @implements Signallable;
}

impl LiveKitSignaller {
    /// A participant that publishes (role producer) or subscribes (role consumer).
    pub fn new(role: WebRTCSignallerRole) -> Self {
        glib::Object::builder().property("role", role).build()
    }

    /// What is known of the participant with this session id, as a structure `livekit/participant-info`.
    pub fn participant_info(&self, participant_sid: &str) -> Option<gst::Structure> {
        self.imp()
            .participant(participant_sid)
            .map(|participant| participant::participant_structure(&participant))
    }

    /// What is known of a track, as a structure `livekit/track-info`.
    pub fn track_info(&self, track_sid: &str) -> Option<gst::Structure> {
        self.imp()
            .track(track_sid)
            .map(|(_, track)| participant::track_structure(&track))
    }

    /// The id of the track that comes on the m-line with this mid.
    pub fn track_of_mid(&self, mid: &str) -> Option<String> {
        self.imp().track_of_mid(mid)
    }

    /// The session id of the participant who publishes this track.
    pub fn publisher_of(&self, track_sid: &str) -> Option<String> {
        self.imp()
            .track(track_sid)
            .map(|(participant_sid, _)| participant_sid)
    }

    /// Asks the server to stop or resume forwarding a track to this participant.
    pub fn set_track_disabled(&self, track_sid: &str, disabled: bool) {
        self.imp().set_track_disabled(track_sid, disabled);
    }

    /// Asks the server for the layer `quality` of a track that is published in several.
    pub fn set_track_quality(&self, track_sid: &str, quality: TrackQuality) {
        self.imp().set_track_quality(track_sid, quality.into());
    }
}
