// SPDX-License-Identifier: MPL-2.0
//! How one consumer changes from one branch to another without a frame lost or doubled. Pure: frames of both
//! branches go in, what to forward and which key frames to ask for comes out.
//!
//! Both encoders see the same input on the same clock. The new one is asked for a key frame at a time T a little
//! ahead. The old one delivers what is before T; later frames of it are held until the new one's key frame, at
//! K ≥ T, is there. Then the old one delivers what is before K, and once it has come that far the new one takes over
//! with K. Where an encoder does not keep the date any key frame will do: until it comes the old one is let no further
//! than the new one has come, so that the cut is as clean. A new one too far behind for that is waited for without the
//! old, and begins after what was seen.

use super::BranchId;
use super::ahead::Ahead;
use super::joining::{Joining, Verdict};
use super::moving::{Move, Phase};

/// One encoded frame.
#[derive(Debug)]
pub(super) struct Frame<P> {
    /// Running time on the clock all branches share.
    pub(super) time: gst::ClockTime,
    /// Whether a decoder can begin here.
    pub(super) is_key: bool,
    /// The frame itself.
    pub(super) payload: P,
}

/// What a frame or a decision leads to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Effect<P> {
    /// Goes to the consumer.
    Forward(P),
    /// The branch's encoder should make a key frame, at that running time or as soon as it can.
    AskKey(BranchId, Option<gst::ClockTime>),
    /// The consumer has left this branch.
    Left(BranchId),
}

/// What reaches one consumer.
#[derive(Debug)]
pub(super) struct Switch<P> {
    flowing: bool,
    state: State<P>,
    ahead: Ahead<P>,
}

#[derive(Debug)]
enum State<P> {
    /// No branch yet.
    Unplaced,
    /// Begins at the next key frame that will do.
    Joining(Joining),
    /// Everything of this branch is forwarded, and was up to that time.
    Steady(BranchId, gst::ClockTime),
    /// On the way from one to another.
    Moving(Move<P>),
}

impl<P> Switch<P> {
    /// A consumer that belongs to no branch yet and gets nothing until [`Switch::set_flowing`].
    pub(super) const fn new() -> Self {
        Self {
            flowing: false,
            state: State::Unplaced,
            ahead: Ahead::new(),
        }
    }

    /// The branch that is forwarded, or will be.
    pub(super) const fn branch(&self) -> Option<BranchId> {
        match &self.state {
            State::Unplaced => None,
            State::Joining(joining) => Some(joining.on()),
            State::Steady(branch, _) => Some(*branch),
            State::Moving(moving) => Some(moving.to()),
        }
    }

    /// A frame of `branch` was encoded.
    pub(super) fn deliver(&mut self, branch: BranchId, frame: Frame<P>) -> Vec<Effect<P>> {
        match &mut self.state {
            State::Joining(joining) if joining.on() == branch => self.wait_with(branch, frame),
            State::Steady(on, sent) if *on == branch => {
                *sent = frame.time;
                vec![Effect::Forward(frame.payload)]
            }
            State::Moving(moving) => {
                let mut effects = moving.deliver(branch, frame);
                match moving.phase() {
                    Phase::Done => self.state = State::Steady(moving.to(), moving.sent()),
                    Phase::TooLate => effects.extend(self.leave_old()),
                    _ => {}
                }
                effects
            }
            _ => Vec::new(),
        }
    }

    /// Turns the flow on, beginning with a key frame, or off. A key frame that came shortly before will do, with what
    /// came since.
    pub(super) fn set_flowing(&mut self, flowing: bool) -> Vec<Effect<P>> {
        if self.flowing == flowing {
            return Vec::new();
        }
        self.flowing = flowing;
        let Some(to) = self.branch() else {
            return Vec::new();
        };
        let mut effects = match std::mem::replace(&mut self.state, State::Joining(Joining::anew(to))) {
            State::Moving(moving) => vec![Effect::Left(moving.from())],
            _ => Vec::new(),
        };
        if !flowing {
            return effects;
        }
        let ahead = self.ahead.take();
        if let Some(last) = ahead.back() {
            self.state = State::Steady(to, last.time);
            effects.extend(ahead.into_iter().map(|frame| Effect::Forward(frame.payload)));
        } else {
            effects.push(Effect::AskKey(to, None));
        }
        effects
    }

