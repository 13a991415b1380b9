// SPDX-License-Identifier: MPL-2.0
//! Where each picture was when: numbered at the entrance, followed by timestamps, read again at the exit.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gst::prelude::*;

use super::common::wait_within;

/// Pictures that are timed.
pub(crate) const PICTURES: usize = 300;
/// Pictures that pass before timing begins: connection, first key frame, rate control.
const WARM_UP: usize = 60;
/// Side of a block in pixels: large enough to survive any bitrate.
const BLOCK: usize = 32;
const BITS: usize = 16;
const WIDTH: usize = 1280;

/// A place on a picture's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// It came to the sink's input.
    Entered,
    /// It left the encoder.
    Encoded,
    /// Its last packet left the payloader.
    Sent,
    /// Its last packet left the receiving webrtcbin.
    Arrived,
    /// It left the decoder.
    Shown,
}

/// The ways of all pictures.
#[derive(Debug, Default)]
pub(crate) struct Journal(Mutex<Entries>);

#[derive(Debug, Default)]
struct Entries {
    next: u32,
    /// Numbers by running time, and by RTP timestamp.
    by_time: HashMap<gst::ClockTime, u32>,
    by_rtp: HashMap<u32, u32>,
    /// Pictures on their way.
    under_way: HashMap<u32, BTreeMap<Stage, Instant>>,
    shown: Vec<BTreeMap<Stage, Instant>>,
}

