// SPDX-License-Identifier: MPL-2.0
//! The slope of the one-way delay: a line fitted through the smoothed delay of the last groups.
//!
//! This takes the place of the Kalman filter of draft-ietf-rmcat-gcc-02, section 5.3. It needs no model of the
//! noise, and is what the draft's authors moved to (libwebrtc, `TrendlineEstimator`).

use std::collections::VecDeque;

use super::arrival::GroupDelta;
use crate::units::Timestamp;

/// Fits the line.
#[derive(Debug, Default)]
pub(super) struct Trendline {
    points: VecDeque<Point>,
    origin: Option<Timestamp>,
    accumulated_ms: f64,
    smoothed_ms: f64,
    deltas: u32,
}

#[derive(Clone, Copy, Debug)]
struct Point {
    arrived_ms: f64,
    delay_ms: f64,
}

impl Trendline {
    /// Adds a group and returns the trend in the unit of the detector's threshold: the slope scaled by how much
    /// evidence there is and by [`GAIN`]. Zero until the window is full.
    pub(super) fn add(&mut self, delta: &GroupDelta) -> f64 {
        self.deltas = (self.deltas + 1).min(MOST_DELTAS);
        self.accumulated_ms += delta.arrived_ms - delta.sent_ms;
        self.smoothed_ms = SMOOTHING * self.smoothed_ms + (1.0 - SMOOTHING) * self.accumulated_ms;
        let origin = *self.origin.get_or_insert(delta.arrived);
        if self.points.len() == WINDOW {
            self.points.pop_front();
        }
        let arrived_ms = delta.arrived.millis_since(origin);
        self.points.push_back(Point {
            arrived_ms,
            delay_ms: self.smoothed_ms,
        });
        let slope = if self.points.len() == WINDOW {
            self.slope()
        } else {
            0.0
        };
        f64::from(self.deltas) * slope * GAIN
    }

    /// Least squares. Zero where all points arrived at one time.
    fn slope(&self) -> f64 {
        let count = self.points.len() as f64;
        let mean_x = self.points.iter().map(|point| point.arrived_ms).sum::<f64>() / count;
        let mean_y = self.points.iter().map(|point| point.delay_ms).sum::<f64>() / count;
        let over = self
            .points
            .iter()
            .map(|point| (point.arrived_ms - mean_x) * (point.delay_ms - mean_y));
        let under: f64 = self
            .points
            .iter()
            .map(|point| (point.arrived_ms - mean_x).powi(2))
            .sum();
        if under > 0.0 {
            over.sum::<f64>() / under
        } else {
            0.0
        }
    }
}

/// Groups in the line (libwebrtc, `TrendlineEstimatorSettings::kDefaultTrendlineWindowSize`).
const WINDOW: usize = 20;
/// Weight of the past in the smoothed delay (libwebrtc, `kDefaultTrendlineSmoothingCoeff`).
const SMOOTHING: f64 = 0.9;
/// Scale between slope and threshold (libwebrtc, `kDefaultTrendlineThresholdGain`).
const GAIN: f64 = 4.0;
/// Evidence counts up to this many groups (libwebrtc, `kMinNumDeltas`; the draft's num_deltas is capped at 60 too).
const MOST_DELTAS: u32 = 60;

#[cfg(test)]
mod tests {
    use super::*;

    fn trend(groups: usize, arrived_ms: impl Fn(usize) -> f64) -> f64 {
        let mut trendline = Trendline::default();
        let mut arrived = 1e3;
        (0..groups).fold(0.0, |_, n| {
            arrived += arrived_ms(n);
            let arrived = Timestamp::from_nanos((arrived * 1e6) as u64);
            trendline.add(&GroupDelta {
                sent_ms: 10.0,
                arrived_ms: arrived_ms(n),
                arrived,
            })
        })
    }

    #[test]
    fn a_steady_delay_has_no_trend() {
        assert!(trend(100, |_| 10.0).abs() < 1e-9);
    }

    #[test]
    fn a_growing_queue_has_the_slope_of_its_growth() {
        // 1 ms of growth per 11 ms of arrival, at full evidence and gain.
        let growing = trend(100, |_| 11.0);
        assert!((growing - 60.0 * 4.0 / 11.0).abs() < 0.5, "{growing}");
        assert!(trend(100, |_| 9.0) < -20.0);
    }

    #[test]
    fn too_few_groups_claim_nothing() {
        assert_eq!(trend(WINDOW - 1, |_| 20.0), 0.0);
    }

    #[test]
    fn alternating_jitter_is_no_trend() {
        let jitter = trend(101, |n| if n % 2 == 0 { 5.0 } else { 15.0 });
        assert!(jitter.abs() < 6.0, "{jitter}");
    }

    #[test]
    fn arrivals_at_one_instant_are_no_trend() {
        assert_eq!(trend(50, |_| 0.0), 0.0);
    }
}
