// SPDX-License-Identifier: MPL-2.0
//! How long a consumer waits for its first picture: from `session-requested` to the first complete RTP video frame.
//!
//! Two others are being served meanwhile, all on one machine, the joining one a stock webrtcbin whose jitterbuffer holds
//! nothing back (its usual 200 ms come on top). Prints median and worst of 20 joins with their parts. Run by
//! `scripts/bench/joins`.

#[path = "../tests/common/mod.rs"]
mod common;

use std::time::{Duration, Instant};

use common::consumer::{Consumer, Options};
use common::pipelines::{Producer, video};
use gst::prelude::*;
use gst_webrtc::WebRTCICEConnectionState as Ice;

const JOINS: usize = 20;
const PAUSE: Duration = Duration::from_secs(2);
const PICTURE: &str = "video/x-raw,format=I420,width=640,height=360,framerate=30/1";

/// Moments of one join, each from its beginning.
#[derive(Debug, Default, Clone, Copy)]
struct Join {
    offer: Duration,
    ice: Duration,
    dtls: Duration,
    frame: Duration,
}

fn main() {
    let producer = Producer::start(&[video(PICTURE)], |_| {});
    let fresh = join(&producer, "fresh");
    println!("first join to a fresh sink: {:.0} ms", ms(fresh.1.frame));
    let other = join(&producer, "other");
    let joins: Vec<Join> = (0..JOINS)
        .map(|n| {
            // One at a time: key frames for many who come at once are merged.
            std::thread::sleep(PAUSE);
            join(&producer, &format!("join-{n}")).1
        })
        .collect();
    print(&joins);
    drop((fresh, other));
}

fn join(producer: &Producer, id: &str) -> (Consumer, Join) {
    let start = Instant::now();
    let options = Options {
        latency_ms: Some(0),
        ..Options::default()
    };
    let consumer = Consumer::join_with(&producer.signaller, id, options);
    let until = |what: &str, mut condition: Box<dyn FnMut() -> bool + '_>| {
        common::wait_until(what, &mut condition);
        start.elapsed()
    };
    let offer = until(
        "the offer",
        Box::new(|| !consumer.seen.descriptions.lock().unwrap().is_empty()),
    );
    let ice = until("ICE", Box::new(|| is_connected(&consumer.webrtcbin)));
    let dtls = until("DTLS", Box::new(|| consumer.is_connected()));
    let frame = until("a frame", Box::new(|| consumer.frames(0) > 0));
    (
        consumer,
        Join {
            offer,
            ice,
            dtls,
            frame,
        },
    )
}

fn is_connected(webrtcbin: &gst::Element) -> bool {
    matches!(
        webrtcbin.property::<Ice>("ice-connection-state"),
        Ice::Connected | Ice::Completed
    )
}

fn print(joins: &[Join]) {
    println!("{JOINS} joins, milliseconds from the request   median   worst");
    let rows: [(&str, fn(&Join) -> Duration); 4] = [
        ("offer received", |join| join.offer),
        ("ICE connected", |join| join.ice),
        ("DTLS connected", |join| join.dtls),
        ("first complete frame", |join| join.frame),
    ];
    for (name, part) in rows {
        let mut times: Vec<_> = joins.iter().map(part).collect();
        times.sort();
        println!(
            "  {name:<40} {:>6.0}  {:>6.0}",
            ms(times[times.len() / 2]),
            ms(times[times.len() - 1])
        );
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
