// SPDX-License-Identifier: MPL-2.0
//! What goes into the machine and what comes out of it: plain values, no behaviour.
//!
//! Owns the vocabulary between the pure machine and its surroundings: `client` carries out the actions that concern the
//! socket, `session` the reports. Nothing here holds an object, so tests read and compare whole conversations.

use std::collections::BTreeMap;
use std::time::Duration;

use livekit_protocol as proto;

use super::super::ConnectionState;
use super::super::protocol::{Candidate, Request, Response};
use super::super::settings::Filter;
use super::publisher::Sources;
use crate::end_reason::EndReason;

/// What happened.
#[derive(Debug)]
pub(in crate::signallers::livekit) enum Input {
    /// The element starts.
    Start,
    /// The websocket that [`Action::Connect`] asked for is open.
    Opened,
    /// It could not be opened.
    Refused(Refusal),
    /// The server sent a message.
    Received(Box<Response>),
    /// The socket is gone, or has to be because of what came over it.
    Lost(String),
    /// The element made a description for this session.
    Description {
        session: String,
        kind: DescriptionKind,
        sdp: String,
    },
    /// The element found a candidate for this session.
    Candidate { session: String, candidate: Candidate },
    /// Pictures of this session's m-line with this mid are of that width and height.
    PictureSize {
        session: String,
        mid: String,
        size: (u32, u32),
    },
    /// The element ended this session; without a reason it means to stop.
    Ended {
        session: String,
        reason: Option<EndReason>,
    },
    /// The user wants other producers.
    Filter(Filter),
    /// The user changed how long to stay alone.
    RoomTimeout(Option<Duration>),
    /// The user wants a received track forwarded or not.
    DisableTrack { sid: String, disabled: bool },
    /// The user wants another layer of a received track.
    TrackQuality {
        sid: String,
        quality: proto::VideoQuality,
    },
    /// The user mutes a published track.
    MuteTrack { name: String, muted: bool },
    /// A deadline passed.
    Tick,
    /// The element stops.
    Stop,
}

/// What to do about it.
#[derive(Debug, PartialEq)]
pub(in crate::signallers::livekit) enum Action {
    /// Open a websocket; the one before is closed already.
    Connect(Attempt),
    /// Send a message over the open one.
    Send(Box<Request>),
    /// Close it.
    Disconnect,
    /// Tell the element.
    Report(Report),
}

/// What the element is told.
#[derive(Debug, PartialEq)]
pub(in crate::signallers::livekit) enum Report {
    /// How far the participation has come.
    State(ConnectionState),
    /// The servers for ICE and whether only relayed candidates are wanted.
    IceServers {
        servers: Vec<proto::IceServer>,
        relay_only: bool,
    },
    /// A publisher is to make an offer for this session.
    SessionRequested { session: String },
    /// A subscriber gets its offers in this session.
    SessionStarted { session: String },
    /// Which track each m-line carries, by mid.
    Tracks(BTreeMap<String, String>),
    /// The offer `sdp`, which follows, restarts ICE.
    IceRestarted { sdp: String },
    /// The server's, for this session.
    Description {
        session: String,
        kind: DescriptionKind,
        sdp: String,
    },
    /// The server's, for this session.
    Candidate { session: String, candidate: Candidate },
    /// A session that no message of ours can reach any more.
    SessionEnded { session: String, reason: EndReason },
    /// Somebody came or changed.
    Participant(Box<proto::ParticipantInfo>),
    /// Whoever had this session id left.
    ParticipantLeft(String),
    /// Somebody publishes whose tracks are taken; `is_new` is false for those who did before we joined.
    ProducerAdded {
        sid: String,
        metadata: String,
        is_new: bool,
    },
    /// They left, publish nothing any more, or are not taken any more.
    ProducerRemoved { sid: String, metadata: String },
    /// Media of the m-line with this mid is to stop or go on.
    TrackMuted { mid: String, muted: bool },
    /// Of the m-line with this mid only these layers are received by anybody.
    LayersWanted {
        session: String,
        mid: String,
        rids: Vec<String>,
    },
    /// Whether this session receives nothing for now, because all its tracks are muted, disabled or paused.
    SilenceExpected { session: String, is_expected: bool },
    /// For the user: something that is lost, while the rest goes on.
    Warning(String),
    /// For the log: something unexpected, survived.
    Oddity(String),
    /// For the log: a step of the connection's life.
    Progress(String),
    /// The end; nothing follows.
    Failed(Failure),
}

