// SPDX-License-Identifier: MPL-2.0
//! Participants and tracks as the structures applications read.
//!
//! Enumerations appear under their protobuf names (`ACTIVE`, `VIDEO`), values this build does not know as `unknown`.
//! Pure. Field names are part of what applications may rely on; a field of a newer protocol is added, never renamed.
//! Which participant or track an application may ask for is the business of the signaller's methods in `mod.rs`.

use livekit_protocol as proto;

/// `livekit/participant-info`.
pub(super) fn participant_structure(info: &proto::ParticipantInfo) -> gst::Structure {
    let tracks = gst::Array::new(info.tracks.iter().map(track_structure));
    let details = names(&info.kind_details, |value| {
        proto::participant_info::KindDetail::try_from(value)
            .ok()
            .map(|detail| detail.as_str_name())
    });
    let state = proto::participant_info::State::try_from(info.state).ok();
    let kind = proto::participant_info::Kind::try_from(info.kind).ok();
    let reason = proto::DisconnectReason::try_from(info.disconnect_reason).ok();
    gst::Structure::builder("livekit/participant-info")
        .field("sid", &info.sid)
        .field("identity", &info.identity)
        .field("state", state.map_or(UNKNOWN, |state| state.as_str_name()))
        .field("tracks", tracks)
        .field("metadata", &info.metadata)
        .field("joined-at", info.joined_at)
        .field("name", &info.name)
        .field("version", info.version)
        .field_if_some("permission", info.permission.as_ref().map(permission_structure))
        .field("region", &info.region)
        .field("is-publisher", info.is_publisher)
        .field("kind", kind.map_or(UNKNOWN, |kind| kind.as_str_name()))
        .field(
            "disconnect-reason",
            reason.map_or(UNKNOWN, |reason| reason.as_str_name()),
        )
        .field("kind-details", details)
        .build()
}

/// `livekit/track-info`.
pub(super) fn track_structure(info: &proto::TrackInfo) -> gst::Structure {
    let features = names(&info.audio_features, |value| {
        proto::AudioTrackFeature::try_from(value)
            .ok()
            .map(|feature| feature.as_str_name())
    });
    let kind = proto::TrackType::try_from(info.r#type).ok();
    let source = proto::TrackSource::try_from(info.source).ok();
    let encryption = proto::encryption::Type::try_from(info.encryption).ok();
    let policy = proto::BackupCodecPolicy::try_from(info.backup_codec_policy).ok();
    gst::Structure::builder("livekit/track-info")
        .field("sid", &info.sid)
        .field("type", kind.map_or(UNKNOWN, |kind| kind.as_str_name()))
        .field("name", &info.name)
        .field("muted", info.muted)
        .field("width", info.width)
        .field("height", info.height)
        .field("source", source.map_or(UNKNOWN, |source| source.as_str_name()))
        .field("mime-type", &info.mime_type)
        .field("mid", &info.mid)
        .field("disable-red", info.disable_red)
        .field(
            "encryption",
            encryption.map_or(UNKNOWN, |encryption| encryption.as_str_name()),
        )
        .field("stream", &info.stream)
        .field("audio-features", features)
        .field(
            "backup-codec-policy",
            policy.map_or(UNKNOWN, |policy| policy.as_str_name()),
        )
        .build()
}

/// A structure `livekit/participant-permission`.
fn permission_structure(info: &proto::ParticipantPermission) -> gst::Structure {
    let sources = names(&info.can_publish_sources, |value| {
        proto::TrackSource::try_from(value)
            .ok()
            .map(|source| source.as_str_name())
    });
    gst::Structure::builder("livekit/participant-permission")
        .field("can-subscribe", info.can_subscribe)
        .field("can-publish", info.can_publish)
        .field("can-publish-data", info.can_publish_data)
        .field("can-publish-sources", sources)
        .field("hidden", info.hidden)
        .field("can-update-metadata", info.can_update_metadata)
        .field("can-subscribe-metrics", info.can_subscribe_metrics)
        .build()
}

/// The protobuf names of enumerated values, `unknown` for those newer than this client.
fn names(values: &[i32], name: impl Fn(i32) -> Option<&'static str>) -> gst::Array {
    gst::Array::new(values.iter().map(|value| name(*value).unwrap_or(UNKNOWN)))
}

/// Reads metadata that is a serialised structure, as this project's own publishers may set it.
pub(super) fn metadata(text: &str) -> Option<gst::Structure> {
    // GStreamer warns of what it cannot parse, and most participants have none.
    if text.is_empty() { None } else { text.parse().ok() }
}

const UNKNOWN: &str = "unknown";

#[cfg(test)]
mod tests {
    use super::*;

    fn participant() -> proto::ParticipantInfo {
        proto::ParticipantInfo {
            sid: "PA_1".into(),
            identity: "alice".into(),
            state: proto::participant_info::State::Active.into(),
            tracks: vec![proto::TrackInfo {
                sid: "TR_1".into(),
                r#type: proto::TrackType::Video.into(),
                source: proto::TrackSource::Camera.into(),
                audio_features: vec![proto::AudioTrackFeature::TfStereo.into(), 999],
                ..Default::default()
            }],
            permission: Some(proto::ParticipantPermission {
                can_subscribe: true,
                ..Default::default()
            }),
            kind: 999,
            ..Default::default()
        }
    }

    #[test]
    fn a_participant_becomes_a_structure() {
        gst::init().unwrap();
        let structure = participant_structure(&participant());
        assert_eq!(structure.name(), "livekit/participant-info");
        assert_eq!(structure.get::<&str>("state"), Ok("ACTIVE"));
        assert_eq!(structure.get::<&str>("kind"), Ok("unknown"));
        let permission = structure.get::<gst::Structure>("permission").unwrap();
        assert_eq!(permission.get::<bool>("can-subscribe"), Ok(true));
        let tracks = structure.get::<gst::Array>("tracks").unwrap();
        assert_eq!(tracks.len(), 1);
    }

    #[test]
    fn a_track_becomes_a_structure() {
        gst::init().unwrap();
        let structure = track_structure(&participant().tracks[0]);
        assert_eq!(structure.get::<&str>("type"), Ok("VIDEO"));
        assert_eq!(structure.get::<&str>("source"), Ok("CAMERA"));
        let features = structure.get::<gst::Array>("audio-features").unwrap();
        let features: Vec<_> = features
            .iter()
            .map(|value| value.get::<String>().unwrap())
            .collect();
        assert_eq!(features, ["TF_STEREO", "unknown"]);
    }

    #[test]
    fn without_permission_there_is_no_such_field() {
        gst::init().unwrap();
        let info = proto::ParticipantInfo {
            permission: None,
            ..participant()
        };
        assert!(!participant_structure(&info).has_field("permission"));
    }

    #[test]
    fn only_structures_are_metadata() {
        gst::init().unwrap();
        assert!(metadata("").is_none() && metadata("{\"json\":1}").is_none());
        assert_eq!(
            metadata("meta, name=(string)cam;").unwrap().get::<&str>("name"),
            Ok("cam")
        );
    }
}