    /// The consumer is to be fed by `to`. One that has seen nothing needs a key frame, which is made while it connects.
    pub(super) fn move_to(&mut self, to: BranchId) -> Vec<Effect<P>> {
        if self.branch() == Some(to) {
            return Vec::new();
        }
        match std::mem::replace(&mut self.state, State::Joining(Joining::anew(to))) {
            State::Unplaced => vec![Effect::AskKey(to, None)],
            State::Joining(joining) => {
                self.ahead.clear();
                vec![Effect::Left(joining.on()), Effect::AskKey(to, None)]
            }
            State::Steady(from, sent) => {
                self.state = State::Moving(Move::new(from, to, sent));
                Vec::new()
            }
            State::Moving(moving) => self.change_mind(moving, to),
        }
    }

    /// The encoder of `branch` was replaced: its next frames have nothing to do with those before.
    pub(super) fn restarted(&mut self, branch: BranchId) -> Vec<Effect<P>> {
        match &mut self.state {
            State::Steady(on, _) if *on == branch => self.state = State::Joining(Joining::anew(branch)),
            State::Joining(joining) if joining.on() == branch => self.ahead.clear(),
            State::Moving(moving) if moving.to() == branch => return moving.restart(),
            State::Moving(moving) if moving.from() == branch => return self.leave_old(),
            _ => {}
        }
        Vec::new()
    }

    /// `branch` delivers nothing more.
    pub(super) fn gone(&mut self, branch: BranchId) -> Vec<Effect<P>> {
        match &self.state {
            State::Steady(on, _) if *on == branch => {
                self.state = State::Joining(Joining::anew(branch));
                Vec::new()
            }
            State::Moving(moving) if moving.from() == branch => self.leave_old(),
            State::Moving(moving) if moving.to() == branch => self.stay_on_old(),
            _ => Vec::new(),
        }
    }

    /// The stream ends on `branch`; whether nothing follows. One on its way out of a move that is over by that stays
    /// with the other branch, whose end is still to come.
    pub(super) fn ended(&mut self, branch: BranchId) -> (Vec<Effect<P>>, bool) {
        if matches!(self.state, State::Moving(_)) {
            (self.gone(branch), false)
        } else {
            (Vec::new(), self.branch() == Some(branch))
        }
    }

    /// A frame of the branch that is waited for.
    fn wait_with(&mut self, branch: BranchId, frame: Frame<P>) -> Vec<Effect<P>> {
        let State::Joining(joining) = &mut self.state else {
            return Vec::new();
        };
        if !self.flowing {
            self.ahead.hold(frame);
            return Vec::new();
        }
        match joining.judge(frame.time, frame.is_key) {
            Verdict::Wait => Vec::new(),
            Verdict::Ask => vec![Effect::AskKey(branch, None)],
            Verdict::Begin => {
                self.state = State::Steady(branch, frame.time);
                vec![Effect::Forward(frame.payload)]
            }
        }
    }

    /// Nothing more is taken of the old branch: the new one takes over as soon as it can, after what was seen.
    fn leave_old(&mut self) -> Vec<Effect<P>> {
        let State::Moving(moving) = &mut self.state else {
            return Vec::new();
        };
        let to = moving.to();
        if matches!(moving.phase(), Phase::Cut(_)) {
            let effects = moving.finish();
            self.state = State::Steady(to, moving.sent());
            return effects;
        }
        let mut effects = moving.release_held();
        let next = moving.sent() + gst::ClockTime::from_nseconds(1);
        effects.push(Effect::AskKey(to, Some(next)));
        effects.push(Effect::Left(moving.from()));
        self.state = State::Joining(Joining::after(to, moving.sent()));
        effects
    }

