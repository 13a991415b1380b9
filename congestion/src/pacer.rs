// SPDX-License-Identifier: MPL-2.0
//! What leaves when: spreads packets so that a key frame does not flood the link, and sends probes.
//!
//! Audio goes first and never waits; retransmissions go before new video, whose order is kept. Everything that leaves,
//! probes included, is paid from one credit that refills a little faster than the target, so that over any second
//! the wire carries at most 1.15 times the target: `REFILL` and `ALLOWANCE` add up to that.
//! The pacer owns what waits; the thread that calls it sleeps until the time it names, or until the next push.

use std::collections::VecDeque;
use std::time::Duration;

use crate::ProbeCluster;
use crate::feedback::ProbeId;
use crate::units::{Bitrate, DataSize, Timestamp};

/// What a packet carries; the order is the order of precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Never waits.
    Audio,
    /// Repairs what a decoder already waits for.
    Retransmission,
    /// New pictures, and the FEC that follows them in order.
    Video,
}

/// What to do now.
#[derive(Debug, PartialEq, Eq)]
pub enum Step<P> {
    /// Send this packet, as part of the probe if there is one.
    Send(P, Option<ProbeId>),
    /// Send a packet of padding of this size for the probe; tell the pacer by [`Pacer::padding_unavailable`] if
    /// that is impossible.
    Pad(DataSize, ProbeId),
    /// Nothing until this time or the next push.
    Wait(Timestamp),
    /// Nothing until the next push or probe.
    Idle,
}

/// Video waited longer than anyone would watch it: it was dropped, and a key frame is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{packets} packets of video waited for too long and were dropped")]
pub struct Overflow {
    /// How many were dropped, the pushed one included.
    pub packets: usize,
}

/// Holds packets until they may leave. `P` is the packet itself, not looked at.
#[derive(Debug)]
pub struct Pacer<P> {
    queues: [VecDeque<Queued<P>>; CLASSES],
    queued: DataSize,
    largest: DataSize,
    rate: Bitrate,
    /// The rate over about the last second, at most the rate itself: what an allowance for a second is measured by.
    steady: f64,
    credit_bits: f64,
    refilled: Option<Timestamp>,
    probe: Option<Probing>,
    can_pad: bool,
}

#[derive(Debug)]
struct Queued<P> {
    packet: P,
    size: DataSize,
    since: Timestamp,
}

#[derive(Debug)]
struct Probing {
    cluster: ProbeCluster,
    started: Option<Timestamp>,
    sent: DataSize,
    packets: u32,
}

impl<P> Pacer<P> {
    /// A pacer for `rate`, the target of everything on the wire.
    pub fn new(rate: Bitrate) -> Self {
        Self {
            queues: Default::default(),
            queued: DataSize::ZERO,
            largest: DataSize::ZERO,
            rate,
            steady: rate.as_f64(),
            credit_bits: 0.0,
            refilled: None,
            probe: None,
            can_pad: true,
        }
    }

    /// Changes the target.
    pub fn set_rate(&mut self, now: Timestamp, rate: Bitrate) {
        self.refill(now);
        self.rate = rate;
        self.steady = self.steady.min(rate.as_f64());
        self.credit_bits = self
            .credit_bits
            .min(self.most_credit())
            .max(-self.bits_in(DEEPEST_DEBT));
    }

    /// Queues a packet. Bounded by time: see [`Overflow`].
    ///
    /// # Errors
    ///
    /// When the video queue is older than [`LONGEST_WAIT`]; it is dropped then, with the packet.
    pub fn push(&mut self, now: Timestamp, class: Class, size: DataSize, packet: P) -> Result<(), Overflow> {
        let queue = &mut self.queues[class as usize];
        let stale = queue
            .front()
            .is_some_and(|oldest| now - oldest.since > LONGEST_WAIT);
        if stale || queue.len() >= LONGEST_QUEUE {
            let packets = queue.len() + 1;
            let dropped: DataSize = queue.drain(..).map(|queued| queued.size).sum();
            self.queued -= dropped;
            return Err(Overflow { packets });
        }
        queue.push_back(Queued {
            packet,
            size,
            since: now,
        });
        self.queued += size;
        self.largest = self.largest.max(size);
        Ok(())
    }

