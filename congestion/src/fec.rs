// SPDX-License-Identifier: MPL-2.0
//! When forward error correction pays, and how much of it.
//!
//! A retransmission costs exactly what was lost, but comes a round trip late. Redundancy (ULPFEC in RED, RFC 5109
//! and RFC 2198) costs all the time. So it is used only where loss is seen and the round trip is too long for the
//! receiver's jitter buffer to wait for. Its share comes out of the estimate ([`crate::allocate`]).

use std::time::Duration;

use crate::units::Timestamp;

/// Decides the FEC percentage of a session from its loss and round trip.
#[derive(Clone, Debug)]
pub struct FecPolicy {
    enabled: bool,
    percentage: u32,
    wanted_since: Option<Timestamp>,
    unwanted_since: Option<Timestamp>,
    changed: Timestamp,
}

impl FecPolicy {
    /// A policy that starts without FEC, and never uses it unless `enabled`.
    pub const fn new(enabled: bool) -> Self {
        Self {
            enabled,
            percentage: 0,
            wanted_since: None,
            unwanted_since: None,
            changed: Timestamp::ZERO,
        }
    }

    /// Takes the smoothed loss (0.0–1.0) and the path's round trip ([`crate::path`]), and returns the percentage of FEC to
    /// add to media.
    pub fn update(&mut self, now: Timestamp, loss_ratio: f64, path: Option<Duration>) -> u32 {
        if !self.enabled {
            return 0;
        }
        let active = self.percentage > 0;
        let (least_loss, least_rtt) = if active {
            (LOSS_OFF, RTT_OFF)
        } else {
            (LOSS_ON, RTT_ON)
        };
        let pays = loss_ratio >= least_loss && path.is_some_and(|rtt| rtt >= least_rtt);
        let held = |since: &mut Option<Timestamp>, time| now - *since.get_or_insert(now) >= time;
        if pays {
            self.unwanted_since = None;
            if active || held(&mut self.wanted_since, ON_AFTER) {
                self.follow(now, Self::step(loss_ratio));
            }
        } else {
            self.wanted_since = None;
            if held(&mut self.unwanted_since, OFF_AFTER) {
                self.percentage = 0;
            }
        }
        self.percentage
    }

    /// The percentage decided last.
    pub const fn percentage(&self) -> u32 {
        self.percentage
    }

    /// Protection follows loss up at once, and down a step each [`STEP_TIME`].
    fn follow(&mut self, now: Timestamp, wanted: u32) {
        if wanted > self.percentage {
            (self.percentage, self.changed) = (wanted, now);
        } else if wanted < self.percentage && now - self.changed >= STEP_TIME {
            (self.percentage, self.changed) = (self.percentage - STEP, now);
        }
    }

    fn step(loss_ratio: f64) -> u32 {
        let wanted = (loss_ratio * 100.0 * PER_LOSS_PERCENT) as u32;
        (wanted.div_ceil(STEP) * STEP).clamp(LEAST, MOST)
    }
}

/// Loss from which redundancy is considered: on a long path every lost packet stops the picture until it is repaired, at
/// 1 % and 2 Mbit/s twice a second.
const LOSS_ON: f64 = 0.01;
/// Loss below which it is given up.
const LOSS_OFF: f64 = 0.005;

/// Round trip from which a retransmission misses a jitter buffer of 200 ms, the default of webrtcbin and its
/// kind: a gap is noticed and requested up to 50 ms after the loss, so 150 ms remain.
const RTT_ON: Duration = Duration::from_millis(150);
/// Round trip below which it is given up.
const RTT_OFF: Duration = Duration::from_millis(120);

/// How long the wish must last: one burst of loss is over before FEC could help.
/// What is measured is smoothed over a second already.
const ON_AFTER: Duration = Duration::from_millis(200);
/// How long FEC stays after its last reason, so that it does not flap with sparse loss.
const OFF_AFTER: Duration = Duration::from_secs(5);

