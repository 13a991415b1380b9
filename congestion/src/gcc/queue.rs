// SPDX-License-Identifier: MPL-2.0
//! How long the queue on the path is, not just how it changes.
//!
//! The least one-way delay of the last moments, above the least of the last while, is what no jitter explains: jitter
//! only adds. The trend of the delay is believed only while such a queue stands; otherwise a jittery link without
//! any queue would be judged overused again and again.

use std::collections::VecDeque;
use std::time::Duration;

use crate::units::Timestamp;

/// Tracks the two minima. The clocks of both ends differ by a constant, which cancels.
#[derive(Debug, Default)]
pub(super) struct StandingQueue {
    /// Least delay per [`SLOT`] of the past.
    base: VecDeque<Least>,
    /// Delays of the last moments, increasing: the first is the least.
    recent: VecDeque<Least>,
}

#[derive(Clone, Copy, Debug)]
struct Least {
    arrived: Timestamp,
    delay_ms: f64,
}

impl StandingQueue {
    /// Adds a packet.
    pub(super) fn add(&mut self, sent: Timestamp, arrived: Timestamp) {
        let newest = self.recent.back().map_or(arrived, |least| least.arrived);
        if arrived.millis_since(newest).abs() > JUMP.as_secs_f64() * 1000.0 {
            *self = Self::default();
        }
        let sample = Least {
            arrived: arrived.max(newest),
            delay_ms: arrived.millis_since(sent),
        };
        self.add_recent(sample);
        self.add_base(sample);
    }

    /// The queue in milliseconds; zero while nothing is known.
    pub(super) fn length_ms(&self) -> f64 {
        let base = self
            .base
            .iter()
            .map(|least| least.delay_ms)
            .fold(f64::INFINITY, f64::min);
        self.recent.front().map_or(0.0, |least| least.delay_ms - base)
    }

    fn add_recent(&mut self, sample: Least) {
        while self
            .recent
            .back()
            .is_some_and(|least| least.delay_ms >= sample.delay_ms)
        {
            self.recent.pop_back();
        }
        self.recent.push_back(sample);
        while self
            .recent
            .front()
            .is_some_and(|least| sample.arrived - least.arrived > RECENT)
        {
            self.recent.pop_front();
        }
    }

    fn add_base(&mut self, sample: Least) {
        match self.base.back_mut() {
            Some(slot) if sample.arrived - slot.arrived < SLOT => {
                slot.delay_ms = slot.delay_ms.min(sample.delay_ms);
            }
            _ => self.base.push_back(sample),
        }
        while self.base.len() > SLOTS {
            self.base.pop_front();
        }
    }
}

/// The last moments: three frames at 30 fps, so that one frame's burst is not a queue.
const RECENT: Duration = Duration::from_millis(100);
/// The while: 30 s. A path that became longer is the new base after that, and so is a queue that a loss-based flow
/// never lets drain; clocks that drift apart by 50 ppm err by 1 ms meanwhile.
const SLOT: Duration = Duration::from_secs(1);
const SLOTS: usize = 30;
/// No queue is that long: the receiver's clock jumped.
const JUMP: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    /// Packets every 10 ms whose delay is `delay_ms(n)`, arriving on a clock of its own.
    fn length_after(packets: u64, delay_ms: impl Fn(u64) -> u64) -> f64 {
        let mut queue = StandingQueue::default();
        for n in 0..packets {
            let sent = Timestamp::from_millis(n * 10);
            queue.add(sent, Timestamp::from_millis(1_000_000 + n * 10 + delay_ms(n)));
        }
        queue.length_ms()
    }

    #[test]
    fn jitter_is_no_queue() {
        assert_eq!(length_after(500, |n| 50 + n % 4 * 10), 0.0);
    }

    #[test]
    fn a_queue_that_stands_is_measured() {
        assert_eq!(length_after(500, |n| if n < 400 { 50 } else { 120 }), 70.0);
    }

    #[test]
    fn a_path_that_stays_longer_becomes_the_base() {
        assert_eq!(length_after(3600, |n| if n < 400 { 50 } else { 120 }), 0.0);
    }

    #[test]
    fn nothing_known_is_no_queue_and_a_jump_forgets() {
        let mut queue = StandingQueue::default();
        assert_eq!(queue.length_ms(), 0.0);
        for arrived in [5, u64::MAX, 0, u64::MAX / 2] {
            queue.add(Timestamp::ZERO, Timestamp::from_nanos(arrived));
            assert_eq!(queue.length_ms(), 0.0);
        }
    }
}
