// SPDX-License-Identifier: MPL-2.0
//! How long to wait before trying again: doubling, with jitter, up to a limit. Pure.
//!
//! Owns the lengths only: whoever waits has the timer, the random generator and the limit of tries (`signallers`'
//! machines and clients). A server's own `Retry-After` goes by other rules, see `signallers/wish/retry_after`.

use std::time::Duration;

use rand::Rng;

/// The waits of one run of failures.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    first: Duration,
    limit: Duration,
    failures: u32,
}

impl Backoff {
    /// Waits about `first`, then twice as long each time, never longer than `limit`.
    pub(crate) const fn new(first: Duration, limit: Duration) -> Self {
        Self {
            first,
            limit,
            failures: 0,
        }
    }

    /// The next wait. Half of it is random ("equal jitter"), so that clients of one lost server do not come back at
    /// the same moment.
    pub(crate) fn next(&mut self, rng: &mut impl Rng) -> Duration {
        let full = self
            .first
            .saturating_mul(1 << self.failures.min(MAX_DOUBLINGS))
            .min(self.limit);
        self.failures = self.failures.saturating_add(1);
        full.mul_f64(rng.random_range(0.5..=1.0))
    }

    /// Forgets the failures after a success.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

impl Default for Backoff {
    /// Half a second, up to half a minute: a restarted server is found at once, a dead one isn't bothered.
    fn default() -> Self {
        Self::new(Duration::from_millis(500), Duration::from_secs(30))
    }
}

/// Keeps the doubling within 32 bits.
const MAX_DOUBLINGS: u32 = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    #[test]
    fn waits_double_up_to_the_limit() {
        let mut rng = StdRng::seed_from_u64(1);
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        for full_ms in [100, 200, 400, 800, 1000, 1000] {
            let wait = backoff.next(&mut rng);
            assert!(
                (full_ms / 2..=full_ms).contains(&(wait.as_millis() as u64)),
                "{wait:?} of {full_ms}"
            );
        }
    }

    #[test]
    fn a_success_starts_over() {
        let mut rng = StdRng::seed_from_u64(2);
        let mut backoff = Backoff::default();
        for _ in 0..1000 {
            assert!(backoff.next(&mut rng) <= Duration::from_secs(30));
        }
        backoff.reset();
        assert!(backoff.next(&mut rng) <= Duration::from_millis(500));
    }

    #[test]
    fn clients_come_back_at_different_moments() {
        let waits: std::collections::HashSet<_> = (0..20)
            .map(|seed| Backoff::default().next(&mut StdRng::seed_from_u64(seed)))
            .collect();
        assert!(waits.len() > 15);
    }
}
