// SPDX-License-Identifier: MPL-2.0
//! The delay-based rate: additive or multiplicative increase, multiplicative decrease.
//!
//! draft-ietf-rmcat-gcc-02, section 5.5. The state machine of the draft: overuse decreases, underuse holds until the
//! queue is gone, and then the rate increases: fast while far from where the link was full, carefully close to it.

use std::time::Duration;

use super::capacity::LinkCapacity;
use crate::Usage;
use crate::units::{Bitrate, Timestamp};

/// The rate and how it moves.
#[derive(Debug)]
pub(super) struct Aimd {
    rate: Bitrate,
    state: State,
    capacity: LinkCapacity,
    changed: Timestamp,
    decreased: Option<Timestamp>,
    /// What the link carried when it was last full.
    full_at: Option<Bitrate>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Hold,
    Increase,
}

/// What a report showed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Observation {
    pub(super) usage: Usage,
    pub(super) acknowledged: Option<Bitrate>,
    /// The acknowledged rate over the shortest window.
    pub(super) recent: Option<Bitrate>,
    pub(super) rtt: Duration,
    pub(super) queue_ms: f64,
    pub(super) app_limited: bool,
}

impl Aimd {
    pub(super) fn new(rate: Bitrate, now: Timestamp) -> Self {
        let capacity = LinkCapacity::default();
        Self {
            rate,
            state: State::Increase,
            capacity,
            changed: now,
            decreased: None,
            full_at: None,
        }
    }

    /// Moves the rate by what a report showed; tells whether that was a decrease, even where limits undo it.
    pub(super) fn update(&mut self, now: Timestamp, seen: &Observation) -> bool {
        match (seen.usage, self.state) {
            (Usage::Over, _) => self.overuse(now, seen),
            (Usage::Under, _) => self.state = State::Hold,
            (Usage::Normal, State::Hold) => self.recover(seen),
            (Usage::Normal, State::Increase) => self.increase(now, seen),
        }
        self.changed = now;
        self.decreased == Some(now)
    }

    /// A probe proved this rate.
    pub(super) fn on_probe(&mut self, rate: Bitrate) {
        if rate > self.rate {
            self.rate = rate;
        }
        if self.capacity.upper().is_some_and(|upper| rate > upper) {
            self.forget_capacity();
        }
    }

    /// Sets the rate, as limits and other bounds demand.
    pub(super) fn set_rate(&mut self, rate: Bitrate) {
        self.rate = rate;
    }

    pub(super) const fn rate(&self) -> Bitrate {
        self.rate
    }

    fn overuse(&mut self, now: Timestamp, seen: &Observation) {
        self.state = State::Hold;
        let pause = seen.rtt.clamp(LEAST_PAUSE, MOST_PAUSE);
        let acknowledged = seen.acknowledged.into_iter().chain(seen.recent).min();
        let collapsed = acknowledged.is_some_and(|rate| rate < self.rate * COLLAPSED);
        if !collapsed && self.decreased.is_some_and(|last| now - last < pause) {
            return;
        }
        self.decreased = Some(now);
        let Some(acknowledged) = acknowledged else {
            self.rate = self.rate * UNKNOWN_DECREASE;
            return;
        };
        if self.capacity.lower().is_some_and(|lower| acknowledged < lower) {
            self.forget_capacity();
        }
        self.capacity.on_overuse(acknowledged);
        self.full_at = Some(acknowledged);
        let drain = 1.0 - seen.queue_ms / DRAIN_MS;
        self.rate = self
            .rate
            .min(acknowledged * drain.clamp(DEEPEST_DECREASE, DECREASE));
    }

    /// The queue of an overuse is gone: back to just below what the link carried when it was full.
    fn recover(&mut self, seen: &Observation) {
        self.state = State::Increase;
        if let Some(full_at) = self.full_at.filter(|_| seen.queue_ms < DRAINED_MS) {
            self.rate = self.rate.max(full_at * RECOVERED_AT_ONCE);
        }
    }

