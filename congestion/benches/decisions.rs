// SPDX-License-Identifier: MPL-2.0
//! What the estimator and the pacer cost per packet, printed in nanoseconds; the limit is 2 µs for both together.
//!
//! A stopwatch on a shared machine is no test: this prints, and fails only when even the fastest of many rounds is
//! above the limit.

use std::hint::black_box;
use std::time::{Duration, Instant};

use congestion::pacer::{Class, Pacer, Step};
use congestion::units::{Bitrate, DataSize, Timestamp};
use congestion::{Algorithm, Limits, PacketReport, SentHistory};

const PACKETS: u64 = 20_000;
const ROUNDS: usize = 30;
const LIMIT: Duration = Duration::from_micros(2);
const SIZE: DataSize = DataSize::from_bytes(1200);
const RATE: Bitrate = Bitrate::from_kbps(4000);

fn main() {
    let estimator = per_packet(estimate);
    let pacer = per_packet(pace);
    println!(
        "estimator {} ns a packet, pacer {} ns a packet",
        estimator.as_nanos(),
        pacer.as_nanos()
    );
    assert!(estimator + pacer < LIMIT, "more than {LIMIT:?} a packet");
}

/// The fastest of the rounds: what else runs on the machine only adds.
fn per_packet(run: fn()) -> Duration {
    let timed = |_| {
        let began = Instant::now();
        run();
        began.elapsed() / PACKETS as u32
    };
    (0..ROUNDS).map(timed).min().unwrap_or_default()
}

/// Packets of 1200 bytes at 4 Mbit/s, reported every 50 ms.
fn estimate() {
    let limits = Limits::new(Bitrate::from_kbps(100), RATE * 2.0, RATE);
    let mut controller = Algorithm::Gcc.controller(limits, Timestamp::ZERO);
    let mut history = SentHistory::default();
    let mut report = Vec::new();
    for n in 0..PACKETS {
        let now = Timestamp::from_nanos(n * 2_400_000);
        let packet = history.sent(now, SIZE, None);
        controller.on_packet_sent(&packet);
        report.push(PacketReport {
            sequence: n as u16,
            arrived: Some(now + Duration::from_millis(50 + n % 7)),
        });
        if report.len() == 20 {
            let feedback = history.join(&report);
            controller.on_feedback(now + Duration::from_millis(100), &feedback);
            report.clear();
        }
        black_box(controller.estimate());
    }
}

/// The same packets, ten at a time, through the pacer.
fn pace() {
    let mut pacer = Pacer::new(RATE * 1.2);
    let mut now = Timestamp::ZERO;
    for _ in 0..PACKETS / 10 {
        assert!((0..10).all(|n| pacer.push(now, Class::Video, SIZE, n).is_ok()));
        loop {
            match black_box(pacer.poll(now)) {
                Step::Wait(until) => now = until,
                Step::Idle => break,
                Step::Send(..) | Step::Pad(..) => {}
            }
        }
        now = now + Duration::from_millis(24);
    }
}
