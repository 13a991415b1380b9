// SPDX-License-Identifier: MPL-2.0
//! The loss-based bound (draft-ietf-rmcat-gcc-02, section 6): a link that loses much is sent less.
//!
//! Two things differ from the draft. It holds the rate between 2 % and 10 % of loss; but a radio link that always
//! loses 5 % would then stay at its start rate for ever, so only loss that came with growth holds. And a loss ratio
//! of few packets is mostly chance, so a threshold counts as passed only when chance does not explain it.

use std::collections::VecDeque;
use std::time::Duration;

use crate::feedback::Feedback;
use crate::units::{Bitrate, Timestamp};

/// Measures loss, and bounds the rate by it.
#[derive(Debug, Default)]
pub(super) struct LossBound {
    /// What was reported lately of packets sent since the last decrease.
    window: VecDeque<Count>,
    /// Windowed loss of the past, for the least of it.
    past: VecDeque<Past>,
    smoothed: f64,
    bound: Option<Bitrate>,
    decreased: Option<Timestamp>,
    updated: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    at: Timestamp,
    packets: f64,
    lost: f64,
}

#[derive(Clone, Copy, Debug)]
struct Past {
    at: Timestamp,
    loss_ratio: f64,
}

impl LossBound {
    /// Counts a report. What was sent before the last decrease says nothing about the rate since.
    pub(super) fn on_feedback(&mut self, now: Timestamp, feedback: &Feedback) {
        let all = feedback.packets.len() as f64;
        let weight = (all * SMOOTHING_PER_PACKET).min(1.0);
        self.smoothed += weight * (feedback.loss_ratio() - self.smoothed);
        let since = self.decreased.unwrap_or_default();
        let current = feedback
            .packets
            .iter()
            .filter(|result| result.packet.sent >= since);
        let mut count = Count {
            at: now,
            ..Count::default()
        };
        for result in current {
            count.packets += 1.0;
            count.lost += if result.arrived.is_none() { 1.0 } else { 0.0 };
        }
        self.add(count);
    }

    /// Takes the loss ratio of a receiver report, which does not say of how many packets: take it for certain.
    pub(super) fn on_report(&mut self, now: Timestamp, loss_ratio: f64) {
        self.smoothed += REPORT_WEIGHT * (loss_ratio - self.smoothed);
        self.window.clear();
        self.add(Count {
            at: now,
            packets: CERTAIN,
            lost: loss_ratio * CERTAIN,
        });
    }

    /// The rate was lowered, for whatever reason: loss of packets sent before is answered.
    pub(super) fn on_decrease(&mut self, now: Timestamp) {
        self.decreased = Some(now);
        self.window.clear();
    }

    /// A probe proved this rate, which lifts the bound of a loss that is over.
    pub(super) fn on_probe(&mut self, rate: Bitrate) {
        if self.smoothed <= self.least_of_past() + LIGHT {
            self.bound = self.bound.map(|bound| bound.max(rate));
        }
    }

    /// Moves the bound for a sender now at `target`.
    ///
    /// While `competing` with a loss-based flow, loss beyond the link's own lowers the rate as it lowers that flow's.
    pub(super) fn update(&mut self, now: Timestamp, target: Bitrate, competing: bool) {
        let elapsed = self
            .updated
            .map_or(Duration::ZERO, |last| now - last)
            .min(Duration::from_secs(1));
        self.updated = Some(now);
        let bound = self.bound.unwrap_or(target);
        self.bound = if self.exceeds(HEAVY) && self.loss_ratio_of_window() > HEAVY {
            let lowered = target * (1.0 - 0.5 * self.loss_ratio_of_window());
            self.on_decrease(now);
            Some(lowered)
        } else if competing && self.exceeds(self.least_of_past() + CONTENDED) {
            self.on_decrease(now);
            Some(target * CONTENDED_DECREASE)
        } else if self.exceeds(self.least_of_past() + LIGHT) {
            Some(bound.min(target))
        } else {
            // Growth as of section 6, per second instead of per report; far above the target there is no bound.
            let grown = bound * (1.0 + GROWTH_PER_SECOND * elapsed.as_secs_f64());
            self.bound
                .map(|_| grown)
                .filter(|&grown| grown < target * FORGOTTEN)
        };
    }

    /// The bound as it is, `None` while there is none.
    pub(super) const fn bound(&self) -> Option<Bitrate> {
        self.bound
    }

    /// Loss, smoothed, 0.0–1.0.
    pub(super) const fn loss_ratio(&self) -> f64 {
        self.smoothed
    }

