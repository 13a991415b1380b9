// SPDX-License-Identifier: MPL-2.0
//! Notices retransmissions that were asked for again before the first could have arrived.
//!
//! A jitter buffer repeats a request every 40 ms or so, also over a round trip of 200 ms; each repetition would cost a
//! packet that pictures need. Which packet a retransmission repeats is in its first two bytes (RFC 4588, section 4).
//! Pure, one per engine; whoever asks drops what is a repeat.

use std::collections::VecDeque;
use std::time::Duration;

use congestion::units::Timestamp;

/// The retransmissions of the last moments.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    recent: VecDeque<Sent>,
}

#[derive(Debug, PartialEq, Eq)]
struct Sent {
    ssrc: u32,
    original: u16,
    at: Timestamp,
}

impl Repeats {
    /// Whether the retransmission of `original` on `ssrc` came less than a round trip ago; if not, it comes now.
    pub(super) fn is_repeat(&mut self, now: Timestamp, ssrc: u32, original: u16, rtt: Duration) -> bool {
        let round_trip = rtt.min(LONGEST_ROUND_TRIP);
        while self.recent.len() >= MOST
            || self
                .recent
                .front()
                .is_some_and(|sent| now - sent.at >= round_trip)
        {
            self.recent.pop_front();
        }
        let is_repeat = self
            .recent
            .iter()
            .any(|sent| (sent.ssrc, sent.original) == (ssrc, original));
        if !is_repeat {
            self.recent.push_back(Sent {
                ssrc,
                original,
                at: now,
            });
        }
        is_repeat
    }
}

/// The original's sequence number, of a retransmission's payload.
pub(super) fn original_sequence(payload: &[u8]) -> Option<u16> {
    payload.first_chunk::<2>().map(|bytes| u16::from_be_bytes(*bytes))
}

/// A measured round trip beyond this includes a queue that may be gone.
const LONGEST_ROUND_TRIP: Duration = Duration::from_millis(300);
/// Retransmissions remembered at most: more in a round trip are a collapse, not a repair.
const MOST: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    const RTT: Duration = Duration::from_millis(100);

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    #[test]
    fn a_request_within_a_round_trip_is_a_repeat() {
        let mut repeats = Repeats::default();
        assert!(!repeats.is_repeat(at(0), 1, 7, RTT));
        assert!(repeats.is_repeat(at(40), 1, 7, RTT));
        assert!(repeats.is_repeat(at(99), 1, 7, RTT));
        assert!(
            !repeats.is_repeat(at(100), 1, 7, RTT),
            "by now it should have arrived"
        );
    }

    #[test]
    fn other_packets_and_streams_are_none() {
        let mut repeats = Repeats::default();
        assert!(!repeats.is_repeat(at(0), 1, 7, RTT));
        assert!(!repeats.is_repeat(at(1), 1, 8, RTT));
        assert!(!repeats.is_repeat(at(2), 2, 7, RTT));
    }

    #[test]
    fn memory_is_bounded_and_a_long_round_trip_too() {
        let mut repeats = Repeats::default();
        assert!((0..1000).all(|n| !repeats.is_repeat(at(0), 1, n, Duration::MAX)));
        assert!(repeats.recent.len() <= MOST);
        assert!(!repeats.is_repeat(at(300), 1, 999, Duration::MAX));
    }

    #[test]
    fn the_original_is_in_the_first_bytes() {
        assert_eq!(original_sequence(&[1, 2, 3]), Some(258));
        assert_eq!(original_sequence(&[1]), None);
    }
}
