// SPDX-License-Identifier: MPL-2.0
//! How long and how often a lost server is looked for.
//!
//! The first attempt is made at once; the pauses after it begin and end where those of LiveKit's own clients do
//! (`DefaultReconnectPolicy` of client-sdk-js: from 300 ms to 7 s). Pure: the seed comes from outside. What is done at
//! each attempt is `link`'s to say.

use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::net::backoff::Backoff;

/// One search for a lost server, or none.
#[derive(Debug)]
pub(super) struct Recovery {
    /// From the property `reconnect-timeout`; `None` looks for ever.
    budget: Option<Duration>,
    /// When the loss was noticed; the budget counts from there.
    since: Option<Instant>,
    attempts: usize,
    backoff: Backoff,
    rng: StdRng,
}

impl Recovery {
    /// Gives up after `budget`, or never.
    pub(super) fn new(budget: Option<Duration>, seed: u64) -> Self {
        let rng = StdRng::seed_from_u64(seed);
        Self {
            budget,
            since: None,
            attempts: 0,
            backoff: Backoff::new(FIRST, LONGEST),
            rng,
        }
    }

    /// Whether a loss is being recovered from.
    pub(super) fn is_running(&self) -> bool {
        self.since.is_some()
    }

    /// How long to pause before the next attempt, or `None` when it is time to give up.
    pub(super) fn next(&mut self, now: Instant) -> Option<Duration> {
        let since = *self.since.get_or_insert(now);
        if self
            .budget
            .is_some_and(|budget| now.saturating_duration_since(since) >= budget)
        {
            return None;
        }
        self.attempts = self.attempts.saturating_add(1);
        if self.attempts == 1 {
            Some(Duration::ZERO)
        } else {
            Some(self.backoff.next(&mut self.rng))
        }
    }

    /// What was lost is back; the next loss begins anew.
    pub(super) fn done(&mut self) {
        self.since = None;
        self.attempts = 0;
        self.backoff.reset();
    }

    /// How many attempts were made.
    pub(super) fn attempts(&self) -> usize {
        self.attempts
    }
}

const FIRST: Duration = Duration::from_millis(300);
const LONGEST: Duration = Duration::from_secs(7);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_attempt_is_made_at_once_and_pauses_grow_to_a_limit() {
        let now = Instant::now();
        let mut recovery = Recovery::new(None, 1);
        assert_eq!(recovery.next(now), Some(Duration::ZERO));
        assert!(recovery.next(now).unwrap() <= FIRST);
        let late: Vec<_> = (0..8).map(|_| recovery.next(now).unwrap()).collect();
        assert!(late.iter().all(|pause| *pause <= LONGEST), "{late:?}");
        assert!(late[7] >= LONGEST / 2, "{late:?}");
        assert_eq!(recovery.attempts(), 10);
    }

    #[test]
    fn the_budget_counts_from_the_first_loss() {
        let t0 = Instant::now();
        let mut recovery = Recovery::new(Some(Duration::from_secs(60)), 1);
        assert!(!recovery.is_running());
        assert!(recovery.next(t0).is_some() && recovery.is_running());
        assert!(recovery.next(t0 + Duration::from_secs(59)).is_some());
        assert_eq!(recovery.next(t0 + Duration::from_secs(60)), None);
        recovery.done();
        assert_eq!(recovery.next(t0 + Duration::from_secs(60)), Some(Duration::ZERO));
    }

    #[test]
    fn without_a_budget_it_never_gives_up() {
        let t0 = Instant::now();
        let mut recovery = Recovery::new(None, 1);
        for hour in 0..100_u64 {
            assert!(recovery.next(t0 + Duration::from_secs(3600 * hour)).is_some());
        }
    }
}
