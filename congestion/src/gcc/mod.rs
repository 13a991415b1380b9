// SPDX-License-Identifier: MPL-2.0
//! Google congestion control: draft-ietf-rmcat-gcc-02 with what its authors' implementation has added since.
//!
//! A report goes through one stage per file: `arrival` groups packets, `trendline` fits the slope of the delay,
//! `overuse` judges it, `aimd` moves the delay-based rate, using `acknowledged` and `capacity`; `loss` bounds it.
//! `probe` asks for probes and `cluster` measures them, `app_limited` knows when the application is the limit.
//! Not in the draft are `queue`, which tells a queue from jitter, and `contention`, which tells one's own queue from
//! another's. docs/congestion.md has the figures that each of them is for.

mod acknowledged;
mod aimd;
mod app_limited;
mod arrival;
mod capacity;
mod cluster;
mod contention;
mod loss;
mod overuse;
mod probe;
mod queue;
mod trendline;

use std::time::Duration;

use crate::feedback::{Feedback, ReceiverReport, SentPacket};
use crate::units::{Bitrate, DataSize, Timestamp};
use crate::{Controller, Estimate, Limits, ProbeCluster, Usage};
use acknowledged::Acknowledged;
use aimd::{Aimd, Observation};
use app_limited::AppLimited;
use arrival::InterArrival;
use cluster::Clusters;
use contention::Contention;
use loss::LossBound;
use overuse::OveruseDetector;
use probe::{Prober, Situation};
use queue::StandingQueue;
use trendline::Trendline;

/// The controller.
#[derive(Debug)]
pub struct Gcc {
    limits: Limits,
    arrival: InterArrival,
    trendline: Trendline,
    detector: OveruseDetector,
    queue: StandingQueue,
    contention: Contention,
    acknowledged: Acknowledged,
    aimd: Aimd,
    loss: LossBound,
    app_limited: AppLimited,
    prober: Prober,
    clusters: Clusters,
    remb: Bitrate,
    rtt: Option<Duration>,
    reported_rtt: Option<Duration>,
    own_loss_ratio: f64,
    /// When a queue was last seen that may overflow.
    queued: Option<Timestamp>,
    fed_back: Option<Timestamp>,
    /// The acknowledged rate as of the last report.
    received: Option<Bitrate>,
    /// The packet after the last one reported.
    next_reported: u64,
}

impl Gcc {
    /// A controller that starts at `limits.start()`.
    pub fn new(limits: Limits, now: Timestamp) -> Self {
        Self {
            limits,
            arrival: InterArrival::default(),
            trendline: Trendline::default(),
            detector: OveruseDetector::default(),
            queue: StandingQueue::default(),
            contention: Contention::default(),
            acknowledged: Acknowledged::default(),
            aimd: Aimd::new(limits.start(), now),
            loss: LossBound::default(),
            app_limited: AppLimited::default(),
            prober: Prober::new(),
            clusters: Clusters::default(),
            remb: Bitrate::MAX,
            rtt: None,
            reported_rtt: None,
            own_loss_ratio: 0.0,
            queued: None,
            fed_back: None,
            received: None,
            next_reported: 0,
        }
    }

    fn target(&self) -> Bitrate {
        let bound = self.loss.bound().unwrap_or(Bitrate::MAX).min(self.remb);
        self.limits.clamp(self.aimd.rate().min(bound))
    }

    fn rtt(&self) -> Duration {
        self.reported_rtt.or(self.rtt).unwrap_or(UNKNOWN_RTT)
    }

    fn on_arrival(&mut self, now: Timestamp, packet: &SentPacket, arrived: Timestamp) {
        self.acknowledged.add(arrived, packet.size);
        self.queue.add(packet.sent, arrived);
        if let Some(delta) = self.arrival.add(packet.sent, arrived) {
            let trend = self.trendline.add(&delta);
            self.detector.update(trend, delta.sent_ms, delta.arrived);
        }
        let result = self.clusters.on_arrival(packet, arrived);
        if let Some((id, result)) = packet.probe.zip(result) {
            self.prober.on_result(now, id, &result);
            self.aimd.on_probe(result.rate);
            self.loss.on_probe(result.rate);
        }
    }

