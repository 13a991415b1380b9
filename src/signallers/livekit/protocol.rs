// SPDX-License-Identifier: MPL-2.0
//! Messages of the LiveKit signalling protocol: built from and read into plain values.
//!
//! The protobuf types are LiveKit's own (`livekit_protocol`, protocol version [`PROTOCOL_VERSION`]); this module knows
//! which fields matter to a publisher or a subscriber and turns reasons into words. No state, no IO. What a message
//! means in the course of a participation is `machine`'s; the bytes come and go by `client`.

use livekit_protocol as proto;
use prost::Message as _;
use serde::{Deserialize, Serialize};

use super::offer::{Kind, Layer, Section};

pub(super) use proto::signal_request::Message as Request;
pub(super) use proto::signal_response::Message as Response;

/// The version this client speaks: leave requests carry actions and regions (13), requests are answered also when
/// they fail (15), and participants can be moved between rooms (16).
pub(super) const PROTOCOL_VERSION: i32 = 16;

/// What the server is told about this client; the name of the software is its only trace in the server's records.
pub(super) const DEVICE_MODEL: &str = "gstreamer";

/// A message that is not of the protocol.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProtocolError {
    #[error("{size} bytes from the server are not a LiveKit message")]
    Undecodable {
        size: usize,
        #[source]
        source: prost::DecodeError,
    },
}

/// The bytes of `request` as one websocket message.
pub(super) fn encode(request: Request) -> Vec<u8> {
    proto::SignalRequest {
        message: Some(request),
    }
    .encode_to_vec()
}

/// Reads one websocket message; `None` when its kind is newer than this client.
pub(super) fn decode(bytes: &[u8]) -> Result<Option<Response>, ProtocolError> {
    match proto::SignalResponse::decode(bytes) {
        Ok(response) => Ok(response.message),
        Err(source) => Err(ProtocolError::Undecodable {
            size: bytes.len(),
            source,
        }),
    }
}

/// An ICE candidate as both directions carry it, in JSON: the dictionary of the W3C's WebRTC API.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Candidate {
    pub(super) candidate: String,
    #[serde(default)]
    pub(super) sdp_mid: Option<String>,
    #[serde(rename = "sdpMLineIndex", default)]
    pub(super) sdp_m_line_index: Option<u32>,
}

/// The request that carries a local candidate; an empty one says that there are no more.
pub(super) fn trickle(candidate: &Candidate, target: proto::SignalTarget) -> Request {
    let candidate_init = serde_json::to_string(candidate).expect("text and numbers always serialise");
    let is_final = candidate.candidate.is_empty();
    Request::Trickle(proto::TrickleRequest {
        candidate_init,
        target: target.into(),
        r#final: is_final,
    })
}

/// The candidate of a received `trickle`, or `None` when it is malformed.
pub(super) fn candidate(trickle: &proto::TrickleRequest) -> Option<Candidate> {
    let mut candidate: Candidate = serde_json::from_str(&trickle.candidate_init).ok()?;
    // The specification of the dictionary asks for at least one of the two; everything is bundled on the first.
    candidate.sdp_m_line_index.get_or_insert(0);
    (candidate.candidate.len() <= MAX_CANDIDATE_BYTES).then_some(candidate)
}

/// Announces the track of `section`, named `name`, from `source`, with pictures of this `size` where that is known.
pub(super) fn add_track(
    section: &Section,
    name: &str,
    source: proto::TrackSource,
    size: Option<(u32, u32)>,
    muted: bool,
) -> Request {
    let (kind, layers) = match section.kind {
        Kind::Audio => (proto::TrackType::Audio, Vec::new()),
        Kind::Video => (proto::TrackType::Video, layers(&section.layers)),
    };
    let (width, height) = size.unwrap_or_default();
    Request::AddTrack(proto::AddTrackRequest {
        cid: section.cid.clone(),
        name: name.to_owned(),
        r#type: kind.into(),
        source: source.into(),
        muted,
        width,
        height,
        layers,
        disable_red: kind == proto::TrackType::Audio && !section.has_red,
        stream: section.stream.clone().unwrap_or_default(),
        ..Default::default()
    })
}

/// The layers from the lowest quality on, which is how LiveKit's own clients count; a track in one size is of high
/// quality, as the protocol wants it.
fn layers(layers: &[Layer]) -> Vec<proto::VideoLayer> {
    if layers.is_empty() {
        return vec![proto::VideoLayer {
            quality: proto::VideoQuality::High.into(),
            ..Default::default()
        }];
    }
    let described = layers.iter().zip(QUALITIES).zip(0..);
    let described = described.map(|((layer, quality), spatial_layer)| {
        let (width, height) = layer.size.unwrap_or_default();
        proto::VideoLayer {
            quality: quality.into(),
            width,
            height,
            rid: layer.rid.clone(),
            spatial_layer,
            ..Default::default()
        }
    });
    described.collect()
}

