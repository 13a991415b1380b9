// SPDX-License-Identifier: MPL-2.0
//! Puts the NAL units of one H.264 or H.265 picture together, as a depayloader gives them one by one. Pure over buffers.
//!
//! A picture ends with the unit that carries the marker of its last packet (RFC 6184, section 5.1; RFC 7798, section
//! 4.1), so nobody waits for the next one to know. Senders with rtph264pay 1.22 repeat the parameter sets before every
//! slice of a key frame, where a parser would take each for the beginning of a picture (ITU-T H.264, 7.4.1.2.3): they
//! are moved before the first slice.

use crate::codec::nal::{Role, Syntax};

/// A picture that is not complete yet.
#[derive(Debug)]
pub(crate) struct Picture {
    syntax: Syntax,
    units: Vec<gst::Buffer>,
    bytes: usize,
    /// Where the first slice is among the units.
    first_slice: Option<usize>,
}

impl Picture {
    /// One that nothing has come of.
    pub(crate) fn new(syntax: Syntax) -> Self {
        Self {
            syntax,
            units: Vec::new(),
            bytes: 0,
            first_slice: None,
        }
    }

    /// Takes in the next unit, with its start code before it; gives the pictures that are complete by it. The first of
    /// two lost its end on the way.
    pub(crate) fn take(&mut self, unit: gst::Buffer) -> [Option<gst::Buffer>; 2] {
        let is_of_another = self
            .units
            .first()
            .is_some_and(|first| unit.pts().is_some() && first.pts() != unit.pts());
        let before = if is_of_another { self.finish() } else { None };
        let is_last = unit.flags().contains(gst::BufferFlags::MARKER);
        self.add(unit);
        let complete = if is_last { self.finish() } else { None };
        [before, complete]
    }

    /// The picture as far as it came.
    pub(crate) fn finish(&mut self) -> Option<gst::Buffer> {
        let mut picture = Self::new(self.syntax);
        std::mem::swap(self, &mut picture);
        let last = picture.units.last()?.clone();
        let mut units = picture.units.into_iter();
        let mut whole = units.next()?;
        for unit in units {
            whole.append(unit);
        }
        let buffer = whole.make_mut();
        buffer.set_flags(gst::BufferFlags::MARKER);
        // Capture times come with every packet; what was read of the picture's messages comes with its slices.
        if buffer.iter_meta::<gst::Meta>().next().is_none() {
            // Fails for no metadata that packets carry.
            let _ = last.copy_into(buffer, gst::BufferCopyFlags::META, ..);
        }
        Some(whole)
    }

    /// Puts a unit in its place. A picture that grows out of all proportion begins anew.
    fn add(&mut self, unit: gst::Buffer) {
        let role = role(self.syntax, &unit);
        self.bytes += unit.size();
        if self.bytes > MAX_BYTES {
            *self = Self::new(self.syntax);
            return;
        }
        match (role, self.first_slice) {
            (Role::Delimiter, Some(_)) => {}
            (Role::Parameters, Some(place)) => {
                self.units.insert(place, unit);
                self.first_slice = Some(place + 1);
            }
            (Role::Slice, None) => {
                self.first_slice = Some(self.units.len());
                self.units.push(unit);
            }
            (Role::Slice | Role::Other, _) | (Role::Delimiter | Role::Parameters, None) => {
                self.units.push(unit);
            }
        }
    }
}

/// What the unit is, by its header.
fn role(syntax: Syntax, unit: &gst::Buffer) -> Role {
    let mut header = [0];
    match unit.copy_to_slice(START_CODE, &mut header) {
        Ok(()) => syntax.role(header[0]),
        Err(_) => Role::Other,
    }
}

