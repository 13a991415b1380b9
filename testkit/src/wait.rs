// SPDX-License-Identifier: MPL-2.0
//! Waiting for a condition with a deadline, for what has no signal to wait on.

use std::time::{Duration, Instant};

/// Waits until `condition` holds.
///
/// # Panics
/// When it does not within `patience`; the message names `what`.
pub fn until(what: &str, patience: Duration, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + patience;
    while !condition() {
        assert!(Instant::now() < deadline, "not within {patience:?}: {what}");
        std::thread::sleep(PAUSE);
    }
}

/// Waits until `value` returns something.
///
/// # Panics
/// When it does not within `patience`; the message names `what`.
pub fn for_some<T>(what: &str, patience: Duration, mut value: impl FnMut() -> Option<T>) -> T {
    let mut found = None;
    until(what, patience, || {
        found = value();
        found.is_some()
    });
    found.expect("the condition held")
}

/// Between looks: short beside what tests wait for, long enough to leave the processor to it.
const PAUSE: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_that_comes_true_ends_the_wait() {
        let mut looks = 0;
        let found = for_some("three looks", Duration::from_secs(20), || {
            looks += 1;
            (looks == 3).then_some(looks)
        });
        assert_eq!(found, 3);
    }

    #[test]
    #[should_panic(expected = "not within 20ms: the impossible")]
    fn a_condition_that_does_not_fails_with_its_name() {
        until("the impossible", Duration::from_millis(20), || false);
    }
}