/// Which of `layers` somebody receives, by rid. The largest one also stands for qualities beyond it.
///
/// Servers that do not tell codecs apart use the field that was there before.
pub(super) fn wanted_layers(layers: &[String], update: &proto::SubscribedQualityUpdate) -> Vec<String> {
    let of_codecs = update.subscribed_codecs.iter().flat_map(|codec| &codec.qualities);
    #[allow(deprecated, reason = "older servers know nothing else")]
    let of_all = update.subscribed_qualities.iter();
    let of_all = of_all.filter(|_| update.subscribed_codecs.is_empty());
    let best = of_codecs
        .chain(of_all)
        .filter(|it| it.enabled && it.quality() != proto::VideoQuality::Off)
        .filter_map(|it| QUALITIES.iter().position(|quality| *quality == it.quality()))
        .max();
    let count = best.map_or(0, |best| best + 1);
    layers.iter().take(count).cloned().collect()
}

/// From the smallest layer on.
const QUALITIES: [proto::VideoQuality; 3] = [
    proto::VideoQuality::Low,
    proto::VideoQuality::Medium,
    proto::VideoQuality::High,
];

/// The microphone for audio and the camera for video, unless the user said otherwise.
pub(super) fn default_source(kind: Kind) -> proto::TrackSource {
    match kind {
        Kind::Audio => proto::TrackSource::Microphone,
        Kind::Video => proto::TrackSource::Camera,
    }
}

/// The source that `name` stands for, in the protocol's spelling or in lower case.
pub(super) fn source_from_name(name: &str) -> Option<proto::TrackSource> {
    proto::TrackSource::from_str_name(&name.to_ascii_uppercase().replace('-', "_"))
}

/// The codecs that a track comes in, by their encoding names in capitals: the first one, then those for receivers that
/// cannot take it.
pub(super) fn codecs(track: &proto::TrackInfo) -> Vec<String> {
    let others = track.codecs.iter().map(|codec| &codec.mime_type);
    let mut names = Vec::new();
    for mime_type in std::iter::once(&track.mime_type).chain(others).take(MAX_CODECS) {
        let name = mime_type.split('/').nth(1).map(str::to_ascii_uppercase);
        names.extend(name.filter(|name| !names.contains(name)));
    }
    names
}

/// Subscribes to or unsubscribes from `tracks`, one entry per participant.
pub(super) fn update_subscription(
    tracks: Vec<proto::ParticipantTracks>,
    subscribe: bool,
) -> proto::UpdateSubscription {
    let track_sids = tracks
        .iter()
        .flat_map(|of_one| of_one.track_sids.iter().cloned())
        .collect();
    proto::UpdateSubscription {
        track_sids,
        subscribe,
        participant_tracks: tracks,
    }
}

/// Asks the server to stop or resume forwarding a track to this subscriber.
pub(super) fn set_track_disabled(track_sid: &str, disabled: bool) -> Request {
    let track_sids = vec![track_sid.to_owned()];
    Request::TrackSetting(proto::UpdateTrackSettings {
        track_sids,
        disabled,
        ..Default::default()
    })
}

/// Asks the server for another layer of a track published in several.
pub(super) fn set_track_quality(track_sid: &str, quality: proto::VideoQuality) -> Request {
    let track_sids = vec![track_sid.to_owned()];
    Request::TrackSetting(proto::UpdateTrackSettings {
        track_sids,
        quality: quality.into(),
        ..Default::default()
    })
}

/// Tells that a track of ours is muted, or not any more.
pub(super) fn mute(track_sid: &str, muted: bool) -> Request {
    Request::Mute(proto::MuteTrackRequest {
        sid: track_sid.to_owned(),
        muted,
    })
}

/// Tells that the pictures of a track of ours are of another size. What the protocol has of the kind for layers
/// (`UpdateVideoLayers`) is deprecated, and livekit-server 1.13 takes no notice of it.
pub(super) fn update_size(track_sid: &str, (width, height): (u32, u32)) -> Request {
    Request::UpdateVideoTrack(proto::UpdateLocalVideoTrack {
        track_sid: track_sid.to_owned(),
        width,
        height,
    })
}

/// Says that this participant leaves on purpose.
pub(super) fn leave() -> Request {
    Request::Leave(proto::LeaveRequest {
        reason: proto::DisconnectReason::ClientInitiated.into(),
        action: proto::leave_request::Action::Disconnect.into(),
        ..Default::default()
    })
}

/// What a leave request of the server asks for, whichever version of the protocol it speaks.
pub(super) fn leave_action(leave: &proto::LeaveRequest) -> proto::leave_request::Action {
    use proto::leave_request::Action;
    match leave.action() {
        Action::Disconnect if leave.can_reconnect => Action::Reconnect,
        // A server that goes away for good sends the same as one that restarts; the difference only shows later.
        Action::Disconnect if leave.reason() == proto::DisconnectReason::ServerShutdown => Action::Reconnect,
        action => action,
    }
}