    /// Starts a probe; one already running ends.
    pub fn probe(&mut self, cluster: ProbeCluster) {
        self.probe = Some(Probing {
            cluster,
            started: None,
            sent: DataSize::ZERO,
            packets: 0,
        });
    }

    /// Padding cannot be sent on this connection; probes use what media there is.
    pub fn padding_unavailable(&mut self) {
        self.can_pad = false;
        self.probe = None;
    }

    /// Padding can be sent, which is assumed at first.
    pub fn padding_available(&mut self) {
        self.can_pad = true;
    }

    /// The next step. To be called until it returns [`Step::Wait`] or [`Step::Idle`].
    pub fn poll(&mut self, now: Timestamp) -> Step<P> {
        self.refill(now);
        self.forget_stale_retransmissions(now);
        if let Some(queued) = self.take(Class::Audio) {
            return Step::Send(queued.packet, None);
        }
        if let Some(step) = self.poll_probe(now) {
            return step;
        }
        let Some((class, size)) = self.next_paced() else {
            return Step::Idle;
        };
        let missing = size.bits_f64() - self.credit_bits;
        if missing > 0.0 {
            return Step::Wait(now + self.time_for(missing));
        }
        self.take(class)
            .map_or(Step::Idle, |queued| Step::Send(queued.packet, None))
    }

    /// Drops everything that waits, and the probe.
    pub fn clear(&mut self) {
        self.queues.iter_mut().for_each(VecDeque::clear);
        self.queued = DataSize::ZERO;
        self.probe = None;
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.queues.iter().all(VecDeque::is_empty)
    }

    /// How much waits.
    pub const fn queued(&self) -> DataSize {
        self.queued
    }

    /// How long the oldest packet has waited.
    pub fn waiting(&self, now: Timestamp) -> Duration {
        let oldest = self
            .queues
            .iter()
            .filter_map(VecDeque::front)
            .map(|queued| queued.since)
            .min();
        oldest.map_or(Duration::ZERO, |since| now - since)
    }

    /// What is next of the classes that wait for credit.
    fn next_paced(&self) -> Option<(Class, DataSize)> {
        let front = |class: Class| Some((class, self.queues[class as usize].front()?.size));
        front(Class::Retransmission).or_else(|| front(Class::Video))
    }

    /// After a drop of capacity everything that was lost is asked for again, more than the link now carries in time.
    fn forget_stale_retransmissions(&mut self, now: Timestamp) {
        let queue = &mut self.queues[Class::Retransmission as usize];
        while let Some(stale) = queue.pop_front_if(|oldest| now - oldest.since > LONGEST_RETRANSMISSION_WAIT)
        {
            self.queued -= stale.size;
        }
    }

    fn poll_probe(&mut self, now: Timestamp) -> Option<Step<P>> {
        let probe = self.probe.as_ref()?;
        let cluster = probe.cluster;
        if probe.sent >= cluster.size && probe.packets >= cluster.min_packets {
            self.probe = None;
            return None;
        }
        let Some(started) = probe.started else {
            return self.start_probe(now);
        };
        let due = started + probe.sent / cluster.rate;
        if due > now {
            return Some(Step::Wait(due));
        }
        let Some((step, size)) = self.probe_step(&cluster) else {
            self.probe = None;
            return None;
        };
        let probe = self.probe.as_mut()?;
        probe.sent += size;
        probe.packets += 1;
        Some(step)
    }

