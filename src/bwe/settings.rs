// SPDX-License-Identifier: MPL-2.0
//! What can be set on an estimator, with its defaults. The names and their effect are the properties' in `imp`.
//!
//! `Limits` keeps the bounds in order whatever is set, as properties arrive one by one. Bitrates are in bit/s.

use congestion::units::Bitrate;
use congestion::{Algorithm, Limits};

/// What an estimator starts with.
pub(super) struct Settings {
    /// Read when packets begin to flow; an algorithm learns a network from the beginning.
    pub(super) algorithm: Algorithm,
    pub(super) min_bitrate: u32,
    pub(super) max_bitrate: u32,
    pub(super) start_bitrate: u32,
    /// What everything sent can use, for there may be estimates beyond it.
    pub(super) needed_bitrate: u32,
}

impl Settings {
    // What the elements that use this one start with.
    pub(super) const MIN_BITRATE: u32 = 1_000;
    pub(super) const MAX_BITRATE: u32 = 8_192_000;
    pub(super) const START_BITRATE: u32 = 2_048_000;

    /// The bounds, in order.
    pub(super) fn limits(&self) -> Limits {
        let bps = |bitrate: u32| Bitrate::from_bps(bitrate.into());
        Limits::new(
            bps(self.min_bitrate),
            bps(self.max_bitrate),
            bps(self.start_bitrate),
        )
        .needing(bps(self.needed_bitrate))
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            algorithm: Algorithm::default(),
            min_bitrate: Self::MIN_BITRATE,
            max_bitrate: Self::MAX_BITRATE,
            start_bitrate: Self::START_BITRATE,
            needed_bitrate: Self::MAX_BITRATE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_consistent_limits() {
        let limits = Settings::default().limits();
        assert!(limits.min() < limits.start() && limits.start() < limits.max());
    }
}
