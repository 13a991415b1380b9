// SPDX-License-Identifier: MPL-2.0
//! When a peer was last heard and when media last went to it, noted per packet without a lock.
//!
//! Written by probes on streaming threads, read by the session's task. What silence means is the machine's to decide
//! (`machine`); relaxed ordering is enough, as no decision depends on two of the values being of the same packet.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::machine;

/// Times in nanoseconds after `origin`, 0 for never.
#[derive(Debug)]
pub(super) struct Traffic {
    origin: Instant,
    heard: AtomicU64,
    sent: AtomicU64,
    unanswered_since: AtomicU64,
    first_frame: AtomicU64,
}

impl Traffic {
    /// Nothing heard and nothing sent since `origin`.
    pub(super) fn new(origin: Instant) -> Self {
        Self {
            origin,
            heard: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            unanswered_since: AtomicU64::new(0),
            first_frame: AtomicU64::new(0),
        }
    }

    /// When counting began: when the session was requested.
    pub(super) fn origin(&self) -> Instant {
        self.origin
    }

    /// Something came from the peer.
    pub(super) fn heard(&self, now: Instant) {
        self.heard.store(self.stamp(now), Ordering::Relaxed);
        self.unanswered_since.store(0, Ordering::Relaxed);
    }

    /// Media went out.
    pub(super) fn sent(&self, now: Instant) {
        let now = self.stamp(now);
        let before = self.sent.swap(now, Ordering::Relaxed);
        // After a gap nobody had reason to answer, so the wait begins anew.
        if now.saturating_sub(before) > GAP.as_nanos() as u64 {
            self.unanswered_since.store(now, Ordering::Relaxed);
            return;
        }
        // Lost races only move the beginning by one packet.
        let _ = self
            .unanswered_since
            .compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// The last packet of a video frame went out.
    pub(super) fn frame_sent(&self, now: Instant) {
        // Only the first one counts.
        let _ = self
            .first_frame
            .compare_exchange(0, self.stamp(now), Ordering::Relaxed, Ordering::Relaxed);
    }

    /// How long after `origin` the first video frame was complete.
    pub(super) fn first_frame(&self) -> Option<Duration> {
        match self.first_frame.load(Ordering::Relaxed) {
            0 => None,
            nanos => Some(Duration::from_nanos(nanos)),
        }
    }

    /// What the machine judges by.
    pub(super) fn snapshot(&self) -> machine::Traffic {
        let instant = |stamp: &AtomicU64| match stamp.load(Ordering::Relaxed) {
            0 => None,
            nanos => Some(self.origin + Duration::from_nanos(nanos)),
        };
        machine::Traffic {
            heard: instant(&self.heard),
            sent: instant(&self.sent),
            unanswered_since: instant(&self.unanswered_since),
        }
    }

    fn stamp(&self, now: Instant) -> u64 {
        u64::try_from((now - self.origin).as_nanos())
            .unwrap_or(u64::MAX)
            .max(1)
    }
}

/// A stream that pauses this long is idle: receivers of idle streams report only every few seconds.
const GAP: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn nothing_happened_at_first() {
        let snapshot = Traffic::new(Instant::now()).snapshot();
        assert_eq!(
            (snapshot.heard, snapshot.sent, snapshot.unanswered_since),
            (None, None, None)
        );
    }

    #[test]
    fn waiting_begins_with_the_first_packet_after_the_peer_was_heard() {
        let start = Instant::now();
        let traffic = Traffic::new(start);
        traffic.sent(start + seconds(1));
        traffic.heard(start + seconds(2));
        assert_eq!(traffic.snapshot().unanswered_since, None);
        traffic.sent(start + seconds(2));
        traffic.sent(start + seconds(3));
        let snapshot = traffic.snapshot();
        assert_eq!(snapshot.unanswered_since, Some(start + seconds(2)));
        assert_eq!(snapshot.sent, Some(start + seconds(3)));
        assert_eq!(snapshot.heard, Some(start + seconds(2)));
    }

    #[test]
    fn the_first_frame_stays_the_first() {
        let start = Instant::now();
        let traffic = Traffic::new(start);
        assert_eq!(traffic.first_frame(), None);
        traffic.frame_sent(start + seconds(1));
        traffic.frame_sent(start + seconds(2));
        assert_eq!(traffic.first_frame(), Some(seconds(1)));
    }

    #[test]
    fn an_idle_stream_begins_waiting_anew() {
        let start = Instant::now();
        let traffic = Traffic::new(start);
        traffic.sent(start + seconds(1));
        traffic.sent(start + seconds(10));
        assert_eq!(traffic.snapshot().unanswered_since, Some(start + seconds(10)));
    }
}
