// SPDX-License-Identifier: MPL-2.0
//! Remembers at which rate the link was full.
//!
//! draft-ietf-rmcat-gcc-02, section 5.5 keeps a mean and a deviation of R_hat at decreases; close to the mean the
//! rate grows carefully, away from it fast (as libwebrtc's `LinkCapacityEstimator` does it).

use crate::units::Bitrate;

/// Mean and deviation of what the link carried when it was full.
#[derive(Debug, Default)]
pub(super) struct LinkCapacity {
    mean_kbps: Option<f64>,
    /// Variance relative to the mean, in kbit/s.
    deviation_kbps: f64,
}

impl LinkCapacity {
    /// The link was full at this acknowledged rate.
    pub(super) fn on_overuse(&mut self, acknowledged: Bitrate) {
        self.update(acknowledged.as_f64() / 1000.0, OVERUSE_WEIGHT);
    }

    /// Where the mean is too low to be true.
    pub(super) fn upper(&self) -> Option<Bitrate> {
        self.mean_kbps
            .map(|mean| Bitrate::from_bps(((mean + self.spread()) * 1000.0) as u64))
    }

    /// Where the mean is too high to be true.
    pub(super) fn lower(&self) -> Option<Bitrate> {
        self.mean_kbps
            .map(|mean| Bitrate::from_bps(((mean - self.spread()).max(0.0) * 1000.0) as u64))
    }

    /// Forgets: the link has changed.
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }

    fn update(&mut self, sample_kbps: f64, weight: f64) {
        let mean = self
            .mean_kbps
            .map_or(sample_kbps, |mean| (1.0 - weight) * mean + weight * sample_kbps);
        self.mean_kbps = Some(mean);
        let error = mean - sample_kbps;
        let normalised = error * error / mean.max(1.0);
        let deviation = (1.0 - weight) * self.deviation_kbps + weight * normalised;
        self.deviation_kbps = deviation.clamp(LEAST_DEVIATION, MOST_DEVIATION);
    }

    fn spread(&self) -> f64 {
        let mean = self.mean_kbps.unwrap_or_default();
        DEVIATIONS * (self.deviation_kbps * mean).sqrt()
    }
}

/// Weight of a new sample (draft-ietf-rmcat-gcc-02, section 5.5: smoothing factor 0.95 for the past).
const OVERUSE_WEIGHT: f64 = 0.05;
/// Bounds of the normalised variance (libwebrtc: 0.4 is about 14 kbit/s at 500 kbit/s, 2.5 about 35).
const LEAST_DEVIATION: f64 = 0.4;
const MOST_DEVIATION: f64 = 2.5;
/// "Three standard deviations": section 5.5.
const DEVIATIONS: f64 = 3.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_known_at_first_and_after_a_reset() {
        let mut capacity = LinkCapacity::default();
        assert_eq!((capacity.upper(), capacity.lower()), (None, None));
        capacity.on_overuse(Bitrate::from_kbps(1000));
        assert!(capacity.upper().is_some());
        capacity.reset();
        assert_eq!(capacity.upper(), None);
    }

    #[test]
    fn bounds_surround_what_was_measured() {
        let mut capacity = LinkCapacity::default();
        (0..50).for_each(|n| capacity.on_overuse(Bitrate::from_kbps(1000 + n % 2 * 20)));
        let (lower, upper) = (capacity.lower().unwrap(), capacity.upper().unwrap());
        assert!(
            lower < Bitrate::from_kbps(1000) && upper > Bitrate::from_kbps(1020),
            "{lower} {upper}"
        );
    }

    #[test]
    fn any_sample_is_survived() {
        let mut capacity = LinkCapacity::default();
        for rate in [Bitrate::ZERO, Bitrate::MAX, Bitrate::ZERO] {
            capacity.on_overuse(rate);
            assert!(capacity.lower() <= capacity.upper());
        }
    }
}