/// Percent of redundancy per percent of loss. Parity is worth less than the number of its packets: two losses among the
/// packets of one are lost. Chromium, 5 % of loss, 240 ms of round trip, 720p at 1.2 Mbit/s: 9 s of 50 frozen with 6, 3 s
/// with 12; with 20 the picture itself suffers more.
const PER_LOSS_PERCENT: f64 = 12.0;
/// Percentages move in steps, each of which re-divides the estimate.
const STEP: u32 = 5;
/// Between steps down: loss varies by chance, and each step costs the encoder a new target.
const STEP_TIME: Duration = Duration::from_secs(1);
/// The least that yields a packet for a frame of few packets.
const LEAST: u32 = 10;
/// The most: as much again as two thirds of the pictures would cost.
const MOST: u32 = 75;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::PathRoundTrip;

    const LONG: Option<Duration> = Some(Duration::from_millis(240));
    const SHORT: Option<Duration> = Some(Duration::from_millis(50));

    /// A policy with the path that it is told of.
    fn policy(enabled: bool) -> (FecPolicy, PathRoundTrip) {
        (FecPolicy::new(enabled), PathRoundTrip::new())
    }

    fn run(
        (policy, path): &mut (FecPolicy, PathRoundTrip),
        from_ms: u64,
        for_ms: u64,
        loss: f64,
        rtt: Option<Duration>,
    ) -> u32 {
        let times = (from_ms..from_ms + for_ms)
            .step_by(100)
            .map(Timestamp::from_millis);
        times
            .map(|now| policy.update(now, loss, path.update(now, rtt)))
            .last()
            .unwrap()
    }

    #[test]
    fn fec_needs_both_loss_and_a_long_round_trip() {
        for (loss, rtt, percentage) in [
            (0.05, SHORT, 0),
            (0.0, LONG, 0),
            (0.05, None, 0),
            (0.05, LONG, 60),
            (0.02, LONG, 25),
            (0.004, LONG, 0),
            (0.5, LONG, 75),
        ] {
            let mut policy = policy(true);
            assert_eq!(
                run(&mut policy, 0, 2000, loss, rtt),
                percentage,
                "loss {loss} rtt {rtt:?}"
            );
        }
    }

    #[test]
    fn a_disabled_policy_never_uses_fec() {
        assert_eq!(run(&mut policy(false), 0, 5000, 0.2, LONG), 0);
    }

    #[test]
    fn a_short_burst_of_loss_starts_nothing() {
        let mut policy = policy(true);
        assert_eq!(run(&mut policy, 0, 200, 0.2, LONG), 0);
        assert_eq!(run(&mut policy, 200, 1000, 0.0, LONG), 0);
        assert_eq!(run(&mut policy, 1200, 200, 0.2, LONG), 0);
    }

    #[test]
    fn fec_outlives_a_pause_in_loss_and_then_ends() {
        let mut policy = policy(true);
        assert_eq!(run(&mut policy, 0, 1000, 0.05, LONG), 60);
        assert_eq!(run(&mut policy, 1000, 3000, 0.0, LONG), 60);
        assert_eq!(run(&mut policy, 4000, 1000, 0.05, LONG), 60);
        assert_eq!(run(&mut policy, 5000, 5200, 0.0, LONG), 0);
    }

    #[test]
    fn protection_is_lowered_step_by_step() {
        let mut policy = policy(true);
        assert_eq!(run(&mut policy, 0, 2000, 0.05, LONG), 60);
        assert_eq!(run(&mut policy, 2000, 1000, 0.02, LONG), 55);
        assert_eq!(run(&mut policy, 3000, 9000, 0.02, LONG), 25);
    }

    #[test]
    fn a_queue_is_no_long_path() {
        let mut policy = policy(true);
        assert_eq!(run(&mut policy, 0, 1000, 0.0, SHORT), 0);
        assert_eq!(run(&mut policy, 1000, 5000, 0.1, LONG), 0);
        assert_eq!(
            run(&mut policy, 6000, 10_000, 0.05, LONG),
            60,
            "by now it is the path"
        );
    }

    #[test]
    fn a_round_trip_around_the_threshold_does_not_flap() {
        let mut policy = policy(true);
        assert_eq!(run(&mut policy, 0, 1000, 0.05, LONG), 60);
        assert_eq!(
            run(&mut policy, 1000, 20_000, 0.05, Some(Duration::from_millis(130))),
            60
        );
    }
}