    fn update_rate(&mut self, now: Timestamp) {
        let target = self.target();
        self.received = self.acknowledged.rate();
        let seen = Observation {
            usage: self.usage(),
            acknowledged: self.received,
            recent: self.acknowledged.recent(),
            rtt: self.rtt(),
            queue_ms: self.queue.length_ms(),
            app_limited: self.app_limited.is_limited(now, target),
        };
        let decreased = self.aimd.update(now, &seen);
        if self.target() < target {
            self.loss.on_decrease(now);
        }
        self.contention.update(now, seen.queue_ms, decreased);
        self.loss
            .update(now, self.target(), self.contention.is_competing());
        // A delay-based rate far above the others' bound would take as long to come down.
        let bound = self.loss.bound().unwrap_or(Bitrate::MAX).min(self.remb);
        self.aimd.set_rate(self.limits.clamp(self.aimd.rate().min(bound)));
    }

    /// How long a queue is not yet answered.
    fn tolerated_queue_ms(&self) -> f64 {
        (OWN_SHARE.bits_f64() / self.target().as_f64().max(1.0) * 1000.0).clamp(LEAST_QUEUE_MS, MOST_QUEUE_MS)
    }

    /// Whether the path is wider than what is sent, as far as is known: all that can be used is covered, and no queue stands.
    fn is_clear(&self) -> bool {
        self.target() >= self.limits.needed()
            && self.fed_back.is_some()
            && self.usage() != Usage::Over
            && self.queue.length_ms() < LEAST_QUEUE_MS
    }

    /// The detector's verdict, which without a queue is jitter.
    fn usage(&self) -> Usage {
        match self.detector.usage() {
            _ if self.contention.is_competing() => Usage::Normal,
            Usage::Over if self.queue.length_ms() < self.tolerated_queue_ms() => Usage::Normal,
            usage => usage,
        }
    }
}

impl Controller for Gcc {
    fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
        self.aimd.set_rate(limits.clamp(self.aimd.rate()));
    }

    fn on_packet_sent(&mut self, packet: &SentPacket) {
        self.app_limited.on_sent(packet.sent, packet.size);
    }

    fn on_feedback(&mut self, now: Timestamp, feedback: &Feedback) {
        let (Some(first), Some(last)) = (feedback.packets.first(), feedback.packets.last()) else {
            return;
        };
        if first.packet.sequence > self.next_reported {
            self.acknowledged.interrupt();
        }
        self.next_reported = self.next_reported.max(last.packet.sequence.saturating_add(1));
        if let Some((packet, _)) = feedback.received().last() {
            let sample = now - packet.sent;
            self.rtt = Some(self.rtt.map_or(sample, |rtt| (rtt * 7 + sample) / 8));
        }
        self.fed_back = Some(now);
        self.loss.on_feedback(now, feedback);
        self.own_loss_ratio = self.loss.own_loss_ratio(now, self.queued);
        for (packet, arrived) in feedback.received() {
            self.on_arrival(now, packet, arrived);
        }
        if self.queue.length_ms() >= MAY_OVERFLOW_MS {
            self.queued = Some(now);
        }
        self.update_rate(now);
    }

    fn on_receiver_report(&mut self, now: Timestamp, report: &ReceiverReport) {
        self.reported_rtt = report.rtt.or(self.reported_rtt);
        if self.fed_back.is_none_or(|last| now - last > FEEDBACK_GONE) {
            // A report does not tell the link's own loss from a queue's.
            self.own_loss_ratio = 0.0;
            self.loss.on_report(now, report.lost());
            self.update_rate(now);
        }
    }

    fn on_remb(&mut self, _now: Timestamp, maximum: Bitrate) {
        self.remb = maximum;
        self.aimd.set_rate(self.target());
    }

    fn on_time(&mut self, _now: Timestamp) {}

    fn estimate(&self) -> Estimate {
        Estimate {
            target: self.target(),
            loss_ratio: self.loss.loss_ratio(),
            own_loss_ratio: self.own_loss_ratio,
            rtt: self.reported_rtt.or(self.rtt),
            acknowledged: self.received,
            usage: self.usage(),
            is_clear: self.is_clear(),
        }
    }

    fn poll_probe(&mut self, now: Timestamp) -> Option<ProbeCluster> {
        let situation = Situation {
            target: self.target(),
            needed: self.limits.needed(),
            max: self.limits.max(),
            usage: self.usage(),
            is_sending: self.fed_back.is_some_and(|last| now - last < FEEDBACK_GONE),
        };
        let cluster = self.prober.poll(now, &situation)?;
        self.clusters.expect(cluster);
        Some(cluster)
    }
}

