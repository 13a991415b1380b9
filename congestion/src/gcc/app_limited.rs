// SPDX-License-Identifier: MPL-2.0
//! Tells whether the application sends much less than it may, so that what arrives says little about the link.

use std::collections::VecDeque;
use std::time::Duration;

use crate::units::{Bitrate, DataSize, Timestamp};

/// What was sent lately, compared with what was allowed.
#[derive(Debug, Default)]
pub(super) struct AppLimited {
    slots: VecDeque<Slot>,
    first: Option<Timestamp>,
}

#[derive(Debug)]
struct Slot {
    from: Timestamp,
    sent: DataSize,
}

impl AppLimited {
    /// Counts a packet.
    pub(super) fn on_sent(&mut self, now: Timestamp, size: DataSize) {
        self.first.get_or_insert(now);
        match self.slots.back_mut() {
            Some(slot) if now - slot.from < SLOT => slot.sent += size,
            _ => self.slots.push_back(Slot {
                from: now,
                sent: size,
            }),
        }
        self.forget(now);
    }

    /// Whether less than [`USED`] of `target` was sent over the window. Not before a window has passed.
    pub(super) fn is_limited(&mut self, now: Timestamp, target: Bitrate) -> bool {
        self.forget(now);
        let started = self.first.is_some_and(|first| now - first >= WINDOW);
        started && self.sent_rate() < target * USED
    }

    /// What was sent over the window.
    pub(super) fn sent_rate(&self) -> Bitrate {
        self.slots.iter().map(|slot| slot.sent).sum::<DataSize>() / WINDOW
    }

    fn forget(&mut self, now: Timestamp) {
        while self.slots.front().is_some_and(|slot| now - slot.from > WINDOW) {
            self.slots.pop_front();
        }
    }
}

/// Half a second, as the acknowledged bitrate.
const WINDOW: Duration = Duration::from_millis(500);
/// Resolution of the window.
const SLOT: Duration = Duration::from_millis(10);
/// Share of the target below which the application is the limit (libwebrtc, `AlrDetectorConfig`,
/// bandwidth_usage_ratio).
const USED: f64 = 0.65;

#[cfg(test)]
mod tests {
    use super::*;

    fn limited(sent_kbps: u64, target_kbps: u64, for_ms: u64) -> bool {
        let mut detector = AppLimited::default();
        for ms in (0..for_ms).step_by(10) {
            let size = Bitrate::from_kbps(sent_kbps) * Duration::from_millis(10);
            detector.on_sent(Timestamp::from_millis(ms), size);
        }
        detector.is_limited(Timestamp::from_millis(for_ms), Bitrate::from_kbps(target_kbps))
    }

    #[test]
    fn a_sender_that_uses_its_target_is_not_limited() {
        assert!(!limited(900, 1000, 2000));
        assert!(limited(500, 1000, 2000));
    }

    #[test]
    fn the_start_is_not_judged() {
        assert!(!limited(100, 1000, 300));
    }

    #[test]
    fn silence_is_limited_and_remembers_nothing() {
        let mut detector = AppLimited::default();
        detector.on_sent(Timestamp::ZERO, DataSize::from_bytes(100_000));
        assert!(detector.is_limited(Timestamp::from_millis(5000), Bitrate::from_kbps(100)));
        assert!(detector.slots.is_empty());
    }
}
