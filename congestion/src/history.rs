// SPDX-License-Identifier: MPL-2.0
//! Joins what the receiver reports with what was sent.
//!
//! The wire knows packets by a 16-bit number (draft-holmer-rmcat-transport-wide-cc-extensions-01, section 2); here
//! each keeps a position that never wraps. The memory is bounded, and a report about packets that were never sent,
//! are forgotten, or were reported like that before leaves nothing behind: whatever a peer repeats counts once.

use std::collections::VecDeque;

use crate::feedback::{Feedback, PacketResult, ProbeId, SentPacket};
use crate::units::{DataSize, Timestamp};

/// What one report says about one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketReport {
    /// The transport-wide number.
    pub sequence: u16,
    /// When it arrived on the receiver's clock; `None` when it did not.
    pub arrived: Option<Timestamp>,
}

/// The packets sent lately, by position.
#[derive(Clone, Debug, Default)]
pub struct SentHistory {
    packets: VecDeque<Entry>,
    next: u64,
    first_number: u16,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    packet: SentPacket,
    fate: Fate,
}

/// What was reported of a packet. It only gets better: one that came late was lost before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Unknown,
    Lost,
    Received,
}

impl SentHistory {
    /// A history whose first packet has the transport-wide number `first_number`.
    pub fn starting_at(first_number: u16) -> Self {
        Self {
            first_number,
            ..Self::default()
        }
    }

    /// Remembers a packet that leaves now and gives it its position.
    pub fn sent(&mut self, now: Timestamp, size: DataSize, probe: Option<ProbeId>) -> SentPacket {
        let packet = SentPacket {
            sequence: self.next,
            sent: now,
            size,
            probe,
        };
        self.next += 1;
        if self.packets.len() == CAPACITY {
            self.packets.pop_front();
        }
        self.packets.push_back(Entry {
            packet,
            fate: Fate::Unknown,
        });
        packet
    }

    /// Joins a report with what was sent, in order of sending. A packet is returned at most twice: as lost, and then as
    /// received after all. Receivers repeat themselves when packets come late.
    pub fn join(&mut self, report: &[PacketReport]) -> Feedback {
        let mut packets: Vec<PacketResult> = report.iter().filter_map(|entry| self.join_one(entry)).collect();
        // Of a packet named twice, as lost and as received, the better comes first and stays.
        packets.sort_by_key(|result| (result.packet.sequence, result.arrived.is_none()));
        packets.dedup_by_key(|result| result.packet.sequence);
        Feedback { packets }
    }

    /// How many packets left so far.
    pub const fn count(&self) -> u64 {
        self.next
    }

    fn join_one(&mut self, report: &PacketReport) -> Option<PacketResult> {
        let first = self.packets.front()?.packet.sequence;
        let last_number = self.first_number.wrapping_add((self.next - 1) as u16);
        // The most recent packet with this number: at most one wrap back, which is all the capacity holds.
        let age = u64::from(last_number.wrapping_sub(report.sequence));
        let sequence = (self.next - 1).checked_sub(age)?;
        let index = usize::try_from(sequence.checked_sub(first)?).ok()?;
        let entry = self.packets.get_mut(index)?;
        let fate = report.arrived.map_or(Fate::Lost, |_| Fate::Received);
        if fate <= entry.fate {
            return None;
        }
        entry.fate = fate;
        Some(PacketResult {
            packet: entry.packet,
            arrived: report.arrived,
        })
    }
}

/// Packets remembered: half the number space, so that a number names one packet only.
const CAPACITY: usize = 1 << 15;

#[cfg(test)]
mod tests {
    use super::*;

    fn report(sequence: u16, arrived: Option<u64>) -> PacketReport {
        PacketReport {
            sequence,
            arrived: arrived.map(Timestamp::from_millis),
        }
    }

    fn filled(first_number: u16, count: usize) -> SentHistory {
        let mut history = SentHistory::starting_at(first_number);
        for n in 0..count {
            history.sent(Timestamp::from_millis(n as u64), DataSize::from_bytes(1000), None);
        }
        history
    }

    fn sequences(feedback: &Feedback) -> Vec<u64> {
        feedback
            .packets
            .iter()
            .map(|result| result.packet.sequence)
            .collect()
    }

    #[test]
    fn numbers_become_positions_across_the_wrap() {
        let mut history = filled(65_530, 20);
        let feedback = history.join(&[report(65_535, Some(1)), report(0, Some(2)), report(13, Some(3))]);
        assert_eq!(sequences(&feedback), [5, 6, 19]);
    }

    #[test]
    fn a_packet_is_received_once() {
        let mut history = filled(0, 4);
        assert_eq!(
            history.join(&[report(1, None), report(2, Some(9))]).packets.len(),
            2
        );
        let again = history.join(&[report(1, Some(12)), report(2, Some(9)), report(2, None)]);
        assert_eq!(sequences(&again), [1]);
        assert!(again.packets[0].arrived.is_some());
    }

    #[test]
    fn a_loss_that_is_repeated_is_one_loss() {
        let mut history = filled(0, 4);
        assert_eq!(
            history.join(&[report(1, None), report(2, Some(9))]).loss_ratio(),
            0.5
        );
        for _ in 0..1000 {
            assert_eq!(history.join(&[report(1, None)]), Feedback::default());
        }
    }

    #[test]
    fn one_report_that_contradicts_itself_says_that_the_packet_arrived() {
        let reports = [report(1, None), report(1, Some(9))];
        for order in [[0, 1], [1, 0]] {
            let feedback = filled(0, 4).join(&order.map(|index| reports[index]));
            assert_eq!(sequences(&feedback), [1]);
            assert!(feedback.packets[0].arrived.is_some(), "{order:?}");
        }
    }

    #[test]
    fn reordered_reports_come_out_in_order_of_sending() {
        let mut history = filled(0, 5);
        let feedback = history.join(&[
            report(4, Some(1)),
            report(0, Some(2)),
            report(2, None),
            report(2, None),
        ]);
        assert_eq!(sequences(&feedback), [0, 2, 4]);
    }

    #[test]
    fn unknown_numbers_are_ignored() {
        assert_eq!(
            SentHistory::default().join(&[report(7, Some(1))]),
            Feedback::default()
        );
        let mut history = filled(100, 3);
        let feedback = history.join(&[report(99, Some(1)), report(103, Some(1)), report(40_000, None)]);
        assert!(feedback.packets.is_empty());
    }

    #[test]
    fn memory_is_bounded_and_forgotten_packets_are_unknown() {
        let mut history = filled(0, CAPACITY + 10);
        assert_eq!(history.packets.len(), CAPACITY);
        assert!(history.join(&[report(5, Some(1))]).packets.is_empty());
        assert_eq!(sequences(&history.join(&[report(10, Some(1))])), [10]);
    }
}
