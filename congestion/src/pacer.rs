// SPDX-License-Identifier: MPL-2.0
//! What leaves when: spreads packets so that a key frame does not flood the link, and sends probes.
//!
//! Audio goes first and never waits; retransmissions go before new video, whose order is kept. Everything that leaves,
//! probes included, is paid from one credit that refills a little faster than the target, or in haste where nothing is in
//! the way, and is counted in a window of one second: the wire carries at most `MOST_PER_SECOND` times the target in any.
//! The pacer owns what waits; the thread that calls it sleeps until the time it names, or until the next push.

mod second;

use std::collections::VecDeque;
use std::time::Duration;

use crate::ProbeCluster;
use crate::feedback::ProbeId;
use crate::units::{Bitrate, DataSize, Timestamp};
use second::{LastSecond, SLOT};

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

/// How close to the target packets leave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pace {
    /// Evenly: a queue stands on the path, or may.
    #[default]
    Even,
    /// In haste, as long as the second as a whole keeps to the target: nothing is known to be in the way.
    Hasty,
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
    pace: Pace,
    /// The rate over about the last second, at most the rate itself: what credit and haste are measured by, so that a link is
    /// not flooded with what a probe has just shown of it.
    steady: f64,
    second: LastSecond,
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
            pace: Pace::Even,
            steady: rate.as_f64(),
            second: LastSecond::of(rate),
            credit_bits: 0.0,
            refilled: None,
            probe: None,
            can_pad: true,
        }
    }

    /// Changes the target, and how it is kept to.
    pub fn set_rate(&mut self, now: Timestamp, rate: Bitrate, pace: Pace) {
        self.refill(now);
        (self.rate, self.pace) = (rate, pace);
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
        if size.bits_f64() > self.second_left() {
            return Step::Wait(now + SLOT);
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

    /// What a probe may send now: it may overdraw the credit.
    fn affordable_bits(&self) -> f64 {
        (self.credit_bits + self.bits_in(OVERDRAFT)).min(self.second_left())
    }

    /// Media if there is any that the probe can afford, else padding; `None` ends the probe.
    fn probe_step(&mut self, cluster: &ProbeCluster) -> Option<(Step<P>, DataSize)> {
        let affordable = DataSize::from_bytes((self.affordable_bits() / 8.0) as u64);
        if let Some((class, size)) = self.next_paced().filter(|&(_, size)| size <= affordable) {
            let queued = self.take(class)?;
            return Some((Step::Send(queued.packet, Some(cluster.id)), size));
        }
        let share = cluster.size.bytes() / u64::from(cluster.min_packets.max(1));
        let size = DataSize::from_bytes(share.clamp(LEAST_PADDING, MOST_PADDING));
        if !self.can_pad || size > affordable {
            return None;
        }
        self.spend(size);
        Some((Step::Pad(size, cluster.id), size))
    }

    fn take(&mut self, class: Class) -> Option<Queued<P>> {
        let queued = self.queues[class as usize].pop_front()?;
        self.queued -= queued.size;
        self.spend(queued.size);
        Some(queued)
    }

    fn spend(&mut self, size: DataSize) {
        self.credit_bits -= size.bits_f64();
        self.second.add(size);
    }

    fn refill(&mut self, now: Timestamp) {
        let elapsed = self.refilled.map_or(CREDIT, |last| now - last);
        self.refilled = self.refilled.max(Some(now));
        self.steady += (self.rate.as_f64() - self.steady) * elapsed.as_secs_f64().min(1.0);
        let refilled = self.credit_bits + self.speed() * elapsed.as_secs_f64();
        self.second.pass(elapsed, self.rate);
        self.credit_bits = refilled.min(self.most_credit());
    }

    /// How fast the credit refills, in bits per second. In haste only what was not used within the last second is caught up
    /// with.
    fn speed(&self) -> f64 {
        let even = self.rate.as_f64() * REFILL;
        match self.pace {
            Pace::Hasty if self.second.is_within_target() => even.max(self.steady * HASTE),
            _ => even,
        }
    }

    /// What may still leave within this second, but always something where little is allowed.
    fn second_left(&self) -> f64 {
        let grain = self.second.bits_left(1.0) + self.largest.bits_f64();
        self.second.bits_left(MOST_PER_SECOND).max(grain)
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
        let seconds = bits / self.speed().max(1.0);
        Duration::from_secs_f64(seconds.min(LONGEST_WAIT.as_secs_f64())) + Duration::from_micros(1)
    }
}

const CLASSES: usize = 3;

/// How much faster than the target the credit refills: what a key frame left behind drains while the encoder keeps
/// to the target.
const REFILL: f64 = 1.05;

/// The same in haste: what libwebrtc paces everything with (`PacingController`, `kDefaultPaceMultiplier`).
const HASTE: f64 = 2.5;

/// What any second may carry, in multiples of the mean target over it. Below [`REFILL`] it would hold up a steady stream; 1.15 is
/// what is promised, the rest of which pays for audio, which never waits.
const MOST_PER_SECOND: f64 = 1.14;

/// The most credit that silence saves up: one frame at 30 fps and then some, so that a frame need not be spread
/// beyond the next one.
const CREDIT: Duration = Duration::from_millis(40);

/// How far a probe may overdraw the credit, in time at the target: with what is saved up between two frames enough for a
/// whole one, also where the target has just risen; the window bounds it.
const OVERDRAFT: Duration = Duration::from_millis(35);

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
mod tests;
