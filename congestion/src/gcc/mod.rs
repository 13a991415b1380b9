// SPDX-License-Identifier: MPL-2.0
//! Google congestion control: draft-ietf-rmcat-gcc-02 with what its authors' implementation has added since.
//!
//! A report goes through one stage per file: `arrival` groups packets, `trendline` fits the slope of the delay,
//! `overuse` judges it, `aimd` moves the delay-based rate, using `acknowledged` and `capacity`; `loss` bounds it.
//! `probe` asks for probes and `cluster` measures them, `app_limited` knows when the application is the limit.

mod acknowledged;
mod aimd;
mod app_limited;
mod arrival;
mod capacity;
mod cluster;
mod loss;
mod overuse;
mod probe;
mod trendline;

use std::time::Duration;

use crate::feedback::{Feedback, ReceiverReport, SentPacket};
use crate::units::{Bitrate, Timestamp};
use crate::{Controller, Estimate, Limits, ProbeCluster};
use acknowledged::Acknowledged;
use aimd::{Aimd, Observation};
use app_limited::AppLimited;
use arrival::InterArrival;
use cluster::Clusters;
use loss::LossBound;
use overuse::OveruseDetector;
use probe::{Prober, Situation};
use trendline::Trendline;

/// The controller.
#[derive(Debug)]
pub struct Gcc {
    limits: Limits,
    arrival: InterArrival,
    trendline: Trendline,
    detector: OveruseDetector,
    acknowledged: Acknowledged,
    aimd: Aimd,
    loss: LossBound,
    loss_bound: Option<Bitrate>,
    app_limited: AppLimited,
    prober: Prober,
    clusters: Clusters,
    remb: Bitrate,
    rtt: Option<Duration>,
    reported_rtt: Option<Duration>,
    fed_back: Option<Timestamp>,
}

impl Gcc {
    /// A controller that starts at `limits.start()`.
    pub fn new(limits: Limits, now: Timestamp) -> Self {
        Self {
            limits,
            arrival: InterArrival::default(),
            trendline: Trendline::default(),
            detector: OveruseDetector::default(),
            acknowledged: Acknowledged::default(),
            aimd: Aimd::new(limits.start(), now),
            loss: LossBound::default(),
            loss_bound: None,
            app_limited: AppLimited::default(),
            prober: Prober::new(),
            clusters: Clusters::default(),
            remb: Bitrate::MAX,
            rtt: None,
            reported_rtt: None,
            fed_back: None,
        }
    }

    fn target(&self) -> Bitrate {
        let bound = self.loss_bound.unwrap_or(Bitrate::MAX).min(self.remb);
        self.limits.clamp(self.aimd.rate().min(bound))
    }

    fn rtt(&self) -> Duration {
        self.reported_rtt.or(self.rtt).unwrap_or(UNKNOWN_RTT)
    }

    fn on_arrival(&mut self, now: Timestamp, packet: &SentPacket, arrived: Timestamp) {
        self.acknowledged.add(arrived, packet.size);
        if let Some(delta) = self.arrival.add(packet.sent, arrived) {
            let trend = self.trendline.add(&delta);
            self.detector.update(trend, delta.sent_ms, delta.arrived);
        }
        let result = self.clusters.on_arrival(packet, arrived);
        if let Some((id, result)) = packet.probe.zip(result) {
            self.prober.on_result(now, id, &result);
            self.aimd.on_probe(result.rate);
        }
    }

    fn update_rate(&mut self, now: Timestamp) {
        let target = self.target();
        let seen = Observation {
            usage: self.detector.usage(),
            acknowledged: self.acknowledged.rate(),
            recent: self.acknowledged.recent(),
            rtt: self.rtt(),
            app_limited: self.app_limited.is_limited(now, target),
        };
        self.aimd.update(now, &seen);
        self.loss_bound = self.loss.update(now, target, seen.rtt);
        // A delay-based rate far above the others' bound would take as long to come down.
        let bound = self.loss_bound.unwrap_or(Bitrate::MAX).min(self.remb);
        self.aimd.set_rate(self.limits.clamp(self.aimd.rate().min(bound)));
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
        if feedback.packets.is_empty() {
            return;
        }
        if let Some((packet, _)) = feedback.received().last() {
            let sample = now - packet.sent;
            self.rtt = Some(self.rtt.map_or(sample, |rtt| (rtt * 7 + sample) / 8));
        }
        self.fed_back = Some(now);
        self.loss.on_feedback(now, feedback);
        for (packet, arrived) in feedback.received() {
            self.on_arrival(now, packet, arrived);
        }
        self.update_rate(now);
    }

    fn on_receiver_report(&mut self, now: Timestamp, report: &ReceiverReport) {
        self.reported_rtt = report.rtt.or(self.reported_rtt);
        if self.fed_back.is_none_or(|last| now - last > FEEDBACK_GONE) {
            self.loss.on_loss(now, report.loss_ratio);
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
            rtt: self.reported_rtt.or(self.rtt),
            acknowledged: self.acknowledged.rate(),
            usage: self.detector.usage(),
        }
    }

    fn poll_probe(&mut self, now: Timestamp) -> Option<ProbeCluster> {
        let situation = Situation {
            target: self.target(),
            max: self.limits.max(),
            usage: self.detector.usage(),
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
