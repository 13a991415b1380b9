// SPDX-License-Identifier: MPL-2.0
//! Groups packets by departure and measures how the delay changed between groups.
//!
//! draft-ietf-rmcat-gcc-02, sections 5.1 and 5.2: packets sent within a burst interval form a group, because a
//! sender that sends in bursts would otherwise be measured itself; so do packets that a link released in one go.

use std::time::Duration;

use crate::units::Timestamp;

/// How two consecutive groups compare.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct GroupDelta {
    /// Between their departures.
    pub(super) sent_ms: f64,
    /// Between their arrivals.
    pub(super) arrived_ms: f64,
    /// When the later one had arrived, on the receiver's clock.
    pub(super) arrived: Timestamp,
}

/// Builds groups, packet by packet in order of sending.
#[derive(Debug, Default)]
pub(super) struct InterArrival {
    current: Option<Group>,
    previous: Option<Group>,
}

#[derive(Clone, Copy, Debug)]
struct Group {
    first_sent: Timestamp,
    last_sent: Timestamp,
    first_arrived: Timestamp,
    last_arrived: Timestamp,
}

impl InterArrival {
    /// Adds a packet; when it opens a new group, returns how the two groups before it compare.
    pub(super) fn add(&mut self, sent: Timestamp, arrived: Timestamp) -> Option<GroupDelta> {
        let Some(current) = &mut self.current else {
            self.current = Some(Group::of(sent, arrived));
            return None;
        };
        if current.last_arrived - arrived > JUMP {
            *self = Self::default();
            return None;
        }
        if sent < current.first_sent {
            return None;
        }
        if !current.is_left_by(sent, arrived) {
            current.extend(sent, arrived);
            return None;
        }
        let complete = *current;
        self.current = Some(Group::of(sent, arrived));
        let previous = self.previous.replace(complete)?;
        self.compare(&previous, &complete)
    }

    fn compare(&mut self, previous: &Group, complete: &Group) -> Option<GroupDelta> {
        let arrived_ms = complete.last_arrived.millis_since(previous.last_arrived);
        let sent_ms = complete.last_sent.millis_since(previous.last_sent);
        if (arrived_ms - sent_ms).abs() > JUMP.as_secs_f64() * 1000.0 {
            // The receiver's clock jumped: nothing before can be compared with anything after.
            *self = Self::default();
            return None;
        }
        Some(GroupDelta {
            sent_ms,
            arrived_ms,
            arrived: complete.last_arrived,
        })
    }
}

impl Group {
    fn of(sent: Timestamp, arrived: Timestamp) -> Self {
        Self {
            first_sent: sent,
            last_sent: sent,
            first_arrived: arrived,
            last_arrived: arrived,
        }
    }

    fn is_left_by(&self, sent: Timestamp, arrived: Timestamp) -> bool {
        let after_ms = arrived.millis_since(self.last_arrived);
        let delay_change_ms = after_ms - sent.millis_since(self.last_sent);
        let same_burst = delay_change_ms < 0.0
            && after_ms <= BURST.as_secs_f64() * 1000.0
            && arrived - self.first_arrived < LONGEST_BURST;
        !same_burst && sent - self.first_sent > BURST
    }

    fn extend(&mut self, sent: Timestamp, arrived: Timestamp) {
        self.last_sent = self.last_sent.max(sent);
        self.last_arrived = self.last_arrived.max(arrived);
    }
}

/// Packets sent within this form one group (draft-ietf-rmcat-gcc-02, section 5.2: burst_time).
const BURST: Duration = Duration::from_millis(5);
/// What a link releases in one go is at most this long, lest a fast link be one endless group (libwebrtc,
/// `InterArrivalDelta`).
const LONGEST_BURST: Duration = Duration::from_millis(100);
/// Difference between departures and arrivals that no queue explains (libwebrtc, `InterArrivalDelta`).
const JUMP: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;

    fn deltas(packets: &[(u64, u64)]) -> Vec<(f64, f64)> {
        let mut arrival = InterArrival::default();
        let add = |&(sent, arrived): &(u64, u64)| {
            arrival.add(Timestamp::from_millis(sent), Timestamp::from_millis(arrived))
        };
        packets
            .iter()
            .filter_map(add)
            .map(|delta| (delta.sent_ms, delta.arrived_ms))
            .collect()
    }

    #[test]
    fn packets_of_a_burst_are_one_group() {
        let packets = [(0, 50), (2, 58), (4, 61), (20, 80), (23, 84), (40, 105)];
        assert_eq!(deltas(&packets), [(19.0, 23.0)]);
    }

    #[test]
    fn packets_released_together_are_one_group() {
        // Sent 10 ms apart, held back and released within 2 ms.
        let packets = [(0, 50), (10, 90), (20, 91), (30, 92), (60, 120), (90, 150)];
        assert_eq!(deltas(&packets), [(30.0, 42.0), (30.0, 28.0)]);
    }

    #[test]
    fn a_packet_from_before_the_group_is_ignored() {
        assert_eq!(deltas(&[(10, 50), (0, 51), (20, 60), (30, 70)]), [(10.0, 10.0)]);
    }

    #[test]
    fn a_jump_of_the_remote_clock_starts_anew() {
        let packets = [
            (0, 50),
            (10, 60),
            (20, 70_000),
            (30, 70_010),
            (40, 70_020),
            (50, 70_030),
        ];
        assert_eq!(deltas(&packets), [(10.0, 10.0)]);
    }

    #[test]
    fn a_clock_that_goes_back_starts_anew() {
        let packets = [(0, 90_000), (10, 90_010), (20, 50), (30, 60), (40, 70), (50, 81)];
        assert_eq!(deltas(&packets), [(10.0, 10.0)]);
    }

    #[test]
    fn packets_that_were_overtaken_are_one_group() {
        let packets = [(0, 100), (10, 90), (20, 95), (30, 130), (40, 140)];
        assert_eq!(deltas(&packets), [(10.0, 30.0)]);
    }
}
