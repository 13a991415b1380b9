// SPDX-License-Identifier: MPL-2.0
//! Whether a retransmission that was asked for is worth a packet.
//!
//! Receivers ask in vain: webrtcbin's jitter buffer asks for every packet that is late, on its way or still to be sent,
//! whenever a queue grows, and again every 40 ms. On a link that is just full that took a third of it from pictures.
//! Transport-wide feedback tells what really was lost; where it has not told yet, a receiver that turned out to be
//! hasty waits for it. Which packet a retransmission repeats is in its first two bytes (RFC 4588, section 4).

use std::collections::VecDeque;
use std::time::Duration;

use congestion::Feedback;
use congestion::units::Timestamp;

/// What left lately and what became of it.
#[derive(Debug, Default)]
pub(super) struct Repairs {
    departures: VecDeque<Departure>,
    repaired: VecDeque<Repaired>,
    /// Round trips of the last reports, each with when it was measured.
    round_trips: VecDeque<(Timestamp, Duration)>,
    /// Share of requests for packets that arrived all the same, 0.0–1.0, smoothed.
    haste: f64,
}

#[derive(Debug)]
struct Departure {
    ssrc: u32,
    sequence: u16,
    at: Timestamp,
    /// Its place in the history of transport-wide numbers.
    position: u64,
    fate: Fate,
    is_requested: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Unknown,
    Arrived,
    Lost,
}

#[derive(Debug)]
struct Repaired {
    ssrc: u32,
    sequence: u16,
    at: Timestamp,
}

impl Repairs {
    /// A packet of media left, the history's `position`th.
    pub(super) fn left(&mut self, now: Timestamp, ssrc: u32, sequence: u16, position: u64) {
        if self.departures.len() == MOST_DEPARTURES {
            self.departures.pop_front();
        }
        self.departures.push_back(Departure {
            ssrc,
            sequence,
            at: now,
            position,
            fate: Fate::Unknown,
            is_requested: false,
        });
    }

    /// The receiver told what became of packets.
    pub(super) fn on_feedback(&mut self, now: Timestamp, feedback: &Feedback) {
        if let Some((newest, _)) = feedback.received().last() {
            self.round_trips.push_back((now, now - newest.sent));
        }
        while self.round_trips.len() > MOST_ROUND_TRIPS
            || self.round_trips.front().is_some_and(|(at, _)| now - *at > RECENT)
        {
            self.round_trips.pop_front();
        }
        for result in &feedback.packets {
            let fate = if result.arrived.is_some() {
                Fate::Arrived
            } else {
                Fate::Lost
            };
            self.settle(result.packet.sequence, fate);
        }
    }

    /// Whether to send the `sequence`th packet of `ssrc` again now. What is to be sent is remembered.
    pub(super) fn is_needed(&mut self, now: Timestamp, ssrc: u32, sequence: u16) -> bool {
        let round_trip = self.round_trip();
        if self.is_repeat(now, ssrc, sequence, round_trip)
            || !self.is_missing(now, ssrc, sequence, round_trip)
        {
            return false;
        }
        self.repaired.push_back(Repaired {
            ssrc,
            sequence,
            at: now,
        });
        true
    }

    fn settle(&mut self, position: u64, fate: Fate) {
        let index = self.departures.partition_point(|it| it.position < position);
        let Some(departure) = self
            .departures
            .get_mut(index)
            .filter(|it| it.position == position)
        else {
            return;
        };
        if departure.is_requested && departure.fate == Fate::Unknown {
            let was_hasty = if fate == Fate::Arrived { 1.0 } else { 0.0 };
            self.haste += (was_hasty - self.haste) * HASTE_WEIGHT;
        }
        departure.fate = fate;
    }

    /// Whether it was sent again less than a round trip ago.
    fn is_repeat(&mut self, now: Timestamp, ssrc: u32, sequence: u16, round_trip: Duration) -> bool {
        let ended = |it: &Repaired| now - it.at >= round_trip.min(LONGEST_ROUND_TRIP);
        while self.repaired.len() >= MOST_REPAIRED || self.repaired.front().is_some_and(ended) {
            self.repaired.pop_front();
        }
        self.repaired
            .iter()
            .any(|it| (it.ssrc, it.sequence) == (ssrc, sequence))
    }

    /// Whether the receiver can know that the packet is missing, as far as is known.
    fn is_missing(&mut self, now: Timestamp, ssrc: u32, sequence: u16, round_trip: Duration) -> bool {
        let is_hasty = self.haste > HASTY;
        let mut of_stream = self
            .departures
            .iter_mut()
            .rev()
            .filter(|it| it.ssrc == ssrc)
            .peekable();
        let has_left = of_stream
            .peek()
            .is_none_or(|newest| !is_newer(sequence, newest.sequence));
        let Some(departure) = of_stream.find(|it| it.sequence == sequence) else {
            // Either it waits in the pacer, or it left so long ago that nothing is known.
            return has_left;
        };
        let age = now - departure.at;
        departure.is_requested = true;
        match departure.fate {
            Fate::Arrived => false,
            Fate::Lost => true,
            Fate::Unknown if is_hasty => age >= round_trip + REPORT_TIME,
            Fate::Unknown => age >= round_trip.mul_f64(TOO_EARLY),
        }
    }

    /// The shortest of the last moments: reports take a moment longer than requests.
    fn round_trip(&self) -> Duration {
        self.round_trips
            .iter()
            .map(|(_, time)| *time)
            .min()
            .unwrap_or_default()
    }
}

