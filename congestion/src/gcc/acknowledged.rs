// SPDX-License-Identifier: MPL-2.0
//! How fast the receiver gets what is sent: the acknowledged bitrate (R_hat of draft-ietf-rmcat-gcc-02, section 5.5).

use std::collections::VecDeque;
use std::time::Duration;

use crate::units::{Bitrate, DataSize, Timestamp};

/// A window over what arrived lately, on the receiver's clock.
#[derive(Debug, Default)]
pub(super) struct Acknowledged {
    packets: VecDeque<Arrival>,
    is_interrupted: bool,
}

#[derive(Clone, Copy, Debug)]
struct Arrival {
    at: Timestamp,
    size: DataSize,
    /// What arrived between the one before and this is not known.
    after_gap: bool,
}

impl Acknowledged {
    /// A report is missing: the next packet does not follow the one before.
    pub(super) fn interrupt(&mut self) {
        self.is_interrupted = true;
    }

    /// Adds a packet. One that is older than the newest counts with it; a clock that jumped starts anew.
    pub(super) fn add(&mut self, arrived: Timestamp, size: DataSize) {
        let newest = self.packets.back().map_or(arrived, |arrival| arrival.at);
        let jump_ms = arrived.millis_since(newest).abs();
        if jump_ms > JUMP.as_secs_f64() * 1000.0 {
            self.packets.clear();
        }
        let at = self
            .packets
            .back()
            .map_or(arrived, |arrival| arrival.at.max(arrived));
        let after_gap = std::mem::take(&mut self.is_interrupted);
        self.packets.push_back(Arrival { at, size, after_gap });
        while self.packets.len() > MOST_PACKETS
            || self.packets.front().is_some_and(|old| at - old.at > WINDOW)
        {
            self.packets.pop_front();
        }
    }

    /// The rate over the window; `None` until it has enough to tell.
    pub(super) fn rate(&self) -> Option<Bitrate> {
        self.rate_over(WINDOW, LEAST_SPAN)
    }

    /// The rate of the last moments, for when it has just changed. Only good while a queue smooths the arrivals.
    pub(super) fn recent(&self) -> Option<Bitrate> {
        self.rate_over(RECENT, LEAST_SPAN)
    }

    /// The first packet opens the interval and does not count: what is counted arrived within it. Neither the time nor
    /// the packet after a gap counts.
    fn rate_over(&self, time: Duration, least: Duration) -> Option<Bitrate> {
        let newest = self.packets.back()?.at;
        let first = self.packets.partition_point(|arrival| newest - arrival.at > time);
        if self.packets.len() <= first + LEAST_PACKETS {
            return None;
        }
        let mut before = self.packets.get(first)?.at;
        let (mut size, mut span) = (DataSize::ZERO, Duration::ZERO);
        for arrival in self.packets.range(first + 1..) {
            if !arrival.after_gap {
                size += arrival.size;
                span += arrival.at - before;
            }
            before = arrival.at;
        }
        (span >= least).then(|| size / span)
    }
}

/// Half a second: 15 frames at 30 fps, so that one more or less moves the rate by 7 % (libwebrtc,
/// `BitrateEstimator`'s initial window).
const WINDOW: Duration = Duration::from_millis(500);
/// The window while the queue is full (libwebrtc, `BitrateEstimator`'s window of 150 ms, with room for a clump).
const RECENT: Duration = Duration::from_millis(200);
/// Below this a rate says more about the arrival of single packets.
const LEAST_SPAN: Duration = Duration::from_millis(100);
const LEAST_PACKETS: usize = 4;
/// Half a second at 100 Mbit/s; bounds memory whatever the reports claim.
const MOST_PACKETS: usize = 5000;
/// No stream pauses that long and is still compared with what it was.
const JUMP: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(until_ms: u64, gap_ms: u64, bytes: u64) -> Acknowledged {
        let mut acknowledged = Acknowledged::default();
        for ms in (0..=until_ms).step_by(gap_ms as usize) {
            acknowledged.add(Timestamp::from_millis(ms), DataSize::from_bytes(bytes));
        }
        acknowledged
    }

    #[test]
    fn a_steady_stream_is_measured_exactly() {
        let acknowledged = filled(2000, 10, 1250);
        assert_eq!(acknowledged.rate(), Some(Bitrate::from_kbps(1000)));
        assert_eq!(acknowledged.recent(), Some(Bitrate::from_kbps(1000)));
    }

    #[test]
    fn too_little_says_nothing() {
        assert_eq!(Acknowledged::default().rate(), None);
        assert_eq!(filled(30, 10, 1250).rate(), None);
        assert_eq!(filled(200, 100, 1250).rate(), None);
    }

    #[test]
    fn a_change_shows_in_the_recent_rate_first() {
        let mut acknowledged = filled(1000, 10, 1250);
        for ms in (1020..=1220).step_by(20) {
            acknowledged.add(Timestamp::from_millis(ms), DataSize::from_bytes(1250));
        }
        assert_eq!(acknowledged.recent(), Some(Bitrate::from_kbps(500)));
        assert!(acknowledged.rate() > Some(Bitrate::from_kbps(700)));
    }

    #[test]
    fn a_missing_report_does_not_lower_the_rate() {
        let mut acknowledged = filled(200, 10, 1250);
        acknowledged.interrupt();
        for ms in (300..=500).step_by(10) {
            acknowledged.add(Timestamp::from_millis(ms), DataSize::from_bytes(1250));
        }
        assert_eq!(acknowledged.rate(), Some(Bitrate::from_kbps(1000)));
    }

    #[test]
    fn a_clock_that_jumps_starts_anew() {
        let mut acknowledged = filled(1000, 10, 1250);
        acknowledged.add(Timestamp::from_nanos(u64::MAX), DataSize::from_bytes(1250));
        assert_eq!(acknowledged.rate(), None);
    }

    #[test]
    fn memory_is_bounded() {
        let mut acknowledged = Acknowledged::default();
        (0..10_000).for_each(|_| acknowledged.add(Timestamp::ZERO, DataSize::from_bytes(u64::MAX)));
        assert_eq!(acknowledged.packets.len(), MOST_PACKETS);
        assert_eq!(acknowledged.rate(), None);
    }
}
