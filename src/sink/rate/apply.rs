// SPDX-License-Identifier: MPL-2.0
//! From one estimate to the targets of a consumer's video streams.
//!
//! Owns the division of an estimate. Where it comes from is `control`'s; which encoders it reaches is settled by the
//! pool, since consumers may share one. Called on the thread a controller reports from, with no lock held: the
//! application's handler of `define-encoder-bitrates` runs in between.

use congestion::units::Bitrate;

use crate::sink::encode::StreamId;
use crate::sink::session::Session;
use crate::sink::signals;

/// Spreads what the consumer's network allows over its video streams; the application may change the shares.
pub(super) fn apply(session: &Session, estimate: Bitrate) {
    let Some(sink) = session.sink() else { return };
    let outlets: Vec<_> = session
        .view()
        .outlets
        .values()
        .filter(|outlet| outlet.is_video())
        .cloned()
        .collect();
    let streams: Vec<_> = outlets.iter().map(|outlet| outlet.stream().clone()).collect();
    let Some(defaults) = shares(&streams, estimate) else {
        return;
    };
    let overall = clamp_to_i32(estimate);
    let chosen = signals::emit_define_encoder_bitrates(&sink, session.peer_id(), overall, &defaults);
    for outlet in outlets {
        let target = share_of(outlet.stream(), chosen.as_deref(), &defaults);
        let settings = session.settings();
        let most = settings.max_bitrate.max(settings.min_bitrate);
        outlet.set_target(Bitrate::from_bps(
            target.clamp(settings.min_bitrate.into(), most.into()),
        ));
    }
}

/// Equal shares for all, in the form that the signal has; nothing without streams.
fn shares(streams: &[StreamId], estimate: Bitrate) -> Option<gst::Structure> {
    let count = u64::try_from(streams.len()).ok().filter(|count| *count > 0)?;
    let share = clamp_to_i32(Bitrate::from_bps(estimate.bps() / count));
    let mut structure = gst::Structure::new_empty("webrtcsink/encoder-bitrates");
    for stream in streams {
        structure.set(stream.as_str(), share);
    }
    Some(structure)
}

/// What the application chose for a stream, or its equal share where that is missing or no bitrate.
fn share_of(stream: &StreamId, chosen: Option<&gst::StructureRef>, defaults: &gst::StructureRef) -> u64 {
    let read = |structure: &gst::StructureRef| structure.get::<i32>(stream.as_str()).ok();
    let bps = chosen
        .and_then(read)
        .filter(|bps| *bps > 0)
        .or_else(|| read(defaults));
    bps.and_then(|bps| u64::try_from(bps).ok()).unwrap_or_default()
}

/// The signal counts in gint.
fn clamp_to_i32(bitrate: Bitrate) -> i32 {
    i32::try_from(bitrate.bps()).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn streams(names: &[&str]) -> Vec<StreamId> {
        gst::init().expect("GStreamer initialises");
        names.iter().map(|name| StreamId::new(name)).collect()
    }

    #[test]
    fn streams_get_equal_shares() {
        let streams = streams(&["video_0", "video_1"]);
        let structure = shares(&streams, Bitrate::from_kbps(3_000)).expect("two streams");
        assert_eq!(structure.get::<i32>("video_0"), Ok(1_500_000));
        assert_eq!(structure.get::<i32>("video_1"), Ok(1_500_000));
    }

    #[test]
    fn without_video_there_is_nothing_to_share() {
        assert!(shares(&streams(&[]), Bitrate::from_kbps(3_000)).is_none());
    }

    #[test]
    fn the_application_chooses_and_what_it_leaves_out_stays_equal() {
        let streams = streams(&["a", "b", "c", "d"]);
        let defaults = shares(&streams, Bitrate::from_kbps(4_000)).expect("four streams");
        let chosen = gst::Structure::builder("x")
            .field("a", 3_000_000i32)
            .field("b", "much")
            .field("d", -1i32)
            .build();
        let share = |stream: &StreamId| share_of(stream, Some(&chosen), &defaults);
        assert_eq!(
            streams.iter().map(share).collect::<Vec<_>>(),
            [3_000_000, 1_000_000, 1_000_000, 1_000_000]
        );
    }

    #[test]
    fn estimates_beyond_the_signals_type_saturate() {
        let streams = streams(&["a"]);
        let structure = shares(&streams, Bitrate::MAX).expect("one stream");
        assert_eq!(structure.get::<i32>("a"), Ok(i32::MAX));
    }
}
