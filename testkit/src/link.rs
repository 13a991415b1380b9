// SPDX-License-Identifier: MPL-2.0
//! One direction of an emulated link as a pure decision: when a packet that enters now leaves, or that it does not.
//!
//! A rate that changes on schedule, a drop-tail queue measured in time, delay, jitter that keeps the order, and random
//! loss (the parameters of RFC 8868, section 4). Seeded: the same packets at the same times fare the same.

use std::time::Duration;

/// What a link is like in one direction.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Rates in bit/s and when each begins, counted from the start of the schedule; the first at zero.
    pub rates: Vec<(Duration, u64)>,
    /// How long every packet travels.
    pub delay: Duration,
    /// How much longer at most: the end of a normal distribution three deviations wide.
    pub jitter: Duration,
    /// How long a packet waits at most for its turn; one that would wait longer is dropped.
    pub queue: Duration,
    /// Share of packets that vanish besides, 0.0–1.0.
    pub loss_ratio: f64,
    /// What chance is drawn from.
    pub seed: u64,
}

impl Plan {
    /// A link that only delays.
    pub fn clear(delay: Duration) -> Self {
        Self {
            rates: vec![(Duration::ZERO, u64::MAX)],
            delay,
            jitter: Duration::ZERO,
            queue: Duration::from_secs(1),
            loss_ratio: 0.0,
            seed: 1,
        }
    }

    /// A bottleneck of one rate.
    pub fn bottleneck(bps: u64, delay: Duration, queue: Duration) -> Self {
        Self {
            rates: vec![(Duration::ZERO, bps)],
            queue,
            ..Self::clear(delay)
        }
    }

    /// RFC 8867, section 5.1: 1, 2.5, 0.6 and 1 Mbit/s from 0, 40, 60 and 80 s on, 50 ms one way, 300 ms of queue.
    pub fn variable_capacity() -> Self {
        let rates = [(0, 1_000_000), (40, 2_500_000), (60, 600_000), (80, 1_000_000)];
        let rates = rates
            .map(|(second, bps)| (Duration::from_secs(second), bps))
            .to_vec();
        Self {
            rates,
            queue: Duration::from_millis(300),
            ..Self::clear(Duration::from_millis(50))
        }
    }

    /// This link, losing a share of its packets at random.
    #[must_use]
    pub fn losing(self, loss_ratio: f64) -> Self {
        Self { loss_ratio, ..self }
    }

    /// The rate at a time of the schedule, in bit/s.
    pub fn rate_at(&self, now: Duration) -> u64 {
        let begun = self.rates.iter().take_while(|(from, _)| *from <= now);
        begun.last().map_or(0, |(_, bps)| *bps)
    }

    fn next_change(&self, now: Duration) -> Option<Duration> {
        self.rates.iter().map(|(from, _)| *from).find(|from| *from > now)
    }
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It arrives at this time of the schedule, having waited this long for its turn.
    Arrives {
        /// When.
        at: Duration,
        /// How long of that it waited.
        queued: Duration,
    },
    /// The queue was full.
    Dropped,
    /// It vanished on the way.
    Lost,
}

/// A link in use.
#[derive(Clone, Debug)]
pub struct Shaper {
    plan: Plan,
    backlog_bits: f64,
    updated: Duration,
    last_arrival: Duration,
    random: u64,
}

impl Shaper {
    /// A link with nothing on it.
    pub fn new(plan: Plan) -> Self {
        // Any odd number will do as the state of the generator.
        let random = plan.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        Self {
            plan,
            backlog_bits: 0.0,
            updated: Duration::ZERO,
            last_arrival: Duration::ZERO,
            random,
        }
    }

    /// Puts a packet of `bytes` on the link; `now` is a time of the schedule and never decreases.
    pub fn send(&mut self, now: Duration, bytes: usize) -> Fate {
        self.drain(now);
        let queued = self.time_for(now, self.backlog_bits);
        if queued > self.plan.queue {
            return Fate::Dropped;
        }
        self.backlog_bits += bytes as f64 * 8.0;
        let served = self.time_for(now, self.backlog_bits);
        if self.unit() < self.plan.loss_ratio {
            return Fate::Lost;
        }
        let jitter = self.plan.jitter.mul_f64((self.normal().abs() / 3.0).min(1.0));
        let at = (now + served + self.plan.delay + jitter).max(self.last_arrival);
        self.last_arrival = at;
        Fate::Arrives { at, queued }
    }

    /// From `now` on the rate is another; what was put on the link before arrives as it was to, and in order.
    pub fn set_rate(&mut self, now: Duration, bps: u64) {
        self.drain(now);
        self.plan.rates = vec![(Duration::ZERO, bps)];
    }