/// Assumed until a round trip was measured (libwebrtc, `kDefaultRtt`).
const UNKNOWN_RTT: Duration = Duration::from_millis(200);
/// Without a report for this long the receiver is taken not to send any.
const FEEDBACK_GONE: Duration = Duration::from_secs(2);
/// A queue that may be about to overflow. Shallower ones are rare: RFC 8867, section 4.3, has 300 ms as the usual one, and
/// buffers of less than a round trip keep TCP from using a link.
const MAY_OVERFLOW_MS: f64 = 50.0;
/// What a flow may keep in the queue before it gives way: four packets, as the upper bound of TCP Vegas (Brakmo and
/// Peterson, 1995, section 4: beta). The same share for every flow in a queue makes their rates equal: a small flow
/// gives way later than a large one. Simulation of RFC 8867, section 5.4: Jain's index 0.91 to 0.96 without, 0.97 to
/// 0.99 with it.
const OWN_SHARE: DataSize = DataSize::from_bytes(5000);
/// Bounds of the queue that this makes: one packet of 1200 bytes takes 10 ms at 1 Mbit/s; and no flow is so small that
/// its peers should wait longer for it.
const LEAST_QUEUE_MS: f64 = 10.0;
const MOST_QUEUE_MS: f64 = 100.0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feedback::PacketResult;
    use crate::pacer::Pace;

    const fn kbps(kbps: u64) -> Bitrate {
        Bitrate::from_kbps(kbps)
    }

    fn gcc(start: u64) -> Gcc {
        Gcc::new(Limits::new(kbps(100), kbps(4000), kbps(start)), Timestamp::ZERO)
    }

    /// A second of 100 packets, one report each 100 ms; packet `n` of the run arrives after `delay_ms(n)`, or never.
    fn second(gcc: &mut Gcc, second: u64, delay_ms: impl Fn(u64) -> Option<u64>) {
        for report in 0..10 {
            let packets = (0..10).map(|n| {
                let sequence = second * 100 + report * 10 + n;
                let sent = Timestamp::from_millis(sequence * 10);
                let packet = SentPacket {
                    sequence,
                    sent,
                    size: DataSize::from_bytes(1250),
                    probe: None,
                };
                gcc.on_packet_sent(&packet);
                let arrived = delay_ms(sequence).map(|ms| sent + Duration::from_millis(5000 + ms));
                PacketResult { packet, arrived }
            });
            let feedback = Feedback {
                packets: packets.collect(),
            };
            gcc.on_feedback(
                Timestamp::from_millis(second * 1000 + report * 100 + 150),
                &feedback,
            );
        }
    }

    #[test]
    fn a_link_without_queue_lets_the_target_grow() {
        let mut gcc = gcc(1000);
        (0..5).for_each(|n| second(&mut gcc, n, |_| Some(50)));
        assert!(gcc.estimate().target > kbps(1300), "{}", gcc.estimate().target);
        assert_eq!(gcc.estimate().acknowledged, Some(kbps(1000)));
        assert!(gcc.estimate().rtt.is_some());
    }

    #[test]
    fn a_path_is_clear_while_all_that_is_needed_is_covered_and_no_queue_stands() {
        let mut gcc = gcc(1000);
        assert!(!gcc.estimate().is_clear, "nothing is known");
        second(&mut gcc, 0, |_| Some(50));
        assert!(!gcc.estimate().is_clear, "more is needed");
        gcc.set_limits(gcc.limits.needing(kbps(900)));
        assert_eq!(gcc.estimate().pace(), Pace::Hasty);
        second(&mut gcc, 1, |n| Some(50 + (n - 100) * 2));
        assert_eq!(gcc.estimate().pace(), Pace::Even, "a queue grows");
    }

    #[test]
    fn a_growing_queue_lowers_the_target() {
        let mut gcc = gcc(1000);
        second(&mut gcc, 0, |_| Some(50));
        second(&mut gcc, 1, |n| Some(50 + (n - 100) * 2));
        assert!(gcc.estimate().target < kbps(900), "{}", gcc.estimate().target);
    }

    #[test]
    fn jitter_without_a_queue_lowers_nothing() {
        let mut gcc = gcc(1000);
        (0..20).for_each(|n| second(&mut gcc, n, |n| Some(50 + n * 7 % 30)));
        assert!(gcc.estimate().target >= kbps(1000), "{}", gcc.estimate().target);
    }

    #[test]
    fn heavy_loss_lowers_and_remb_bounds() {
        let mut gcc = gcc(1000);
        (0..3).for_each(|n| second(&mut gcc, n, |n| (n % 3 != 0).then_some(50)));
        assert!(gcc.estimate().target < kbps(800));
        assert!(gcc.estimate().loss_ratio > 0.2);
        gcc.on_remb(Timestamp::from_millis(4000), kbps(200));
        assert_eq!(gcc.estimate().target, kbps(200));
    }

    #[test]
    fn without_feedback_receiver_reports_bound_the_target() {
        let mut gcc = gcc(1000);
        let report = ReceiverReport {
            loss_ratio: 0.3,
            rtt: Some(Duration::from_millis(40)),
        };
        gcc.on_receiver_report(Timestamp::from_millis(100), &report);
        let target = gcc.estimate().target;
        assert!((kbps(840)..kbps(860)).contains(&target), "{target}");
        assert_eq!(gcc.estimate().rtt, report.rtt);
    }

    #[test]
    fn the_links_own_loss_is_forgotten_with_the_feedback() {
        let mut gcc = gcc(1000);
        (0..5).for_each(|n| second(&mut gcc, n, |n| (n % 10 != 0).then_some(50)));
        assert!(gcc.estimate().own_loss_ratio > 0.05);
        gcc.on_receiver_report(Timestamp::from_millis(6_000), &ReceiverReport::default());
        assert!(gcc.estimate().own_loss_ratio > 0.05, "a report may still come");
        gcc.on_receiver_report(Timestamp::from_millis(9_000), &ReceiverReport::default());
        assert_eq!(gcc.estimate().own_loss_ratio, 0.0);
    }

    #[test]
    fn any_round_trip_is_survived() {
        for rtt in [Duration::ZERO, Duration::MAX] {
            let mut gcc = gcc(1000);
            let report = ReceiverReport {
                loss_ratio: f64::NAN,
                rtt: Some(rtt),
            };
            gcc.on_receiver_report(Timestamp::ZERO, &report);
            second(&mut gcc, 0, |_| Some(50));
            second(&mut gcc, 1, |n| Some(50 + (n - 100) * 3));
            (2..6).for_each(|n| second(&mut gcc, n, |_| Some(50)));
            assert!(gcc.estimate().target >= kbps(100));
        }
    }

    #[test]
    fn with_feedback_a_receiver_report_gives_the_round_trip_only() {
        let mut gcc = gcc(1000);
        second(&mut gcc, 0, |_| Some(50));
        let before = gcc.estimate().target;
        let report = ReceiverReport {
            loss_ratio: 0.9,
            rtt: Some(Duration::from_millis(40)),
        };
        gcc.on_receiver_report(Timestamp::from_millis(1100), &report);
        assert_eq!((gcc.estimate().target, gcc.estimate().rtt), (before, report.rtt));
    }

    #[test]
    fn new_limits_hold_at_once() {
        let mut gcc = gcc(1000);
        gcc.set_limits(Limits::new(kbps(100), kbps(600), kbps(600)));
        assert_eq!(gcc.estimate().target, kbps(600));
        gcc.set_limits(Limits::new(kbps(700), kbps(900), kbps(900)));
        assert_eq!(gcc.estimate().target, kbps(700));
    }

    #[test]
    fn a_sender_that_starts_is_told_to_probe_once() {
        let mut gcc = gcc(1000);
        assert_eq!(gcc.poll_probe(Timestamp::ZERO), None, "nothing is sent yet");
        second(&mut gcc, 0, |_| Some(50));
        let probe = gcc.poll_probe(Timestamp::from_millis(1200)).unwrap();
        assert!(probe.rate >= kbps(3000));
        assert_eq!(gcc.poll_probe(Timestamp::from_millis(1225)), None);
    }
}
