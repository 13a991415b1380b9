// SPDX-License-Identifier: MPL-2.0
//! One change of a consumer from a branch to another: where it is cut, and what waits for that. Pure; the rule is told
//! in `switch`.

use std::collections::VecDeque;

use super::BranchId;
use super::switch::{Effect, Frame};

/// One change from a branch to another.
#[derive(Debug)]
pub(super) struct Move<P> {
    from: BranchId,
    to: BranchId,
    phase: Phase,
    /// Of the latest frame that went to the consumer.
    sent: gst::ClockTime,
    /// Of the latest frame that the new branch delivered.
    reached: gst::ClockTime,
    /// Frames of the old branch that may be after the cut.
    held: VecDeque<Frame<P>>,
    /// Frames of the new branch, from its key frame on.
    queued: VecDeque<Frame<P>>,
}

/// How far a move has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The new encoder has not delivered yet; it may be starting.
    Warming,
    /// A key frame at this time or later was asked for. The old branch goes up to it.
    Dated(gst::ClockTime),
    /// Any key frame will do that is after what was sent. The old branch goes no further than the new one has come.
    Undated,
    /// The key frame is there: the cut is at its time.
    Cut(gst::ClockTime),
    /// The new branch has taken over.
    Done,
    /// The new branch makes key frames, but of what was sent long ago: waiting for it has to be done without the old.
    TooLate,
}

impl<P> Move<P> {
    /// Nothing of the new branch was seen yet; the old one was forwarded up to `sent`.
    pub(super) const fn new(from: BranchId, to: BranchId, sent: gst::ClockTime) -> Self {
        Self {
            from,
            to,
            phase: Phase::Warming,
            sent,
            reached: gst::ClockTime::ZERO,
            held: VecDeque::new(),
            queued: VecDeque::new(),
        }
    }

    /// A frame of either branch.
    pub(super) fn deliver(&mut self, branch: BranchId, frame: Frame<P>) -> Vec<Effect<P>> {
        if branch == self.from {
            self.old_frame(frame)
        } else if branch == self.to {
            self.new_frame(frame)
        } else {
            Vec::new()
        }
    }

    /// What was held for a cut that is not made goes on.
    pub(super) fn release_held(&mut self) -> Vec<Effect<P>> {
        let held = std::mem::take(&mut self.held);
        held.into_iter().map(|frame| self.forward(frame)).collect()
    }

    /// The new branch takes over with what it has delivered so far.
    pub(super) fn finish(&mut self) -> Vec<Effect<P>> {
        let queued = std::mem::take(&mut self.queued);
        let mut effects: Vec<_> = queued.into_iter().map(|frame| self.forward(frame)).collect();
        effects.push(Effect::Left(self.from));
        self.phase = Phase::Done;
        effects
    }

    /// The new branch begins anew: nothing that it delivered counts.
    pub(super) fn restart(&mut self) -> Vec<Effect<P>> {
        self.queued.clear();
        self.phase = Phase::Warming;
        self.release_held()
    }

    /// The branch that is forwarded until the cut.
    pub(super) const fn from(&self) -> BranchId {
        self.from
    }

    /// The one that is to take over.
    pub(super) const fn to(&self) -> BranchId {
        self.to
    }

    /// How far it has come.
    pub(super) const fn phase(&self) -> Phase {
        self.phase
    }

    /// Time of the latest frame that went to the consumer.
    pub(super) const fn sent(&self) -> gst::ClockTime {
        self.sent
    }

    /// Forwards what cannot be after the cut and holds the rest, for a bounded time.
    fn old_frame(&mut self, frame: Frame<P>) -> Vec<Effect<P>> {
        match self.phase {
            Phase::Cut(at) if frame.time >= at => self.finish(),
            Phase::Dated(at) if frame.time >= at => {
                self.held.push_back(frame);
                if self.holds_too_much() {
                    self.undate()
                } else {
                    Vec::new()
                }
            }
            Phase::Undated => {
                self.held.push_back(frame);
                self.release_reached()
            }
            _ => vec![self.forward(frame)],
        }
    }

