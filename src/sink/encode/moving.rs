// SPDX-License-Identifier: MPL-2.0
//! One change of a consumer from a branch to another: where it is cut, and what waits for that. Pure; the rule is told
//! in `switch`.

use std::collections::VecDeque;

use super::BranchId;
use super::switch::{Effect, Frame};

/// One change from a branch to another.
#[derive(Debug)]
pub(super) struct Move<P> {
    /// The branch that is forwarded until the cut.
    pub(super) from: BranchId,
    /// The one that is to take over.
    pub(super) to: BranchId,
    pub(super) phase: Phase,
    /// Attempts that came to nothing; each asks for less.
    attempt: u32,
    /// Latest frame of the old branch.
    latest: gst::ClockTime,
    /// Frames of the old branch that may be after the cut.
    held: VecDeque<Frame<P>>,
    /// Frames of the new branch, from its key frame on.
    pub(super) queued: VecDeque<Frame<P>>,
}

/// How far a move has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The new encoder has not delivered yet; it may be starting.
    Warming,
    /// A key frame at this time or later was asked for.
    Asked(gst::ClockTime),
    /// The key frame is there: the cut is at its time.
    Cut(gst::ClockTime),
    /// The next key frame takes over, whatever its time.
    Anywhere,
}

impl<P> Move<P> {
    /// Nothing of the new branch was seen yet.
    pub(super) const fn new(from: BranchId, to: BranchId) -> Self {
        Self {
            from,
            to,
            phase: Phase::Warming,
            attempt: 0,
            latest: gst::ClockTime::ZERO,
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

    /// Forwards what is before the date asked for and holds the rest, for a bounded time.
    fn old_frame(&mut self, frame: Frame<P>) -> Vec<Effect<P>> {
        self.latest = self.latest.max(frame.time);
        match self.phase {
            Phase::Cut(at) if frame.time >= at => self.finish(),
            Phase::Asked(at) if frame.time >= at => {
                let waited = frame.time.saturating_sub(at);
                self.held.push_back(frame);
                if waited > MAX_HOLD || self.held.len() >= MAX_FRAMES {
                    self.try_again()
                } else {
                    Vec::new()
                }
            }
            _ => vec![Effect::Forward(frame.payload)],
        }
    }

    /// Nothing of the new branch is of use before a key frame; from that on its frames wait for the old one to end.
    fn new_frame(&mut self, frame: Frame<P>) -> Vec<Effect<P>> {
        match self.phase {
            Phase::Warming => self.ask(frame.time),
            Phase::Asked(at) if frame.is_key && frame.time >= at => self.cut(frame),
            Phase::Cut(at) => {
                let old_is_stuck =
                    frame.time.saturating_sub(at) > MAX_HOLD || self.queued.len() >= MAX_FRAMES;
                self.queued.push_back(frame);
                if old_is_stuck { self.finish() } else { Vec::new() }
            }
            Phase::Anywhere if frame.is_key => {
                self.queued.push_back(frame);
                self.finish()
            }
            Phase::Asked(_) | Phase::Anywhere => Vec::new(),
        }
    }

    /// First by date, then at once but still for a cut, and at last without one.
    fn ask(&mut self, new_time: gst::ClockTime) -> Vec<Effect<P>> {
        let latest = self.latest.max(new_time);
        let (from, at) = match self.attempt {
            0 => (latest + LEAD, Some(latest + LEAD)),
            1 => (latest + gst::ClockTime::from_nseconds(1), None),
            _ => {
                self.phase = Phase::Anywhere;
                return vec![Effect::AskKey(self.to, None)];
            }
        };
        self.phase = Phase::Asked(from);
        vec![Effect::AskKey(self.to, at)]
    }

    /// The date is fixed: held frames before it go out, those after it will come from the new branch.
    fn cut(&mut self, key: Frame<P>) -> Vec<Effect<P>> {
        let at = key.time;
        self.phase = Phase::Cut(at);
        self.queued.push_back(key);
        let passed = self.held.iter().any(|frame| frame.time >= at);
        let mut effects: Vec<_> = self
            .held
            .drain(..)
            .filter(|frame| frame.time < at)
            .map(|frame| Effect::Forward(frame.payload))
            .collect();
        if passed {
            effects.extend(self.finish());
        }
        effects
    }

    /// The key frame did not come in time: a consumer is not made to wait longer for a clean cut.
    fn try_again(&mut self) -> Vec<Effect<P>> {
        self.attempt += 1;
        self.phase = Phase::Warming;
        self.release_held()
    }

    /// What was held for a cut that is not made goes on.
    pub(super) fn release_held(&mut self) -> Vec<Effect<P>> {
        self.held
            .drain(..)
            .map(|frame| Effect::Forward(frame.payload))
            .collect()
    }

    /// The new branch takes over with what it has delivered so far.
    pub(super) fn finish(&mut self) -> Vec<Effect<P>> {
        let mut effects: Vec<_> = self
            .queued
            .drain(..)
            .map(|frame| Effect::Forward(frame.payload))
            .collect();
        effects.push(Effect::Left(self.from));
        effects
    }
}

/// How far ahead the key frame is asked for: more than an encoder holds, so that the frame at that time has not
/// entered it yet (measured: 100 ms gave an exact cut every time).
const LEAD: gst::ClockTime = gst::ClockTime::from_mseconds(100);
/// How much media is kept back for a key frame, or for the old branch to come up to it.
const MAX_HOLD: gst::ClockTime = gst::ClockTime::from_mseconds(300);
/// The same in frames, for input whose timestamps stand still.
pub(super) const MAX_FRAMES: usize = 64;