impl Journal {
    /// Draws the next number into each picture that passes `pad`.
    pub(crate) fn number(self: &Arc<Self>, pad: &gst::Pad) {
        let journal = self.clone();
        pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
            if let Some(gst::PadProbeData::Buffer(buffer)) = &mut info.data {
                let number = journal.enter(running_time(pad, buffer));
                if let Ok(mut map) = buffer.make_mut().map_writable() {
                    draw(map.as_mut_slice(), number);
                }
            }
            gst::PadProbeReturn::Ok
        });
    }

    /// Follows pictures past the encoder.
    pub(crate) fn note_encoded(self: &Arc<Self>, pad: &gst::Pad) {
        let journal = self.clone();
        pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
            let time = info.buffer().and_then(|buffer| running_time(pad, buffer));
            let number = time.and_then(|time| journal.entries().by_time.get(&time).copied());
            journal.pass(number, Stage::Encoded);
            gst::PadProbeReturn::Ok
        });
    }

    /// Follows pictures past the payloader, where they get their RTP timestamps.
    pub(crate) fn note_sent(self: &Arc<Self>, pad: &gst::Pad) {
        let journal = self.clone();
        watch_packets(pad, move |pad, buffer| {
            let Some(timestamp) = end_of_picture(buffer) else {
                return;
            };
            let time = running_time(pad, buffer);
            let number = {
                let mut entries = journal.entries();
                let number = time.and_then(|time| entries.by_time.get(&time).copied());
                if let Some(number) = number {
                    entries.by_rtp.insert(timestamp, number);
                }
                number
            };
            journal.pass(number, Stage::Sent);
        });
    }

    /// Follows pictures out of the receiving webrtcbin.
    pub(crate) fn note_arrived(self: &Arc<Self>, pad: &gst::Pad) {
        let journal = self.clone();
        watch_packets(pad, move |_, buffer| {
            let timestamp = end_of_picture(buffer);
            let number = timestamp.and_then(|timestamp| journal.entries().by_rtp.get(&timestamp).copied());
            journal.pass(number, Stage::Arrived);
        });
    }

    /// Reads the number of each picture that reaches the sink called `out` inside of `bin`.
    pub(crate) fn read(self: &Arc<Self>, bin: &gst::Bin) {
        let journal = self.clone();
        let pad = bin.by_name("out").and_then(|sink| sink.static_pad("sink"));
        pad.expect("it has one")
            .add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
                let width = pad
                    .current_caps()
                    .and_then(|caps| caps.structure(0)?.get::<i32>("width").ok());
                assert_eq!(
                    width,
                    Some(WIDTH as i32),
                    "a smaller picture has its number elsewhere"
                );
                let number = info
                    .buffer()
                    .and_then(|buffer| Some(decode(buffer.map_readable().ok()?.as_slice())));
                journal.pass(number, Stage::Shown);
                gst::PadProbeReturn::Ok
            });
    }

    /// Waits for enough pictures.
    pub(crate) fn wait(&self) {
        wait_within(Duration::from_secs(300), "enough pictures pass", || {
            self.entries().shown.len() >= WARM_UP + PICTURES
        });
    }

    /// Takes what is there out, where probes keep the journal itself.
    pub(crate) fn finished(&self) -> Self {
        Self(Mutex::new(std::mem::take(&mut *self.entries())))
    }

    /// Time from one stage to another: median and 90th percentile in milliseconds.
    pub(crate) fn between(&self, from: Stage, to: Stage) -> (f64, f64) {
        let entries = self.entries();
        let timed = &entries.shown[WARM_UP..WARM_UP + PICTURES];
        let mut taken: Vec<f64> = timed
            .iter()
            .filter_map(|stages| {
                Some(stages.get(&to)?.duration_since(*stages.get(&from)?).as_secs_f64() * 1e3)
            })
            .collect();
        taken.sort_by(f64::total_cmp);
        let at = |tenths: usize| taken.get(taken.len() * tenths / 10).copied().unwrap_or(f64::NAN);
        (at(5), at(9))
    }

    fn enter(&self, time: Option<gst::ClockTime>) -> u32 {
        let number = {
            let mut entries = self.entries();
            entries.next = (entries.next + 1) % (1 << BITS);
            let number = entries.next;
            if let Some(time) = time {
                entries.by_time.insert(time, number);
            }
            number
        };
        self.entries().under_way.insert(number, BTreeMap::new());
        self.pass(Some(number), Stage::Entered);
        number
    }

    fn pass(&self, number: Option<u32>, stage: Stage) {
        let now = Instant::now();
        let mut entries = self.entries();
        let Some(number) = number else { return };
        let Some(stages) = entries.under_way.get_mut(&number) else {
            return;
        };
        stages.insert(stage, now);
        if stage == Stage::Shown {
            let stages = entries.under_way.remove(&number);
            entries.shown.extend(stages);
        }
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When a buffer is due: x264enc moves its timestamps, and its segment with them.
fn running_time(pad: &gst::Pad, buffer: &gst::BufferRef) -> Option<gst::ClockTime> {
    let segment = pad.sticky_event::<gst::event::Segment>(0)?;
    let segment = segment.segment().downcast_ref::<gst::ClockTime>()?;
    segment.to_running_time(buffer.pts()?)
}

fn watch_packets(pad: &gst::Pad, packet: impl Fn(&gst::Pad, &gst::BufferRef) + Send + Sync + 'static) {
    pad.add_probe(
        gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST,
        move |pad, info| {
            match &info.data {
                Some(gst::PadProbeData::Buffer(buffer)) => packet(pad, buffer),
                Some(gst::PadProbeData::BufferList(list)) => {
                    list.iter().for_each(|buffer| packet(pad, buffer));
                }
                _ => {}
            }
            gst::PadProbeReturn::Ok
        },
    );
}

/// The timestamp of a packet that ends a picture (RFC 3550, section 5.1: the marker, then the timestamp).
fn end_of_picture(buffer: &gst::BufferRef) -> Option<u32> {
    let map = buffer.map_readable().ok()?;
    let (marker, timestamp) = (map.get(1)? & 0x80 != 0, map.get(4..8)?);
    marker.then(|| u32::from_be_bytes(timestamp.try_into().expect("four bytes")))
}

fn draw(luma: &mut [u8], number: u32) {
    for bit in 0..BITS {
        let value = if number >> bit & 1 == 1 { 235 } else { 16 };
        for line in 0..BLOCK {
            let start = line * WIDTH + bit * BLOCK;
            luma[start..start + BLOCK].fill(value);
        }
    }
}

fn decode(luma: &[u8]) -> u32 {
    let centre = |bit: usize| luma[BLOCK / 2 * WIDTH + bit * BLOCK + BLOCK / 2];
    (0..BITS).fold(0, |number, bit| number | u32::from(centre(bit) > 128) << bit)
}
