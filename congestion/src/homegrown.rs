// SPDX-License-Identifier: MPL-2.0
//! The simple sender-side heuristic: compares what is sent with what is received and looks at the mean change of
//! delay, each report on its own.
//!
//! Two targets, one moved by delay every 100 ms, one by loss at every report; the estimate is the lower. It has no
//! memory of a queue that stands, which is why [`crate::gcc`] is the default.

use std::collections::VecDeque;
use std::time::Duration;

use crate::feedback::{Feedback, PacketResult, ReceiverReport, SentPacket};
use crate::units::{Bitrate, DataSize, Timestamp};
use crate::{Controller, Estimate, Limits, ProbeCluster, Usage};

/// The heuristic and its state.
#[derive(Debug)]
pub struct Homegrown {
    limits: Limits,
    on_delay: Bitrate,
    on_loss: Bitrate,
    remb: Bitrate,
    window: Window,
    last_delay_step: Timestamp,
    decreases: Option<Spread>,
    loss_ratio: f64,
    rtt: Option<Duration>,
    usage: Usage,
}

impl Homegrown {
    /// A controller that starts at `limits.start()`.
    pub fn new(limits: Limits, now: Timestamp) -> Self {
        Self {
            limits,
            on_delay: limits.start(),
            on_loss: limits.start(),
            remb: Bitrate::MAX,
            window: Window::default(),
            last_delay_step: now,
            decreases: None,
            loss_ratio: 0.0,
            rtt: None,
            usage: Usage::Normal,
        }
    }

    fn target(&self) -> Bitrate {
        self.limits.clamp(self.on_delay.min(self.on_loss).min(self.remb))
    }

    fn delay_step(&mut self, now: Timestamp) {
        let Some(measured) = self.window.measure() else {
            return;
        };
        let target = self.target();
        let excess = (measured.sent - measured.received).ratio(target);
        let elapsed = now - self.last_delay_step;
        self.last_delay_step = now;
        if excess > EXCESS {
            // Fourth root and bounds as the heuristic has had them: a small excess is drained gently.
            let factor = if excess < 0.64 {
                0.96
            } else {
                excess.powf(0.25).clamp(0.8, 0.96)
            };
            self.decrease(factor);
        } else if measured.delay_growth_ms > DELAY_GROWTH_MS {
            self.decrease(0.97);
        } else {
            self.usage = Usage::Normal;
            let increased = self.increased(target, elapsed);
            self.on_delay = self.limits.clamp(increased);
        }
    }

    fn decrease(&mut self, factor: f64) {
        self.usage = Usage::Over;
        self.on_delay = self.limits.clamp(self.on_delay * factor);
        self.decreases = Some(Spread::with(self.decreases, self.on_delay.as_f64()));
    }

    fn increased(&mut self, target: Bitrate, elapsed: Duration) -> Bitrate {
        match self.decreases {
            Some(seen) if seen.contains(target.as_f64()) => self.on_delay + self.additive(target, elapsed),
            Some(seen) if target.as_f64() > seen.mean => {
                self.decreases = None;
                self.on_delay * 1.03
            }
            _ => self.on_delay * 1.03,
        }
    }

    /// About half a packet per response time (draft-ietf-rmcat-gcc-02, section 5.5).
    fn additive(&self, target: Bitrate, elapsed: Duration) -> Bitrate {
        let response_ms = 100.0 + self.rtt.unwrap_or_default().as_secs_f64() * 1000.0;
        let alpha = 0.5 * (elapsed.as_secs_f64() * 1000.0 / response_ms).min(1.0);
        let frame_bits = target.as_f64() / FRAMES_PER_SECOND;
        let packet_bits = frame_bits / (frame_bits / PACKET_BITS).ceil().max(1.0);
        Bitrate::from_bps((alpha * packet_bits).max(1000.0) as u64)
    }

    fn loss_step(&mut self, loss_ratio: f64) {
        let percent = loss_ratio * 100.0;
        let factor = match percent {
            _ if percent > 10.0 => ((100.0 - percent / 2.0) / 100.0).clamp(0.7, 0.98),
            _ if percent > 2.0 => return,
            _ => 1.05,
        };
        self.on_loss = self.limits.clamp(self.on_delay * factor);
    }
}