/// Why the server ended the participation, in words.
pub(super) fn describe(reason: proto::DisconnectReason) -> &'static str {
    use proto::DisconnectReason as Reason;
    match reason {
        Reason::UnknownReason => "the server gave no reason",
        Reason::ClientInitiated => "this participant left",
        Reason::DuplicateIdentity => "another participant joined with the same identity",
        Reason::ServerShutdown => "the server is shutting down",
        Reason::ParticipantRemoved => "this participant was removed from the room",
        Reason::RoomDeleted => "the room was deleted",
        Reason::StateMismatch => "the server does not know this participant any more",
        Reason::JoinFailure => "the connection for media was not established in time",
        Reason::Migration => "the participant is to move to another server",
        Reason::SignalClose => "the signalling connection was closed",
        Reason::RoomClosed => "the room was closed",
        Reason::ConnectionTimeout => "the server timed the participant out",
        Reason::MediaFailure => "no media got through",
        Reason::UserUnavailable | Reason::UserRejected | Reason::SipTrunkFailure => {
            "the called party was not reached"
        }
        Reason::AgentError => "the agent failed",
    }
}

/// More than any publisher sends a track in.
const MAX_CODECS: usize = 16;

/// Candidates take some hundred bytes; a longer one is nonsense.
const MAX_CANDIDATE_BYTES: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn section(kind: Kind, rids: &[&str]) -> Section {
        Section {
            index: 0,
            mid: "0".into(),
            kind,
            cid: "t0".into(),
            stream: None,
            layers: rids
                .iter()
                .zip(1..)
                .map(|(rid, index)| Layer {
                    rid: (*rid).to_owned(),
                    size: Some((160 * index, 90 * index)),
                })
                .collect(),
            is_sending: true,
            has_red: false,
        }
    }

    fn added(section: &Section) -> proto::AddTrackRequest {
        match add_track(
            section,
            "name",
            default_source(section.kind),
            Some((480, 270)),
            false,
        ) {
            Request::AddTrack(request) => request,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_candidate_survives_the_wire() {
        let sent = Candidate {
            candidate: "candidate:1 1 UDP 1 192.0.2.1 9 typ host".into(),
            sdp_mid: Some("video0".into()),
            sdp_m_line_index: Some(1),
        };
        let Request::Trickle(trickle) = trickle(&sent, proto::SignalTarget::Subscriber) else {
            panic!()
        };
        assert_eq!(trickle.target(), proto::SignalTarget::Subscriber);
        assert!(!trickle.r#final);
        assert_eq!(candidate(&trickle), Some(sent));
    }

    #[test]
    fn the_end_of_candidates_is_marked() {
        let Request::Trickle(trickle) = trickle(&Candidate::default(), proto::SignalTarget::Publisher) else {
            panic!()
        };
        assert!(trickle.r#final);
    }

    #[test]
    fn odd_candidates_are_read_or_dropped() {
        let long = format!(r#"{{"candidate":"{}"}}"#, "x".repeat(5000));
        let cases = [
            (r#"{"candidate":"c","sdpMid":"0","sdpMLineIndex":0}"#, true),
            (r#"{"candidate":"c","sdpMid":null,"usernameFragment":null}"#, true),
            (r#"{"candidate":""}"#, true),
            (r#"{"sdpMid":"0"}"#, false),
            (r#"{"candidate":1}"#, false),
            (r#"{"candidate":"c","sdpMLineIndex":-1}"#, false),
            ("", false),
            ("[]", false),
            (&long, false),
        ];
        for (candidate_init, is_read) in cases {
            let trickle = proto::TrickleRequest {
                candidate_init: candidate_init.into(),
                ..Default::default()
            };
            assert_eq!(candidate(&trickle).is_some(), is_read, "{candidate_init}");
        }
    }

    #[test]
    fn a_video_track_without_simulcast_has_one_high_layer() {
        let request = added(&section(Kind::Video, &[]));
        assert_eq!(request.layers.len(), 1);
        assert_eq!(request.layers[0].quality(), proto::VideoQuality::High);
        assert_eq!(request.source(), proto::TrackSource::Camera);
        assert!(!request.disable_red);
    }

    #[test]
    fn simulcast_layers_rise_in_quality() {
        let request = added(&section(Kind::Video, &["q", "h", "f"]));
        let layers: Vec<_> = request
            .layers
            .iter()
            .map(|layer| (layer.rid.as_str(), layer.quality()))
            .collect();
        assert_eq!(
            layers,
            [
                ("q", proto::VideoQuality::Low),
                ("h", proto::VideoQuality::Medium),
                ("f", proto::VideoQuality::High)
            ]
        );
        assert_eq!((request.width, request.height), (480, 270));
        assert_eq!(
            (request.layers[1].width, request.layers[1].spatial_layer),
            (320, 1)
        );
        let two = added(&section(Kind::Video, &["q", "h"]));
        assert_eq!(two.layers[0].quality(), proto::VideoQuality::Low);
        assert_eq!(two.layers[1].quality(), proto::VideoQuality::Medium);
    }

    #[test]
    #[allow(deprecated, reason = "older servers know nothing else")]
    fn layers_up_to_the_best_that_is_received_are_wanted() {
        use proto::VideoQuality as Quality;
        let rids = ["q", "h", "f"].map(str::to_owned);
        let update = |enabled: &[Quality]| proto::SubscribedQualityUpdate {
            subscribed_codecs: vec![proto::SubscribedCodec {
                codec: "vp8".into(),
                qualities: [Quality::Low, Quality::Medium, Quality::High, Quality::Off]
                    .map(|quality| proto::SubscribedQuality {
                        quality: quality.into(),
                        enabled: enabled.contains(&quality),
                    })
                    .to_vec(),
            }],
            ..Default::default()
        };
        assert_eq!(wanted_layers(&rids, &update(&[Quality::High])), rids);
        assert_eq!(
            wanted_layers(&rids, &update(&[Quality::Low, Quality::Medium])),
            rids[..2]
        );
        assert_eq!(wanted_layers(&rids[..2], &update(&[Quality::High])), rids[..2]);
        assert!(wanted_layers(&rids, &update(&[])).is_empty());
        assert!(wanted_layers(&rids, &update(&[Quality::Off])).is_empty());
        let old = proto::SubscribedQualityUpdate {
            subscribed_qualities: update(&[Quality::Medium]).subscribed_codecs[0].qualities.clone(),
            ..Default::default()
        };
        assert_eq!(wanted_layers(&rids, &old), rids[..2]);
    }

    #[test]
    fn a_track_names_its_codecs_once_and_in_order() {
        let codec = |mime_type: &str| proto::SimulcastCodecInfo {
            mime_type: mime_type.into(),
            ..Default::default()
        };
        let track = proto::TrackInfo {
            mime_type: "video/VP9".into(),
            codecs: ["video/vp9", "video/VP8", "", "odd"].map(codec).to_vec(),
            ..Default::default()
        };
        assert_eq!(codecs(&track), ["VP9", "VP8"]);
        assert_eq!(codecs(&proto::TrackInfo::default()), [] as [&str; 0]);
    }

    #[test]
    fn an_audio_track_without_red_says_so() {
        let request = added(&section(Kind::Audio, &[]));
        assert!(request.disable_red);
        assert!(request.layers.is_empty());
        assert_eq!(request.source(), proto::TrackSource::Microphone);
    }

    #[test]
    fn sources_are_read_in_either_spelling() {
        assert_eq!(
            source_from_name("SCREEN_SHARE"),
            Some(proto::TrackSource::ScreenShare)
        );
        assert_eq!(
            source_from_name("screen-share-audio"),
            Some(proto::TrackSource::ScreenShareAudio)
        );
        assert_eq!(source_from_name("desk"), None);
    }

    #[test]
    fn old_and_new_leave_requests_mean_the_same() {
        use proto::leave_request::Action;
        let leave = |can_reconnect, action: Action, reason: proto::DisconnectReason| proto::LeaveRequest {
            can_reconnect,
            action: action.into(),
            reason: reason.into(),
            ..Default::default()
        };
        let unknown = proto::DisconnectReason::UnknownReason;
        let shutdown = proto::DisconnectReason::ServerShutdown;
        assert_eq!(
            leave_action(&leave(true, Action::Disconnect, unknown)),
            Action::Reconnect
        );
        assert_eq!(
            leave_action(&leave(false, Action::Disconnect, unknown)),
            Action::Disconnect
        );
        assert_eq!(
            leave_action(&leave(false, Action::Disconnect, shutdown)),
            Action::Reconnect
        );
        assert_eq!(
            leave_action(&leave(false, Action::Resume, unknown)),
            Action::Resume
        );
    }

    #[test]
    fn garbage_is_an_error_and_the_future_is_not() {
        assert!(decode(b"garbage").is_err());
        assert!(decode(&[0xff; 64]).is_err());
        // Field 1000, a varint: a kind of message that does not exist yet.
        assert_eq!(decode(&[0xc0, 0x3e, 0x01]).unwrap(), None);
    }

    #[test]
    fn a_request_reads_back() {
        let bytes = encode(leave());
        let request = proto::SignalRequest::decode(bytes.as_slice()).unwrap();
        assert_eq!(request.message, Some(leave()));
    }
}
