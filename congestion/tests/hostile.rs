// SPDX-License-Identifier: MPL-2.0
//! Whatever a receiver reports, no controller panics or leaves its limits, and memory stays bounded.

use std::time::Duration;

use congestion::units::{Bitrate, DataSize, Timestamp};
use congestion::{
    Algorithm, Controller, Feedback, Limits, PacketReport, PacketResult, ProbeId, ReceiverReport,
    SentHistory, SentPacket,
};
use proptest::prelude::*;

/// What can happen to a sender.
#[derive(Clone, Debug)]
enum Input {
    Send {
        bytes: u64,
    },
    Report(Vec<(u16, Option<u64>)>),
    /// Feedback that no history has made consistent.
    Raw(Vec<RawResult>),
    ReceiverReport(f64, Option<u64>),
    Remb(u64),
    Limits(u64, u64, u64),
    Time(u64),
}

/// Sequence, sent, size, arrived, probe.
type RawResult = (u64, u64, u64, Option<u64>, Option<u32>);

fn nanos() -> impl Strategy<Value = u64> {
    prop_oneof![any::<u64>(), 0..10_000_000_000u64, Just(u64::MAX), Just(0)]
}

fn input() -> impl Strategy<Value = Input> {
    let report = prop::collection::vec((any::<u16>(), prop::option::of(nanos())), 0..60);
    let near = prop::collection::vec((0..400u16, prop::option::of(0..5_000_000_000u64)), 0..60);
    let packet = (
        any::<u64>(),
        nanos(),
        any::<u64>(),
        prop::option::of(nanos()),
        prop::option::of(0..6u32),
    );
    prop_oneof![
        4 => (0..2000u64).prop_map(|bytes| Input::Send { bytes }),
        2 => report.prop_map(Input::Report),
        4 => near.prop_map(Input::Report),
        2 => prop::collection::vec(packet, 0..40).prop_map(Input::Raw),
        1 => (any::<f64>(), prop::option::of(any::<u64>())).prop_map(|(loss, rtt)| Input::ReceiverReport(loss, rtt)),
        1 => any::<u64>().prop_map(Input::Remb),
        1 => (0..5_000_000u64, 0..9_000_000u64, 0..9_000_000u64).prop_map(|(a, b, c)| Input::Limits(a, b, c)),
        4 => prop_oneof![0..100_000_000u64, nanos()].prop_map(Input::Time),
    ]
}

struct Sender {
    controller: Box<dyn Controller>,
    limits: Limits,
    history: SentHistory,
    now: Timestamp,
}

impl Sender {
    fn new(algorithm: Algorithm) -> Self {
        let kbps = Bitrate::from_kbps;
        let limits = Limits::new(kbps(100), kbps(5000), kbps(1000));
        let controller = algorithm.controller(limits, Timestamp::ZERO);
        Self {
            controller,
            limits,
            history: SentHistory::default(),
            now: Timestamp::ZERO,
        }
    }

    fn handle(&mut self, input: Input) {
        match input {
            Input::Send { bytes } => {
                let probe = self.controller.poll_probe(self.now).map(|cluster| cluster.id);
                let packet = self.history.sent(self.now, DataSize::from_bytes(bytes), probe);
                self.controller.on_packet_sent(&packet);
            }
            Input::Report(entries) => {
                let report = |&(sequence, arrived): &(u16, Option<u64>)| PacketReport {
                    sequence,
                    arrived: arrived.map(Timestamp::from_nanos),
                };
                let report: Vec<_> = entries.iter().map(report).collect();
                let feedback = self.history.join(&report);
                self.controller.on_feedback(self.now, &feedback);
            }
            Input::Raw(packets) => {
                let packets =
                    packets
                        .into_iter()
                        .map(|(sequence, sent, size, arrived, probe)| PacketResult {
                            packet: SentPacket {
                                sequence,
                                sent: Timestamp::from_nanos(sent),
                                size: DataSize::from_bytes(size),
                                probe: probe.map(ProbeId),
                            },
                            arrived: arrived.map(Timestamp::from_nanos),
                        });
                self.controller.on_feedback(
                    self.now,
                    &Feedback {
                        packets: packets.collect(),
                    },
                );
            }
            Input::ReceiverReport(loss_ratio, rtt) => {
                let rtt = rtt.map(Duration::from_nanos);
                self.controller
                    .on_receiver_report(self.now, &ReceiverReport { loss_ratio, rtt });
            }
            Input::Remb(bps) => self.controller.on_remb(self.now, Bitrate::from_bps(bps)),
            Input::Limits(min, max, start) => {
                let bps = Bitrate::from_bps;
                self.limits = Limits::new(bps(min), bps(max), bps(start));
                self.controller.set_limits(self.limits);
            }
            Input::Time(nanos) => {
                self.now = self.now + Duration::from_nanos(nanos);
                self.controller.on_time(self.now);
            }
        }
    }
}

proptest! {
    #[test]
    fn no_input_breaks_a_controller(inputs in prop::collection::vec(input(), 0..120)) {
        for algorithm in [Algorithm::Gcc, Algorithm::Homegrown] {
            let mut sender = Sender::new(algorithm);
            for input in inputs.clone() {
                sender.handle(input);
                let estimate = sender.controller.estimate();
                prop_assert_eq!(estimate.target, sender.limits.clamp(estimate.target));
                prop_assert!((0.0..=1.0).contains(&estimate.loss_ratio), "{}", estimate.loss_ratio);
            }
        }
    }
}

#[test]
fn a_receiver_that_goes_silent_leaves_the_target_alone() {
    let mut sender = Sender::new(Algorithm::Gcc);
    for _ in 0..1000 {
        sender.handle(Input::Send { bytes: 1200 });
        sender.handle(Input::Time(10_000_000));
    }
    assert_eq!(sender.controller.estimate().target, sender.limits.start());
}

#[test]
fn the_same_report_again_and_again_counts_once() {
    let mut sender = Sender::new(Algorithm::Gcc);
    (0..100).for_each(|_| sender.handle(Input::Send { bytes: 1200 }));
    let lost: Vec<_> = (0..100)
        .map(|sequence| (sequence, Some(u64::from(sequence) * 1_000_000)))
        .collect();
    sender.handle(Input::Report(lost.clone()));
    let target = sender.controller.estimate().target;
    for _ in 0..50 {
        sender.handle(Input::Report(lost.clone()));
    }
    assert_eq!(sender.controller.estimate().target, target);
}