    fn increase(&mut self, now: Timestamp, seen: &Observation) {
        let elapsed = (now - self.changed).min(LONGEST_STEP);
        if seen
            .acknowledged
            .zip(self.capacity.upper())
            .is_some_and(|(rate, upper)| rate > upper)
        {
            self.forget_capacity();
        }
        let ceiling = seen
            .acknowledged
            .map(|rate| rate * ABOVE_ACKNOWLEDGED + ABOVE_ACKNOWLEDGED_BY);
        let wanted = match self.full_at {
            Some(full_at) if self.rate < full_at * RECOVERED => {
                (self.rate * growth(RECOVERY_PER_SECOND, elapsed)).min(full_at * RECOVERED)
            }
            Some(_) => self.rate + self.additive(elapsed, seen.rtt),
            None => self.rate * growth(MULTIPLICATIVE_PER_SECOND, elapsed),
        };
        let bounded = ceiling
            .filter(|_| !seen.app_limited)
            .map_or(wanted, |ceiling| wanted.min(ceiling));
        if !seen.app_limited {
            self.rate = self.rate.max(bounded);
        }
    }

    /// One packet per response time (section 5.5 has half of one; libwebrtc one).
    fn additive(&self, elapsed: Duration, rtt: Duration) -> Bitrate {
        let frame_bits = self.rate.as_f64() / FRAMES_PER_SECOND;
        let packet_bits = frame_bits / (frame_bits / PACKET_BITS).ceil().max(1.0);
        let per_second = packet_bits / rtt.saturating_add(RESPONSE).as_secs_f64();
        Bitrate::from_bps((per_second.max(LEAST_ADDITIVE) * elapsed.as_secs_f64()) as u64)
    }

    fn forget_capacity(&mut self) {
        self.capacity.reset();
        self.full_at = None;
    }
}

fn growth(per_second: f64, elapsed: Duration) -> f64 {
    (1.0 + per_second).powf(elapsed.as_secs_f64())
}