/// Why a participation ended for good.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::signallers::livekit) enum Failure {
    /// Before the first join, or with a token that is not taken any more.
    #[error("could not connect to the LiveKit server: {0}")]
    Connect(String),
    /// Thrown out.
    #[error("the LiveKit server ended the session: {0}")]
    Left(&'static str),
    /// Lost and not found again.
    #[error("Server disconnected and not reached again within {seconds} s: {text}")]
    Gone { seconds: u64, text: String },
    /// Not permitted, or of a kind the server does not take.
    #[error("the server refused to publish track {name:?}: {reason} {text}")]
    TrackRefused {
        name: String,
        reason: String,
        text: String,
    },
    /// Neither acknowledged nor refused.
    #[error("the server did not acknowledge track {name:?} within {seconds} s (timeout)")]
    TrackTimeout { name: String, seconds: u64 },
    /// Alone for too long.
    #[error("Room timeout reached with no other participants")]
    RoomTimeout,
    /// The element ended its session for a reason that no new one would mend.
    #[error("the media connection to the LiveKit server failed: {0}")]
    Session(EndReason),
    /// It speaks something else.
    #[error("the LiveKit server sent {0}")]
    Protocol(&'static str),
}

/// How to open a websocket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::signallers::livekit) struct Attempt {
    /// A new participation or the one before.
    pub(in crate::signallers::livekit) purpose: Purpose,
    /// Which entrance of the server.
    pub(in crate::signallers::livekit) route: Route,
    /// Another server than the configured one.
    pub(in crate::signallers::livekit) server: Option<String>,
    /// The token that the server sent last.
    pub(in crate::signallers::livekit) token: Option<String>,
    /// Whether the server subscribes to everything by itself.
    pub(in crate::signallers::livekit) auto_subscribe: bool,
}

/// What a connection is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::signallers::livekit) enum Purpose {
    /// A new participation.
    Join,
    /// Going on with the participation `participant_sid`.
    Resume { participant_sid: String },
}

/// Which of the server's two entrances to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::signallers::livekit) enum Route {
    /// One peer connection, offered by the client. What a publisher wants: on the other entrance the server insists on
    /// a connection for subscribing when the token allows it, and throws out who does not answer.
    Single,
    /// A connection for publishing and one for subscribing, the latter offered by the server.
    Dual,
}

/// Why a websocket was not opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::signallers::livekit) struct Refusal {
    /// The status of the HTTP response, when there was one.
    pub(in crate::signallers::livekit) status: Option<u16>,
    /// What the user reads.
    pub(in crate::signallers::livekit) text: String,
}

/// Offer or answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::signallers::livekit) enum DescriptionKind {
    Offer,
    Answer,
}

/// What a participation needs to know of the settings.
#[derive(Debug, Clone)]
pub(in crate::signallers::livekit) struct Config {
    /// Publishes; else subscribes.
    pub(in crate::signallers::livekit) is_publisher: bool,
    /// Whose tracks a subscriber takes.
    pub(in crate::signallers::livekit) filter: Filter,
    /// What named tracks of a publisher show.
    pub(in crate::signallers::livekit) sources: Sources,
    /// How long the server may take to acknowledge a track.
    pub(in crate::signallers::livekit) publish_timeout: Duration,
    /// How long to stay alone; `None` for ever.
    pub(in crate::signallers::livekit) room_timeout: Option<Duration>,
    /// How long to look for a lost server; `None` for ever.
    pub(in crate::signallers::livekit) reconnect_timeout: Option<Duration>,
}
