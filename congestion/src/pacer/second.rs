// SPDX-License-Identifier: MPL-2.0
//! What left within the last second, beside what the target allowed over that second.
//!
//! A sliding window in slots: what leaves is counted whole until its slot is a second old, so a second of any beginning
//! never carries more than is counted here. The `pacer` decides with it; when something leaves is the pacer's alone.

use std::collections::VecDeque;
use std::time::Duration;

use crate::units::{Bitrate, DataSize};

/// The window.
#[derive(Debug)]
pub(super) struct LastSecond {
    /// Complete slots, oldest first; the one that goes on is not among them.
    slots: VecDeque<Slot>,
    current: Slot,
    /// How much of the current slot is over.
    elapsed: Duration,
    sent: DataSize,
    allowed_bits: f64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    sent: DataSize,
    allowed_bits: f64,
}

impl LastSecond {
    /// A second of silence at `rate`.
    pub(super) fn of(rate: Bitrate) -> Self {
        let mut second = Self {
            slots: VecDeque::with_capacity(SLOTS + 1),
            current: Slot::default(),
            elapsed: Duration::ZERO,
            sent: DataSize::ZERO,
            allowed_bits: 0.0,
        };
        second.pass(SECOND, rate);
        second
    }

    /// Time passes while the target is `rate`.
    pub(super) fn pass(&mut self, time: Duration, rate: Bitrate) {
        let mut left = time.min(SECOND + SLOT);
        while !left.is_zero() {
            let step = left.min(SLOT - self.elapsed);
            let bits = rate.as_f64() * step.as_secs_f64();
            self.current.allowed_bits += bits;
            self.allowed_bits += bits;
            self.elapsed += step;
            left -= step;
            if self.elapsed == SLOT {
                self.next_slot();
            }
        }
    }

    /// Something leaves.
    pub(super) fn add(&mut self, size: DataSize) {
        self.current.sent += size;
        self.sent += size;
    }

    /// Whether no more left than the target allowed.
    pub(super) fn is_within_target(&self) -> bool {
        self.bits_left(1.0) >= 0.0
    }

    /// How many bits may still leave now for the second to carry `ratio` times the target at most.
    pub(super) fn bits_left(&self, ratio: f64) -> f64 {
        self.mean_target() * ratio - self.sent.bits_f64()
    }

    /// The mean target, in bits per second: of the oldest slot as much counts as the current one leaves of the second.
    pub(super) fn mean_target(&self) -> f64 {
        let oldest = self.slots.front().map_or(0.0, |slot| slot.allowed_bits);
        self.allowed_bits - oldest * self.elapsed.as_secs_f64() / SLOT.as_secs_f64()
    }

    fn next_slot(&mut self) {
        self.elapsed = Duration::ZERO;
        self.slots.push_back(std::mem::take(&mut self.current));
        if self.slots.len() > SLOTS
            && let Some(oldest) = self.slots.pop_front()
        {
            self.sent -= oldest.sent;
            self.allowed_bits = (self.allowed_bits - oldest.allowed_bits).max(0.0);
        }
    }
}

const SECOND: Duration = Duration::from_secs(1);
/// Resolution: a packet of 1200 bytes takes as long at 1 Mbit/s, so nothing waits longer than that for the window to move.
pub(super) const SLOT: Duration = Duration::from_millis(10);
const SLOTS: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Bitrate = Bitrate::from_kbps(1000);

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn it_begins_with_all_of_a_second() {
        let second = LastSecond::of(RATE);
        assert_eq!(second.mean_target().round(), 1e6);
        assert_eq!(second.bits_left(1.1).round(), 1.1e6);
    }

    #[test]
    fn what_left_counts_for_a_second_and_no_longer() {
        let mut second = LastSecond::of(RATE);
        second.pass(ms(3), RATE);
        second.add(DataSize::from_bytes(150_000));
        second.pass(ms(999), RATE);
        assert!(!second.is_within_target(), "1.2 Mbit within the second");
        second.pass(SLOT, RATE);
        assert_eq!(second.sent, DataSize::ZERO);
        assert!(second.is_within_target());
    }

    #[test]
    fn a_change_of_the_target_counts_from_when_it_came() {
        let mut second = LastSecond::of(RATE);
        for (time, mean_kbps) in [(250, 750.0), (255, 495.0), (495, 0.0), (60_000, 0.0)] {
            second.pass(ms(time), Bitrate::ZERO);
            let mean = second.mean_target() / 1e3;
            assert!(
                (mean - mean_kbps).abs() < 1.0,
                "{mean} kbit/s after {time} ms more"
            );
        }
    }

    #[test]
    fn time_in_small_steps_is_the_same_time() {
        let (mut fine, mut coarse) = (LastSecond::of(RATE), LastSecond::of(RATE));
        (0..700_000).for_each(|_| fine.pass(Duration::from_nanos(1_000), RATE * 0.5));
        coarse.pass(ms(700), RATE * 0.5);
        assert!((fine.mean_target() - coarse.mean_target()).abs() < 1.0);
        assert!((coarse.mean_target() - 650e3).abs() < 1.0);
    }

    #[test]
    fn memory_is_bounded() {
        let mut second = LastSecond::of(RATE);
        (0..10_000).for_each(|n| second.pass(ms(n % 50), RATE));
        assert!(second.slots.len() <= SLOTS);
    }
}
