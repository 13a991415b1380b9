// SPDX-License-Identifier: MPL-2.0
//! The round trip of a path without its queue.
//!
//! A queue adds to every round trip while it stands, and one that overflows loses packets as well; what is done against
//! a path's own length must not be done against that. Bounded memory, whoever calls how often.

use std::collections::VecDeque;
use std::time::Duration;

use crate::units::Timestamp;

/// The least of the round trips measured lately.
#[derive(Clone, Debug, Default)]
pub struct PathRoundTrip {
    lately: VecDeque<(Timestamp, Duration)>,
}

impl PathRoundTrip {
    /// None measured yet.
    pub const fn new() -> Self {
        Self {
            lately: VecDeque::new(),
        }
    }

    /// Takes a measurement, if there is one, and gives the least of the last ten seconds.
    pub fn update(&mut self, now: Timestamp, rtt: Option<Duration>) -> Option<Duration> {
        self.lately.extend(rtt.map(|rtt| (now, rtt)));
        let is_old = |(at, _): &(Timestamp, Duration)| now - *at > LATELY;
        while self.lately.len() > MOST_MEASUREMENTS || self.lately.front().is_some_and(is_old) {
            self.lately.pop_front();
        }
        self.lately.iter().map(|(_, rtt)| *rtt).min()
    }
}

/// How long a round trip is remembered: queues come and go within it (RFC 8867, section 5.1, in simulation).
const LATELY: Duration = Duration::from_secs(10);
const MOST_MEASUREMENTS: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    #[test]
    fn a_queue_does_not_lengthen_the_path_until_it_has_stood_for_long() {
        let mut path = PathRoundTrip::new();
        assert_eq!(path.update(at(0), None), None);
        assert_eq!(path.update(at(100), Some(50 * MS)), Some(50 * MS));
        assert_eq!(path.update(at(200), Some(300 * MS)), Some(50 * MS));
        assert_eq!(path.update(at(9_000), None), Some(50 * MS));
        assert_eq!(path.update(at(10_150), Some(310 * MS)), Some(300 * MS));
    }

    #[test]
    fn memory_is_bounded() {
        let mut path = PathRoundTrip::new();
        for _ in 0..10_000 {
            path.update(at(1), Some(MS));
        }
        assert_eq!(path.lately.len(), MOST_MEASUREMENTS);
    }
}