    /// The new branch is gone before it took over: what was held of the old one is late, but not lost.
    fn stay_on_old(&mut self) -> Vec<Effect<P>> {
        let State::Moving(moving) = &mut self.state else {
            return Vec::new();
        };
        let mut effects = moving.release_held();
        effects.push(Effect::Left(moving.to()));
        self.state = State::Steady(moving.from(), moving.sent());
        effects
    }

    /// A move is replaced by another before it was made.
    fn change_mind(&mut self, mut moving: Move<P>, to: BranchId) -> Vec<Effect<P>> {
        let mut effects = moving.release_held();
        effects.push(Effect::Left(moving.to()));
        self.state = if moving.from() == to {
            State::Steady(to, moving.sent())
        } else {
            State::Moving(Move::new(moving.from(), to, moving.sent()))
        };
        effects
    }
}

#[cfg(test)]
mod tests {
    use super::super::moving::MAX_FRAMES;
    use super::*;

    const A: BranchId = BranchId(1);
    const B: BranchId = BranchId(2);
    const C: BranchId = BranchId(3);

    /// Frames are named by branch and milliseconds.
    type Named = (BranchId, u64);

    fn frame(branch: BranchId, ms: u64, is_key: bool) -> Frame<Named> {
        Frame {
            time: gst::ClockTime::from_mseconds(ms),
            is_key,
            payload: (branch, ms),
        }
    }

    fn steady(branch: BranchId) -> Switch<Named> {
        let mut switch = Switch::new();
        assert_eq!(switch.move_to(branch), [Effect::AskKey(branch, None)]);
        assert_eq!(switch.set_flowing(true), [Effect::AskKey(branch, None)]);
        assert_eq!(
            switch.deliver(branch, frame(branch, 0, true)),
            [Effect::Forward((branch, 0))]
        );
        switch
    }

    fn forwarded(effects: &[Effect<Named>]) -> Vec<Named> {
        effects
            .iter()
            .filter_map(|e| {
                if let Effect::Forward(f) = e {
                    Some(*f)
                } else {
                    None
                }
            })
            .collect()
    }

    /// Runs 30 fps on both, each branch this many frames late, B's key frame where asked for plus `slip` ms.
    fn play(lag_a: u64, lag_b: u64, slip: u64) -> (Vec<Named>, bool) {
        let mut switch = steady(A);
        switch.move_to(B);
        let (mut out, mut asked, mut left) = (Vec::new(), None, false);
        for tick in 1..60_u64 {
            for (branch, lag) in [(A, lag_a), (B, lag_b)] {
                let Some(ms) = tick.checked_sub(lag).map(|n| n * 33) else {
                    continue;
                };
                let due = asked.is_some_and(|at| ms >= at + slip);
                let is_key = branch == B && due;
                if is_key {
                    asked = None;
                }
                let effects = switch.deliver(branch, frame(branch, ms, is_key));
                out.extend(forwarded(&effects));
                for effect in &effects {
                    match effect {
                        Effect::AskKey(B, Some(at)) => asked = Some(at.mseconds()),
                        Effect::AskKey(B, None) => asked = Some(ms),
                        Effect::Left(A) => left = true,
                        _ => {}
                    }
                }
            }
        }
        (out, left)
    }

    #[test]
    fn no_frame_is_lost_or_doubled_whoever_is_late() {
        for (lag_a, lag_b, slip) in [
            (0, 0, 0),
            (0, 3, 0),
            (3, 0, 0),
            (1, 2, 40),
            (0, 0, 150),
            (6, 0, 0),
        ] {
            let (out, left) = play(lag_a, lag_b, slip);
            let times: Vec<u64> = out.iter().map(|(_, ms)| *ms).filter(|ms| *ms > 0).collect();
            let expected: Vec<u64> = (1..=times.len() as u64).map(|n| n * 33).collect();
            assert_eq!(times, expected, "lags {lag_a} and {lag_b}, slip {slip}");
            assert!(
                left && out.last().unwrap().0 == B,
                "lags {lag_a} and {lag_b}, slip {slip}"
            );
            assert_eq!(
                out.iter().filter(|(branch, _)| *branch == B).min(),
                out.iter().find(|(b, _)| *b == B)
            );
        }
    }

