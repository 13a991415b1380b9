// SPDX-License-Identifier: MPL-2.0
//! A bottleneck: a rate that changes on schedule, a drop-tail queue, delay, jitter and random loss.
//!
//! RFC 8868, section 4 (bottleneck parameters) and 4.5.3 (jitter: truncated normal, order kept).

use std::time::Duration;

use congestion::units::{Bitrate, DataSize, Timestamp};

use super::rng::Rng;

/// What a link is like.
#[derive(Clone, Debug)]
pub struct LinkPlan {
    /// Rates and when each begins; the first at zero.
    pub rates: Vec<(Duration, Bitrate)>,
    /// How long a packet waits at most; one that would wait longer is dropped.
    pub queue: Duration,
    /// The largest jitter, the end of a normal distribution three deviations wide.
    pub jitter: Duration,
    /// Share of packets lost besides.
    pub loss_ratio: f64,
}

impl LinkPlan {
    /// One rate, 300 ms of queue, no jitter, no loss.
    pub fn constant(rate: Bitrate) -> Self {
        Self {
            rates: vec![(Duration::ZERO, rate)],
            queue: Duration::from_millis(300),
            jitter: Duration::ZERO,
            loss_ratio: 0.0,
        }
    }

    /// Rates in kbit/s from given seconds on.
    pub fn steps(steps: &[(u64, u64)]) -> Self {
        let rates = steps
            .iter()
            .map(|&(second, kbps)| (Duration::from_secs(second), Bitrate::from_kbps(kbps)));
        Self {
            rates: rates.collect(),
            ..Self::constant(Bitrate::ZERO)
        }
    }

    /// The rate at a time.
    pub fn rate_at(&self, now: Timestamp) -> Bitrate {
        let began = |&&(from, _): &&(Duration, Bitrate)| now >= Timestamp::ZERO + from;
        self.rates
            .iter()
            .take_while(began)
            .last()
            .map_or(Bitrate::ZERO, |&(_, rate)| rate)
    }

    /// When the rate changes next.
    fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        self.rates
            .iter()
            .map(|&(from, _)| Timestamp::ZERO + from)
            .find(|&from| from > now)
    }

    /// What it can carry between two times.
    pub fn capacity(&self, from: Timestamp, until: Timestamp) -> DataSize {
        let (mut at, mut sum) = (from, DataSize::ZERO);
        while at < until {
            let end = self.next_change(at).unwrap_or(until).min(until);
            sum += self.rate_at(at) * (end - at);
            at = end;
        }
        sum
    }
}

/// The link itself.
#[derive(Debug)]
pub struct Link {
    pub plan: LinkPlan,
    backlog_bits: f64,
    updated: Timestamp,
    last_out: Timestamp,
    rng: Rng,
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It leaves the link at this time, having waited this long.
    Passes { at: Timestamp, queued: Duration },
    /// The queue was full.
    Dropped,
    /// Lost at random.
    Lost,
}

impl Link {
    pub fn new(plan: LinkPlan, rng: Rng) -> Self {
        Self {
            plan,
            backlog_bits: 0.0,
            updated: Timestamp::ZERO,
            last_out: Timestamp::ZERO,
            rng,
        }
    }

    /// Puts a packet on the link, `now` never decreasing.
    pub fn send(&mut self, now: Timestamp, size: DataSize) -> Fate {
        self.drain(now);
        let queued = self.time_for(now, self.backlog_bits);
        if queued > self.plan.queue {
            return Fate::Dropped;
        }
        self.backlog_bits += size.bits_f64();
        let served = self.time_for(now, self.backlog_bits);
        if self.rng.chance(self.plan.loss_ratio) {
            return Fate::Lost;
        }
        let most = self.plan.jitter.as_secs_f64();
        let jitter = (self.rng.normal().abs() * most / 3.0).min(most);
        let at = (now + served + Duration::from_secs_f64(jitter)).max(self.last_out);
        self.last_out = at;
        Fate::Passes { at, queued }
    }

    fn drain(&mut self, now: Timestamp) {
        while self.updated < now {
            let end = self.plan.next_change(self.updated).unwrap_or(now).min(now);
            let carried = self.plan.rate_at(self.updated).as_f64() * (end - self.updated).as_secs_f64();
            self.backlog_bits = (self.backlog_bits - carried).max(0.0);
            self.updated = end;
        }
    }

    /// How long the link takes from `now` for this many bits.
    fn time_for(&self, now: Timestamp, bits: f64) -> Duration {
        let (mut at, mut left) = (now, bits);
        loop {
            let rate = self.plan.rate_at(at).as_f64().max(1.0);
            let needed = Duration::from_secs_f64(left / rate);
            match self.plan.next_change(at) {
                Some(change) if at + needed > change => {
                    left -= rate * (change - at).as_secs_f64();
                    at = change;
                }
                _ => return at + needed - now,
            }
        }
    }
}
