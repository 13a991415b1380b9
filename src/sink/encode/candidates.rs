// SPDX-License-Identifier: MPL-2.0
//! Which encoder a branch tries next. Pure.
//!
//! One that never worked gives way to the next by rank. One that did work, and then failed, gets another chance:
//! hardware loses its context, and some encoders take no change of size. But not for ever. Generic over what an encoder
//! is, so that tests need none. The branch owns it under its lock; `lifecycle` acts on it.

use std::time::{Duration, Instant};

/// The encoders of one branch, in the order they are tried.
#[derive(Debug)]
pub(super) struct Candidates<T> {
    /// The current one first.
    left: std::collections::VecDeque<T>,
    restarts: u32,
    last_failure: Option<Instant>,
    /// What those given up said.
    tried: Vec<String>,
}

impl<T> Candidates<T> {
    /// All of them, best first.
    pub(super) fn new(best_first: impl IntoIterator<Item = T>) -> Self {
        Self {
            left: best_first.into_iter().collect(),
            restarts: 0,
            last_failure: None,
            tried: Vec::new(),
        }
    }

    /// The one to use now; `None` when all have failed.
    pub(super) fn current(&self) -> Option<&T> {
        self.left.front()
    }

    /// The current one failed, having put out frames or not, and said `reason`.
    pub(super) fn failed(&mut self, now: Instant, had_output: bool, reason: String) {
        let ran_long = self
            .last_failure
            .is_none_or(|last| now.duration_since(last) >= FORGIVEN_AFTER);
        if ran_long {
            self.restarts = 0;
        }
        self.last_failure = Some(now);
        if had_output && self.restarts < MAX_RESTARTS {
            self.restarts += 1;
            return;
        }
        self.restarts = 0;
        self.tried.push(reason);
        self.left.pop_front();
    }

    /// What every encoder given up said, in one line.
    pub(super) fn tried(&self) -> String {
        self.tried.join("; ")
    }
}

/// Restarts of one encoder in quick succession.
const MAX_RESTARTS: u32 = 3;
/// A failure this long after the last one is a new story.
const FORGIVEN_AFTER: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_never_worked_gives_way() {
        let now = Instant::now();
        let mut candidates = Candidates::new(["hard", "soft"]);
        candidates.failed(now, false, "hard: no device".to_owned());
        assert_eq!(candidates.current(), Some(&"soft"));
        candidates.failed(now, false, "soft: no".to_owned());
        assert_eq!(candidates.current(), None);
        assert_eq!(candidates.tried(), "hard: no device; soft: no");
    }

    #[test]
    fn one_that_worked_is_tried_again_but_not_for_ever() {
        let now = Instant::now();
        let mut candidates = Candidates::new(["hard", "soft"]);
        for _ in 0..MAX_RESTARTS {
            candidates.failed(now, true, "hard".to_owned());
            assert_eq!(candidates.current(), Some(&"hard"));
        }
        candidates.failed(now, true, "hard".to_owned());
        assert_eq!(candidates.current(), Some(&"soft"));
    }

    #[test]
    fn old_failures_are_forgiven() {
        let mut now = Instant::now();
        let mut candidates = Candidates::new(["only"]);
        for _ in 0..20 {
            candidates.failed(now, true, "only".to_owned());
            now += FORGIVEN_AFTER;
        }
        assert_eq!(candidates.current(), Some(&"only"));
    }

    #[test]
    fn none_at_all_is_none() {
        assert_eq!(Candidates::<u8>::new([]).current(), None);
    }
}