impl Controller for Homegrown {
    fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
        self.on_delay = limits.clamp(self.on_delay);
        self.on_loss = limits.clamp(self.on_loss);
    }

    fn on_packet_sent(&mut self, _packet: &SentPacket) {}

    fn on_feedback(&mut self, now: Timestamp, feedback: &Feedback) {
        if let Some(last) = feedback.packets.last() {
            self.rtt = self.rtt.or(Some(now - last.packet.sent));
        }
        self.window.add(feedback);
        self.loss_ratio = self.window.loss_ratio();
        self.loss_step(self.loss_ratio);
    }

    fn on_receiver_report(&mut self, _now: Timestamp, report: &ReceiverReport) {
        self.rtt = report.rtt.or(self.rtt);
        if self.window.packets.is_empty() {
            self.loss_ratio = report.lost();
            self.loss_step(self.loss_ratio);
            self.on_delay = self.on_loss;
        }
    }

    fn on_remb(&mut self, _now: Timestamp, maximum: Bitrate) {
        self.remb = maximum;
    }

    fn on_time(&mut self, now: Timestamp) {
        if now - self.last_delay_step >= DELAY_STEP {
            self.delay_step(now);
        }
    }

    fn estimate(&self) -> Estimate {
        Estimate {
            target: self.target(),
            loss_ratio: self.loss_ratio,
            // Not told apart here.
            own_loss_ratio: 0.0,
            rtt: self.rtt,
            acknowledged: self.window.measure().map(|measured| measured.received),
            usage: self.usage,
            is_clear: false,
        }
    }

    fn poll_probe(&mut self, _now: Timestamp) -> Option<ProbeCluster> {
        None
    }
}

/// The packets reported over the last half second.
#[derive(Debug, Default)]
struct Window {
    packets: VecDeque<PacketResult>,
}

/// What a window shows.
struct Measured {
    sent: Bitrate,
    received: Bitrate,
    delay_growth_ms: f64,
}

impl Window {
    fn add(&mut self, feedback: &Feedback) {
        self.packets.extend(&feedback.packets);
        let Some(newest) = self.packets.back().map(|result| result.packet.sent) else {
            return;
        };
        let is_old = |result: &PacketResult| newest - result.packet.sent > WINDOW;
        while self.packets.len() > MOST_PACKETS || self.packets.front().is_some_and(is_old) {
            self.packets.pop_front();
        }
    }

    fn loss_ratio(&self) -> f64 {
        if self.packets.len() < LEAST_PACKETS {
            return 0.0;
        }
        let lost = self
            .packets
            .iter()
            .filter(|result| result.arrived.is_none())
            .count();
        lost as f64 / self.packets.len() as f64
    }

    fn measure(&self) -> Option<Measured> {
        let (first, last) = (self.packets.front()?, self.packets.back()?);
        let received = || {
            self.packets
                .iter()
                .filter_map(|result| Some((result.packet, result.arrived?)))
        };
        let (from, until) = (received().next()?.1, received().next_back()?.1);
        // The first packet only opens the interval: what is counted came within it.
        let sent: DataSize = self.packets.iter().skip(1).map(|result| result.packet.size).sum();
        let arrived: DataSize = received().skip(1).map(|(packet, _)| packet.size).sum();
        let growth = until.millis_since(from) - last.packet.sent.millis_since(first.packet.sent);
        Some(Measured {
            sent: sent / (last.packet.sent - first.packet.sent),
            received: arrived / (until - from),
            delay_growth_ms: growth / received().count().saturating_sub(1).max(1) as f64,
        })
    }
}

/// Mean and variance of the targets that decreases ended at.
#[derive(Clone, Copy, Debug)]
struct Spread {
    mean: f64,
    variance: f64,
}

impl Spread {
    fn with(seen: Option<Self>, value: f64) -> Self {
        let Some(Self { mean, variance }) = seen else {
            return Self {
                mean: value,
                variance: 0.0,
            };
        };
        let delta = value - mean;
        Self {
            mean: mean + 0.75 * delta,
            variance: 0.25 * (variance + 0.75 * delta * delta),
        }
    }

    fn contains(&self, value: f64) -> bool {
        (value - self.mean).abs() <= 7.0 * self.variance.sqrt()
    }
}

