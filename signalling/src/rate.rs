// SPDX-License-Identifier: MPL-2.0
//! How fast a peer is read: a token bucket that may go into debt. Pure, one per connection.
//!
//! A message costs one token, and one more for every KiB it brings or makes the server send: a small request
//! with a large answer is as dear as what it causes. A peer in debt isn't punished, just not read until the
//! debt is paid; TCP then slows it down.

use std::time::{Duration, Instant};

#[derive(Debug)]
pub(crate) struct Bucket {
    /// Negative while the peer is in debt.
    tokens: f64,
    /// What the bucket holds when it is full.
    burst: f64,
    per_second: f64,
    filled_at: Instant,
}

impl Bucket {
    /// A full bucket of `burst` tokens that refills by `per_second`, which must not be zero.
    pub(crate) fn new(now: Instant, per_second: u32, burst: u32) -> Self {
        let burst = f64::from(burst);
        Self {
            tokens: burst,
            burst,
            per_second: f64::from(per_second),
            filled_at: now,
        }
    }

    /// Pays for a message that moved so many bytes. Returns until when the peer must not be read, if it must not.
    pub(crate) fn spend(&mut self, now: Instant, bytes: usize) -> Option<Instant> {
        let elapsed = now.saturating_duration_since(self.filled_at);
        self.filled_at = now;
        let refilled = (self.tokens + elapsed.as_secs_f64() * self.per_second).min(self.burst);
        let price = 1.0 + (bytes / BYTES_PER_TOKEN) as f64;
        let largest_debt = self.per_second * LONGEST_PAUSE.as_secs_f64();
        self.tokens = (refilled - price).max(-largest_debt);
        (self.tokens < 0.0).then(|| now + Duration::from_secs_f64(-self.tokens / self.per_second))
    }
}

/// So that what a peer can send at once to another, with the default limits, fills half of the other's queue.
const BYTES_PER_TOKEN: usize = 1024;

/// A peer isn't left unread for longer, so that its closing handshake and pongs still come through.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_free() {
        let now = Instant::now();
        let mut bucket = Bucket::new(now, 10, 100);
        assert!((0..100).all(|_| bucket.spend(now, 10).is_none()));
        assert_eq!(bucket.spend(now, 10), Some(now + Duration::from_millis(100)));
    }

    #[test]
    fn the_long_run_is_paced() {
        let start = Instant::now();
        let mut now = start;
        let mut bucket = Bucket::new(now, 50, 10);
        for _ in 0..1000 {
            now = bucket.spend(now, 0).unwrap_or(now);
        }
        let seconds = (now - start).as_secs_f64();
        assert!(
            (seconds - 19.8).abs() < 0.01,
            "990 messages at 50 per second took {seconds} s"
        );
    }

    #[test]
    fn large_messages_cost_more() {
        let now = Instant::now();
        let mut bucket = Bucket::new(now, 1, 10);
        assert_eq!(bucket.spend(now, 9 * 1024), None);
        assert_eq!(bucket.spend(now, 1023), Some(now + Duration::from_secs(1)));
    }

    #[test]
    fn no_pause_is_longer_than_the_longest() {
        let now = Instant::now();
        let mut bucket = Bucket::new(now, 500, 1);
        assert_eq!(bucket.spend(now, 1 << 40), Some(now + LONGEST_PAUSE));
        assert_eq!(bucket.spend(now, 1 << 40), Some(now + LONGEST_PAUSE));
    }

    #[test]
    fn idling_does_not_save_more_than_a_burst() {
        let start = Instant::now();
        let mut bucket = Bucket::new(start, 100, 2);
        let later = start + Duration::from_secs(3600);
        assert_eq!(bucket.spend(later, 0), None);
        assert_eq!(bucket.spend(later, 0), None);
        assert!(bucket.spend(later, 0).is_some());
    }
}
