// SPDX-License-Identifier: MPL-2.0
//! The loss-based bound (draft-ietf-rmcat-gcc-02, section 6): a link that loses much is sent less.
//!
//! The draft holds the rate between 2 % and 10 % of loss. A radio link that always loses 5 % would be held at its
//! start rate for ever; so loss that was there before the rate grew does not hold it, only what came with growth.

use std::collections::VecDeque;
use std::time::Duration;

use crate::feedback::Feedback;
use crate::units::{Bitrate, Timestamp};

/// Measures loss, and bounds the rate by it.
#[derive(Debug, Default)]
pub(super) struct LossBound {
    samples: VecDeque<Sample>,
    received: u64,
    lost: u64,
    smoothed: f64,
    bound: Option<Bitrate>,
    decreased: Option<Timestamp>,
    updated: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Timestamp,
    loss_ratio: f64,
}

impl LossBound {
    /// Counts a report. A packet reported lost that arrives later has been lost to the decoder all the same.
    pub(super) fn on_feedback(&mut self, now: Timestamp, feedback: &Feedback) {
        let received = feedback.received().count() as u64;
        self.received += received;
        self.lost += feedback.packets.len() as u64 - received;
        if self.received + self.lost >= LEAST_PACKETS {
            let loss_ratio = self.lost as f64 / (self.received + self.lost) as f64;
            (self.received, self.lost) = (0, 0);
            self.on_loss(now, loss_ratio);
        }
    }

    /// Takes a measured loss, of a receiver report or of enough packets.
    pub(super) fn on_loss(&mut self, now: Timestamp, loss_ratio: f64) {
        let loss_ratio = if loss_ratio.is_finite() {
            loss_ratio.clamp(0.0, 1.0)
        } else {
            0.0
        };
        self.samples.push_back(Sample { at: now, loss_ratio });
        while self.samples.len() > MOST_SAMPLES
            || self
                .samples
                .front()
                .is_some_and(|old| now - old.at > BASELINE_WINDOW)
        {
            self.samples.pop_front();
        }
        self.smoothed += SMOOTHING * (loss_ratio - self.smoothed);
    }

    /// The bound for a sender now at `target`, which is `None` while loss does not limit it.
    pub(super) fn update(&mut self, now: Timestamp, target: Bitrate, rtt: Duration) -> Option<Bitrate> {
        let elapsed = self
            .updated
            .map_or(Duration::ZERO, |last| now - last)
            .min(Duration::from_secs(1));
        self.updated = Some(now);
        let bound = self.bound.unwrap_or(target);
        self.bound = if self.smoothed > HEAVY {
            let may_decrease = self
                .decreased
                .is_none_or(|last| now - last >= DECREASE_INTERVAL + rtt);
            Some(if may_decrease {
                self.decrease(now, bound.min(target))
            } else {
                bound
            })
        } else if self.smoothed > LIGHT && self.came_with_growth() {
            Some(bound)
        } else {
            // Growth as of section 6, per second instead of per report; far above the target there is no bound.
            let grown = bound * (1.0 + GROWTH_PER_SECOND * elapsed.as_secs_f64());
            self.bound
                .map(|_| grown)
                .filter(|&grown| grown < target * FORGOTTEN)
        };
        self.bound
    }

    /// Loss, smoothed, 0.0–1.0.
    pub(super) const fn loss_ratio(&self) -> f64 {
        self.smoothed
    }

    fn decrease(&mut self, now: Timestamp, rate: Bitrate) -> Bitrate {
        self.decreased = Some(now);
        rate * (1.0 - 0.5 * self.smoothed)
    }

    fn came_with_growth(&self) -> bool {
        let smallest = self
            .samples
            .iter()
            .map(|sample| sample.loss_ratio)
            .fold(1.0, f64::min);
        self.smoothed > smallest.min(HEAVY) + LIGHT
    }
}

/// Loss above which the rate falls, and below which it grows (draft-ietf-rmcat-gcc-02, section 6).
const HEAVY: f64 = 0.10;
const LIGHT: f64 = 0.02;
/// How often it falls at most, beside the round trip (libwebrtc, `kBweDecreaseInterval`).
const DECREASE_INTERVAL: Duration = Duration::from_millis(300);
/// The draft grows by 5 % a report; reports come at least every second (libwebrtc uses 8 % a second).
const GROWTH_PER_SECOND: f64 = 0.08;
/// A bound this far above the target has no effect.
const FORGOTTEN: f64 = 1.5;
/// A loss ratio of fewer packets is mostly chance (libwebrtc, `kLimitNumPackets`).
const LEAST_PACKETS: u64 = 20;
/// Weight of a sample of that many packets: about a hundred packets are remembered.
const SMOOTHING: f64 = 0.3;
/// How long the least loss seen counts as the link's own: two probe intervals, so that growth is in between.
const BASELINE_WINDOW: Duration = Duration::from_secs(10);
const MOST_SAMPLES: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Bitrate = Bitrate::from_kbps(1000);

    /// Ten seconds of a loss a tenth of a second; the target follows the bound.
    fn run(loss: &mut LossBound, from_ms: u64, ratio: f64) -> Option<Bitrate> {
        let mut target = RATE;
        (from_ms..from_ms + 10_000).step_by(100).fold(None, |_, ms| {
            let now = Timestamp::from_millis(ms);
            loss.on_loss(now, ratio);
            let bound = loss.update(now, target, Duration::from_millis(100));
            target = bound.unwrap_or(RATE).min(RATE);
            bound
        })
    }

    #[test]
    fn no_loss_is_no_bound() {
        assert_eq!(run(&mut LossBound::default(), 0, 0.0), None);
    }

    #[test]
    fn heavy_loss_lowers_again_and_again() {
        let bound = run(&mut LossBound::default(), 0, 0.2);
        assert!(bound < Some(RATE * 0.2), "{bound:?}");
    }

    #[test]
    fn constant_light_loss_is_no_bound() {
        assert_eq!(run(&mut LossBound::default(), 0, 0.05), None);
    }

    #[test]
    fn light_loss_that_came_later_holds_until_it_proves_constant() {
        let mut loss = LossBound::default();
        run(&mut loss, 0, 0.0);
        for ms in (10_000..12_000).step_by(100) {
            loss.on_loss(Timestamp::from_millis(ms), 0.06);
            loss.update(Timestamp::from_millis(ms), RATE, Duration::ZERO);
        }
        assert_eq!(loss.bound, Some(RATE));
        assert_eq!(run(&mut loss, 12_000, 0.06).filter(|&bound| bound <= RATE), None);
    }

    #[test]
    fn the_bound_is_forgotten_after_the_loss() {
        let mut loss = LossBound::default();
        run(&mut loss, 0, 0.2);
        let bounds: Vec<_> = (1..6).map(|round| run(&mut loss, round * 10_000, 0.0)).collect();
        assert_eq!(bounds.last(), Some(&None), "{bounds:?}");
    }

    #[test]
    fn undefined_loss_is_no_loss() {
        let mut loss = LossBound::default();
        for ratio in [f64::NAN, f64::INFINITY, -5.0] {
            loss.on_loss(Timestamp::ZERO, ratio);
        }
        assert_eq!(loss.loss_ratio(), 0.0);
    }
}
