// SPDX-License-Identifier: MPL-2.0
//! What a run is judged by: use of the capacity, queueing delay, loss, fairness, and what went on the wire.

use std::time::Duration;

use congestion::SentPacket;
use congestion::units::{Bitrate, DataSize, Timestamp};

use super::link::{Fate, LinkPlan};

/// Everything that is remembered of a flow.
#[derive(Debug, Default)]
pub struct FlowLog {
    sent: Vec<(Timestamp, DataSize)>,
    /// Times of leaving the bottleneck.
    passed: Vec<(Timestamp, DataSize, Duration)>,
    dropped: u64,
    targets: Vec<(Timestamp, Bitrate)>,
    pub pacing: Vec<Duration>,
}

impl FlowLog {
    pub fn on_tick(&mut self, waiting: Duration) {
        self.pacing.push(waiting);
    }

    /// The target may have changed.
    pub fn on_target(&mut self, now: Timestamp, target: Bitrate) {
        if self.targets.last().is_none_or(|&(_, last)| last != target) {
            self.targets.push((now, target));
        }
    }

    pub fn on_sent(&mut self, packet: &SentPacket, fate: Fate) {
        self.sent.push((packet.sent, packet.size));
        match fate {
            Fate::Passes { at, queued } => self.passed.push((at, packet.size, queued)),
            Fate::Dropped | Fate::Lost => self.dropped += 1,
        }
    }

    /// What got through between two seconds.
    pub fn received(&self, from: u64, until: u64) -> Bitrate {
        let within = self.passed.iter().filter(|(at, ..)| in_seconds(*at, from, until));
        within.map(|&(_, size, _)| size).sum::<DataSize>() / Duration::from_secs(until - from)
    }

    /// Share of the capacity used between two seconds.
    pub fn utilisation(&self, link: &LinkPlan, from: u64, until: u64) -> f64 {
        let second = |n| Timestamp::from_millis(n * 1000);
        let capacity = link.capacity(second(from), second(until)) / Duration::from_secs(until - from);
        self.received(from, until).ratio(capacity)
    }

    pub fn loss_ratio(&self) -> f64 {
        self.dropped as f64 / (self.sent.len() as f64).max(1.0)
    }

    /// The quantile of queueing delay over packets between two seconds.
    pub fn queueing_ms(&self, quantile: f64, from: u64, until: u64) -> f64 {
        let within = self.passed.iter().filter(|(at, ..)| in_seconds(*at, from, until));
        let mut delays: Vec<f64> = within.map(|(.., queued)| queued.as_secs_f64() * 1000.0).collect();
        delays.sort_by(f64::total_cmp);
        delays
            .get(((delays.len() as f64 - 1.0) * quantile) as usize)
            .copied()
            .unwrap_or_default()
    }

    /// How long after a second the target is first at most (`down`) or at least a rate.
    pub fn time_to(&self, from: u64, rate: Bitrate, down: bool) -> Option<Duration> {
        let start = Timestamp::from_millis(from * 1000);
        let reached = |&&(at, target): &&(Timestamp, Bitrate)| {
            at >= start && if down { target <= rate } else { target >= rate }
        };
        self.targets.iter().find(reached).map(|&(at, _)| at - start)
    }

    /// The greatest ratio of what was sent in any second to what the estimate allowed over that second.
    pub fn worst_second(&self) -> f64 {
        let (mut first, mut bits, mut worst) = (0, 0.0, 0.0f64);
        for &(at, size) in &self.sent {
            bits += size.bits_f64();
            while at - self.sent[first].0 >= Duration::from_secs(1) {
                bits -= self.sent[first].1.bits_f64();
                first += 1;
            }
            if at >= Timestamp::from_millis(1000) {
                worst = worst.max(bits / self.allowed_bits(at - Duration::from_secs(1), at));
            }
        }
        worst
    }

    /// What the target adds up to between two times; before the first it was what it was then.
    fn allowed_bits(&self, from: Timestamp, until: Timestamp) -> f64 {
        let first = self
            .targets
            .partition_point(|&(at, _)| at <= from)
            .saturating_sub(1);
        let mut bits = 0.0;
        for (n, &(began, target)) in self.targets.iter().enumerate().skip(first) {
            let began = if n == first { from } else { began };
            if began >= until {
                break;
            }
            let ended = self
                .targets
                .get(n + 1)
                .map_or(until, |&(next, _)| next.min(until));
            bits += target.as_f64() * (ended - began).as_secs_f64();
        }
        bits
    }

    /// What a plot shows, every 500 ms.
    pub fn series(&self, duration: Duration) -> Vec<Sample> {
        const STEP: f64 = 0.5;
        let count = (duration.as_secs_f64() / STEP) as usize;
        let mut samples = vec![Sample::default(); count];
        let slot = |at: Timestamp| ((at.as_secs_f64() / STEP) as usize).min(count.saturating_sub(1));
        for (n, sample) in samples.iter_mut().enumerate() {
            sample.seconds = (n as f64 + 0.5) * STEP;
        }
        for &(at, size, queued) in &self.passed {
            let sample = &mut samples[slot(at)];
            sample.received_kbps += size.bits_f64() / STEP / 1000.0;
            sample.queued_ms = sample.queued_ms.max(queued.as_secs_f64() * 1000.0);
        }
        for &(at, target) in &self.targets {
            samples[slot(at)].target_kbps = target.as_f64() / 1000.0;
        }
        samples
    }
}

/// One point of a plot.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sample {
    pub seconds: f64,
    pub received_kbps: f64,
    pub target_kbps: f64,
    /// The longest wait in the bottleneck.
    pub queued_ms: f64,
}

/// Jain's fairness index of some rates: 1.0 when equal, 1/n when one has all.
pub fn jain(rates: &[Bitrate]) -> f64 {
    let sum: f64 = rates.iter().map(|rate| rate.as_f64()).sum();
    let squares: f64 = rates.iter().map(|rate| rate.as_f64().powi(2)).sum();
    if squares == 0.0 {
        0.0
    } else {
        sum * sum / (rates.len() as f64 * squares)
    }
}

fn in_seconds(at: Timestamp, from: u64, until: u64) -> bool {
    at >= Timestamp::from_millis(from * 1000) && at < Timestamp::from_millis(until * 1000)
}