    fn drain(&mut self, now: Duration) {
        while self.updated < now {
            let end = self.plan.next_change(self.updated).unwrap_or(now).min(now);
            let served = self.plan.rate_at(self.updated) as f64 * (end - self.updated).as_secs_f64();
            self.backlog_bits = (self.backlog_bits - served).max(0.0);
            self.updated = end;
        }
    }

    /// How long the link takes from `now` for this many bits; an hour where it never would.
    fn time_for(&self, now: Duration, bits: f64) -> Duration {
        const NEVER: f64 = 3600.0;
        let (mut at, mut left) = (now, bits);
        loop {
            let rate = self.plan.rate_at(at) as f64;
            let needed = Duration::from_secs_f64((left / rate.max(f64::MIN_POSITIVE)).min(NEVER));
            match self.plan.next_change(at) {
                Some(change) if at + needed > change => {
                    left -= rate * (change - at).as_secs_f64();
                    at = change;
                }
                _ => return at + needed - now,
            }
        }
    }

    /// Evenly from 0.0 up to 1.0 (xorshift64*, Vigna 2016).
    fn unit(&mut self) -> f64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        (self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Normally distributed, mean 0, deviation 1 (Box and Muller, 1958).
    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn arrival(fate: Fate) -> (Duration, Duration) {
        let Fate::Arrives { at, queued } = fate else {
            panic!("{fate:?}")
        };
        (at, queued)
    }

    #[test]
    fn a_packet_takes_its_turn_and_the_delay() {
        let mut shaper = Shaper::new(Plan::bottleneck(1_000_000, ms(50), ms(300)));
        assert_eq!(arrival(shaper.send(ms(0), 1250)), (ms(60), ms(0)));
        assert_eq!(arrival(shaper.send(ms(0), 1250)), (ms(70), ms(10)));
        assert_eq!(arrival(shaper.send(ms(100), 1250)), (ms(160), ms(0)));
    }

    #[test]
    fn a_full_queue_drops() {
        let mut shaper = Shaper::new(Plan::bottleneck(1_000_000, ms(50), ms(100)));
        let fates: Vec<_> = (0..20).map(|_| shaper.send(ms(0), 1250)).collect();
        assert_eq!(fates.iter().filter(|fate| **fate == Fate::Dropped).count(), 9);
    }

    #[test]
    fn the_rate_changes_on_schedule_under_a_packet() {
        let plan = Plan {
            rates: vec![(ms(0), 1_000_000), (ms(5), 500_000)],
            ..Plan::clear(ms(0))
        };
        assert_eq!(arrival(Shaper::new(plan).send(ms(0), 1250)).0, ms(15));
    }

    #[test]
    fn a_rate_set_from_outside_lets_nothing_overtake() {
        let mut shaper = Shaper::new(Plan::bottleneck(1_000_000, ms(50), ms(300)));
        let slow: Vec<_> = (0..3).map(|_| arrival(shaper.send(ms(0), 1250)).0).collect();
        assert_eq!(slow, [ms(60), ms(70), ms(80)]);
        shaper.set_rate(ms(10), 10_000_000);
        assert_eq!(arrival(shaper.send(ms(10), 1250)).0, ms(80));
        assert_eq!(arrival(shaper.send(ms(100), 1250)).0, ms(151));
    }

    #[test]
    fn jitter_keeps_the_order() {
        let plan = Plan {
            jitter: ms(30),
            ..Plan::clear(ms(10))
        };
        let mut shaper = Shaper::new(plan);
        let arrivals: Vec<_> = (0..500).map(|n| arrival(shaper.send(ms(n), 100)).0).collect();
        assert!(arrivals.is_sorted());
        assert!(
            arrivals
                .iter()
                .enumerate()
                .all(|(n, at)| *at <= ms(n as u64 + 10 + 30))
        );
    }

    #[test]
    fn loss_has_its_share_and_its_seed() {
        let lost = |seed| {
            let mut shaper = Shaper::new(Plan {
                seed,
                ..Plan::clear(ms(0)).losing(0.05)
            });
            (0..10_000)
                .map(|n| shaper.send(ms(n), 100) == Fate::Lost)
                .collect::<Vec<_>>()
        };
        let count = lost(1).iter().filter(|lost| **lost).count();
        assert!((400..600).contains(&count), "{count}");
        assert_eq!(lost(3), lost(3));
        assert_ne!(lost(3), lost(4));
    }

    #[test]
    fn a_dead_link_delivers_after_it_came_back() {
        let plan = Plan {
            rates: vec![(ms(0), 0), (ms(200), 1_000_000)],
            ..Plan::clear(ms(0))
        };
        assert_eq!(arrival(Shaper::new(plan).send(ms(0), 1250)).0, ms(210));
        let dead = Plan {
            rates: vec![(ms(0), 0)],
            ..Plan::clear(ms(0))
        };
        let mut shaper = Shaper::new(dead);
        shaper.send(ms(0), 1250);
        assert_eq!(shaper.send(ms(1), 1250), Fate::Dropped);
    }
}
