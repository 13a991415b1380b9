// SPDX-License-Identifier: MPL-2.0
//! The event loop of a run: what happens when, in order of time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use congestion::units::{DataSize, Timestamp};
use congestion::{PacketReport, SentPacket, TICK};

use super::flow::{Flow, FlowPlan};
use super::link::{Fate, Link, LinkPlan};
use super::report::FlowLog;
use super::rng::Rng;
use super::tcp::{SEGMENT, Tcp};

/// A whole run.
#[derive(Clone, Debug)]
pub struct Plan {
    pub duration: Duration,
    pub forward: LinkPlan,
    /// Carries feedback, and the flows that go backward.
    pub backward: LinkPlan,
    pub flows: Vec<FlowPlan>,
    pub tcp: Vec<TcpPlan>,
}

/// TCP beside the media, always forward.
#[derive(Clone, Debug)]
pub struct TcpPlan {
    pub start: Duration,
    pub stop: Duration,
    pub delay: Duration,
    pub kind: TcpKind,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TcpKind {
    /// Transfers for as long as it lasts.
    Long,
    /// Files evenly between 100 and 1000 kB with pauses of this mean (RFC 8867, section 5.7).
    Short { mean_pause: Duration },
}

/// What a run shows.
pub struct Outcome {
    pub plan: Plan,
    pub flows: Vec<FlowLog>,
    /// Bytes that TCP got through.
    pub tcp_received: DataSize,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Frame(usize),
    Tick(usize),
    Wake(usize),
    Arrive(usize, u64),
    Report(usize),
    Feedback(usize, u64),
    Tcp(usize),
    TcpArrive(usize, u64, Timestamp),
    TcpAck(usize, u64, Timestamp),
}

struct World {
    now: Timestamp,
    events: BinaryHeap<Reverse<(Timestamp, u64, Event)>>,
    count: u64,
    forward: Link,
    backward: Link,
    flows: Vec<Flow>,
    logs: Vec<FlowLog>,
    tcp: Vec<(TcpPlan, Option<Tcp>)>,
    tcp_received: DataSize,
    reports: Vec<Vec<PacketReport>>,
    rng: Rng,
}

/// Runs a plan.
pub fn run(plan: &Plan, seed: u64) -> Outcome {
    let mut world = World::new(plan, seed);
    let end = Timestamp::ZERO + plan.duration;
    while let Some(Reverse((at, _, event))) = world.events.pop() {
        if at >= end {
            break;
        }
        world.now = at;
        world.handle(event);
    }
    Outcome {
        plan: plan.clone(),
        flows: world.logs,
        tcp_received: world.tcp_received,
    }
}

impl World {
    fn new(plan: &Plan, seed: u64) -> Self {
        let rng = Rng::new(seed);
        let seeded = |n: u64| Rng::new(seed.wrapping_mul(1000) + n);
        let mut world = Self {
            now: Timestamp::ZERO,
            events: BinaryHeap::new(),
            count: 0,
            forward: Link::new(plan.forward.clone(), seeded(1)),
            backward: Link::new(plan.backward.clone(), seeded(2)),
            flows: Vec::new(),
            logs: Vec::new(),
            tcp: plan.tcp.iter().map(|tcp| (tcp.clone(), None)).collect(),
            tcp_received: DataSize::ZERO,
            reports: Vec::new(),
            rng,
        };
        for (n, flow) in plan.flows.iter().enumerate() {
            world.add_flow(n, Flow::new(flow.clone(), seeded(10 + n as u64)));
        }
        for (n, tcp) in plan.tcp.iter().enumerate() {
            world.at(Timestamp::ZERO + tcp.start, Event::Tcp(n));
        }
        world
    }

    fn add_flow(&mut self, n: usize, flow: Flow) {
        let began = Timestamp::ZERO + flow.plan.start;
        // Feedback of a real receiver comes late at first: 310 to 640 ms after the start were measured.
        let first_report = began + Duration::from_millis(400);
        self.at(began, Event::Frame(n));
        self.at(began, Event::Tick(n));
        self.at(first_report, Event::Report(n));
        self.flows.push(flow);
        self.logs.push(FlowLog::default());
    }

    fn at(&mut self, at: Timestamp, event: Event) {
        self.count += 1;
        self.events.push(Reverse((at.max(self.now), self.count, event)));
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Frame(n) => self.frame(n),
            Event::Tick(n) => self.tick(n),
            Event::Wake(n) => self.wake(n),
            Event::Arrive(n, sequence) => self.flows[n].receiver.on_packet(self.now, sequence),
            Event::Report(n) => self.report(n),
            Event::Feedback(n, index) => self.feedback(n, index),
            Event::Tcp(n) => self.tcp(n),
            Event::TcpArrive(n, segment, sent) => self.tcp_arrive(n, segment, sent),
            Event::TcpAck(n, acknowledged, sent) => self.tcp_ack(n, acknowledged, sent),
        }
    }