    fn add(&mut self, count: Count) {
        self.window.push_back(count);
        let ended = |old: &Count| count.at - old.at > WINDOW;
        while self.window.len() > MOST_COUNTS || self.window.front().is_some_and(ended) {
            self.window.pop_front();
        }
        let sampled = self.past.back().map_or(Timestamp::ZERO, |past| past.at);
        if self.packets() >= LEAST_PACKETS && (self.past.is_empty() || count.at - sampled >= SAMPLE_INTERVAL)
        {
            self.past.push_back(Past {
                at: count.at,
                loss_ratio: self.loss_ratio_of_window(),
            });
        }
        while self.past.front().is_some_and(|old| count.at - old.at > PAST) {
            self.past.pop_front();
        }
    }

    /// Whether the loss of the window is above `ratio` by more than chance makes of it.
    fn exceeds(&self, ratio: f64) -> bool {
        let (packets, lost) = (
            self.packets(),
            self.window.iter().map(|count| count.lost).sum::<f64>(),
        );
        let deviation = (packets * ratio * (1.0 - ratio)).max(0.0).sqrt();
        packets >= LEAST_PACKETS && lost > packets * ratio + SURE_DEVIATIONS * deviation
    }

    fn loss_ratio_of_window(&self) -> f64 {
        self.window.iter().map(|count| count.lost).sum::<f64>() / self.packets().max(1.0)
    }

    fn packets(&self) -> f64 {
        self.window.iter().map(|count| count.packets).sum()
    }

    /// What the link loses whatever is sent, 0.0–1.0: a queue that overflows does so for less than [`OWN`], and `queued`
    /// is when one was last seen.
    pub(super) fn own_loss_ratio(&self, now: Timestamp, queued: Option<Timestamp>) -> f64 {
        let had_queue = queued.is_some_and(|queued| now - queued <= OWN);
        let time = if had_queue { OWN } else { OWN_WITHOUT_QUEUE };
        let lately = self.past.iter().filter(|past| now - past.at <= time);
        let is_told = self.past.front().is_some_and(|first| now - first.at >= time);
        let least = lately.map(|past| past.loss_ratio).reduce(f64::min);
        least.filter(|_| is_told).unwrap_or_default()
    }

    fn least_of_past(&self) -> f64 {
        self.past
            .iter()
            .map(|past| past.loss_ratio)
            .reduce(f64::min)
            .unwrap_or_default()
            .min(HEAVY)
    }
}

