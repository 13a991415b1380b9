// SPDX-License-Identifier: MPL-2.0
//! The service's quotas on one connection: 5 descriptions and 20 candidates in any one second. Pure.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What one connection has sent lately.
#[derive(Debug, Default)]
pub(super) struct Quota {
    descriptions: VecDeque<Instant>,
    candidates: VecDeque<Instant>,
}

impl Quota {
    /// Counts a message; false when it is one too many.
    pub(super) fn takes(&mut self, now: Instant, action: &str) -> bool {
        let (sent, most) = match action {
            "ICE_CANDIDATE" => (&mut self.candidates, CANDIDATES_PER_SECOND),
            _ => (&mut self.descriptions, DESCRIPTIONS_PER_SECOND),
        };
        while sent
            .front()
            .is_some_and(|first| now.saturating_duration_since(*first) >= WINDOW)
        {
            sent.pop_front();
        }
        sent.push_back(now);
        sent.len() <= most
    }
}

/// Quotas of Kinesis Video Streams with WebRTC, per connection.
const DESCRIPTIONS_PER_SECOND: usize = 5;
const CANDIDATES_PER_SECOND: usize = 20;
const WINDOW: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sixth_answer_and_the_twenty_first_candidate_are_too_many() {
        let start = Instant::now();
        for (action, most) in [("SDP_ANSWER", 5), ("ICE_CANDIDATE", 20)] {
            let mut quota = Quota::default();
            let taken = (0..most + 3).filter(|_| quota.takes(start, action)).count();
            assert_eq!(taken, most, "{action}");
            assert!(quota.takes(start + Duration::from_secs(1), action), "{action}");
        }
    }
}
