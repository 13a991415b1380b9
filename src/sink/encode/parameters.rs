// SPDX-License-Identifier: MPL-2.0
//! Parameter sets of H.264 and H.265 input that stand in the stream now and then, put before every key frame that lacks
//! them.
//!
//! `x265enc` gives them once, and cameras that name them in their description hardly more often: whoever comes later
//! could decode nothing, and neither could a parser tell profile and level. Pure over samples, under the lock of the
//! inputs; reads no further than the first slice. Streams whose caps bear the sets (`avc`, `hvc1`) need none of this.

use super::lastkey::is_unit_by_unit;
use crate::codec::Codec;
use crate::codec::nal::{Role, Syntax};

/// The sets that count at this point of a stream.
#[derive(Clone, Debug, Default)]
pub(super) struct ParameterSets {
    /// Without start codes, in the order of the stream.
    sets: Vec<Vec<u8>>,
    /// Whether the set that the others depend on came since the last slice.
    is_repeated: bool,
    /// Time of the last key frame that had all it needs.
    complete: Option<gst::ClockTime>,
}

impl ParameterSets {
    /// A buffer of the stream. What takes its place when it is a key frame without its parameter sets.
    pub(super) fn complete(&mut self, sample: &gst::Sample) -> Option<gst::Sample> {
        let syntax = syntax_of(sample)?;
        let buffer = sample.buffer()?;
        let place = self.read(syntax, &buffer.map_readable().ok()?)?;
        let was_repeated = std::mem::take(&mut self.is_repeated);
        if buffer.flags().contains(gst::BufferFlags::DELTA_UNIT) {
            return None;
        }
        let is_further_slice = is_unit_by_unit(sample) && buffer.pts() == self.complete;
        self.complete = buffer.pts();
        if was_repeated || is_further_slice || self.sets.is_empty() {
            return None;
        }
        let mut buffer = self.inserted(buffer, place)?;
        if !is_unit_by_unit(sample) {
            // Unit by unit this would be a parameter set and no slice (`lastkey`).
            buffer.make_mut().set_flags(gst::BufferFlags::HEADER);
        }
        let caps = sample.caps_owned();
        let completed = gst::Sample::builder().buffer(&buffer).caps_if_some(caps.as_ref());
        Some(match sample.segment() {
            Some(segment) => completed.segment(segment).build(),
            None => completed.build(),
        })
    }

    /// Takes in the sets before the first slice. Where others would have to be put; `None` without a slice.
    fn read(&mut self, syntax: Syntax, data: &[u8]) -> Option<usize> {
        let mut place = 0;
        let mut unit = next_unit(data, 0);
        while let Some((_, body)) = unit {
            let header = *data.get(body)?;
            let role = syntax.role(header);
            if role == Role::Slice {
                return Some(place);
            }
            unit = next_unit(data, body);
            let end = unit.map_or(data.len(), |(begin, _)| begin);
            match role {
                Role::Parameters => self.keep(&data[body..end], syntax.is_first_set(header)),
                // It stays the first of its picture.
                Role::Delimiter => place = end,
                Role::Slice | Role::Other => {}
            }
        }
        None
    }

    /// A set that others depend on begins a new collection.
    fn keep(&mut self, set: &[u8], is_first: bool) {
        if is_first && !self.is_repeated {
            self.sets.clear();
        }
        self.is_repeated |= is_first;
        let bytes: usize = self.sets.iter().map(Vec::len).sum();
        let is_known = self.sets.iter().any(|known| known == set);
        if !is_known && bytes + set.len() <= MAX_BYTES {
            self.sets.push(set.to_vec());
        }
    }

    /// The buffer with all sets at `place`; its own memory is shared.
    fn inserted(&self, buffer: &gst::BufferRef, place: usize) -> Option<gst::Buffer> {
        let sets: Vec<u8> = self
            .sets
            .iter()
            .flat_map(|set| START_CODE.iter().chain(set).copied())
            .collect();
        let mut whole = gst::Buffer::new();
        let beside =
            gst::BufferCopyFlags::FLAGS | gst::BufferCopyFlags::TIMESTAMPS | gst::BufferCopyFlags::META;
        buffer.copy_into(whole.get_mut()?, beside, ..).ok()?;
        if place > 0 {
            whole.append(buffer.copy_region(gst::BufferCopyFlags::MEMORY, ..place).ok()?);
        }
        whole.append(gst::Buffer::from_slice(sets));
        whole.append(buffer.copy_region(gst::BufferCopyFlags::MEMORY, place..).ok()?);
        Some(whole)
    }
}

/// How units are read, where they stand between start codes.
fn syntax_of(sample: &gst::Sample) -> Option<Syntax> {
    let caps = sample.caps()?;
    let format = caps.structure(0)?.get::<&str>("stream-format").ok()?;
    let codec = Codec::of_encoded_caps(caps).filter(|_| format == "byte-stream")?;
    Syntax::of(codec)
}

/// Where the next start code begins and ends (ITU-T H.264 and H.265, annex B).
fn next_unit(data: &[u8], from: usize) -> Option<(usize, usize)> {
    let at = from + data[from..].windows(3).position(|bytes| bytes == [0, 0, 1])?;
    let is_long = at > from && data[at - 1] == 0;
    Some((at - usize::from(is_long), at + 3))
}