    /// Nothing of the new branch is of use before a key frame; from that on its frames wait for the old one to end.
    fn new_frame(&mut self, frame: Frame<P>) -> Vec<Effect<P>> {
        self.reached = frame.time;
        match self.phase {
            Phase::Warming => self.ask_ahead(),
            Phase::Dated(at) if frame.is_key && frame.time >= at => self.cut(frame),
            Phase::Undated if frame.is_key && frame.time > self.sent => self.cut(frame),
            Phase::Undated if frame.is_key => {
                self.phase = Phase::TooLate;
                Vec::new()
            }
            Phase::Undated => self.release_reached(),
            Phase::Cut(at) => {
                let waited = frame.time.saturating_sub(at);
                self.queued.push_back(frame);
                let old_is_stuck = waited > MAX_HOLD || self.queued.len() >= MAX_FRAMES;
                if old_is_stuck { self.finish() } else { Vec::new() }
            }
            _ => Vec::new(),
        }
    }

    /// The first attempt costs the consumer no time where encoders do as they are told.
    fn ask_ahead(&mut self) -> Vec<Effect<P>> {
        let at = self.sent.max(self.reached) + LEAD;
        self.phase = Phase::Dated(at);
        vec![Effect::AskKey(self.to, Some(at))]
    }

    /// The key frame did not come by its date, and may never: the old branch goes on behind the new one.
    fn undate(&mut self) -> Vec<Effect<P>> {
        self.phase = Phase::Undated;
        let mut effects = self.release_reached();
        effects.push(Effect::AskKey(self.to, None));
        effects
    }

    /// Lets the old branch come up to the new one.
    fn release_reached(&mut self) -> Vec<Effect<P>> {
        let mut effects = Vec::new();
        while let Some(frame) = self.pop_reached() {
            effects.push(self.forward(frame));
        }
        effects
    }

    /// The next held frame that may go: the new branch has come as far, or is not worth waiting for so long.
    fn pop_reached(&mut self) -> Option<Frame<P>> {
        let may_go = self.held.front()?.time <= self.reached || self.holds_too_much();
        if may_go { self.held.pop_front() } else { None }
    }

    fn holds_too_much(&self) -> bool {
        let span = |first: &Frame<P>, last: &Frame<P>| last.time.saturating_sub(first.time);
        let held = self.held.front().zip(self.held.back());
        held.is_some_and(|(first, last)| span(first, last) > MAX_HOLD) || self.held.len() >= MAX_FRAMES
    }

    /// The cut is fixed: held frames before it go out, those after it will come from the new branch.
    fn cut(&mut self, key: Frame<P>) -> Vec<Effect<P>> {
        let at = key.time;
        self.phase = Phase::Cut(at);
        self.queued.push_back(key);
        let passed = self.held.iter().any(|frame| frame.time >= at);
        self.held.retain(|frame| frame.time < at);
        let mut effects = self.release_held();
        if passed {
            effects.extend(self.finish());
        }
        effects
    }

    fn forward(&mut self, frame: Frame<P>) -> Effect<P> {
        self.sent = frame.time;
        Effect::Forward(frame.payload)
    }
}

/// How far ahead the key frame is asked for: more than an encoder holds, so that the frame at that time has not
/// entered it yet (measured: 100 ms gave an exact cut every time).
const LEAD: gst::ClockTime = gst::ClockTime::from_mseconds(100);
/// How much media is kept back for a key frame, or for the old branch to come up to it. More than an encoder may be
/// behind before it loses input (200 ms) on a machine that has other work: with 300 ms frames were lost under load. Less
/// than half of what the consumer's appsrc holds, so that what is released at once does not push its beginning out.
const MAX_HOLD: gst::ClockTime = gst::ClockTime::from_mseconds(450);
/// The same in frames, for input whose timestamps stand still.
pub(super) const MAX_FRAMES: usize = 64;
