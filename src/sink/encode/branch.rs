// SPDX-License-Identifier: MPL-2.0
//! One branch: what encodes it now, whom it feeds, and what left it.
//!
//! The worker starts, restarts and stops it; its streaming thread runs [`Branch::on_sample`]; statistics read it from
//! anywhere. Each lock here is held for the access only. Owns the branch's data; what is done to it is `lifecycle`'s,
//! who belongs to it `registry`'s to say.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use congestion::units::Bitrate;
use gst::prelude::*;

use super::candidates::Candidates;
use super::keysource::KeySource;
use super::meter::Meter;
use super::mitigation;
use super::pipeline::BranchPipeline;
use super::switch::Frame;
use super::tap::{MemberId, Tap};
use super::timeline::on_running_time;
use super::{BranchId, BranchSnapshot, ConsumerSnapshot, Mitigation, PictureSize, StreamId};
use crate::codec::{Codec, EncoderControl, MediaKind};

/// What the members of a branch have in common.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct BranchKey {
    /// Which input.
    pub(super) stream: StreamId,
    /// What it leaves as.
    pub(super) codec: Codec,
    /// The encoder's share of what was negotiated.
    pub(super) encoder_caps: gst::Caps,
    /// Of what size it leaves.
    pub(super) size: PictureSize,
}

impl BranchKey {
    /// Whether what this key's branches put out suits a consumer that asks for `wanted`.
    pub(super) fn suits(&self, wanted: &Self) -> bool {
        let same = self.stream == wanted.stream && self.codec == wanted.codec && self.size == wanted.size;
        same && self.encoder_caps.is_subset(&wanted.encoder_caps)
    }
}

/// See the module.
pub(super) struct Branch {
    id: BranchId,
    key: BranchKey,
    /// The consumer that made it necessary, as signals name it.
    cause: String,
    /// Outlives encoders: taps hold it over a restart.
    keys: Arc<KeySource>,
    taps: Mutex<Arc<BTreeMap<MemberId, Arc<Tap>>>>,
    /// Written by the streaming thread for each frame.
    output: Mutex<Output>,
    /// Changed by the worker; the streaming thread never takes it.
    running: Mutex<Running>,
}

#[derive(Default)]
struct Output {
    meter: Meter,
    /// Running time of the last frame.
    last: gst::ClockTime,
    /// Of what leaves; `None` before the first frame of an encoder.
    caps: Option<gst::Caps>,
    /// Frames since the encoder was started.
    since_start: u64,
    latency: gst::ClockTime,
}

/// What only the worker changes.
pub(super) struct Running {
    /// Encoders to try; `None` stands for a branch that has no encoder.
    pub(super) candidates: Candidates<Option<gst::ElementFactory>>,
    /// What runs now.
    pub(super) pipeline: Option<BranchPipeline>,
    /// Counts pipelines, so that a late message of an earlier one is known as such.
    pub(super) generation: u64,
    /// What the branch is to run at.
    pub(super) rate: Bitrate,
    /// Decides size and frame rate.
    pub(super) ladder: mitigation::Ladder,
}

impl Branch {
    /// A branch that is not running yet.
    pub(super) fn new(
        id: BranchId,
        key: BranchKey,
        cause: String,
        rate: Bitrate,
        candidates: Candidates<Option<gst::ElementFactory>>,
    ) -> Arc<Self> {
        let running = Running {
            candidates,
            pipeline: None,
            generation: 0,
            rate,
            ladder: mitigation::Ladder::new(Mitigation::default()),
        };
        Arc::new(Self {
            id,
            key,
            cause,
            keys: Arc::new(KeySource::new()),
            taps: Mutex::default(),
            output: Mutex::default(),
            running: Mutex::new(running),
        })
    }

    /// Which.
    pub(super) const fn id(&self) -> BranchId {
        self.id
    }

    /// What its members have in common.
    pub(super) const fn key(&self) -> &BranchKey {
        &self.key
    }

    /// The consumer that made it necessary.
    pub(super) fn cause(&self) -> &str {
        &self.cause
    }

    /// Where its key frames come from.
    pub(super) const fn keys(&self) -> &Arc<KeySource> {
        &self.keys
    }

    /// Everyone its frames go to, including those on their way in or out.
    pub(super) fn taps(&self) -> Arc<BTreeMap<MemberId, Arc<Tap>>> {
        lock(&self.taps).clone()
    }

    /// Its frames go to this consumer too.
    pub(super) fn add_tap(&self, tap: Arc<Tap>) {
        let mut taps = lock(&self.taps);
        Arc::make_mut(&mut taps).insert(tap.id(), tap);
    }

    /// They no longer do.
    pub(super) fn remove_tap(&self, member: MemberId) {
        let mut taps = lock(&self.taps);
        Arc::make_mut(&mut taps).remove(&member);
    }

