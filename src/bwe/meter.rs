// SPDX-License-Identifier: MPL-2.0
//! How much of something passes.

use std::time::Duration;

use congestion::units::{Bitrate, DataSize, Timestamp};

/// A rate over about the last second.
#[derive(Debug, Default)]
pub(super) struct Meter {
    since: Option<Timestamp>,
    size: DataSize,
    rate: Bitrate,
}

impl Meter {
    pub(super) fn add(&mut self, now: Timestamp, size: DataSize) {
        let since = *self.since.get_or_insert(now);
        if now - since >= METERED {
            self.rate = self.size / (now - since);
            (self.since, self.size) = (Some(now), DataSize::ZERO);
        }
        self.size += size;
    }

    /// What was added lately, nothing after a silence.
    pub(super) fn rate(&self, now: Timestamp) -> Bitrate {
        let Some(since) = self.since else {
            return Bitrate::ZERO;
        };
        let elapsed = now - since;
        if elapsed >= METERED {
            self.size / elapsed
        } else {
            self.rate.max(self.size / METERED)
        }
    }
}

/// How long a rate is measured.
const METERED: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    #[test]
    fn a_meter_forgets_after_a_silence() {
        let mut meter = Meter::default();
        (0..30).for_each(|n| meter.add(at(n * 100), DataSize::from_bytes(1250)));
        let rate = meter.rate(at(2900)).bps();
        assert!((90_000..110_000).contains(&rate), "{rate}");
        assert!(meter.rate(at(100_000)) < Bitrate::from_kbps(2));
    }
}
