// SPDX-License-Identifier: MPL-2.0
//! A TCP sender as cross traffic: NewReno (RFC 6582) with fast retransmit and timeout, one segment size.
//!
//! It keeps what matters to a flow beside it: slow start, a window that grows until the queue overflows, halving.

use std::collections::BTreeSet;
use std::time::Duration;

use congestion::units::{DataSize, Timestamp};

/// A connection that transfers `left` segments.
#[derive(Debug)]
pub struct Tcp {
    window: f64,
    threshold: f64,
    next: u64,
    acknowledged: u64,
    received: BTreeSet<u64>,
    expected: u64,
    duplicates: u32,
    recover: u64,
    left: u64,
    last_progress: Timestamp,
    smoothed_rtt: Duration,
    retransmit: Option<u64>,
}

impl Tcp {
    pub fn new(now: Timestamp, segments: u64) -> Self {
        Self {
            window: 10.0,
            threshold: 1e9,
            next: 0,
            acknowledged: 0,
            received: BTreeSet::new(),
            expected: 0,
            duplicates: 0,
            recover: 0,
            left: segments,
            last_progress: now,
            smoothed_rtt: Duration::from_millis(200),
            retransmit: None,
        }
    }

    /// The next segment to send, if the window allows one.
    pub fn poll(&mut self, now: Timestamp) -> Option<u64> {
        if let Some(segment) = self.retransmit.take() {
            return Some(segment);
        }
        if self.next < self.left && ((self.next - self.acknowledged) as f64) < self.window {
            if self.next == self.acknowledged {
                self.last_progress = now;
            }
            self.next += 1;
            return Some(self.next - 1);
        }
        None
    }

    /// The receiver got a segment; returns what it acknowledges: everything before this one.
    pub fn on_segment(&mut self, segment: u64) -> u64 {
        if segment >= self.expected {
            self.received.insert(segment);
        }
        while self.received.remove(&self.expected) {
            self.expected += 1;
        }
        self.expected
    }

    /// An acknowledgement came back.
    pub fn on_ack(&mut self, now: Timestamp, acknowledged: u64, sent: Timestamp) {
        self.smoothed_rtt = (self.smoothed_rtt * 7 + (now - sent)) / 8;
        if acknowledged > self.acknowledged {
            self.advance(now, acknowledged);
        } else if self.next > self.acknowledged {
            self.duplicates += 1;
            if self.duplicates == 3 && acknowledged >= self.recover {
                self.halve();
                self.retransmit = Some(self.acknowledged);
            } else if self.duplicates > 3 {
                self.window += 1.0;
            }
        }
    }

    /// To be called now and then; a timeout starts over.
    pub fn on_time(&mut self, now: Timestamp) {
        let timeout = (self.smoothed_rtt * 2).max(Duration::from_millis(400));
        if self.next > self.acknowledged && now - self.last_progress > timeout {
            self.threshold = (self.window / 2.0).max(2.0);
            self.window = 1.0;
            self.duplicates = 0;
            self.recover = self.next;
            self.retransmit = Some(self.acknowledged);
            self.last_progress = now;
        }
    }

    pub fn is_done(&self) -> bool {
        self.acknowledged >= self.left
    }

    fn advance(&mut self, now: Timestamp, acknowledged: u64) {
        let newly = (acknowledged - self.acknowledged) as f64;
        self.acknowledged = acknowledged;
        self.last_progress = now;
        if acknowledged < self.recover {
            // A partial acknowledgement: the next hole.
            self.retransmit = Some(acknowledged);
            self.window = (self.window - newly + 1.0)
                .max(self.threshold.min(self.window))
                .max(1.0);
            return;
        }
        if self.duplicates >= 3 {
            self.window = self.threshold;
        } else if self.window < self.threshold {
            self.window += newly;
        } else {
            self.window += newly / self.window;
        }
        self.duplicates = 0;
    }

    fn halve(&mut self) {
        self.threshold = ((self.next - self.acknowledged) as f64 / 2.0).max(2.0);
        self.window = self.threshold + 3.0;
        self.recover = self.next;
    }
}

/// A full segment on the wire.
pub const SEGMENT: DataSize = DataSize::from_bytes(1500);
