// SPDX-License-Identifier: MPL-2.0
//! Whether a peer is still there: when to ping it (RFC 6455, section 5.5.2) and when to give it up. Pure, one
//! per connection.
//!
//! Anything a peer sends shows that it lives, not only the pong.

use std::time::{Duration, Instant};

#[derive(Debug)]
pub(crate) struct Liveness {
    /// When the peer last sent anything.
    heard_at: Instant,
    /// When it was pinged, unless it was heard since.
    pinged_at: Option<Instant>,
    ping_interval: Duration,
    pong_timeout: Duration,
}

/// What a deadline that passed asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing yet.
    Alive,
    /// A ping is due; the caller sends it.
    Ping,
    /// The ping was not answered.
    Dead,
}

impl Liveness {
    pub(crate) fn new(now: Instant, ping_interval: Duration, pong_timeout: Duration) -> Self {
        Self {
            heard_at: now,
            pinged_at: None,
            ping_interval,
            pong_timeout,
        }
    }

    /// The peer sent something.
    pub(crate) fn heard(&mut self, now: Instant) {
        self.heard_at = now;
        self.pinged_at = None;
    }

    /// What to do now; a ping is asked for once.
    pub(crate) fn check(&mut self, now: Instant) -> Verdict {
        if now < self.deadline() {
            return Verdict::Alive;
        }
        match self.pinged_at {
            Some(_) => Verdict::Dead,
            None => {
                self.pinged_at = Some(now);
                Verdict::Ping
            }
        }
    }

    /// When to check next.
    pub(crate) fn deadline(&self) -> Instant {
        match self.pinged_at {
            Some(pinged_at) => pinged_at + self.pong_timeout,
            None => self.heard_at + self.ping_interval,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn liveness(start: Instant) -> Liveness {
        Liveness::new(start, 30 * SECOND, 10 * SECOND)
    }

    #[test]
    fn a_silent_peer_is_pinged_once_and_then_dead() {
        let start = Instant::now();
        let mut liveness = liveness(start);
        assert_eq!(liveness.check(start + 29 * SECOND), Verdict::Alive);
        assert_eq!(liveness.check(start + 30 * SECOND), Verdict::Ping);
        assert_eq!(liveness.check(start + 39 * SECOND), Verdict::Alive);
        assert_eq!(liveness.deadline(), start + 40 * SECOND);
        assert_eq!(liveness.check(start + 40 * SECOND), Verdict::Dead);
    }

    #[test]
    fn an_answer_starts_over() {
        let start = Instant::now();
        let mut liveness = liveness(start);
        assert_eq!(liveness.check(start + 30 * SECOND), Verdict::Ping);
        liveness.heard(start + 31 * SECOND);
        assert_eq!(liveness.check(start + 60 * SECOND), Verdict::Alive);
        assert_eq!(liveness.check(start + 61 * SECOND), Verdict::Ping);
    }

    #[test]
    fn a_talking_peer_is_never_pinged() {
        let start = Instant::now();
        let mut liveness = liveness(start);
        for second in (0..600).step_by(29) {
            assert_eq!(liveness.check(start + second * SECOND), Verdict::Alive);
            liveness.heard(start + second * SECOND);
        }
    }

    #[test]
    fn a_late_check_still_gives_time_to_answer() {
        let start = Instant::now();
        let mut liveness = liveness(start);
        assert_eq!(liveness.check(start + 300 * SECOND), Verdict::Ping);
        assert_eq!(liveness.check(start + 305 * SECOND), Verdict::Alive);
    }
}
