// SPDX-License-Identifier: MPL-2.0
//! One media flow: encoder, pacer, controller, history; what a session does around the crate, without elements.

use std::time::Duration;

use congestion::allocate::{Budget, Demand, allocate, header_ratio};
use congestion::pacer::{Class, Pacer, Step};
use congestion::units::{Bitrate, DataSize, Timestamp};
use congestion::{Algorithm, Controller, Limits, PacketReport, SentHistory, SentPacket};

use super::encoder::{Encoder, EncoderPlan};
use super::receiver::Receiver;
use super::rng::Rng;

/// What a flow is like.
#[derive(Clone, Debug)]
pub struct FlowPlan {
    /// `None` sends at the maximum, whatever comes back.
    pub algorithm: Option<Algorithm>,
    pub start: Duration,
    pub stop: Duration,
    /// Sends nothing between these.
    pub pause: Option<(Duration, Duration)>,
    /// One way, each way.
    pub delay: Duration,
    pub encoder: EncoderPlan,
    pub start_rate: Bitrate,
    pub max_rate: Bitrate,
    /// Goes from right to left, over the other link.
    pub backward: bool,
    /// Between reports, shortest and longest.
    pub feedback_ms: (f64, f64),
    /// Share of reports lost, besides what the link does to them.
    pub feedback_loss: f64,
}

impl FlowPlan {
    /// A flow over the whole run: 50 ms one way, 300 kbit/s to begin with.
    pub fn new() -> Self {
        Self {
            algorithm: Some(Algorithm::Gcc),
            start: Duration::ZERO,
            stop: Duration::from_secs(100_000),
            pause: None,
            delay: Duration::from_millis(50),
            encoder: EncoderPlan::hd(),
            start_rate: Bitrate::from_kbps(300),
            max_rate: Bitrate::from_kbps(8000),
            backward: false,
            feedback_ms: (10.0, 150.0),
            feedback_loss: 0.0,
        }
    }

    pub fn is_on(&self, now: Timestamp) -> bool {
        let at = now - Timestamp::ZERO;
        let paused = self.pause.is_some_and(|(from, until)| at >= from && at < until);
        at >= self.start && at < self.stop && !paused
    }
}

/// A packet with what the pacer need not know.
#[derive(Clone, Copy, Debug)]
struct Queued {
    size: DataSize,
    repairs: bool,
}

#[derive(Debug)]
pub struct Flow {
    pub plan: FlowPlan,
    pub receiver: Receiver,
    pub rng: Rng,
    /// When the pacer wants to be polled; older wakes are void.
    pub wake: Option<Timestamp>,
    controller: Option<Box<dyn Controller>>,
    pacer: Pacer<Queued>,
    encoder: Encoder,
    history: SentHistory,
    repaired: DataSize,
    repair_rate: Bitrate,
    repair_since: Timestamp,
    pub overflows: u32,
}

impl Flow {
    pub fn new(plan: FlowPlan, mut rng: Rng) -> Self {
        let limits = Limits::new(Bitrate::from_kbps(100), plan.max_rate, plan.start_rate);
        let began = Timestamp::ZERO + plan.start;
        let encoder = Encoder::new(plan.encoder, Rng::new((rng.unit() * 1e9) as u64));
        let rate = if plan.algorithm.is_some() {
            plan.start_rate
        } else {
            Bitrate::from_kbps(100_000)
        };
        Self {
            receiver: Receiver::default(),
            wake: None,
            controller: plan
                .algorithm
                .map(|algorithm| algorithm.controller(limits, began)),
            pacer: Pacer::new(rate),
            encoder,
            history: SentHistory::default(),
            repaired: DataSize::ZERO,
            repair_rate: Bitrate::ZERO,
            repair_since: began,
            overflows: 0,
            plan,
            rng,
        }
    }

    pub fn frame(&mut self, now: Timestamp) -> Duration {
        let media = self.media_target();
        self.encoder.set_target(now, media);
        let mut left = self.encoder.frame(now);
        while left > DataSize::ZERO {
            let payload = left.min(PAYLOAD);
            left -= payload;
            self.queue(
                now,
                Class::Video,
                Queued {
                    size: payload + HEADER,
                    repairs: false,
                },
            );
        }
        self.encoder.interval()
    }

    pub fn tick(&mut self, now: Timestamp) {
        let since = now - self.repair_since;
        if since >= Duration::from_millis(500) {
            self.repair_rate = std::mem::take(&mut self.repaired) / since;
            self.repair_since = now;
        }
        let Some(controller) = &mut self.controller else {
            return;
        };
        controller.on_time(now);
        if let Some(cluster) = controller.poll_probe(now) {
            self.pacer.probe(cluster);
        }
        let estimate = controller.estimate();
        self.pacer.set_rate(now, estimate.target, estimate.pace());
    }

    pub fn feedback(&mut self, now: Timestamp, report: &[PacketReport]) {
        let feedback = self.history.join(report);
        let lost: Vec<_> = feedback
            .packets
            .iter()
            .filter(|result| result.arrived.is_none())
            .collect();
        for result in lost.iter().filter(|result| result.packet.probe.is_none()) {
            self.queue(
                now,
                Class::Retransmission,
                Queued {
                    size: result.packet.size,
                    repairs: true,
                },
            );
        }
        if let Some(controller) = &mut self.controller {
            controller.on_feedback(now, &feedback);
        }
        self.tick(now);
    }

    /// The next packet to put on the wire, if any; otherwise `wake` says when to ask again.
    pub fn poll(&mut self, now: Timestamp) -> Option<SentPacket> {
        let (size, probe) = match self.pacer.poll(now) {
            Step::Send(queued, probe) => {
                if queued.repairs {
                    self.repaired += queued.size;
                }
                (queued.size, probe)
            }
            Step::Pad(size, probe) => (size, Some(probe)),
            Step::Wait(until) => {
                self.wake = Some(until);
                return None;
            }
            Step::Idle => {
                self.wake = None;
                return None;
            }
        };
        let packet = self.history.sent(now, size, probe);
        if let Some(controller) = &mut self.controller {
            controller.on_packet_sent(&packet);
        }
        Some(packet)
    }

    pub fn target(&self) -> Bitrate {
        self.controller
            .as_ref()
            .map_or(self.plan.max_rate, |controller| controller.estimate().target)
    }

    /// How long the oldest packet waits in the pacer.
    pub fn pacing_delay(&self, now: Timestamp) -> Duration {
        self.pacer.waiting(now)
    }

    fn media_target(&self) -> Bitrate {
        let budget = Budget {
            estimate: self.target(),
            retransmissions: self.repair_rate,
            header_ratio: header_ratio(PAYLOAD, HEADER),
            backlog: self.pacer.queued(),
            ..Budget::default()
        };
        let demand = Demand {
            min: Bitrate::from_kbps(50),
            max: self.plan.max_rate,
            weight: 1.0,
        };
        allocate(&budget, &[demand])[0]
    }

    fn queue(&mut self, now: Timestamp, class: Class, packet: Queued) {
        if self.pacer.push(now, class, packet.size, packet).is_err() {
            self.overflows += 1;
        }
    }
}

/// What a packet carries, and RTP with extensions, SRTP tag, UDP and IP around it.
const PAYLOAD: DataSize = DataSize::from_bytes(1150);
const HEADER: DataSize = DataSize::from_bytes(58);