/// Length of what depayloaders put before each unit (ITU-T H.264, annex B).
const START_CODE: usize = 4;
/// As much as a stream's queue keeps; a key frame of 4K at 60 Mbit/s has about 1 MB.
const MAX_BYTES: usize = 8 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(time: u64, header: u8, is_last: bool) -> gst::Buffer {
        gst::init().expect("GStreamer initialises");
        let mut unit = gst::Buffer::from_slice([0, 0, 0, 1, header]);
        let buffer = unit.get_mut().expect("nobody else has it");
        buffer.set_pts(gst::ClockTime::from_mseconds(time));
        if is_last {
            buffer.set_flags(gst::BufferFlags::MARKER);
        }
        unit
    }

    /// The headers of the units in a picture.
    fn headers(picture: &gst::Buffer) -> Vec<u8> {
        let map = picture.map_readable().expect("it can be read");
        map.chunks(5).map(|unit| unit[START_CODE]).collect()
    }

    /// Feeds units of one picture, the last with the marker, and gives what came out.
    fn put_together(syntax: Syntax, units: &[u8]) -> Vec<Vec<u8>> {
        let mut picture = Picture::new(syntax);
        let mut out = Vec::new();
        for (index, header) in units.iter().enumerate() {
            let done = picture.take(unit(0, *header, index + 1 == units.len()));
            out.extend(done.iter().flatten().map(headers));
        }
        out
    }

    #[test]
    fn a_picture_is_whole_with_its_marker() {
        let cases: [(Syntax, &[u8], &[u8]); 6] = [
            (Syntax::H264, &[0x65], &[0x65]),
            (
                Syntax::H264,
                &[0x09, 0x67, 0x68, 0x06, 0x65, 0x65],
                &[0x09, 0x67, 0x68, 0x06, 0x65, 0x65],
            ),
            // Parameter sets before every slice.
            (
                Syntax::H264,
                &[0x09, 0x67, 0x68, 0x65, 0x67, 0x68, 0x65, 0x65],
                &[0x09, 0x67, 0x68, 0x67, 0x68, 0x65, 0x65, 0x65],
            ),
            (Syntax::H264, &[0x41, 0x09, 0x41], &[0x41, 0x41]),
            (
                Syntax::H265,
                &[0x40, 0x42, 0x44, 0x26, 0x44, 0x26],
                &[0x40, 0x42, 0x44, 0x44, 0x26, 0x26],
            ),
            (Syntax::H265, &[0x46, 0x02, 0x02], &[0x46, 0x02, 0x02]),
        ];
        for (syntax, units, expected) in cases {
            assert_eq!(put_together(syntax, units), [expected], "{units:x?}");
        }
    }

    #[test]
    fn a_lost_end_is_known_by_the_next_time() {
        let mut picture = Picture::new(Syntax::H264);
        assert_eq!(picture.take(unit(0, 0x41, false)), [None, None]);
        let [before, complete] = picture.take(unit(33, 0x41, true));
        let (before, complete) = (before.expect("what came"), complete.expect("the next"));
        assert_eq!(before.pts(), Some(gst::ClockTime::ZERO));
        assert_eq!(complete.pts(), Some(gst::ClockTime::from_mseconds(33)));
        assert!(picture.finish().is_none());
    }

    #[test]
    fn a_picture_without_an_end_does_not_grow_for_ever() {
        gst::init().expect("GStreamer initialises");
        let mut picture = Picture::new(Syntax::H264);
        for _ in 0..100 {
            let mut unit = gst::Buffer::from_mut_slice(vec![0; 1 << 20]);
            unit.get_mut().expect("ours alone").set_pts(gst::ClockTime::ZERO);
            assert_eq!(picture.take(unit), [None, None]);
            assert!(picture.bytes <= MAX_BYTES);
        }
    }

    #[test]
    fn metadata_of_the_last_packet_is_kept() {
        let mut picture = Picture::new(Syntax::H264);
        let mut last = unit(0, 0x41, true);
        let reference = gst::Caps::new_empty_simple("timestamp/x-ntp");
        let time = gst::ClockTime::from_seconds(7);
        gst::ReferenceTimestampMeta::add(
            last.get_mut().expect("ours alone"),
            &reference,
            time,
            gst::ClockTime::NONE,
        );
        picture.take(unit(0, 0x09, false));
        let [_, complete] = picture.take(last);
        let complete = complete.expect("the marker came");
        let meta = complete
            .meta::<gst::ReferenceTimestampMeta>()
            .expect("it is kept");
        assert_eq!(meta.timestamp(), time);
    }
}