/// How often the delay target moves.
const DELAY_STEP: Duration = Duration::from_millis(100);
/// How much of the past is looked at.
const WINDOW: Duration = Duration::from_millis(500);
/// Half a second at 100 Mbit/s; bounds memory whatever reports speak of.
const MOST_PACKETS: usize = 5000;
/// A loss ratio of fewer packets is mostly chance.
const LEAST_PACKETS: usize = 20;
/// The share of the target that may be on its way without counting as excess.
const EXCESS: f64 = 0.1;
/// Mean growth of the delay, per packet, from which the queue counts as growing.
const DELAY_GROWTH_MS: f64 = 1.0;
/// The frame rate and the packet size that the additive step assumes: 1200 bytes.
const FRAMES_PER_SECOND: f64 = 30.0;
const PACKET_BITS: f64 = 9600.0;

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits::new(
            Bitrate::from_kbps(100),
            Bitrate::from_kbps(4000),
            Bitrate::from_kbps(1000),
        )
    }

    /// Half a second of packets every 10 ms; each arrives after `delay_ms(n)`, or not.
    fn run(controller: &mut Homegrown, from_ms: u64, arrival_ms: impl Fn(u64) -> Option<u64>) {
        for n in 0..50 {
            let sent = from_ms + n * 10;
            let packet = SentPacket {
                sequence: sent / 10,
                sent: Timestamp::from_millis(sent),
                size: DataSize::from_bytes(1200),
                probe: None,
            };
            let arrived = arrival_ms(n).map(|delay| Timestamp::from_millis(sent + delay));
            let now = Timestamp::from_millis(sent + 60);
            controller.on_feedback(
                now,
                &Feedback {
                    packets: vec![PacketResult { packet, arrived }],
                },
            );
            controller.on_time(now);
        }
    }

    fn target_after(arrival_ms: impl Fn(u64) -> Option<u64>) -> u64 {
        let mut controller = Homegrown::new(limits(), Timestamp::ZERO);
        run(&mut controller, 0, arrival_ms);
        controller.estimate().target.bps()
    }

    #[test]
    fn a_quiet_link_lets_the_target_grow() {
        assert!(target_after(|_| Some(30)) > 1_050_000);
    }

    #[test]
    fn growing_delay_lowers_the_target() {
        assert!(target_after(|n| Some(30 + n * 3)) < 1_000_000);
    }

    #[test]
    fn heavy_loss_lowers_and_light_loss_holds() {
        assert!(target_after(|n| (n % 4 != 0).then_some(30)) < 1_000_000);
        let held = target_after(|n| (n % 20 != 1).then_some(30));
        assert!((1_000_000..1_100_000).contains(&held), "{held}");
    }

    #[test]
    fn limits_and_remb_bound_the_target() {
        let mut controller = Homegrown::new(limits(), Timestamp::ZERO);
        for round in 0..100 {
            run(&mut controller, round * 500, |_| Some(30));
        }
        assert_eq!(controller.estimate().target, Bitrate::from_kbps(4000));
        controller.on_remb(Timestamp::ZERO, Bitrate::from_kbps(700));
        assert_eq!(controller.estimate().target, Bitrate::from_kbps(700));
        controller.on_remb(Timestamp::ZERO, Bitrate::ZERO);
        assert_eq!(controller.estimate().target, Bitrate::from_kbps(100));
    }

    #[test]
    fn memory_is_bounded_whatever_is_reported_again() {
        let mut controller = Homegrown::new(limits(), Timestamp::ZERO);
        let packet = SentPacket {
            sequence: 0,
            sent: Timestamp::ZERO,
            size: DataSize::from_bytes(1200),
            probe: None,
        };
        let lost = PacketResult {
            packet,
            arrived: None,
        };
        for ms in 0..100 {
            let packets = vec![lost; 1000];
            controller.on_feedback(Timestamp::from_millis(ms), &Feedback { packets });
        }
        assert_eq!(controller.window.packets.len(), MOST_PACKETS);
    }

    #[test]
    fn without_feedback_receiver_reports_move_the_target() {
        let mut controller = Homegrown::new(limits(), Timestamp::ZERO);
        let report = ReceiverReport {
            loss_ratio: 0.4,
            rtt: Some(Duration::from_millis(80)),
        };
        controller.on_receiver_report(Timestamp::from_millis(10), &report);
        assert_eq!(controller.estimate().target, Bitrate::from_kbps(800));
        assert_eq!(controller.estimate().rtt, report.rtt);
    }
}
