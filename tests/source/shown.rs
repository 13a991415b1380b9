// SPDX-License-Identifier: MPL-2.0
//! When a sink that follows the clock shows which picture, told by the timestamps of its packets.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gst::prelude::*;

use crate::common::receiver::Receiver;
use crate::common::wait_until;

/// When each picture was there first, by its RTP timestamp.
#[derive(Clone, Default)]
pub(crate) struct Shown(Arc<Mutex<BTreeMap<u32, Instant>>>);

impl Shown {
    /// What leaves a payloader.
    pub(crate) fn sent(payloader: &gst::Element) -> Self {
        let sent = Self::default();
        let (log, pad) = (sent.clone(), payloader.static_pad("src").expect("it has one"));
        pad.add_probe(
            gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST,
            move |_, info| {
                match &info.data {
                    Some(gst::PadProbeData::Buffer(packet)) => log.note(packet),
                    Some(gst::PadProbeData::BufferList(list)) => {
                        list.iter().for_each(|packet| log.note(packet))
                    }
                    _ => {}
                }
                gst::PadProbeReturn::Ok
            },
        );
        sent
    }

    /// What a synchronised sink shows of the receiver's first video stream, which nothing is linked to.
    pub(crate) fn by(receiver: &Receiver) -> Self {
        wait_until("the pad is there", || {
            receiver.src.static_pad("video_0").is_some()
        });
        let shown = Self::default();
        let log = shown.clone();
        let sink = gst::ElementFactory::make("fakesink")
            .property("sync", true)
            .property("async", false)
            .property("signal-handoffs", true)
            .build()
            .expect("a core element");
        sink.connect("handoff", false, move |values| {
            log.note(&values[1].get::<gst::Buffer>().expect("a buffer"));
            None
        });
        receiver.pipeline.add(&sink).expect("a fresh element");
        sink.sync_state_with_parent().expect("it follows the pipeline");
        let pad = receiver.src.static_pad("video_0").expect("it was just there");
        pad.link(&sink.static_pad("sink").expect("a sink has one"))
            .expect("a sink takes anything");
        receiver.wait_buffers("video_0", 10);
        // As applications do when the bus tells that the latency has changed.
        receiver.pipeline.recalculate_latency().expect("it is playing");
        shown.0.lock().unwrap().clear();
        shown
    }

    /// How much later pictures are due here than they were `there`: what a tenth of so many needs at most. A busy machine
    /// shows pictures later than they are due, none is shown sooner.
    pub(crate) fn behind(&self, there: &Self, pictures: usize) -> Duration {
        let micros = self.offsets(there, pictures);
        Duration::from_micros(micros[micros.len() / 10].try_into().unwrap_or_default())
    }

    /// The share of what was `sent`, between the first and the last of so many pictures shown here, that was shown.
    pub(crate) fn completeness(&self, sent: &Self, pictures: usize) -> f64 {
        wait_until("pictures are shown", || self.0.lock().unwrap().len() >= pictures);
        let (shown, sent) = (self.0.lock().unwrap(), sent.0.lock().unwrap());
        let bounds = shown.keys().next().zip(shown.keys().next_back());
        let (first, last) = bounds.expect("some were shown");
        shown.len() as f64 / sent.range(first..=last).count() as f64
    }

    /// How far from each other so many pictures are here and `there`. What delays single pictures of one or of the other
    /// counts neither way.
    pub(crate) fn skew(&self, there: &Self, pictures: usize) -> Duration {
        let micros = self.offsets(there, pictures);
        Duration::from_micros(micros[micros.len() / 2].unsigned_abs())
    }

    /// How many microseconds later pictures are here than `there`, for at least so many, in order.
    fn offsets(&self, there: &Self, pictures: usize) -> Vec<i64> {
        let mut found = Vec::new();
        wait_until("both have enough pictures", || {
            let (here, there) = (self.0.lock().unwrap(), there.0.lock().unwrap());
            let both = here
                .iter()
                .filter_map(|(picture, at)| Some(micros_between(*there.get(picture)?, *at)));
            found = both.collect();
            found.len() >= pictures
        });
        found.sort_unstable();
        found
    }

    fn note(&self, packet: &gst::BufferRef) {
        let packet = gst_rtp::RTPBuffer::from_buffer_readable(packet).expect("an RTP packet");
        self.0
            .lock()
            .unwrap()
            .entry(packet.timestamp())
            .or_insert_with(Instant::now);
    }
}

/// Negative when `after` comes before `before`.
fn micros_between(before: Instant, after: Instant) -> i64 {
    let micros = |length: Duration| i64::try_from(length.as_micros()).expect("tests are short");
    match after.checked_duration_since(before) {
        Some(later) => micros(later),
        None => -micros(before.duration_since(after)),
    }
}