    #[test]
    fn nothing_flows_before_it_may_and_then_begins_with_a_key_frame() {
        let mut switch = Switch::new();
        assert!(switch.set_flowing(false).is_empty());
        switch.move_to(A);
        assert!(switch.deliver(A, frame(A, 0, false)).is_empty());
        assert_eq!(switch.set_flowing(true), [Effect::AskKey(A, None)]);
        assert!(switch.set_flowing(true).is_empty());
        assert!(switch.deliver(A, frame(A, 33, false)).is_empty());
        assert!(switch.deliver(B, frame(B, 40, true)).is_empty(), "another branch");
        assert_eq!(switch.deliver(A, frame(A, 66, true)), [Effect::Forward((A, 66))]);
        assert_eq!(switch.deliver(A, frame(A, 99, false)), [Effect::Forward((A, 99))]);
        assert!(switch.set_flowing(false).is_empty());
        assert!(switch.deliver(A, frame(A, 132, true)).is_empty());
    }

    #[test]
    fn a_key_frame_made_while_the_consumer_connects_is_there_when_it_has() {
        let mut switch = Switch::new();
        assert_eq!(switch.move_to(A), [Effect::AskKey(A, None)]);
        for (ms, is_key) in [(0, false), (33, true), (66, false)] {
            assert!(switch.deliver(A, frame(A, ms, is_key)).is_empty());
        }
        assert_eq!(
            switch.set_flowing(true),
            [Effect::Forward((A, 33)), Effect::Forward((A, 66))]
        );
        assert_eq!(switch.deliver(A, frame(A, 99, false)), [Effect::Forward((A, 99))]);
    }

    #[test]
    fn what_an_encoder_made_before_it_was_replaced_is_not_there_any_more() {
        let mut switch = Switch::new();
        switch.move_to(A);
        switch.deliver(A, frame(A, 0, true));
        switch.restarted(A);
        assert_eq!(switch.set_flowing(true), [Effect::AskKey(A, None)]);
    }

    #[test]
    fn one_that_has_seen_nothing_just_changes() {
        let mut switch: Switch<Named> = Switch::new();
        switch.move_to(A);
        switch.deliver(A, frame(A, 0, true));
        assert_eq!(switch.move_to(B), [Effect::Left(A), Effect::AskKey(B, None)]);
        switch.set_flowing(true);
        assert_eq!(switch.move_to(C), [Effect::Left(B), Effect::AskKey(C, None)]);
        assert_eq!(switch.branch(), Some(C));
        assert!(switch.move_to(C).is_empty());
    }

    #[test]
    fn a_branch_that_does_not_start_changes_nothing() {
        let mut switch = steady(A);
        switch.move_to(B);
        for n in 1..100 {
            assert_eq!(
                switch.deliver(A, frame(A, n * 33, false)),
                [Effect::Forward((A, n * 33))]
            );
        }
    }

    #[test]
    fn a_key_frame_that_does_not_come_holds_nothing_up_for_long() {
        let mut switch = steady(A);
        switch.move_to(B);
        let (mut sent, mut asks) = (Vec::new(), Vec::new());
        for n in 1..120 {
            let mut effects = switch.deliver(A, frame(A, n * 33, false));
            effects.extend(switch.deliver(B, frame(B, n * 33, false)));
            sent.extend(forwarded(&effects));
            asks.extend(effects.into_iter().filter(|e| matches!(e, Effect::AskKey(..))));
        }
        assert_eq!(sent, (1..120).map(|n| (A, n * 33)).collect::<Vec<_>>());
        assert!(matches!(
            asks[..],
            [Effect::AskKey(B, Some(_)), Effect::AskKey(B, None)]
        ));
        assert!(
            switch.deliver(A, frame(A, 3960, false)).is_empty(),
            "not before the new"
        );
        assert_eq!(
            switch.deliver(B, frame(B, 3960, true)),
            [Effect::Forward((B, 3960)), Effect::Left(A)],
            "any key frame will do"
        );
    }

