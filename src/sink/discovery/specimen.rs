// SPDX-License-Identifier: MPL-2.0
//! The input of a trial: blank frames of the stream's caps, or a key frame of its own.
//!
//! Owns what a trial is fed; building and running it is `pipeline`'s. Pure over caps: the number of bytes comes from
//! caps that come from outside, so it is bounded before memory is taken.

use super::DiscoveryRequest;
use crate::codec::{MediaKind, caps};

/// What a trial is fed with.
#[derive(Clone, Debug)]
pub(super) struct Specimen {
    /// Of all buffers.
    pub(super) caps: gst::Caps,
    /// In order; none where caps say everything.
    pub(super) buffers: Vec<gst::Buffer>,
    /// Whether the trial must give a packet; otherwise caps are enough.
    pub(super) must_pass: bool,
}

/// One for this request; `None` when its caps describe no frame.
pub(super) fn of(request: &DiscoveryRequest) -> Option<Specimen> {
    if !caps::is_raw(&request.input) {
        return Some(encoded(request));
    }
    let caps = in_system_memory(&request.input);
    let frame: fn(&gst::Caps, u64) -> Option<gst::Buffer> = match MediaKind::of_caps(&caps)? {
        MediaKind::Video => video_frame,
        MediaKind::Audio => audio_frame,
    };
    let buffers = (0..FRAMES).map(|n| frame(&caps, n)).collect::<Option<_>>()?;
    Some(Specimen {
        caps,
        buffers,
        must_pass: true,
    })
}

/// Parsers need a key frame to find out profile and level. Where none was kept, caps alone have to do.
fn encoded(request: &DiscoveryRequest) -> Specimen {
    let sample = request.key_frame.as_ref();
    let buffers = sample
        .and_then(|sample| sample.buffer_owned())
        .map(at_zero)
        .into_iter()
        .collect();
    let caps = sample
        .and_then(|sample| sample.caps_owned())
        .unwrap_or_else(|| request.input.clone());
    Specimen {
        caps,
        buffers,
        must_pass: false,
    }
}

/// The description of a stream does not depend on where its pictures lie, and blank ones can be made only here.
fn in_system_memory(caps: &gst::Caps) -> gst::Caps {
    let mut caps = caps.clone();
    caps.make_mut().set_features_simple(None);
    caps
}

fn video_frame(caps: &gst::Caps, number: u64) -> Option<gst::Buffer> {
    let video = gst_video::VideoInfo::from_caps(caps).ok()?;
    let fps = video.fps();
    let nanoseconds = match (u64::try_from(fps.numer()), u64::try_from(fps.denom())) {
        (Ok(num), Ok(den)) if num > 0 => gst::ClockTime::SECOND.nseconds().saturating_mul(den) / num,
        _ => DEFAULT_DURATION.nseconds(),
    };
    blank(video.size(), gst::ClockTime::from_nseconds(nanoseconds), number)
}

fn audio_frame(caps: &gst::Caps, number: u64) -> Option<gst::Buffer> {
    let audio = gst_audio::AudioInfo::from_caps(caps).ok()?;
    let samples = usize::try_from(audio.rate() / AUDIO_FRAMES_PER_SECOND).ok()?;
    let size = samples.checked_mul(usize::try_from(audio.bpf()).ok()?)?;
    let duration = gst::ClockTime::SECOND / u64::from(AUDIO_FRAMES_PER_SECOND);
    let mut buffer = blank(size, duration, number)?;
    if audio.layout() == gst_audio::AudioLayout::NonInterleaved {
        // Where each channel's plane begins is told by the meta only.
        gst_audio::AudioMeta::add(buffer.get_mut()?, &audio, samples, &[]).ok()?;
    }
    Some(buffer)
}

/// Zeroes are a picture and silence in every raw format, whatever they look like.
fn blank(size: usize, duration: gst::ClockTime, number: u64) -> Option<gst::Buffer> {
    if size == 0 || size > MAX_SIZE {
        return None;
    }
    let mut buffer = gst::Buffer::from_mut_slice(vec![0_u8; size]);
    let fields = buffer.get_mut()?;
    fields.set_pts(duration * number);
    fields.set_duration(duration);
    Some(buffer)
}

fn at_zero(mut buffer: gst::Buffer) -> gst::Buffer {
    let fields = buffer.make_mut();
    fields.set_pts(gst::ClockTime::ZERO);
    fields.set_dts(gst::ClockTime::ZERO);
    buffer
}

/// Enough for an encoder that looks some frames ahead; the end of the stream brings out the rest.
const FRAMES: u64 = 5;
/// Of a picture whose caps name no frame rate: 30 a second.
const DEFAULT_DURATION: gst::ClockTime = gst::ClockTime::from_mseconds(33);
/// Frames of 20 ms, as Opus has them.
const AUDIO_FRAMES_PER_SECOND: u32 = 50;
/// 8K with 16 bits for each of four components. Larger caps are a mistake or an attack on memory.
const MAX_SIZE: usize = 7680 * 4320 * 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Codec;
    use crate::sink::encode::StreamId;
    use std::str::FromStr;

    fn specimen(input: &str) -> Option<Specimen> {
        gst::init().unwrap();
        of(&DiscoveryRequest {
            stream: StreamId::new("video_0"),
            input: gst::Caps::from_str(input).unwrap(),
            codec: Codec::Vp8,
            encoder_caps: gst::Caps::new_any(),
            key_frame: None,
        })
    }

    #[test]
    fn frames_have_the_size_and_duration_of_the_caps() {
        let made = specimen("video/x-raw, format=I420, width=64, height=48, framerate=25/1").unwrap();
        assert_eq!(made.buffers.len() as u64, FRAMES);
        assert_eq!(made.buffers[1].size(), 64 * 48 * 3 / 2);
        assert_eq!(made.buffers[1].pts(), Some(gst::ClockTime::from_mseconds(40)));
        let audio =
            specimen("audio/x-raw, format=S16LE, rate=48000, channels=2, layout=interleaved").unwrap();
        assert_eq!(audio.buffers[0].size(), 960 * 4);
    }

    #[test]
    fn planes_of_audio_can_be_mapped() {
        let caps = "audio/x-raw, format=F32LE, rate=44100, channels=2, channel-mask=(bitmask)3, layout=non-interleaved";
        let made = specimen(caps).unwrap();
        let meta = made.buffers[0]
            .meta::<gst_audio::AudioMeta>()
            .expect("it has one");
        assert_eq!((meta.samples(), meta.offsets()), (882, &[0, 882 * 4][..]));
    }

    #[test]
    fn memory_of_devices_is_replaced() {
        let made = specimen("video/x-raw(memory:GLMemory), format=RGBA, width=64, height=48").unwrap();
        assert!(
            made.caps.features(0).unwrap().contains("memory:SystemMemory"),
            "{}",
            made.caps
        );
        assert!(made.must_pass);
    }

    #[test]
    fn caps_that_describe_no_frame_make_none() {
        for caps in [
            "video/x-raw",
            "audio/x-raw, rate=8000",
            "video/x-raw, format=I420, width=32767, height=32767",
        ] {
            assert!(specimen(caps).is_none(), "{caps}");
        }
    }

    #[test]
    fn encoded_caps_may_be_enough() {
        let made = specimen("video/x-vp8").unwrap();
        assert!(made.buffers.is_empty() && !made.must_pass);
    }
}