/// Loss above which the rate falls, and how far above the link's own loss it is held (draft-ietf-rmcat-gcc-02,
/// section 6).
const HEAVY: f64 = 0.10;
const LIGHT: f64 = 0.02;
/// Beside a loss-based flow: loss that its overflowing queue causes, and the answer, the delay-based part's.
const CONTENDED: f64 = 0.005;
const CONTENDED_DECREASE: f64 = 0.85;
/// Standard deviations of the binomial distribution that chance is allowed: one in fifteen windows.
const SURE_DEVIATIONS: f64 = 1.5;
/// The draft grows by 5 % a report; reports come at least every second (libwebrtc uses 8 % a second).
const GROWTH_PER_SECOND: f64 = 0.08;
/// A bound this far above the target has no effect.
const FORGOTTEN: f64 = 1.5;
/// A loss ratio of fewer packets says nothing (libwebrtc, `kLimitNumPackets`).
const LEAST_PACKETS: f64 = 20.0;
/// What is looked at: as long as the interval of receiver reports that the draft was written for.
const WINDOW: Duration = Duration::from_secs(1);
const MOST_COUNTS: usize = 1000;
/// How long the least loss seen counts as the link's own: two probe intervals, so that growth is in between.
const PAST: Duration = Duration::from_secs(10);
/// How long loss must last to be the link's: after a drop of capacity a queue of 300 ms overflows for a second (simulation of
/// RFC 8867, section 5.1).
const OWN: Duration = Duration::from_secs(3);
/// How long where no queue stands that could overflow: two samples.
const OWN_WITHOUT_QUEUE: Duration = Duration::from_millis(500);
const SAMPLE_INTERVAL: Duration = Duration::from_millis(500);
/// Weight of a packet in the smoothed loss: it remembers some two hundred.
const SMOOTHING_PER_PACKET: f64 = 0.005;
/// Weight of a receiver report in it.
const REPORT_WEIGHT: f64 = 0.5;
/// Packets a receiver report stands for.
const CERTAIN: f64 = 1e6;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feedback::{PacketResult, SentPacket};
    use crate::units::DataSize;

    const RATE: Bitrate = Bitrate::from_kbps(1000);

    /// One report a tenth of a second, of twenty packets sent just before, every `lost_every`th lost.
    fn run(loss: &mut LossBound, from_ms: u64, for_ms: u64, lost_every: u64) -> Option<Bitrate> {
        let mut target = RATE;
        (from_ms..from_ms + for_ms).step_by(100).fold(None, |_, ms| {
            let now = Timestamp::from_millis(ms);
            let result = |n: u64| PacketResult {
                packet: SentPacket {
                    sequence: n,
                    sent: now,
                    size: DataSize::from_bytes(1200),
                    probe: None,
                },
                arrived: (lost_every == 0 || !(ms / 100 * 20 + n).is_multiple_of(lost_every)).then_some(now),
            };
            loss.on_feedback(
                now,
                &Feedback {
                    packets: (0..20).map(result).collect(),
                },
            );
            loss.update(now, target, false);
            let bound = loss.bound();
            target = bound.unwrap_or(RATE).min(RATE);
            bound
        })
    }

    #[test]
    fn no_loss_is_no_bound() {
        assert_eq!(run(&mut LossBound::default(), 0, 10_000, 0), None);
    }

    #[test]
    fn only_loss_that_stays_is_the_links_own() {
        let mut loss = LossBound::default();
        let own = |loss: &LossBound, ms| {
            let now = Timestamp::from_millis(ms);
            loss.own_loss_ratio(now, Some(now))
        };
        run(&mut loss, 0, 5000, 0);
        run(&mut loss, 5000, 1500, 5);
        assert_eq!(own(&loss, 6500), 0.0, "a queue that overflowed");
        run(&mut loss, 6500, 5000, 20);
        assert!(
            (0.03..0.07).contains(&own(&loss, 11_500)),
            "{}",
            own(&loss, 11_500)
        );
        run(&mut loss, 11_500, 2000, 0);
        assert_eq!(own(&loss, 13_500), 0.0, "it is over");
    }

    #[test]
    fn without_a_queue_loss_is_the_links_own_at_once() {
        let mut loss = LossBound::default();
        let (now, long_ago) = (Timestamp::from_millis(1100), Timestamp::ZERO);
        run(&mut loss, 0, 1100, 20);
        assert!(loss.own_loss_ratio(now, None) > 0.03);
        assert_eq!(loss.own_loss_ratio(now, Some(long_ago)), 0.0);
    }

    #[test]
    fn heavy_loss_lowers_again_and_again() {
        let bound = run(&mut LossBound::default(), 0, 10_000, 4);
        assert!(bound < Some(RATE * 0.3), "{bound:?}");
    }

    #[test]
    fn loss_of_packets_sent_before_a_decrease_is_answered_once() {
        let mut loss = LossBound::default();
        let result = |sent: u64| PacketResult {
            packet: SentPacket {
                sequence: sent,
                sent: Timestamp::from_millis(sent),
                size: DataSize::from_bytes(1200),
                probe: None,
            },
            arrived: None,
        };
        let feedback = Feedback {
            packets: (0..100).map(result).collect(),
        };
        let mut update = |ms, target| {
            loss.on_feedback(Timestamp::from_millis(ms), &feedback);
            loss.update(Timestamp::from_millis(ms), target, false);
            loss.bound().unwrap()
        };
        assert_eq!(update(200, RATE), RATE * 0.5);
        assert!(update(300, RATE * 0.5) >= RATE * 0.5);
    }

    #[test]
    fn a_probe_lifts_the_bound_of_a_loss_that_is_over() {
        let mut loss = LossBound::default();
        let bound = run(&mut loss, 0, 1000, 4);
        loss.on_probe(RATE);
        assert_eq!(loss.bound(), bound, "loss goes on");
        run(&mut loss, 1000, 3000, 0);
        loss.on_probe(RATE);
        assert_eq!(loss.bound(), Some(RATE));
    }

    #[test]
    fn constant_light_loss_is_no_bound_for_long() {
        let mut loss = LossBound::default();
        run(&mut loss, 0, 10_000, 20);
        assert_eq!(run(&mut loss, 10_000, 10_000, 20), None);
    }

    #[test]
    fn light_loss_that_came_later_holds_until_it_proves_constant() {
        let mut loss = LossBound::default();
        run(&mut loss, 0, 10_000, 0);
        assert_eq!(run(&mut loss, 10_000, 3000, 15), Some(RATE));
        assert_eq!(run(&mut loss, 13_000, 20_000, 15), None);
    }

    #[test]
    fn the_bound_is_forgotten_after_the_loss() {
        let mut loss = LossBound::default();
        run(&mut loss, 0, 10_000, 5);
        assert_eq!(run(&mut loss, 10_000, 120_000, 0), None);
    }

    #[test]
    fn receiver_reports_count_without_packets() {
        let mut loss = LossBound::default();
        loss.on_report(Timestamp::ZERO, 0.4);
        loss.update(Timestamp::ZERO, RATE, false);
        assert_eq!(loss.bound(), Some(RATE * 0.8));
    }
}