/// The original's sequence number, of a retransmission's payload.
pub(super) fn original_sequence(payload: &[u8]) -> Option<u16> {
    payload.first_chunk::<2>().map(|bytes| u16::from_be_bytes(*bytes))
}

/// In the order of RFC 1982, section 3.2.
const fn is_newer(sequence: u16, than: u16) -> bool {
    let ahead = sequence.wrapping_sub(than);
    ahead != 0 && ahead < 0x8000
}

/// What is remembered: rtprtxsend keeps as much, at 10 Mbit/s about a second.
const MOST_DEPARTURES: usize = 1024;
/// Retransmissions remembered at most: more in a round trip are a collapse, not a repair.
const MOST_REPAIRED: usize = 256;
/// Round trips remembered: a receiver that reports more often than every 8 ms tells nothing new.
const MOST_ROUND_TRIPS: usize = 64;
/// A measured round trip beyond this includes a queue that may be gone.
const LONGEST_ROUND_TRIP: Duration = Duration::from_millis(300);
/// How far back round trips count: ten of Chromium's reports, which come every 50 ms and more.
const RECENT: Duration = Duration::from_millis(500);
/// The share of a round trip before which no gap can have been seen and told.
const TOO_EARLY: f64 = 0.9;
/// How long after a round trip a report may still come (Chromium: up to 100 ms at the rates of pictures).
const REPORT_TIME: Duration = Duration::from_millis(100);
/// Above this share of requests in vain reports are waited for. A receiver that asks when it sees a gap stays at 0.
const HASTY: f64 = 0.2;
/// Weight of one request.
const HASTE_WEIGHT: f64 = 0.1;

#[cfg(test)]
mod tests {
    use congestion::units::DataSize;
    use congestion::{PacketResult, SentPacket};

    use super::*;

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    /// Packets 0 to 9 of SSRC 1 left 10 ms apart.
    fn sent() -> Repairs {
        let mut repairs = Repairs::default();
        (0..10).for_each(|n| repairs.left(at(n * 10), 1, n as u16, n));
        repairs
    }

    /// A report at `ms` of packets with whether they arrived.
    fn report(repairs: &mut Repairs, ms: u64, packets: &[(u64, bool)]) {
        let result = |&(sequence, arrived): &(u64, bool)| PacketResult {
            packet: SentPacket {
                sequence,
                sent: at(sequence * 10),
                size: DataSize::from_bytes(1200),
                probe: None,
            },
            arrived: arrived.then(|| at(5000 + ms)),
        };
        let packets = packets.iter().map(result).collect();
        repairs.on_feedback(at(ms), &Feedback { packets });
    }

    #[test]
    fn what_was_reported_lost_is_sent_again_and_what_arrived_is_not() {
        let mut repairs = sent();
        report(&mut repairs, 110, &[(0, true), (1, false), (2, true)]);
        assert!(!repairs.is_needed(at(111), 1, 0));
        assert!(repairs.is_needed(at(111), 1, 1));
    }

    #[test]
    fn what_waits_has_not_been_lost() {
        let mut repairs = sent();
        assert!(!repairs.is_needed(at(100), 1, 10));
        assert!(repairs.is_needed(at(100), 1, 65_000), "it left long ago");
        assert!(
            repairs.is_needed(at(100), 2, 10),
            "nothing is known of this stream"
        );
    }

    #[test]
    fn a_request_within_a_round_trip_is_too_early() {
        let mut repairs = sent();
        report(&mut repairs, 100, &[(0, true)]);
        assert!(!repairs.is_needed(at(100), 1, 2), "it left 80 ms ago");
        assert!(repairs.is_needed(at(110), 1, 2), "it left 90 ms ago");
    }

    #[test]
    fn a_hasty_receiver_waits_for_its_report() {
        let mut repairs = sent();
        report(&mut repairs, 50, &[(0, true)]);
        for n in 1..5u16 {
            repairs.is_needed(at(95), 1, n);
            report(&mut repairs, 95, &[(n.into(), true)]);
        }
        assert!(
            !repairs.is_needed(at(140), 1, 8),
            "it left 60 ms ago, and most arrived"
        );
        report(&mut repairs, 145, &[(8, false)]);
        assert!(repairs.is_needed(at(150), 1, 8));
        assert!(repairs.is_needed(at(290), 1, 9), "no report came");
    }

    #[test]
    fn a_repetition_within_a_round_trip_is_none() {
        let mut repairs = sent();
        report(&mut repairs, 100, &[(0, true), (1, false)]);
        assert!(repairs.is_needed(at(100), 1, 1));
        assert!(!repairs.is_needed(at(140), 1, 1));
        assert!(repairs.is_needed(at(200), 1, 1), "by now it should have arrived");
    }

    #[test]
    fn memory_is_bounded() {
        let mut repairs = Repairs::default();
        (0..5000u64).for_each(|n| repairs.left(at(0), 1, n as u16, n));
        assert!((0..1000).all(|n| repairs.is_needed(at(0), 2, n)));
        assert_eq!(repairs.departures.len(), MOST_DEPARTURES);
        assert!(repairs.repaired.len() <= MOST_REPAIRED);
        (0..1000).for_each(|_| report(&mut repairs, 1, &[(0, true)]));
        assert_eq!(repairs.round_trips.len(), MOST_ROUND_TRIPS);
    }

    #[test]
    fn the_original_is_in_the_first_bytes() {
        assert_eq!(original_sequence(&[1, 2, 3]), Some(258));
        assert_eq!(original_sequence(&[1]), None);
    }
}
