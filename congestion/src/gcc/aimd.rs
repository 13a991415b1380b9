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

    /// Moves the rate by what a report showed.
    pub(super) fn update(&mut self, now: Timestamp, seen: &Observation) {
        match (seen.usage, self.state) {
            (Usage::Over, _) => self.overuse(now, seen),
            (Usage::Under, _) => self.state = State::Hold,
            (Usage::Normal, State::Hold) => self.state = State::Increase,
            (Usage::Normal, State::Increase) => self.increase(now, seen),
        }
        self.changed = now;
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
        let recent = seen.recent.or(seen.acknowledged);
        let collapsed = recent.is_some_and(|recent| recent < self.rate * COLLAPSED);
        if !collapsed && self.decreased.is_some_and(|last| now - last < pause) {
            return;
        }
        self.decreased = Some(now);
        let Some(acknowledged) =
            recent.map(|recent| seen.acknowledged.map_or(recent, |rate| rate.min(recent)))
        else {
            self.rate = self.rate * UNKNOWN_DECREASE;
            return;
        };
        if self.capacity.lower().is_some_and(|lower| acknowledged < lower) {
            self.forget_capacity();
        }
        self.capacity.on_overuse(acknowledged);
        self.full_at = Some(acknowledged);
        let known = self
            .capacity
            .mean()
            .map_or(acknowledged, |mean| mean.min(acknowledged));
        self.rate = self
            .rate
            .min(acknowledged.min(known.max(acknowledged)) * DECREASE);
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
            None => self.rate * growth(MULTIPLICATIVE_PER_SECOND, elapsed) + LEAST_INCREASE,
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
        let per_second = packet_bits / (rtt + RESPONSE).as_secs_f64();
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
/// The decrease while nothing has been acknowledged (libwebrtc, `DelayBasedBwe`).
const UNKNOWN_DECREASE: f64 = 0.5;
/// Decreases are a round trip apart, within these bounds (libwebrtc, `AimdRateControl::TimeToReduceFurther`),
const LEAST_PAUSE: Duration = Duration::from_millis(10);
const MOST_PAUSE: Duration = Duration::from_millis(200);
/// unless the link carries less than this share of the rate (same).
const COLLAPSED: f64 = 0.5;
/// The multiplicative increase: eta is 1.08 a second, section 5.5.
const MULTIPLICATIVE_PER_SECOND: f64 = 0.08;
const LEAST_INCREASE: Bitrate = Bitrate::from_bps(0);
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
