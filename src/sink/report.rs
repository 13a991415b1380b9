// SPDX-License-Identifier: MPL-2.0
//! The property `stats`: every session by its id, with webrtcbin's numbers and those of its encoders.
//!
//! A snapshot of what the sessions' tasks and the branch pool know; nothing is waited for. Owns the names of the
//! fields, which applications read; those beside webrtcbin's are in `consumer-stats`. Runs on the thread that reads the
//! property, and holds each lock only to copy.

use std::collections::BTreeMap;
use std::sync::Arc;

use gst::prelude::*;
use gst::subclass::prelude::*;

use super::encode::{BranchId, BranchSnapshot};
use super::session::{Encoding, Outlet, Session};
use super::{BaseWebRTCSink, WebRTCSinkMitigationMode};
use crate::stats::ConnectionStats;

/// What the property reads as.
pub(super) fn stats(sink: &BaseWebRTCSink) -> gst::Structure {
    let (sessions, pool) = {
        let state = sink.imp().state();
        (state.sessions(), state.pool.clone())
    };
    let branches: BTreeMap<BranchId, BranchSnapshot> = pool
        .map(|pool| pool.snapshot())
        .unwrap_or_default()
        .into_iter()
        .map(|it| (it.branch, it))
        .collect();
    let mut structure = gst::Structure::new_empty("application/x-webrtcsink-stats");
    for session in sessions {
        structure.set(session.id(), session_stats(&session, &branches));
    }
    structure
}

fn session_stats(session: &Session, branches: &BTreeMap<BranchId, BranchSnapshot>) -> gst::Structure {
    session.note_statistics_read();
    let (stats, state, connect_time, outlets, control) = {
        let view = session.view();
        let outlets: Vec<Arc<Outlet>> = view.outlets.values().cloned().collect();
        let control = view.control_of_rate.clone();
        (
            view.stats.clone(),
            view.state,
            view.connect_time,
            outlets,
            control,
        )
    };
    let connection = stats.as_deref().map(ConnectionStats::read);
    let mut structure = stats.unwrap_or_else(|| gst::Structure::new_empty("application/x-webrtc-stats"));
    let encodings: Vec<_> = outlets
        .iter()
        .flat_map(|outlet| {
            outlet
                .encodings()
                .map(move |encoding| (outlet.as_ref(), encoding))
        })
        .collect();
    let encoders = encodings
        .iter()
        .filter(|(outlet, _)| outlet.is_video())
        .filter_map(|(outlet, encoding)| encoder_stats(outlet, encoding, branches))
        .map(|stats| stats.to_send_value());
    let streams = encodings
        .iter()
        .map(|(outlet, encoding)| stream_stats(outlet, encoding, branches).to_send_value());
    let mut consumer = gst::Structure::builder("application/x-webrtcsink-consumer-stats")
        .field("video-encoders", gst::Array::from_iter(encoders))
        .field("streams", gst::Array::from_iter(streams))
        .field("peer-id", session.peer_id())
        .field("state", state)
        .build();
    let times = [
        ("connect-time", connect_time),
        ("time-to-first-frame", session.time_to_first_frame()),
    ];
    for (name, time) in times {
        if let Some(time) = time.and_then(|time| gst::ClockTime::try_from(time).ok()) {
            consumer.set(name, time);
        }
    }
    if let Some(connection) = connection {
        connection.write(&mut consumer);
    }
    if let Some(control) = control {
        control.write(&mut consumer);
    }
    structure.set("consumer-stats", consumer);
    structure
}

/// As it always was: only for video that the sink encodes itself.
fn encoder_stats(
    outlet: &Outlet,
    encoding: &Encoding,
    branches: &BTreeMap<BranchId, BranchSnapshot>,
) -> Option<gst::Structure> {
    let branch = branches.get(&encoding.attachment().branch_id()?)?;
    branch.encoder.as_ref()?;
    let bitrate = branch
        .bitrate
        .map_or(0, |bitrate| i32::try_from(bitrate.bps()).unwrap_or(i32::MAX));
    let codec = outlet.codec().caps();
    let stats = gst::Structure::builder("application/x-webrtcsink-video-encoder-stats")
        .field("bitrate", bitrate)
        .field(
            "mitigation-mode",
            WebRTCSinkMitigationMode::from(branch.mitigation),
        )
        .field(
            "codec-name",
            codec.structure(0).map(|structure| structure.name().to_string()),
        )
        .field("fec-percentage", outlet.fec_percentage())
        .field("pad", outlet.stream().as_str())
        .field_if_some("rid", encoding.rid());
    Some(stats.build())
}

/// Which branch feeds the consumer, and who else it feeds.
fn stream_stats(
    outlet: &Outlet,
    encoding: &Encoding,
    branches: &BTreeMap<BranchId, BranchSnapshot>,
) -> gst::Structure {
    let mut structure = gst::Structure::builder("application/x-webrtcsink-stream-stats")
        .field("pad", outlet.stream().as_str())
        .field("codec", outlet.codec().encoding_name())
        .field_if_some("rid", encoding.rid())
        .build();
    let branch = encoding.attachment().branch_id().and_then(|id| branches.get(&id));
    let Some(branch) = branch else {
        return structure;
    };
    structure.set("branch", branch.branch.to_string());
    let sharers = branch
        .consumers
        .iter()
        .map(|consumer| consumer.session_id.to_send_value());
    structure.set("shared-with", gst::Array::from_iter(sharers));
    structure.set("bitrate-sent", branch.sent.bps());
    structure.set("latency", branch.latency);
    structure.set("frames", branch.frames);
    structure.set("key-frames", branch.key_frames);
    if let Some(encoder) = &branch.encoder {
        structure.set("encoder", encoder);
    }
    if let Some((width, height)) = branch.size {
        structure.set("width", width);
        structure.set("height", height);
    }
    let own = branch
        .consumers
        .iter()
        .find(|consumer| outlet.session_id() == consumer.session_id);
    if let Some(consumer) = own {
        structure.set("target-bitrate", consumer.target.bps());
        if encoding.rid().is_some() {
            structure.set("active", consumer.is_needed);
        }
    }
    structure
}