    /// Plays 30 fps on both; B is `lag` frames late, keeps no date and makes its key frames every `period` frames.
    fn play_undated(lag: u64, period: u64) -> Vec<Named> {
        let mut switch = steady(A);
        switch.move_to(B);
        let mut out = Vec::new();
        for tick in 1..120_u64 {
            out.extend(forwarded(&switch.deliver(A, frame(A, tick * 33, false))));
            if let Some(n) = tick.checked_sub(lag) {
                let is_key = n % period == 5;
                out.extend(forwarded(&switch.deliver(B, frame(B, n * 33, is_key))));
            }
        }
        out
    }

    #[test]
    fn an_encoder_that_keeps_no_date_takes_over_as_cleanly() {
        for lag in [0, 1, 5, 8] {
            let out = play_undated(lag, 40);
            let expected: Vec<u64> = (1..=out.len() as u64).map(|n| n * 33).collect();
            assert_eq!(
                out.iter().map(|(_, ms)| *ms).collect::<Vec<_>>(),
                expected,
                "{lag} frames late"
            );
            assert_eq!(out.last().unwrap().0, B, "{lag} frames late");
        }
    }

    #[test]
    fn an_encoder_that_is_far_behind_repeats_nothing() {
        let out = play_undated(30, 20);
        assert!(out.is_sorted_by(|(_, a), (_, b)| a < b), "{out:?}");
        assert_eq!(out.last().unwrap().0, B);
    }

    #[test]
    fn a_date_is_never_before_what_was_sent() {
        let mut switch = steady(A);
        switch.deliver(A, frame(A, 1000, false));
        switch.move_to(B);
        let at = gst::ClockTime::from_mseconds(1100);
        assert_eq!(
            switch.deliver(B, frame(B, 900, false)),
            [Effect::AskKey(B, Some(at))]
        );
    }

    #[test]
    fn a_new_branch_left_alone_begins_after_what_was_sent() {
        let mut switch = steady(A);
        switch.deliver(A, frame(A, 66, false));
        switch.move_to(B);
        switch.deliver(B, frame(B, 0, false));
        let next = gst::ClockTime::from_mseconds(66) + gst::ClockTime::from_nseconds(1);
        assert_eq!(switch.gone(A), [Effect::AskKey(B, Some(next)), Effect::Left(A)]);
        assert!(switch.deliver(B, frame(B, 33, true)).is_empty());
        assert!(switch.deliver(B, frame(B, 66, true)).is_empty());
        assert_eq!(switch.deliver(B, frame(B, 99, true)), [Effect::Forward((B, 99))]);
    }

    #[test]
    fn a_stream_that_ends_during_a_move_ends_once_and_whole() {
        let begun = || {
            let mut switch = steady(A);
            switch.move_to(B);
            switch.deliver(B, frame(B, 33, false));
            switch.deliver(B, frame(B, 150, true));
            switch
        };
        let mut old_first = begun();
        let effects = vec![Effect::Forward((B, 150)), Effect::Left(A)];
        assert_eq!(old_first.ended(A), (effects, false));
        assert_eq!(old_first.ended(B), (Vec::new(), true));

        let mut new_first = begun();
        assert_eq!(new_first.ended(B), (vec![Effect::Left(B)], false));
        assert_eq!(
            new_first.deliver(A, frame(A, 150, false)),
            [Effect::Forward((A, 150))]
        );
        assert_eq!(new_first.ended(A), (Vec::new(), true));
        assert_eq!(steady(A).ended(B), (Vec::new(), false));
    }

    #[test]
    fn an_old_branch_that_stalls_is_left_behind() {
        let mut switch = steady(A);
        switch.move_to(B);
        switch.deliver(B, frame(B, 33, false));
        assert!(switch.deliver(B, frame(B, 150, true)).is_empty());
        let mut effects = Vec::new();
        for n in 5..20 {
            effects.extend(switch.deliver(B, frame(B, n * 33, false)));
        }
        assert_eq!(effects.first(), Some(&Effect::Forward((B, 150))));
        assert!(effects.contains(&Effect::Left(A)));
    }

