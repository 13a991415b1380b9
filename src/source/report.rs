// SPDX-License-Identifier: MPL-2.0
//! The element's statistics: the session, each pad's stream, and webrtcbin's own.
//!
//! Whoever reads the property waits for webrtcbin; the action signal answers through a promise instead.

use std::time::Duration;

use gst::prelude::*;
use gst::subclass::prelude::*;

use super::BaseWebRTCSrc;
use super::state::Exposed;
use crate::gst_ext::promise;
use crate::runtime;
use crate::stats::InboundStats;

/// The statistics as they are now. Waits for webrtcbin, which answers in a millisecond unless it is shutting down.
pub(super) fn now(src: &BaseWebRTCSrc) -> gst::Structure {
    let src = src.clone();
    runtime::block_on(async move { collect(&src, None).await })
}

/// Replies to `promise` with the statistics: of everything, or of the stream at `pad`.
pub(super) fn reply(src: &BaseWebRTCSrc, pad: Option<gst::Pad>, promise: gst::Promise) {
    let src = src.clone();
    let answer = async move {
        let stats = collect(&src, pad.as_ref()).await;
        promise.reply(Some(stats));
    };
    runtime::spawn(answer).detach();
}

async fn collect(src: &BaseWebRTCSrc, only: Option<&gst::Pad>) -> gst::Structure {
    let (session, pads) = {
        let state = src.imp().state();
        (state.session(), state.pads())
    };
    let webrtcbin = match session.as_ref().and_then(|session| session.webrtcbin()) {
        Some(webrtcbin) => tokio::time::timeout(PATIENCE, promise::get_stats(&webrtcbin))
            .await
            .ok()
            .and_then(Result::ok),
        None => None,
    };
    if let Some(only) = only {
        let exposed = pads
            .iter()
            .find(|exposed| exposed.pad.upcast_ref::<gst::Pad>() == only);
        return exposed.map_or_else(
            || gst::Structure::new_empty(STREAM_STATS),
            |exposed| stream(exposed, webrtcbin.as_deref()),
        );
    }
    let mut stats = gst::Structure::builder("application/x-webrtcsrc-stats");
    if let Some(session) = &session {
        stats = stats
            .field("session-id", session.id())
            .field("state", session.state_name());
    }
    for exposed in pads.iter().filter(|exposed| exposed.outlet.is_some()) {
        stats = stats.field(exposed.pad.name().as_str(), stream(exposed, webrtcbin.as_deref()));
    }
    stats.field_if_some("webrtcbin", webrtcbin).build()
}

fn stream(exposed: &Exposed, webrtcbin: Option<&gst::StructureRef>) -> gst::Structure {
    let mut stats = gst::Structure::builder(STREAM_STATS)
        .field("mid", exposed.pad.mid())
        .field("caps", exposed.pad.current_caps())
        .build();
    let Some(outlet) = &exposed.outlet else {
        return stats;
    };
    stats.set("dropped", outlet.dropped());
    if let Some(ssrc) = outlet.ssrc() {
        stats.set("ssrc", ssrc);
        if let Some(inbound) = webrtcbin.and_then(|reply| InboundStats::read(reply, ssrc)) {
            inbound.write(&mut stats);
        }
    }
    stats
}

const STREAM_STATS: &str = "application/x-webrtcsrc-stream-stats";
/// webrtcbin answers in a millisecond unless it is shutting down.
const PATIENCE: Duration = Duration::from_secs(1);