    /// A probe waits until nothing is owed, so that two in a row do not add up.
    fn start_probe(&mut self, now: Timestamp) -> Option<Step<P>> {
        if self.credit_bits < 0.0 {
            let ready = now + self.time_for(-self.credit_bits);
            return self.next_paced().is_none().then_some(Step::Wait(ready));
        }
        self.probe.as_mut()?.started = Some(now);
        self.poll_probe(now)
    }

    /// Media if there is any that the probe can afford, else padding; `None` ends the probe.
    fn probe_step(&mut self, cluster: &ProbeCluster) -> Option<(Step<P>, DataSize)> {
        let allowance = self.steady * ALLOWANCE.as_secs_f64() - self.most_credit();
        let affordable = DataSize::from_bytes(((self.credit_bits + allowance) / 8.0) as u64);
        if let Some((class, size)) = self.next_paced().filter(|&(_, size)| size <= affordable) {
            let queued = self.take(class)?;
            return Some((Step::Send(queued.packet, Some(cluster.id)), size));
        }
        let share = cluster.size.bytes() / u64::from(cluster.min_packets.max(1));
        let size = DataSize::from_bytes(share.clamp(LEAST_PADDING, MOST_PADDING));
        if !self.can_pad || size > affordable {
            return None;
        }
        self.credit_bits -= size.bits_f64();
        Some((Step::Pad(size, cluster.id), size))
    }

    fn take(&mut self, class: Class) -> Option<Queued<P>> {
        let queued = self.queues[class as usize].pop_front()?;
        self.queued -= queued.size;
        self.credit_bits -= queued.size.bits_f64();
        Some(queued)
    }

    fn refill(&mut self, now: Timestamp) {
        let elapsed = self.refilled.map_or(CREDIT, |last| now - last);
        self.refilled = self.refilled.max(Some(now));
        self.steady += (self.rate.as_f64() - self.steady) * elapsed.as_secs_f64().min(1.0);
        let refilled = self.credit_bits + self.bits_in(elapsed) * REFILL;
        self.credit_bits = refilled.min(self.most_credit());
    }

    /// What may be saved up: [`CREDIT`], but always enough for the largest packet, or it would never leave.
    fn most_credit(&self) -> f64 {
        (self.steady * CREDIT.as_secs_f64()).max(self.largest.bits_f64())
    }

    fn bits_in(&self, time: Duration) -> f64 {
        self.rate.as_f64() * time.as_secs_f64()
    }

    /// The time in which the credit grows by `bits`, rounded up so that it is enough.
    fn time_for(&self, bits: f64) -> Duration {
        let seconds = bits / (self.rate.as_f64() * REFILL).max(1.0);
        Duration::from_secs_f64(seconds.min(LONGEST_WAIT.as_secs_f64())) + Duration::from_micros(1)
    }
}

const CLASSES: usize = 3;

/// How much faster than the target the credit refills: what a key frame left behind drains while the encoder keeps
/// to the target. Part of the 1.15 (see the module).
const REFILL: f64 = 1.05;

/// Between the most credit and the deepest debt, together what a second may carry beyond the refill. The other part
/// of the 1.15.
const ALLOWANCE: Duration = Duration::from_millis(75);

/// The most credit that silence saves up: one frame at 30 fps and then some, so that a frame need not be spread
/// beyond the next one. A probe may overdraw the rest of the allowance.
const CREDIT: Duration = Duration::from_millis(40);

/// Debt that a lower target leaves is forgiven down to this, or audio's debt at a vanishing rate would hold video
/// forever.
const DEEPEST_DEBT: Duration = Duration::from_secs(1);

/// Video that waited this long is of no use to anybody: interactive media is lost by then, and the receiver's
/// jitter buffer has given up on the frame (libwebrtc's pacer drains its queue within 2 s, its frame buffer asks for
/// a key frame after 3 s).
pub const LONGEST_WAIT: Duration = Duration::from_secs(3);

