// SPDX-License-Identifier: MPL-2.0
//! From the segment of one pipeline to the running time that all pipelines share.
//!
//! Encoders shift timestamps (`x264enc` by a thousand hours) and say so in their segment; an appsrc in another pipeline
//! has a segment of its own. So timestamps are rewritten once, before fan-out, on a buffer that shares its memory with
//! the original. Pure; called on streaming threads, once for a sample on its way in and once on its way out.

/// The sample with running times for timestamps and no segment, and its own running time. `None` when it has no
/// buffer or lies outside of its segment. A buffer without timestamps stays so and counts as `last`.
pub(super) fn on_running_time(
    sample: &gst::Sample,
    last: gst::ClockTime,
) -> Option<(gst::Sample, gst::ClockTime)> {
    let mut buffer = sample.buffer_owned()?;
    let segment = sample
        .segment()
        .and_then(|segment| segment.downcast_ref::<gst::ClockTime>());
    let (mut pts, mut dts) = (buffer.pts(), buffer.dts());
    if let Some(segment) = segment {
        dts = dts.and_then(|dts| segment.to_running_time(dts));
        let running = pts.and_then(|pts| segment.to_running_time(pts));
        if pts.is_some() && running.is_none() {
            return None;
        }
        pts = running;
    }
    if (pts, dts) != (buffer.pts(), buffer.dts()) {
        let buffer = buffer.make_mut();
        buffer.set_pts(pts);
        buffer.set_dts(dts);
    }
    let rewritten = gst::Sample::builder()
        .buffer(&buffer)
        .caps_if_some(sample.caps_owned().as_ref())
        .build();
    Some((rewritten, pts.or(dts).unwrap_or(last)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use gst::ClockTime;

    fn sample(pts: Option<u64>, dts: Option<u64>, start: u64, base: u64) -> gst::Sample {
        gst::init().unwrap();
        let mut buffer = gst::Buffer::with_size(4).unwrap();
        buffer
            .get_mut()
            .unwrap()
            .set_pts(pts.map(ClockTime::from_mseconds));
        buffer
            .get_mut()
            .unwrap()
            .set_dts(dts.map(ClockTime::from_mseconds));
        let mut segment = gst::FormattedSegment::<ClockTime>::new();
        segment.set_start(ClockTime::from_mseconds(start));
        segment.set_base(ClockTime::from_mseconds(base));
        let caps = gst::Caps::new_empty_simple("video/x-vp8");
        gst::Sample::builder()
            .buffer(&buffer)
            .caps(&caps)
            .segment(&segment)
            .build()
    }

    fn times(sample: &gst::Sample) -> Option<(Option<u64>, Option<u64>, u64)> {
        let (rewritten, time) = on_running_time(sample, ClockTime::from_mseconds(77))?;
        let buffer = rewritten.buffer().unwrap();
        Some((
            buffer.pts().map(|t| t.mseconds()),
            buffer.dts().map(|t| t.mseconds()),
            time.mseconds(),
        ))
    }

    #[test]
    fn segments_are_taken_out_of_timestamps() {
        assert_eq!(
            times(&sample(Some(40), Some(30), 0, 0)),
            Some((Some(40), Some(30), 40))
        );
        assert_eq!(
            times(&sample(Some(3_600_040), Some(3_600_020), 3_600_000, 0)),
            Some((Some(40), Some(20), 40))
        );
        assert_eq!(
            times(&sample(Some(40), None, 0, 1000)),
            Some((Some(1040), None, 1040))
        );
    }

    #[test]
    fn decoding_times_before_the_segment_are_dropped() {
        assert_eq!(
            times(&sample(Some(1000), Some(990), 1000, 0)),
            Some((Some(0), None, 0))
        );
    }

    #[test]
    fn what_lies_outside_is_refused() {
        assert_eq!(times(&sample(Some(10), None, 1000, 0)), None);
        assert!(on_running_time(&gst::Sample::builder().build(), ClockTime::ZERO).is_none());
    }

    #[test]
    fn buffers_without_timestamps_count_as_the_last() {
        assert_eq!(times(&sample(None, None, 0, 0)), Some((None, None, 77)));
    }

    #[test]
    fn memory_is_shared() {
        let original = sample(Some(3_600_040), None, 3_600_000, 0);
        let (rewritten, _) = on_running_time(&original, ClockTime::ZERO).unwrap();
        let data = |sample: &gst::Sample| {
            sample
                .buffer()
                .unwrap()
                .peek_memory(0)
                .map_readable()
                .unwrap()
                .as_ptr()
        };
        assert_eq!(data(&original), data(&rewritten));
    }
}