    /// What the worker keeps; for short accesses only.
    pub(super) fn running(&self) -> MutexGuard<'_, Running> {
        lock(&self.running)
    }

    /// The encoder, while there is one.
    pub(super) fn control(&self) -> Option<EncoderControl> {
        self.running()
            .pipeline
            .as_ref()
            .and_then(|pipeline| pipeline.encoder().cloned())
    }

    /// An encoder is about to start: what it puts out has nothing to do with what was before.
    pub(super) fn begin_output(&self) {
        let mut output = lock(&self.output);
        output.since_start = 0;
        output.caps = None;
    }

    /// Whether the encoder that runs has put anything out.
    pub(super) fn has_output(&self) -> bool {
        lock(&self.output).since_start > 0
    }

    /// A frame was encoded. On the branch's streaming thread.
    pub(super) fn on_sample(&self, sample: &gst::Sample) {
        let Some((sample, time)) = on_running_time(sample, lock(&self.output).last) else {
            return;
        };
        let is_key = self.is_key(&sample);
        lock(&self.output).on_frame(&sample, time, is_key);
        if self.key.codec.has_key_frames() {
            self.keys.on_frame(time, is_key);
        }
        for tap in self.taps().values() {
            tap.deliver(
                self.id,
                Frame {
                    time,
                    is_key,
                    payload: sample.clone(),
                },
            );
        }
    }

    /// What converting and encoding add, for those who are fed.
    pub(super) fn set_latency(&self, latency: gst::ClockTime) {
        lock(&self.output).latency = latency;
        for tap in self.taps().values() {
            tap.set_latency(latency);
        }
    }

    /// What was last found by [`Branch::set_latency`].
    pub(super) fn latency(&self) -> gst::ClockTime {
        lock(&self.output).latency
    }

    /// What statistics show; `consumers` are those that belong to it.
    pub(super) fn snapshot(
        &self,
        input: Option<&gst::Caps>,
        consumers: Vec<ConsumerSnapshot>,
    ) -> BranchSnapshot {
        let control = self.control();
        let bitrate = control.as_ref().and_then(EncoderControl::bitrate);
        let output = lock(&self.output);
        let size = output.caps.as_ref().and_then(|caps| size_of(caps));
        let mitigation = match (input, output.caps.as_ref(), &control) {
            (Some(input), Some(caps), Some(_)) if self.key.size == PictureSize::Adaptive => {
                mitigation::in_effect(input, caps)
            }
            _ => Mitigation::default(),
        };
        BranchSnapshot {
            branch: self.id,
            encoder: control.map(|control| control.factory().to_owned()),
            bitrate,
            sent: output.meter.bitrate(),
            size,
            mitigation,
            frames: output.meter.frames(),
            key_frames: output.meter.key_frames(),
            latency: output.latency,
            consumers,
        }
    }

    /// Whether there is a size to choose before the encoder.
    pub(super) fn is_scalable(&self) -> bool {
        self.key.codec.media() == MediaKind::Video && !self.key.codec.is_raw_payload()
    }

    /// Codecs without key frames, as audio has them, can be joined anywhere.
    fn is_key(&self, sample: &gst::Sample) -> bool {
        let depends = sample
            .buffer()
            .is_some_and(|buffer| buffer.flags().contains(gst::BufferFlags::DELTA_UNIT));
        !self.key.codec.has_key_frames() || !depends
    }
}

impl Output {
    fn on_frame(&mut self, sample: &gst::Sample, time: gst::ClockTime, is_key: bool) {
        let bytes = sample.buffer().map_or(0, |buffer| buffer.size() as u64);
        self.meter.on_frame(time, bytes, is_key);
        self.last = time;
        self.since_start += 1;
        if self.caps.as_deref() != sample.caps() {
            self.caps = sample.caps_owned();
        }
    }
}

/// Width and height that caps name.
pub(super) fn size_of(caps: &gst::CapsRef) -> Option<(u32, u32)> {
    let structure = caps.structure(0)?;
    let side = |name| {
        structure
            .get::<i32>(name)
            .ok()
            .and_then(|side| u32::try_from(side).ok())
    };
    Some((side("width")?, side("height")?))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Running {
    /// The encoder that runs failed; what is tried next stands in `candidates`.
    pub(super) fn give_up(&mut self, now: Instant, had_output: bool, reason: &str) {
        let name = self
            .candidates
            .current()
            .and_then(|factory| factory.as_ref().map(|factory| factory.name()));
        let said = match name {
            Some(name) => format!("{name}: {reason}"),
            None => reason.to_owned(),
        };
        self.candidates.failed(now, had_output, said);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::str::FromStr;

    fn key(codec: Codec, caps: &str) -> BranchKey {
        gst::init().unwrap();
        BranchKey {
            stream: StreamId::new("video_0"),
            codec,
            encoder_caps: gst::Caps::from_str(caps).unwrap(),
            size: PictureSize::Adaptive,
        }
    }

    #[test]
    fn a_stricter_branch_suits_a_wider_wish() {
        let strict = key(Codec::H264, "video/x-h264, profile=constrained-baseline");
        let wide = key(
            Codec::H264,
            "video/x-h264, profile={ main, baseline, constrained-baseline }",
        );
        assert!(strict.suits(&wide) && strict.suits(&strict));
        assert!(!wide.suits(&strict));
        assert!(!key(Codec::H265, "ANY").suits(&key(Codec::H264, "ANY")));
        let small = BranchKey {
            size: PictureSize::Divided(2),
            ..wide.clone()
        };
        assert!(small.suits(&small) && !small.suits(&wide));
    }

    #[test]
    fn size_needs_both_sides() {
        gst::init().unwrap();
        let size = |text| size_of(&gst::Caps::from_str(text).unwrap());
        assert_eq!(size("video/x-vp8, width=4, height=3"), Some((4, 3)));
        assert_eq!(size("video/x-vp8, width=4"), None);
        assert_eq!(size("video/x-vp8, width=-4, height=3"), None);
    }

    #[test]
    fn every_frame_of_audio_is_a_place_to_begin() {
        gst::init().unwrap();
        let mut buffer = gst::Buffer::with_size(1).unwrap();
        buffer.get_mut().unwrap().set_flags(gst::BufferFlags::DELTA_UNIT);
        let sample = gst::Sample::builder().buffer(&buffer).build();
        let branch = |codec| {
            Branch::new(
                BranchId(1),
                key(codec, "ANY"),
                String::new(),
                Bitrate::ZERO,
                Candidates::new([]),
            )
        };
        assert!(branch(Codec::Opus).is_key(&sample));
        assert!(!branch(Codec::Vp8).is_key(&sample));
    }
}