/// A retransmission that waited this long misses its frame; whoever still wants it asks again (webrtcbin's jitter
/// buffer waits for 200 ms and repeats requests every 40 ms; libwebrtc repeats them every round trip).
const LONGEST_RETRANSMISSION_WAIT: Duration = Duration::from_millis(500);

/// Most packets of one class: 3 s at 30 Mbit/s, bounded memory whatever the rate.
const LONGEST_QUEUE: usize = 10_000;

/// Sizes of padding packets: RTP padding counts its length in one byte (RFC 3550, section 5.1), and headers of
/// RTP, UDP, IP and the SRTP tag come on top; below the least a packet measures headers.
const MOST_PADDING: u64 = 255 + 50;
const LEAST_PADDING: u64 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Bitrate = Bitrate::from_kbps(1000);
    const PACKET: DataSize = DataSize::from_bytes(1250);

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    fn cluster(rate_kbps: u64, bytes: u64) -> ProbeCluster {
        let (rate, size) = (Bitrate::from_kbps(rate_kbps), DataSize::from_bytes(bytes));
        ProbeCluster {
            id: ProbeId(7),
            rate,
            size,
            min_packets: 5,
        }
    }

    /// Follows the pacer until `until`; returns when what was sent, with the sizes of padding.
    fn drain(pacer: &mut Pacer<u32>, from: Timestamp, until: Timestamp) -> Vec<(Timestamp, Step<u32>)> {
        let (mut now, mut sent) = (from, Vec::new());
        while now <= until {
            match pacer.poll(now) {
                Step::Wait(next) => {
                    assert!(next > now, "a wait must end later");
                    now = next;
                }
                Step::Idle => break,
                step => sent.push((now, step)),
            }
        }
        sent
    }

    #[test]
    fn an_empty_pacer_idles() {
        assert_eq!(Pacer::<u32>::new(RATE).poll(at(5)), Step::Idle);
    }

    #[test]
    fn a_key_frame_is_spread_at_the_refill_rate() {
        let mut pacer = Pacer::new(RATE);
        for n in 0..50 {
            pacer.push(at(0), Class::Video, PACKET, n).unwrap();
        }
        let sent = drain(&mut pacer, at(0), at(2000));
        assert_eq!(sent.len(), 50);
        let took = sent.last().unwrap().0.millis_since(at(0));
        // 46 packets, after 40 ms of credit, of 10 ms each at the target, 1.05 times as fast.
        assert!((430.0..445.0).contains(&took), "{took}");
    }

    #[test]
    fn audio_never_waits_and_retransmissions_go_before_video() {
        let mut pacer = Pacer::new(RATE);
        for n in 0..20 {
            pacer.push(at(0), Class::Video, PACKET, n).unwrap();
        }
        while matches!(pacer.poll(at(0)), Step::Send(..)) {}
        pacer.push(at(1), Class::Retransmission, PACKET, 100).unwrap();
        pacer
            .push(at(1), Class::Audio, DataSize::from_bytes(120), 200)
            .unwrap();
        assert_eq!(pacer.poll(at(1)), Step::Send(200, None));
        let sent = drain(&mut pacer, at(1), at(40));
        assert_eq!(sent[0].1, Step::Send(100, None));
    }

    #[test]
    fn silence_saves_up_no_more_than_one_frame() {
        let mut pacer = Pacer::new(RATE);
        pacer.poll(at(0));
        for n in 0..20 {
            pacer.push(at(60_000), Class::Video, PACKET, n).unwrap();
        }
        let at_once = drain(&mut pacer, at(60_000), at(60_000)).len();
        assert_eq!(at_once, 4, "40 ms of credit");
    }

    #[test]
    fn a_probe_sends_media_first_then_padding_at_its_rate() {
        let mut pacer = Pacer::new(RATE);
        pacer.push(at(0), Class::Video, PACKET, 1).unwrap();
        pacer.probe(cluster(2000, 3750));
        let sent = drain(&mut pacer, at(0), at(1000));
        assert_eq!(sent[0].1, Step::Send(1, Some(ProbeId(7))));
        assert!(
            sent[1..]
                .iter()
                .all(|(_, step)| matches!(step, Step::Pad(_, ProbeId(7))))
        );
        let took = sent.last().unwrap().0.millis_since(at(0));
        assert!(
            (12.0..16.0).contains(&took),
            "3750 bytes at 2 Mbit/s take 15 ms, took {took}"
        );
    }

    #[test]
    fn a_probe_without_padding_ends() {
        let mut pacer = Pacer::<u32>::new(RATE);
        pacer.padding_unavailable();
        pacer.probe(cluster(2000, 3750));
        assert_eq!(pacer.poll(at(0)), Step::Idle);
    }

    #[test]
    fn any_second_carries_at_most_1_15_times_the_target() {
        let mut pacer = Pacer::new(RATE);
        let mut log: Vec<(Timestamp, u64)> = Vec::new();
        for ms in 0..10_000 {
            if ms % 33 == 0 {
                // More than leaves: the queue overflows now and then.
                let _overflows = (0..8)
                    .filter(|&n| pacer.push(at(ms), Class::Video, PACKET, n).is_err())
                    .count();
            }
            if ms % 700 == 0 {
                pacer.probe(cluster(3000, 7500));
            }
            loop {
                match pacer.poll(at(ms)) {
                    Step::Send(..) => log.push((at(ms), PACKET.bytes())),
                    Step::Pad(size, _) => log.push((at(ms), size.bytes())),
                    Step::Wait(_) | Step::Idle => break,
                }
            }
        }
        for (i, (start, _)) in log.iter().enumerate() {
            let window = log[i..]
                .iter()
                .take_while(|(time, _)| time.millis_since(*start) < 1000.0);
            let bits = 8 * window.map(|(_, bytes)| bytes).sum::<u64>();
            assert!(bits <= 1_150_000, "{bits} bits in the second from {start:?}");
        }
    }

    #[test]
    fn stale_video_is_dropped_whole_and_audio_goes_on() {
        let mut pacer = Pacer::new(Bitrate::from_bps(1000));
        for n in 0..5 {
            pacer.push(at(0), Class::Video, PACKET, n).unwrap();
        }
        pacer.poll(at(0));
        assert_eq!(
            pacer.push(at(3500), Class::Video, PACKET, 9),
            Err(Overflow { packets: 6 })
        );
        assert_eq!(pacer.queued(), DataSize::ZERO);
        assert_eq!(pacer.push(at(3500), Class::Audio, PACKET, 10), Ok(()));
        assert_eq!(pacer.poll(at(3500)), Step::Send(10, None));
    }

    #[test]
    fn a_stale_retransmission_is_forgotten() {
        let mut pacer = Pacer::new(RATE);
        pacer.push(at(0), Class::Retransmission, PACKET, 1).unwrap();
        pacer.push(at(400), Class::Retransmission, PACKET, 2).unwrap();
        assert_eq!(pacer.poll(at(600)), Step::Send(2, None));
        assert_eq!(pacer.queued(), DataSize::ZERO);
    }

    #[test]
    fn a_zero_rate_waits_without_spinning() {
        let mut pacer = Pacer::new(Bitrate::ZERO);
        pacer.push(at(0), Class::Video, PACKET, 0).unwrap();
        let Step::Wait(until) = pacer.poll(at(0)) else {
            panic!("no wait")
        };
        assert!(until >= at(2900));
    }

    #[test]
    fn waiting_is_the_age_of_the_oldest() {
        let mut pacer = Pacer::new(RATE);
        pacer.push(at(10), Class::Video, PACKET, 0).unwrap();
        pacer.push(at(20), Class::Retransmission, PACKET, 1).unwrap();
        assert_eq!(pacer.waiting(at(50)), Duration::from_millis(40));
        pacer.clear();
        assert_eq!(pacer.waiting(at(50)), Duration::ZERO);
    }
}