/// Put before each set (ITU-T H.264 and H.265, annex B).
const START_CODE: [u8; 4] = [0, 0, 0, 1];
/// All sets of a stream have some hundred bytes; each at its largest has some thousand.
const MAX_BYTES: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::super::lastkey::LastKey;
    use super::*;
    use std::str::FromStr;

    const H264: &str = "video/x-h264, stream-format=byte-stream, alignment=au";
    const H265: &str = "video/x-h265, stream-format=byte-stream, alignment=au";
    const UNITS: &str = "video/x-h264, stream-format=byte-stream, alignment=nal";

    /// A buffer with units of these headers, each followed by a byte that is the header's own.
    fn sample(caps: &str, ms: u64, is_key: bool, headers: &[u8]) -> gst::Sample {
        gst::init().unwrap();
        let bytes: Vec<u8> = headers
            .iter()
            .flat_map(|header| [0, 0, 0, 1, *header, *header])
            .collect();
        let mut buffer = gst::Buffer::from_mut_slice(bytes);
        let fields = buffer.get_mut().unwrap();
        fields.set_pts(gst::ClockTime::from_mseconds(ms));
        if !is_key {
            fields.set_flags(gst::BufferFlags::DELTA_UNIT);
        }
        let caps = gst::Caps::from_str(caps).unwrap();
        let segment = gst::FormattedSegment::<gst::ClockTime>::new();
        gst::Sample::builder()
            .buffer(&buffer)
            .caps(&caps)
            .segment(&segment)
            .build()
    }

    /// The headers in what a buffer becomes.
    fn headers(sample: &gst::Sample) -> Vec<u8> {
        let map = sample.buffer().unwrap().map_readable().unwrap();
        map.chunks(6).map(|unit| unit[4]).collect()
    }

    /// Feeds buffers in order and gives those that were completed.
    fn completed(caps: &str, buffers: &[(u64, bool, &[u8])]) -> Vec<Vec<u8>> {
        let mut sets = ParameterSets::default();
        let each = buffers
            .iter()
            .map(|(ms, is_key, headers)| sample(caps, *ms, *is_key, headers));
        each.filter_map(|sample| sets.complete(&sample))
            .map(|sample| headers(&sample))
            .collect()
    }

    #[test]
    fn later_key_frames_get_the_sets_of_the_first() {
        let h265: [(u64, bool, &[u8]); 3] = [
            (0, true, &[0x40, 0x42, 0x44, 0x26]),
            (33, false, &[0x02]),
            (66, true, &[0x46, 0x2a, 0x2a]),
        ];
        assert_eq!(
            completed(H265, &h265),
            [[0x46, 0x40, 0x42, 0x44, 0x2a, 0x2a]],
            "behind the delimiter"
        );
        let h264: [(u64, bool, &[u8]); 2] = [(0, true, &[0x67, 0x68, 0x65]), (33, true, &[0x06, 0x65])];
        assert_eq!(completed(H264, &h264), [[0x67, 0x68, 0x06, 0x65]]);
    }

    #[test]
    fn what_is_complete_or_cannot_be_completed_stays() {
        let repeated: [(u64, bool, &[u8]); 2] =
            [(0, true, &[0x67, 0x68, 0x65]), (33, true, &[0x67, 0x68, 0x65])];
        assert!(completed(H264, &repeated).is_empty());
        assert!(completed(H264, &[(0, true, &[0x65]), (33, true, &[])]).is_empty());
        let in_caps = "video/x-h264, stream-format=avc, alignment=au";
        assert!(completed(in_caps, &[(0, true, &[0x67, 0x65]), (33, true, &[0x65])]).is_empty());
        assert!(completed("video/x-vp8", &[(0, true, &[0x67]), (33, true, &[0x65])]).is_empty());
    }

    #[test]
    fn newer_sets_take_the_place_of_older_ones() {
        let changed: [(u64, bool, &[u8]); 4] = [
            (0, true, &[0x67, 0x68, 0x65]),
            (33, true, &[0x27, 0x28, 0x65]),
            (66, false, &[0x48, 0x41]),
            (99, true, &[0x65]),
        ];
        assert_eq!(completed(H264, &changed), [[0x27, 0x28, 0x48, 0x65]]);
    }

    #[test]
    fn a_key_frame_in_units_is_completed_once() {
        let units: [(u64, bool, &[u8]); 7] = [
            (0, true, &[0x67]),
            (0, true, &[0x68]),
            (0, true, &[0x65]),
            (0, true, &[0x65]),
            (33, false, &[0x41]),
            (66, true, &[0x65]),
            (66, true, &[0x65]),
        ];
        assert_eq!(completed(UNITS, &units), [[0x67, 0x68, 0x65]]);
    }

    #[test]
    fn a_completed_slice_is_still_seen_to_be_one() {
        let mut sets = ParameterSets::default();
        sets.complete(&sample(UNITS, 0, true, &[0x67]));
        sets.complete(&sample(UNITS, 0, true, &[0x65]));
        let made = sets.complete(&sample(UNITS, 33, true, &[0x65])).unwrap();
        assert!(LastKey::default().note(&made));
    }

    #[test]
    fn sets_without_an_end_fill_nothing() {
        let mut sets = ParameterSets::default();
        let large = vec![7; 1 << 10];
        for n in 0..1000_u32 {
            sets.keep(&[&large[..], &n.to_be_bytes()].concat(), n == 0);
        }
        assert!(sets.sets.iter().map(Vec::len).sum::<usize>() <= MAX_BYTES);
    }

    #[test]
    fn all_but_the_bytes_is_kept() {
        let mut sets = ParameterSets::default();
        sets.complete(&sample(H264, 0, true, &[0x67, 0x65]));
        let made = sets.complete(&sample(H264, 33, true, &[0x65])).unwrap();
        let buffer = made.buffer().unwrap();
        assert_eq!(buffer.pts(), Some(gst::ClockTime::from_mseconds(33)));
        assert!(buffer.flags().contains(gst::BufferFlags::HEADER));
        assert!(made.segment().is_some() && made.caps().is_some());
    }
}
