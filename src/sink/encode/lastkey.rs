// SPDX-License-Identifier: MPL-2.0
//! The newest key frame of input that comes encoded, from which discovery learns what is inside of the stream.
//!
//! Pure over samples, under the lock of the inputs. Parsers mark parameter sets as headers (`GST_BUFFER_FLAG_HEADER`):
//! where a buffer is a whole picture it bears them itself, where it is one NAL unit they are buffers of their own that
//! belong to the picture that follows.

use gst::BufferFlags;

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct LastKey {
    /// Parameter sets of the picture that comes, or is coming, unit by unit.
    headers: Vec<gst::Buffer>,
    /// Whether a slice of that picture was there.
    has_slice: bool,
    frame: Option<gst::Sample>,
}

impl LastKey {
    /// A buffer of the stream. Whether it completed a key frame.
    pub(super) fn note(&mut self, sample: &gst::Sample) -> bool {
        let Some(buffer) = sample.buffer() else {
            return false;
        };
        let is_unit = is_unit_by_unit(sample);
        if is_unit && buffer.flags().contains(BufferFlags::HEADER) {
            self.note_header(buffer);
            return false;
        }
        let is_key = !buffer.flags().contains(BufferFlags::DELTA_UNIT);
        if is_key && is_unit {
            self.has_slice = true;
            self.frame = Some(self.joined(sample, buffer));
        } else if is_key {
            self.frame = Some(sample.clone());
        }
        is_key
    }

    /// The key frame.
    pub(super) fn frame(&self) -> Option<&gst::Sample> {
        self.frame.as_ref()
    }

    /// The first parameter set after a slice is the next picture's.
    fn note_header(&mut self, buffer: &gst::BufferRef) {
        if std::mem::take(&mut self.has_slice) {
            self.headers.clear();
        }
        if self.headers.len() < MAX_HEADERS {
            self.headers.push(buffer.to_owned());
        }
    }

    /// A slice behind the parameter sets that it needs, as one buffer.
    fn joined(&self, sample: &gst::Sample, slice: &gst::BufferRef) -> gst::Sample {
        let mut frame = slice.to_owned();
        for header in self.headers.iter().rev() {
            let memories = (0..header.n_memory()).rev();
            for memory in memories.map(|index| header.peek_memory(index).to_owned()) {
                frame.make_mut().prepend_memory(memory);
            }
        }
        gst::Sample::builder()
            .buffer(&frame)
            .caps(&sample.caps_owned().unwrap_or_else(gst::Caps::new_any))
            .build()
    }
}

/// Whether a buffer is one NAL unit and not a whole picture.
pub(super) fn is_unit_by_unit(sample: &gst::Sample) -> bool {
    sample
        .caps()
        .and_then(|caps| caps.structure(0))
        .is_some_and(|structure| structure.get::<&str>("alignment") == Ok("nal"))
}

/// Of one picture: parameter sets of three kinds, a few of each, and messages beside them.
const MAX_HEADERS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use std::str::FromStr;

    const DELTA: BufferFlags = BufferFlags::DELTA_UNIT;
    const HEADER: BufferFlags = BufferFlags::HEADER;

    fn sample(alignment: &str, flags: BufferFlags, bytes: &[u8]) -> gst::Sample {
        gst::init().unwrap();
        let mut buffer = gst::Buffer::from_slice(bytes.to_vec());
        buffer.get_mut().unwrap().set_flags(flags);
        let caps = gst::Caps::from_str(&format!("video/x-h264, alignment={alignment}")).unwrap();
        gst::Sample::builder().buffer(&buffer).caps(&caps).build()
    }

    fn bytes(key: &LastKey) -> Option<Vec<u8>> {
        Some(key.frame()?.buffer()?.map_readable().unwrap().to_vec())
    }

    #[test]
    fn a_whole_picture_may_bear_its_headers() {
        let mut key = LastKey::default();
        assert!(!key.note(&sample("au", DELTA, &[1])));
        assert!(key.note(&sample("au", HEADER, &[2])));
        assert!(!key.note(&sample("au", DELTA | HEADER, &[3])));
        assert_eq!(bytes(&key), Some(vec![2]));
        assert!(key.note(&sample("au", BufferFlags::empty(), &[4])));
        assert_eq!(bytes(&key), Some(vec![4]));
    }

    #[test]
    fn units_are_put_together() {
        let mut key = LastKey::default();
        for unit in [1, 2] {
            assert!(!key.note(&sample("nal", DELTA | HEADER, &[unit])));
        }
        assert_eq!(bytes(&key), None);
        assert!(key.note(&sample("nal", BufferFlags::empty(), &[3])));
        assert_eq!(bytes(&key), Some(vec![1, 2, 3]));
        assert!(key.note(&sample("nal", BufferFlags::empty(), &[4])));
        assert_eq!(
            bytes(&key),
            Some(vec![1, 2, 4]),
            "another slice of the same picture"
        );
        assert!(!key.note(&sample("nal", DELTA, &[5])));
        assert!(!key.note(&sample("nal", DELTA | HEADER, &[6])));
        assert!(key.note(&sample("nal", BufferFlags::empty(), &[7])));
        assert_eq!(bytes(&key), Some(vec![6, 7]), "the next picture has its own");
    }

    #[test]
    fn headers_without_an_end_fill_nothing() {
        let mut key = LastKey::default();
        for _ in 0..1000 {
            key.note(&sample("nal", HEADER, &[1]));
        }
        assert_eq!(key.headers.len(), MAX_HEADERS);
    }
}
