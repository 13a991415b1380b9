// SPDX-License-Identifier: MPL-2.0
//! Notices flows in the same queue that only loss slows down.
//!
//! A queue of one's own making drains after a decrease. One that stands although the rate was lowered again and
//! again is kept full by somebody else, a TCP connection most often; giving way to it further gains no delay and
//! ends at the minimum. While that lasts, loss decides instead of delay (the idea of Copa's competitive mode,
//! Arun and Balakrishnan, NSDI 2018, section 2.2, and of draft-ietf-rmcat-nada, RFC 8698, section 4.2).

use std::time::Duration;

use crate::units::Timestamp;

/// Watches decreases and whether the queue drains after them.
#[derive(Debug, Default)]
pub(super) struct Contention {
    updated: Option<Timestamp>,
    /// Share of the last while during which the queue stood, 0.0–1.0.
    standing: f64,
    /// Decreases within the last while, each counting less the longer ago.
    decreases: f64,
    competing_since: Option<Timestamp>,
}

impl Contention {
    /// Takes the queue's length, and whether the rate was just lowered because of delay.
    pub(super) fn update(&mut self, now: Timestamp, queue_ms: f64, decreased: bool) {
        let elapsed = now - self.updated.replace(now).unwrap_or(now);
        let kept = (-elapsed.as_secs_f64() / WHILE.as_secs_f64()).exp();
        let stands = if queue_ms > STANDING_MS { 1.0 } else { 0.0 };
        self.standing = stands + (self.standing - stands) * kept;
        self.decreases = self.decreases * kept + if decreased { 1.0 } else { 0.0 };
        match self.competing_since {
            // Maybe the other flow is gone and the queue is our own by now: decreases will tell.
            Some(began) if now - began >= LASTS => {
                *self = Self {
                    updated: Some(now),
                    ..Self::default()
                }
            }
            Some(_) if self.standing < GONE => self.competing_since = None,
            None if self.standing > STANDS && self.decreases >= IN_VAIN => self.competing_since = Some(now),
            _ => {}
        }
    }

    /// Whether another flow keeps the queue full.
    pub(super) const fn is_competing(&self) -> bool {
        self.competing_since.is_some()
    }
}

/// A queue below this is a frame and jitter, or our own that drains.
const STANDING_MS: f64 = 50.0;
/// The while that is judged: a full queue of 300 ms drains in half of it after one decrease.
const WHILE: Duration = Duration::from_secs(3);
/// Share of it during which a queue of somebody else stands, and below which there is none. Flows of this kind alone
/// keep it standing for a fifth of the time (simulation of RFC 8867, section 5.4).
const STANDS: f64 = 0.8;
const GONE: f64 = 0.3;
/// How often the rate must have been lowered meanwhile.
const IN_VAIN: f64 = 3.0;
/// How long it is believed: a few cycles of a TCP connection's window.
const LASTS: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    /// A queue that stands from 0 to `until_ms`, with a decrease every half second.
    fn standing(contention: &mut Contention, from_ms: u64, until_ms: u64) {
        for ms in (from_ms..until_ms).step_by(100) {
            contention.update(at(ms), 80.0, ms % 500 == 0);
        }
    }

    #[test]
    fn a_queue_that_stands_in_spite_of_decreases_is_somebody_elses() {
        let mut contention = Contention::default();
        standing(&mut contention, 0, 4500);
        assert!(!contention.is_competing());
        standing(&mut contention, 4500, 5500);
        assert!(contention.is_competing());
    }

    #[test]
    fn a_queue_nobody_tried_to_drain_proves_nothing() {
        let mut contention = Contention::default();
        (0..100).for_each(|n| contention.update(at(n * 100), 80.0, false));
        assert!(!contention.is_competing());
    }

    #[test]
    fn a_drained_queue_ends_it() {
        let mut contention = Contention::default();
        standing(&mut contention, 0, 6000);
        assert!(contention.is_competing());
        (60..100).for_each(|n| contention.update(at(n * 100), 5.0, false));
        assert!(!contention.is_competing());
    }

    #[test]
    fn it_is_put_to_the_test_again() {
        let mut contention = Contention::default();
        standing(&mut contention, 0, 5500);
        (55..160).for_each(|n| contention.update(at(n * 100), 80.0, false));
        assert!(!contention.is_competing());
        standing(&mut contention, 16_000, 21_500);
        assert!(contention.is_competing());
    }
}
