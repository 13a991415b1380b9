// SPDX-License-Identifier: MPL-2.0
//! What must hold for anything a receiver reports; shared by the fuzz target and by the test that replays its corpus.

use std::time::Duration;

use congestion::units::{Bitrate, DataSize, Timestamp};
use congestion::{Algorithm, Controller, Limits, PacketReport, ReceiverReport, SentHistory};

/// Takes `data` as what happens to a sender, one byte naming each event and what it needs following. Nothing may panic,
/// and no estimate may leave its limits.
pub(crate) fn check(data: &[u8]) {
    for algorithm in [Algorithm::Gcc, Algorithm::Homegrown] {
        let mut sender = Sender::new(algorithm);
        let mut bytes = Bytes(data);
        while let Some(event) = bytes.next() {
            sender.handle(event, &mut bytes);
            sender.check();
        }
    }
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

    fn handle(&mut self, event: u8, bytes: &mut Bytes<'_>) {
        match event % 6 {
            0 => {
                for _ in 0..event / 6 {
                    let probe = self.controller.poll_probe(self.now).map(|cluster| cluster.id);
                    let packet = self
                        .history
                        .sent(self.now, DataSize::from_bytes(bytes.number(2)), probe);
                    self.controller.on_packet_sent(&packet);
                }
            }
            1 => {
                let entry = |_| PacketReport {
                    sequence: bytes.number(2) as u16,
                    arrived: Some(bytes.number(8))
                        .filter(|nanos| nanos % 4 != 3)
                        .map(Timestamp::from_nanos),
                };
                let report: Vec<_> = (0..event / 6).map(entry).collect();
                let feedback = self.history.join(&report);
                self.controller.on_feedback(self.now, &feedback);
            }
            2 => {
                let loss_ratio = f64::from_bits(bytes.number(8));
                let rtt = Some(Duration::from_nanos(bytes.number(8)));
                self.controller
                    .on_receiver_report(self.now, &ReceiverReport { loss_ratio, rtt });
            }
            3 => self
                .controller
                .on_remb(self.now, Bitrate::from_bps(bytes.number(8))),
            4 => {
                self.now = self.now + Duration::from_nanos(bytes.number(usize::from(event / 6 % 9)));
                self.controller.on_time(self.now);
            }
            _ => {
                let mut bps = || Bitrate::from_bps(bytes.number(4));
                self.limits = Limits::new(bps(), bps(), bps());
                self.controller.set_limits(self.limits);
            }
        }
    }

    fn check(&self) {
        let estimate = self.controller.estimate();
        assert_eq!(
            estimate.target,
            self.limits.clamp(estimate.target),
            "the estimate left its limits"
        );
        assert!(
            (0.0..=1.0).contains(&estimate.loss_ratio),
            "a loss of {}",
            estimate.loss_ratio
        );
    }
}

/// What is left of the data.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// A number of so many bytes, big-endian; missing ones are zero.
    fn number(&mut self, length: usize) -> u64 {
        (0..length).fold(0, |number, _| number << 8 | u64::from(self.next().unwrap_or(0)))
    }
}
