// SPDX-License-Identifier: MPL-2.0
//! What leaves an encoder: frames, key frames, and the bitrate over the last second of media. Pure.
//!
//! Counted by media time, not by the clock: a burst after a stall counts as what it is, seconds of media. Owned by the
//! branch, whose streaming thread feeds it under the lock of its output.

use std::collections::VecDeque;

use congestion::units::Bitrate;

/// Counts one branch's output.
#[derive(Debug, Default)]
pub(super) struct Meter {
    frames: u64,
    key_frames: u64,
    /// Times and sizes of the frames of the last second, oldest first.
    window: VecDeque<(gst::ClockTime, u64)>,
    bytes_in_window: u64,
}

impl Meter {
    /// A frame of so many bytes left at this running time.
    pub(super) fn on_frame(&mut self, time: gst::ClockTime, bytes: u64, is_key: bool) {
        self.frames += 1;
        self.key_frames += u64::from(is_key);
        self.window.push_back((time, bytes));
        self.bytes_in_window += bytes;
        while self
            .window
            .front()
            .is_some_and(|(first, _)| *first + WINDOW <= time)
            || self.window.len() > MAX_ENTRIES
        {
            let (_, gone) = self.window.pop_front().unwrap_or_default();
            self.bytes_in_window -= gone;
        }
    }

    /// Frames so far.
    pub(super) const fn frames(&self) -> u64 {
        self.frames
    }

    /// Key frames among them.
    pub(super) const fn key_frames(&self) -> u64 {
        self.key_frames
    }

    /// Bits in the window.
    pub(super) const fn bitrate(&self) -> Bitrate {
        Bitrate::from_bps(self.bytes_in_window.saturating_mul(8))
    }
}

/// Long enough for a steady figure over pictures of different sizes, short enough to follow a change of the rate.
const WINDOW: gst::ClockTime = gst::ClockTime::SECOND;
/// More frames than any encoder makes in a second.
const MAX_ENTRIES: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bitrate_is_that_of_the_last_second() {
        let mut meter = Meter::default();
        for n in 0..300_u64 {
            let bytes = if n < 200 { 1000 } else { 500 };
            meter.on_frame(gst::ClockTime::from_mseconds(n * 20), bytes, n % 100 == 0);
        }
        assert_eq!(meter.bitrate(), Bitrate::from_bps(50 * 500 * 8));
        assert_eq!((meter.frames(), meter.key_frames()), (300, 3));
    }

    #[test]
    fn timestamps_that_stand_still_do_not_fill_memory() {
        let mut meter = Meter::default();
        for _ in 0..10_000 {
            meter.on_frame(gst::ClockTime::ZERO, 1, false);
        }
        assert!(meter.window.len() <= MAX_ENTRIES);
        assert_eq!(meter.frames(), 10_000);
    }
}
