// SPDX-License-Identifier: MPL-2.0
//! The receiving end: remembers arrivals and reports them as transport-wide feedback, in clumps.

use congestion::PacketReport;
use congestion::units::Timestamp;

/// What has arrived since the last report.
#[derive(Debug, Default)]
pub struct Receiver {
    arrived: Vec<(u64, Timestamp)>,
    next: u64,
}

impl Receiver {
    pub fn on_packet(&mut self, now: Timestamp, sequence: u64) {
        self.arrived.push((sequence, now));
    }

    /// One report: every packet up to the newest that arrived. Empty when nothing arrived.
    pub fn report(&mut self) -> Vec<PacketReport> {
        let Some(newest) = self.arrived.iter().map(|&(sequence, _)| sequence).max() else {
            return Vec::new();
        };
        let from = self
            .arrived
            .iter()
            .map(|&(sequence, _)| sequence)
            .fold(self.next, u64::min);
        let mut report: Vec<_> = (from..=newest)
            .map(|sequence| PacketReport {
                sequence: sequence as u16,
                arrived: None,
            })
            .collect();
        for (sequence, at) in self.arrived.drain(..) {
            report[(sequence - from) as usize].arrived = Some(quantised(at));
        }
        self.next = newest + 1;
        report
    }
}

/// Reports count in steps of 250 µs (draft-holmer-rmcat-transport-wide-cc-extensions-01, section 3.1.5), on a clock
/// of their own.
fn quantised(at: Timestamp) -> Timestamp {
    const STEP: u64 = 250_000;
    const ORIGIN: u64 = 77_000_000_000;
    Timestamp::from_nanos(ORIGIN + at.nanos() / STEP * STEP)
}