    #[test]
    fn when_the_old_branch_ends_the_new_one_takes_over() {
        let mut early = steady(A);
        early.move_to(B);
        let next = gst::ClockTime::from_nseconds(1);
        assert_eq!(early.gone(A), [Effect::AskKey(B, Some(next)), Effect::Left(A)]);
        assert_eq!(early.deliver(B, frame(B, 40, true)), [Effect::Forward((B, 40))]);

        let mut late = steady(A);
        late.move_to(B);
        late.deliver(B, frame(B, 33, false));
        late.deliver(B, frame(B, 150, true));
        assert_eq!(late.gone(A), [Effect::Forward((B, 150)), Effect::Left(A)]);
        assert_eq!(late.deliver(B, frame(B, 183, false)), [Effect::Forward((B, 183))]);
    }

    #[test]
    fn when_the_new_branch_ends_the_old_one_goes_on() {
        let mut switch = steady(A);
        switch.move_to(B);
        switch.deliver(B, frame(B, 33, false));
        assert!(switch.deliver(A, frame(A, 140, false)).is_empty(), "held");
        assert_eq!(switch.gone(B), [Effect::Forward((A, 140)), Effect::Left(B)]);
        assert_eq!(
            switch.deliver(A, frame(A, 173, false)),
            [Effect::Forward((A, 173))]
        );
        assert_eq!(switch.branch(), Some(A));
    }

    #[test]
    fn a_move_can_be_taken_back_or_redirected() {
        let mut switch = steady(A);
        switch.move_to(B);
        switch.deliver(B, frame(B, 33, false));
        switch.deliver(A, frame(A, 140, false));
        assert_eq!(switch.move_to(C), [Effect::Forward((A, 140)), Effect::Left(B)]);
        assert_eq!(switch.move_to(A), [Effect::Left(C)]);
        assert_eq!(
            switch.deliver(A, frame(A, 173, false)),
            [Effect::Forward((A, 173))]
        );
    }

    #[test]
    fn a_restarted_encoder_begins_with_a_key_frame() {
        let mut switch = steady(A);
        switch.restarted(A);
        assert!(switch.deliver(A, frame(A, 33, false)).is_empty());
        assert_eq!(switch.deliver(A, frame(A, 66, true)), [Effect::Forward((A, 66))]);
        switch.gone(A);
        assert!(switch.deliver(A, frame(A, 99, false)).is_empty());
    }

    #[test]
    fn a_restart_at_either_end_of_a_move_is_survived() {
        let mut switch = steady(A);
        switch.move_to(B);
        switch.deliver(B, frame(B, 33, false));
        switch.deliver(A, frame(A, 140, false));
        assert_eq!(switch.restarted(B), [Effect::Forward((A, 140))]);
        assert!(matches!(
            switch.deliver(B, frame(B, 140, true))[..],
            [Effect::AskKey(B, Some(_))]
        ));
        let next = gst::ClockTime::from_nseconds(140_000_001);
        assert_eq!(
            switch.restarted(A),
            [Effect::AskKey(B, Some(next)), Effect::Left(A)]
        );
        assert_eq!(switch.branch(), Some(B));
    }

    #[test]
    fn a_flow_turned_on_early_begins_with_the_first_branch() {
        let mut switch: Switch<Named> = Switch::new();
        assert_eq!(switch.branch(), None);
        assert!(switch.set_flowing(true).is_empty());
        assert_eq!(switch.move_to(A), [Effect::AskKey(A, None)]);
    }

    #[test]
    fn stopping_the_flow_ends_a_move() {
        let mut switch = steady(A);
        switch.move_to(B);
        assert_eq!(switch.set_flowing(false), [Effect::Left(A)]);
        assert_eq!(switch.set_flowing(true), [Effect::AskKey(B, None)]);
    }

    #[test]
    fn frozen_timestamps_do_not_fill_memory() {
        let mut switch = steady(A);
        switch.move_to(B);
        switch.deliver(B, frame(B, 0, false));
        let mut sent = 0;
        for _ in 0..1000 {
            sent += forwarded(&switch.deliver(A, frame(A, 200, false))).len();
        }
        assert!(sent >= 1000 - MAX_FRAMES);
    }
}