    fn frame(&mut self, n: usize) {
        let flow = &mut self.flows[n];
        let interval = if flow.plan.is_on(self.now) {
            flow.frame(self.now)
        } else {
            Duration::from_millis(33)
        };
        self.at(self.now + interval, Event::Frame(n));
        self.send(n);
    }

    fn tick(&mut self, n: usize) {
        let flow = &mut self.flows[n];
        flow.tick(self.now);
        self.logs[n].on_target(self.now, flow.target());
        self.logs[n].on_tick(flow.pacing_delay(self.now));
        self.at(self.now + TICK, Event::Tick(n));
        self.send(n);
    }

    fn wake(&mut self, n: usize) {
        if self.flows[n].wake.is_some_and(|wake| wake <= self.now) {
            self.send(n);
        }
    }

    fn send(&mut self, n: usize) {
        while let Some(packet) = self.flows[n].poll(self.now) {
            self.transmit(n, &packet);
        }
        if let Some(wake) = self.flows[n].wake {
            self.at(wake, Event::Wake(n));
        }
    }

    fn transmit(&mut self, n: usize, packet: &SentPacket) {
        let plan = &self.flows[n].plan;
        let delay = plan.delay;
        let link = if plan.backward {
            &mut self.backward
        } else {
            &mut self.forward
        };
        let fate = link.send(self.now, packet.size);
        self.logs[n].on_sent(packet, fate);
        if let Fate::Passes { at, .. } = fate {
            self.at(at + delay, Event::Arrive(n, packet.sequence));
        }
    }

    fn report(&mut self, n: usize) {
        let flow = &mut self.flows[n];
        let report = flow.receiver.report();
        let (low, high) = flow.plan.feedback_ms;
        let next = Duration::from_secs_f64(flow.rng.between(low, high) / 1000.0);
        let lost = flow.rng.chance(flow.plan.feedback_loss);
        let (delay, backward) = (flow.plan.delay, flow.plan.backward);
        self.at(self.now + next, Event::Report(n));
        if report.is_empty() || lost {
            return;
        }
        let size = DataSize::from_bytes(60 + 2 * report.len() as u64);
        let link = if backward {
            &mut self.forward
        } else {
            &mut self.backward
        };
        if let Fate::Passes { at, .. } = link.send(self.now, size) {
            self.reports.push(report);
            self.at(at + delay, Event::Feedback(n, self.reports.len() as u64 - 1));
        }
    }

    fn feedback(&mut self, n: usize, index: u64) {
        let report = std::mem::take(&mut self.reports[index as usize]);
        self.flows[n].feedback(self.now, &report);
        self.logs[n].on_target(self.now, self.flows[n].target());
        self.send(n);
    }

    fn tcp(&mut self, n: usize) {
        let (plan, connection) = &mut self.tcp[n];
        if self.now >= Timestamp::ZERO + plan.stop {
            *connection = None;
            return;
        }
        let mut pause = Duration::from_millis(50);
        match (connection.as_mut(), plan.kind) {
            (Some(tcp), TcpKind::Short { mean_pause }) if tcp.is_done() => {
                *connection = None;
                pause = Duration::from_secs_f64(self.rng.exponential(mean_pause.as_secs_f64()));
            }
            (Some(tcp), _) => tcp.on_time(self.now),
            (None, TcpKind::Long) => *connection = Some(Tcp::new(self.now, u64::MAX)),
            (None, TcpKind::Short { .. }) => {
                let bytes = self.rng.between(100e3, 1000e3);
                *connection = Some(Tcp::new(self.now, (bytes / SEGMENT.bytes() as f64) as u64));
            }
        }
        self.at(self.now + pause, Event::Tcp(n));
        self.tcp_send(n);
    }

    fn tcp_send(&mut self, n: usize) {
        let (plan, connection) = &mut self.tcp[n];
        let (Some(tcp), delay) = (connection, plan.delay) else {
            return;
        };
        let segments: Vec<u64> = std::iter::from_fn(|| tcp.poll(self.now)).collect();
        for segment in segments {
            if let Fate::Passes { at, .. } = self.forward.send(self.now, SEGMENT) {
                self.at(at + delay, Event::TcpArrive(n, segment, self.now));
            }
        }
    }

    fn tcp_arrive(&mut self, n: usize, segment: u64, sent: Timestamp) {
        let (plan, connection) = &mut self.tcp[n];
        let (Some(tcp), delay) = (connection, plan.delay) else {
            return;
        };
        self.tcp_received += SEGMENT;
        let acknowledged = tcp.on_segment(segment);
        if let Fate::Passes { at, .. } = self.backward.send(self.now, DataSize::from_bytes(40)) {
            self.at(at + delay, Event::TcpAck(n, acknowledged, sent));
        }
    }

    fn tcp_ack(&mut self, n: usize, acknowledged: u64, sent: Timestamp) {
        if let (_, Some(tcp)) = &mut self.tcp[n] {
            tcp.on_ack(self.now, acknowledged, sent);
            self.tcp_send(n);
        }
    }
}
