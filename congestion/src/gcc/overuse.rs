// SPDX-License-Identifier: MPL-2.0
//! Decides from the trend of the delay whether the link is used too much.
//!
//! draft-ietf-rmcat-gcc-02, section 5.4: the trend is compared with a threshold that adapts, so that the jitter of a
//! wireless link does not count as overuse, and a loss-based flow in the same queue does not starve this one.

use std::time::Duration;

use crate::Usage;
use crate::units::Timestamp;

/// The detector and its threshold.
#[derive(Debug)]
pub(super) struct OveruseDetector {
    threshold: f64,
    adapted: Option<Timestamp>,
    over_ms: Option<f64>,
    over_count: u32,
    previous: f64,
    usage: Usage,
}

impl Default for OveruseDetector {
    fn default() -> Self {
        let (threshold, usage) = (THRESHOLD, Usage::Normal);
        Self {
            threshold,
            adapted: None,
            over_ms: None,
            over_count: 0,
            previous: 0.0,
            usage,
        }
    }
}

impl OveruseDetector {
    /// Takes the trend after a group that left `sent_ms` after its predecessor and arrived at `arrived`.
    pub(super) fn update(&mut self, trend: f64, sent_ms: f64, arrived: Timestamp) -> Usage {
        if trend > self.threshold {
            self.count_overuse(trend, sent_ms);
        } else {
            (self.over_ms, self.over_count) = (None, 0);
            self.usage = if trend < -self.threshold {
                Usage::Under
            } else {
                Usage::Normal
            };
        }
        self.previous = trend;
        self.adapt(trend, arrived);
        self.usage
    }

    /// What was decided last.
    pub(super) const fn usage(&self) -> Usage {
        self.usage
    }

    /// Overuse must last, be seen twice and not be receding already.
    fn count_overuse(&mut self, trend: f64, sent_ms: f64) {
        // The first group past the threshold crossed it somewhere on its way: half its time.
        let over_ms = self.over_ms.map_or(sent_ms / 2.0, |over_ms| over_ms + sent_ms);
        self.over_ms = Some(over_ms);
        self.over_count += 1;
        if over_ms > OVERUSE_TIME.as_secs_f64() * 1000.0 && self.over_count > 1 && trend >= self.previous {
            (self.over_ms, self.over_count) = (Some(0.0), 0);
            self.usage = Usage::Over;
        }
    }

    fn adapt(&mut self, trend: f64, arrived: Timestamp) {
        let since = self.adapted.replace(arrived).unwrap_or(arrived);
        let elapsed_ms = arrived.millis_since(since).clamp(0.0, LONGEST_ADAPTATION_MS);
        let excess = trend.abs() - self.threshold;
        if excess > SPIKE {
            return;
        }
        let gain = if excess < 0.0 { GAIN_DOWN } else { GAIN_UP };
        self.threshold = (self.threshold + gain * excess * elapsed_ms).clamp(LEAST, MOST);
    }
}

/// Initial threshold: del_var_th(0), draft-ietf-rmcat-gcc-02, section 5.4.
const THRESHOLD: f64 = 12.5;
/// Its bounds: section 5.4.
const LEAST: f64 = 6.0;
const MOST: f64 = 600.0;
/// How fast it rises and falls, per millisecond: section 5.4 gives K_u 0.01 and K_d 0.00018 for the Kalman filter;
/// these are for the trendline (libwebrtc, `TrendlineEstimator`).
const GAIN_UP: f64 = 0.0087;
const GAIN_DOWN: f64 = 0.039;
/// A trend so far above the threshold is a route change or a drop of capacity and must not raise it: section 5.4.
const SPIKE: f64 = 15.0;
/// After a pause the threshold adapts no more than for this long (libwebrtc, `kMaxTimeDeltaMs`).
const LONGEST_ADAPTATION_MS: f64 = 100.0;
/// How long overuse must last: overuse_time_th, section 5.4.
const OVERUSE_TIME: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(detector: &mut OveruseDetector, from: u64, trends: &[f64]) -> Vec<Usage> {
        let arrived = |n: usize| Timestamp::from_millis(from + n as u64 * 10);
        trends
            .iter()
            .enumerate()
            .map(|(n, &trend)| detector.update(trend, 10.0, arrived(n)))
            .collect()
    }

    #[test]
    fn overuse_needs_time_and_repetition() {
        let mut detector = OveruseDetector::default();
        let usage = feed(&mut detector, 0, &[0.0, 20.0, 21.0, 22.0]);
        assert_eq!(usage, [Usage::Normal, Usage::Normal, Usage::Over, Usage::Over]);
    }

    #[test]
    fn receding_overuse_does_not_count() {
        let mut detector = OveruseDetector::default();
        assert!(!feed(&mut detector, 0, &[30.0, 25.0, 20.0, 15.0]).contains(&Usage::Over));
    }

    #[test]
    fn a_draining_queue_is_underuse() {
        let mut detector = OveruseDetector::default();
        assert_eq!(
            feed(&mut detector, 0, &[-20.0, -1.0]),
            [Usage::Under, Usage::Normal]
        );
    }

    #[test]
    fn lasting_jitter_raises_the_threshold_and_quiet_lowers_it() {
        let mut detector = OveruseDetector::default();
        for round in 0..200 {
            feed(&mut detector, round * 20, &[20.0, -20.0]);
        }
        assert!(detector.threshold > 18.0, "{}", detector.threshold);
        feed(&mut detector, 4000, &[0.0; 500]);
        assert_eq!(detector.threshold, LEAST);
    }

    #[test]
    fn a_spike_leaves_the_threshold_alone() {
        let mut detector = OveruseDetector::default();
        feed(&mut detector, 0, &[300.0; 50]);
        assert_eq!(detector.threshold, THRESHOLD);
    }

    #[test]
    fn the_threshold_stays_in_bounds_whatever_the_clock_does() {
        let mut detector = OveruseDetector::default();
        for (trend, arrived) in [
            (20.0, u64::MAX),
            (-1e9, 0),
            (13.0, u64::MAX),
            (0.0, 5),
            (1e300, 7),
        ] {
            detector.update(trend, 1e12, Timestamp::from_nanos(arrived));
            assert!((LEAST..=MOST).contains(&detector.threshold));
        }
    }
}
