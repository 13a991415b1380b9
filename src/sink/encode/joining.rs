// SPDX-License-Identifier: MPL-2.0
//! Which frame of a branch a consumer begins with: a key frame, and when it comes from another branch one that is after
//! all it has seen. Pure.

use super::BranchId;
use super::moving::MAX_FRAMES;

/// A consumer that waits for its first frame of a branch.
#[derive(Debug)]
pub(super) struct Joining {
    on: BranchId,
    /// What it has seen; `None` once the branch is past that.
    seen: Option<gst::ClockTime>,
    /// Frames that the branch may take to come past it.
    patience: usize,
}

/// What a frame means for one who waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It begins.
    Begin,
    /// Not this one, and none may be on its way.
    Ask,
    /// Not this one.
    Wait,
}

impl Joining {
    /// Nothing was seen that the branch could repeat.
    pub(super) const fn anew(on: BranchId) -> Self {
        Self {
            on,
            seen: None,
            patience: 0,
        }
    }

    /// Another branch was seen up to this time.
    pub(super) const fn after(on: BranchId, seen: gst::ClockTime) -> Self {
        Self {
            on,
            seen: Some(seen),
            patience: MAX_FRAMES,
        }
    }

    /// The branch.
    pub(super) const fn on(&self) -> BranchId {
        self.on
    }

    /// The next frame of the branch. One behind what was seen is passed over, within bounds: timestamps may stand still.
    pub(super) fn judge(&mut self, time: gst::ClockTime, is_key: bool) -> Verdict {
        let Some(seen) = self.seen else {
            return if is_key { Verdict::Begin } else { Verdict::Wait };
        };
        self.patience = self.patience.saturating_sub(1);
        if time <= seen && self.patience > 0 {
            return Verdict::Wait;
        }
        self.seen = None;
        if is_key { Verdict::Begin } else { Verdict::Ask }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ON: BranchId = BranchId(1);

    fn verdicts(mut joining: Joining, frames: &[(u64, bool)]) -> Vec<Verdict> {
        let judge = |(ms, is_key): &(u64, bool)| joining.judge(gst::ClockTime::from_mseconds(*ms), *is_key);
        frames.iter().map(judge).collect()
    }

    #[test]
    fn anybody_begins_with_a_key_frame() {
        use Verdict::{Begin, Wait};
        assert_eq!(
            verdicts(Joining::anew(ON), &[(0, false), (33, true)]),
            [Wait, Begin]
        );
    }

    #[test]
    fn what_was_seen_is_passed_over() {
        use Verdict::{Ask, Begin, Wait};
        let seen = || Joining::after(ON, gst::ClockTime::from_mseconds(66));
        assert_eq!(
            verdicts(seen(), &[(33, true), (66, true), (99, true)]),
            [Wait, Wait, Begin]
        );
        assert_eq!(
            verdicts(seen(), &[(66, true), (99, false), (132, false), (165, true)]),
            [Wait, Ask, Wait, Begin],
            "asked again once when the date passed without a key frame"
        );
    }

    #[test]
    fn frozen_timestamps_keep_nobody_out() {
        let joining = Joining::after(ON, gst::ClockTime::from_mseconds(66));
        let frames = [(66, true); MAX_FRAMES];
        assert_eq!(verdicts(joining, &frames).last(), Some(&Verdict::Begin));
    }
}
