// SPDX-License-Identifier: MPL-2.0
//! A consumer behind a narrow link: the sink finds out and sends what fits. Without control it floods.
//!
//! The limits are wide, because the machine is shared: how well it is done is measured in simulated time by the tests
//! of the `congestion` crate, and in real time by `scripts/bench/congestion`.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use common::consumer::{Consumer, Options, PLAYOUT_DELAY};
use common::pipelines::Producer;
use common::wait_within;
use gst::prelude::*;
use testkit::link::Plan;
use testkit::relay::{INTERVAL, Link, Passed, Side};

/// Noise, which an encoder can spend any bitrate on.
const NOISE: &str = "videotestsrc is-live=true pattern=snow ! \
    video/x-raw,format=I420,width=320,height=240,framerate=30/1 ! sink.";
const CAPACITY: u64 = 800_000;
const PATIENCE: Duration = Duration::from_secs(240);

/// What a consumer is sent over the narrow link, from `from` on, for as long as `length`.
fn run(control: &str, from: Duration, length: Duration) -> Vec<Passed> {
    let forward = || Plan::bottleneck(CAPACITY, Duration::from_millis(50), Duration::from_millis(300));
    let producer = Producer::start(&[NOISE.to_owned()], |sink| {
        sink.set_property_from_str("congestion-control", control);
        sink.set_property("max-bitrate", 4_000_000u32);
    });
    let backward = || Plan::clear(Duration::from_millis(50));
    let link = forever(Link::new(forward(), backward()));
    let options = Options {
        link: Some(link),
        ..Options::default()
    };
    let consumer = Consumer::join_with(&producer.signaller, "narrow", options);
    wait_within(PATIENCE, "media arrives", || consumer.frames(0) > 0);
    link.restart(forward(), backward());
    let begins = intervals(from);
    let ends = begins + intervals(length);
    wait_within(PATIENCE, "enough was sent", || {
        link.passed(Side::Left).len() >= ends
    });
    producer.assert_no_errors();
    consumer.leave();
    link.passed(Side::Left)[begins..ends].to_vec()
}

/// A consumer's callbacks outlive a test's borrow of its link.
fn forever(link: Link) -> &'static Link {
    Box::leak(Box::new(link))
}

fn intervals(time: Duration) -> usize {
    (time.as_millis() / INTERVAL.as_millis()) as usize
}

fn dropped_ratio(passed: &[Passed]) -> f64 {
    let sum = |count: fn(&Passed) -> u64| passed.iter().map(count).sum::<u64>() as f64;
    sum(|it| it.dropped) / sum(|it| it.dropped + it.packets).max(1.0)
}

fn used_ratio(passed: &[Passed]) -> f64 {
    let bits: u64 = passed.iter().map(|it| it.passed_bytes * 8).sum();
    bits as f64 / (CAPACITY as f64 * passed.len() as f64 * INTERVAL.as_secs_f64())
}

#[test]
fn a_narrow_link_is_used_and_not_flooded() {
    let passed = run("gcc", Duration::from_secs(6), Duration::from_secs(12));
    let (dropped, used) = (dropped_ratio(&passed), used_ratio(&passed));
    let mut queued: Vec<_> = passed.iter().map(|it| it.queued).collect();
    queued.sort();
    println!(
        "used {used:.2}, dropped {dropped:.3}, median of the longest wait {:?}",
        queued[queued.len() / 2]
    );
    assert!(dropped < 0.1, "{dropped} of the packets were dropped");
    assert!(used > 0.3, "{used} of the capacity was used");
    assert!(
        queued[queued.len() / 2] < Duration::from_millis(200),
        "{queued:?}"
    );
}

#[test]
fn without_control_a_narrow_link_is_flooded() {
    let passed = run("disabled", Duration::from_secs(3), Duration::from_secs(6));
    let dropped = dropped_ratio(&passed);
    assert!(dropped > 0.2, "{dropped} of the packets were dropped");
}

#[test]
fn a_consumer_whose_link_loses_packets_is_asked_to_hold_pictures() {
    let producer = Producer::start(&[NOISE.to_owned()], |_| ());
    let one_way = Duration::from_millis(25);
    let lossy = Plan::bottleneck(2_000_000, one_way, Duration::from_millis(300)).losing(0.05);
    let link = forever(Link::new(Plan::clear(one_way), Plan::clear(one_way)));
    let options = Options {
        link: Some(link),
        ..Options::default()
    };
    let consumer = Consumer::join_with(&producer.signaller, "lossy", options);
    wait_within(PATIENCE, "media arrives", || consumer.frames(0) > 0);
    let asked = Arc::new(AtomicU32::new(0));
    note_playout_delay(&consumer.webrtcbin, &asked);
    link.restart(lossy, Plan::clear(one_way));
    wait_within(PATIENCE, "the consumer is asked", || {
        asked.load(Ordering::Relaxed) > 0
    });
    // The round trip of 50 ms, more on a busy machine, and the 100 ms of a repair.
    let asked_ms = (asked.load(Ordering::Relaxed) >> 12) * 10;
    assert!((150..=400).contains(&asked_ms), "{asked_ms} ms");
    consumer.leave();
}

/// Keeps the last value that came in the header extension, as its three bytes make a number.
fn note_playout_delay(webrtcbin: &gst::Element, asked: &Arc<AtomicU32>) {
    for pad in webrtcbin.src_pads() {
        let asked = asked.clone();
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            let packet = info.buffer().expect("a probe for buffers");
            let packet = gst_rtp::RTPBuffer::from_buffer_readable(packet).expect("it is RTP");
            if let Some([first, second, third]) = packet.extension_onebyte_header(2, 0) {
                let value = u32::from_be_bytes([0, *first, *second, *third]);
                asked.store(value, Ordering::Relaxed);
            }
            gst::PadProbeReturn::Ok
        });
    }
}

#[test]
fn nobody_is_asked_to_hold_pictures_who_should_not() {
    let producer = Producer::start(&[NOISE.to_owned()], |sink| {
        sink.set_property("max-playout-delay", 0u32);
    });
    let consumer = Consumer::join(&producer.signaller, "at-once");
    wait_within(PATIENCE, "media arrives", || consumer.frames(0) > 0);
    let offers = consumer.seen.descriptions.lock().expect("whole").join("");
    assert!(offers.contains("transport-wide-cc") && !offers.contains(PLAYOUT_DELAY));
    consumer.leave();
}
