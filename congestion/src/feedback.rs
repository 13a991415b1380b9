// SPDX-License-Identifier: MPL-2.0
//! What a sender knows about its packets: what left, and one report of the receiver about it, as plain data.
//!
//! Transport-wide feedback is draft-holmer-rmcat-transport-wide-cc-extensions-01; parsing its RTCP is left to the
//! RTP stack, joining it with what was sent to [`crate::history`]. Reports come from the network: every consumer of
//! these types copes with any order, any repetition and any value.

use std::time::Duration;

use crate::units::{DataSize, Timestamp};

/// A cluster of packets sent to probe for capacity, numbered by the controller that asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProbeId(pub u32);

/// A packet as it leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SentPacket {
    /// Position in the order of sending; counts up by one and never wraps.
    pub sequence: u64,
    /// When it left, on the sender's clock.
    pub sent: Timestamp,
    /// All of it that the link carries, headers included.
    pub size: DataSize,
    /// The probe it belongs to, if any.
    pub probe: Option<ProbeId>,
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketResult {
    /// The packet as it left.
    pub packet: SentPacket,
    /// When it arrived, on the receiver's clock; `None` when the receiver says it did not.
    pub arrived: Option<Timestamp>,
}

/// One transport-wide feedback report, joined with what was sent.
///
/// Packets are in order of sending. A packet can be reported lost first and received later, when it was reordered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Feedback {
    /// One entry per packet the report speaks of and the sender remembers.
    pub packets: Vec<PacketResult>,
}

impl Feedback {
    /// The packets that arrived, each with its time of arrival.
    pub fn received(&self) -> impl Iterator<Item = (&SentPacket, Timestamp)> {
        self.packets
            .iter()
            .filter_map(|result| Some((&result.packet, result.arrived?)))
    }

    /// The share of packets that did not arrive, 0.0–1.0; 0.0 for an empty report.
    pub fn loss_ratio(&self) -> f64 {
        if self.packets.is_empty() {
            return 0.0;
        }
        let lost = self
            .packets
            .iter()
            .filter(|result| result.arrived.is_none())
            .count();
        lost as f64 / self.packets.len() as f64
    }
}

/// What an RTCP receiver report says of the whole session (RFC 3550, section 6.4.1): all there is where the
/// receiver gives no transport-wide feedback, and the better round trip where it does.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ReceiverReport {
    /// Share of packets lost since the previous report, 0.0–1.0.
    pub loss_ratio: f64,
    /// Round trip measured from LSR and DLSR, where the report allowed it.
    pub rtt: Option<Duration>,
}

impl ReceiverReport {
    /// The share of packets lost as a ratio in any case: what is not a number is no loss.
    pub fn lost(&self) -> f64 {
        if self.loss_ratio.is_finite() {
            self.loss_ratio.clamp(0.0, 1.0)
        } else {
            0.0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(sequence: u64, arrived: Option<u64>) -> PacketResult {
        let packet = SentPacket {
            sequence,
            sent: Timestamp::ZERO,
            size: DataSize::from_bytes(1200),
            probe: None,
        };
        PacketResult {
            packet,
            arrived: arrived.map(Timestamp::from_millis),
        }
    }

    #[test]
    fn loss_ratio_counts_what_did_not_arrive() {
        let packets = vec![
            result(0, Some(5)),
            result(1, None),
            result(2, Some(7)),
            result(3, None),
        ];
        let feedback = Feedback { packets };
        assert_eq!(feedback.loss_ratio(), 0.5);
        assert_eq!(feedback.received().count(), 2);
    }

    #[test]
    fn an_empty_report_claims_no_loss() {
        assert_eq!(Feedback::default().loss_ratio(), 0.0);
    }

    #[test]
    fn a_reported_loss_is_a_ratio_whatever_was_sent() {
        for (reported, lost) in [
            (0.25, 0.25),
            (-1.0, 0.0),
            (7.0, 1.0),
            (f64::NAN, 0.0),
            (f64::INFINITY, 0.0),
        ] {
            assert_eq!(
                ReceiverReport {
                    loss_ratio: reported,
                    rtt: None
                }
                .lost(),
                lost
            );
        }
    }
}