/// The decrease: beta, section 5.5.
const DECREASE: f64 = 0.85;
/// A long queue asks for more, so that it is gone within this time.
const DRAIN_MS: f64 = 750.0;
const DEEPEST_DECREASE: f64 = 0.6;
/// What counts as drained, and what follows at once.
const DRAINED_MS: f64 = 20.0;
const RECOVERED_AT_ONCE: f64 = 0.9;
/// The decrease while nothing has been acknowledged (libwebrtc, `DelayBasedBwe`).
const UNKNOWN_DECREASE: f64 = 0.5;
/// Decreases are a round trip apart, within these bounds (libwebrtc, `AimdRateControl::TimeToReduceFurther`),
const LEAST_PAUSE: Duration = Duration::from_millis(10);
const MOST_PAUSE: Duration = Duration::from_millis(200);
/// unless the link carries less than this share of the rate (same).
const COLLAPSED: f64 = 0.5;
/// The multiplicative increase: eta is 1.08 a second, section 5.5.
const MULTIPLICATIVE_PER_SECOND: f64 = 0.08;
/// The longest time between reports that the increase is extrapolated over: section 5.5.
const LONGEST_STEP: Duration = Duration::from_millis(1000);
/// How far above what arrives the rate may be: 1.5 R_hat, section 5.5, and 10 kbit/s (libwebrtc).
const ABOVE_ACKNOWLEDGED: f64 = 1.5;
const ABOVE_ACKNOWLEDGED_BY: Bitrate = Bitrate::from_kbps(10);
/// Until where, and how fast, a rate recovers after the queue is gone.
const RECOVERED: f64 = 0.95;
const RECOVERY_PER_SECOND: f64 = 0.25;
/// Additive increase: section 5.5's assumptions of a frame rate, a packet of 1200 bytes, and 100 ms besides the
/// round trip until a change is seen.
const FRAMES_PER_SECOND: f64 = 30.0;
const PACKET_BITS: f64 = 9600.0;
const RESPONSE: Duration = Duration::from_millis(100);
/// Bits per second, each second (libwebrtc, `kMinIncreaseRateBpsPerSecond`).
const LEAST_ADDITIVE: f64 = 4000.0;

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Bitrate = Bitrate::from_kbps(1000);

    fn seen(usage: Usage, acknowledged_kbps: u64) -> Observation {
        let acknowledged = Some(Bitrate::from_kbps(acknowledged_kbps));
        let rtt = Duration::from_millis(100);
        Observation {
            usage,
            acknowledged,
            recent: acknowledged,
            rtt,
            queue_ms: 40.0,
            app_limited: false,
        }
    }

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    /// Ten reports a second from `from_ms` to `until_ms`.
    fn run(aimd: &mut Aimd, from_ms: u64, until_ms: u64, seen: Observation) -> f64 {
        (from_ms..until_ms).step_by(100).for_each(|ms| {
            aimd.update(at(ms), &seen);
        });
        aimd.rate().as_f64() / 1000.0
    }

    #[test]
    fn an_unknown_link_is_grown_into_by_eight_percent_a_second() {
        let mut aimd = Aimd::new(RATE, at(0));
        let rate = run(&mut aimd, 0, 1001, seen(Usage::Normal, 1000));
        assert!((1079.0..1081.0).contains(&rate), "{rate}");
    }

    #[test]
    fn growth_stops_at_one_and_a_half_times_what_arrives() {
        let mut aimd = Aimd::new(RATE, at(0));
        let rate = run(&mut aimd, 0, 60_000, seen(Usage::Normal, 1000));
        assert_eq!(rate, 1510.0);
    }

    #[test]
    fn an_application_that_sends_little_does_not_grow_the_rate() {
        let mut aimd = Aimd::new(RATE, at(0));
        let idle = Observation {
            app_limited: true,
            ..seen(Usage::Normal, 300)
        };
        assert_eq!(run(&mut aimd, 0, 10_000, idle), 1000.0);
    }

    #[test]
    fn overuse_lowers_to_below_what_arrives() {
        let mut aimd = Aimd::new(RATE, at(0));
        assert!(aimd.update(at(100), &seen(Usage::Over, 800)));
        assert_eq!(aimd.rate(), Bitrate::from_kbps(680));
        assert!(
            !aimd.update(at(150), &seen(Usage::Over, 700)),
            "not twice in a round trip"
        );
    }

    #[test]
    fn a_long_queue_lowers_further_and_a_collapse_at_once() {
        let mut aimd = Aimd::new(RATE, at(0));
        aimd.update(
            at(100),
            &Observation {
                queue_ms: 225.0,
                ..seen(Usage::Over, 1000)
            },
        );
        assert_eq!(aimd.rate(), Bitrate::from_kbps(700));
        assert!(aimd.update(at(110), &seen(Usage::Over, 200)));
        assert_eq!(aimd.rate(), Bitrate::from_kbps(170));
    }

    #[test]
    fn overuse_before_anything_arrived_halves() {
        let mut aimd = Aimd::new(RATE, at(0));
        aimd.update(
            at(100),
            &Observation {
                acknowledged: None,
                recent: None,
                ..seen(Usage::Over, 0)
            },
        );
        assert_eq!(aimd.rate(), RATE * 0.5);
    }

    #[test]
    fn a_drained_queue_brings_the_rate_back_below_the_link() {
        let mut aimd = Aimd::new(RATE, at(0));
        aimd.update(at(100), &seen(Usage::Over, 1000));
        run(&mut aimd, 200, 1000, seen(Usage::Under, 850));
        assert_eq!(aimd.rate(), Bitrate::from_kbps(850));
        let drained = Observation {
            queue_ms: 5.0,
            ..seen(Usage::Normal, 850)
        };
        aimd.update(at(1000), &drained);
        assert_eq!(aimd.rate(), Bitrate::from_kbps(900));
        let rate = run(&mut aimd, 1100, 2000, drained);
        assert!((950.0..990.0).contains(&rate), "{rate}");
    }

    #[test]
    fn close_to_the_link_it_grows_by_a_packet_per_response_time() {
        let mut aimd = Aimd::new(RATE, at(0));
        aimd.update(at(0), &seen(Usage::Over, 1000));
        aimd.set_rate(RATE);
        aimd.update(at(100), &seen(Usage::Normal, 1000));
        let before = aimd.rate().as_f64() / 1000.0;
        let grown = run(&mut aimd, 200, 1101, seen(Usage::Normal, 1000)) - before;
        // A packet of 8.3 kbit every 200 ms.
        assert!((38.0..46.0).contains(&grown), "{grown}");
    }

    #[test]
    fn a_probe_raises_and_never_lowers() {
        let mut aimd = Aimd::new(RATE, at(0));
        aimd.on_probe(Bitrate::from_kbps(500));
        assert_eq!(aimd.rate(), RATE);
        aimd.on_probe(Bitrate::from_kbps(1700));
        assert_eq!(aimd.rate(), Bitrate::from_kbps(1700));
    }
}
