// SPDX-License-Identifier: MPL-2.0
//! What the pool, its worker and the streaming threads share: inputs with their feeds, members, branches.
//!
//! Two locks, never held together and never while calling out. [`Inputs`] is what a streaming thread takes for each
//! buffer, for as long as it takes to clone an `Arc`; [`State`] is changed by the worker only, except for targets.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use congestion::units::Bitrate;

use super::branch::{Branch, BranchKey};
use super::lastkey::LastKey;
use super::parameters::ParameterSets;
use super::sharing::Member as Sharer;
use super::tap::{MemberId, Tap};
use super::{BranchHost, BranchId, BranchSnapshot, ConsumerSnapshot, StreamId};
use crate::codec::{self, Catalogue};

/// See the module.
pub(super) struct Shared {
    /// The element.
    pub(super) host: Arc<dyn BranchHost>,
    /// Where encoders come from.
    pub(super) catalogue: &'static Catalogue,
    /// A regrouping was asked for and has not begun.
    pub(super) regroup_pending: AtomicBool,
    /// A key frame of encoded input arrived.
    pub(super) key_frame_arrived: Condvar,
    inputs: Mutex<Inputs>,
    state: Mutex<State>,
}

/// Input streams by pad.
pub(super) type Inputs = HashMap<StreamId, Input>;

/// One input stream.
#[derive(Clone, Default)]
pub(super) struct Input {
    /// Of its next buffer; `None` before there are any.
    pub(super) caps: Option<gst::Caps>,
    /// Of everything before the pad.
    pub(super) latency: gst::ClockTime,
    /// Running time of the last buffer.
    pub(super) last: gst::ClockTime,
    /// Whether it came to its end.
    pub(super) is_ended: bool,
    /// What key frames of input that comes encoded may lack.
    pub(super) parameters: ParameterSets,
    /// The last key frame of input that comes encoded.
    pub(super) key: LastKey,
    /// Where buffers go.
    pub(super) feeds: Arc<BTreeMap<BranchId, gst_app::AppSrc>>,
}

/// Who is there.
#[derive(Default)]
pub(super) struct State {
    /// Consumers of streams.
    pub(super) members: BTreeMap<MemberId, Member>,
    /// Running branches.
    pub(super) branches: BTreeMap<BranchId, Arc<Branch>>,
    last_id: u64,
}

/// One consumer of one stream.
pub(super) struct Member {
    /// Its end of the fan-out.
    pub(super) tap: Arc<Tap>,
    /// Which branches suit it.
    pub(super) key: BranchKey,
    /// What its congestion controller allows.
    pub(super) target: Bitrate,
    /// Whether it wants frames at the moment.
    pub(super) is_needed: bool,
    /// The branch it belongs to; `None` until one runs.
    pub(super) branch: Option<BranchId>,
}

impl Input {
    /// Whether discovery has to look inside of what comes.
    pub(super) fn is_encoded(&self) -> bool {
        self.caps.as_ref().is_some_and(|caps| !codec::caps::is_raw(caps))
    }
}

impl Shared {
    /// Nobody and nothing.
    pub(super) fn new(host: Arc<dyn BranchHost>, catalogue: &'static Catalogue) -> Arc<Self> {
        Arc::new(Self {
            host,
            catalogue,
            regroup_pending: AtomicBool::new(false),
            key_frame_arrived: Condvar::new(),
            inputs: Mutex::default(),
            state: Mutex::default(),
        })
    }

    /// Inputs; for short accesses only.
    pub(super) fn inputs(&self) -> MutexGuard<'_, Inputs> {
        self.inputs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Members and branches; for short accesses only.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The caps of a stream, once it has any.
    pub(super) fn input_caps(&self, stream: &StreamId) -> Option<gst::Caps> {
        self.inputs().get(stream).and_then(|input| input.caps.clone())
    }

    /// The branch that a member belongs to.
    pub(super) fn branch_of(&self, member: MemberId) -> Option<Arc<Branch>> {
        let state = self.state();
        let branch = state.members.get(&member)?.branch?;
        state.branches.get(&branch).cloned()
    }

    /// What statistics show.
    pub(super) fn snapshot(&self) -> Vec<BranchSnapshot> {
        let branches: Vec<_> = {
            let state = self.state();
            state
                .branches
                .values()
                .map(|branch| (branch.clone(), state.consumers(branch.id())))
                .collect()
        };
        branches
            .into_iter()
            .map(|(branch, consumers)| {
                branch.snapshot(self.input_caps(&branch.key().stream).as_ref(), consumers)
            })
            .collect()
    }
}

impl State {
    /// A number never used before in this pool.
    pub(super) const fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// Members of a key, as the sharing decision sees them.
    pub(super) fn sharers(&self, key: &BranchKey) -> Vec<Sharer> {
        self.members
            .iter()
            .filter(|(_, member)| member.key == *key)
            .map(|(id, member)| Sharer {
                id: *id,
                target: member.target,
                branch: member.branch,
            })
            .collect()
    }

    /// Branches of a key.
    pub(super) fn branches_of(&self, key: &BranchKey) -> Vec<Arc<Branch>> {
        self.branches
            .values()
            .filter(|branch| branch.key() == key)
            .cloned()
            .collect()
    }

    /// Branches of a stream.
    pub(super) fn branches_of_stream(&self, stream: &StreamId) -> Vec<Arc<Branch>> {
        self.branches
            .values()
            .filter(|branch| branch.key().stream == *stream)
            .cloned()
            .collect()
    }

    /// Who belongs to a branch.
    pub(super) fn members_of(&self, branch: BranchId) -> Vec<MemberId> {
        let belongs = |member: &&Member| member.branch == Some(branch);
        self.members
            .iter()
            .filter(|(_, member)| belongs(member))
            .map(|(id, _)| *id)
            .collect()
    }

    /// Whether somebody wants frames of a branch: one that belongs to it or is on its way out. One that has no members
    /// yet is about to have some.
    pub(super) fn is_needed(&self, branch: &Branch) -> bool {
        let taps = branch.taps();
        let is_fed =
            |id: &MemberId, member: &Member| member.branch == Some(branch.id()) || taps.contains_key(id);
        let mut members = self
            .members
            .iter()
            .filter(|(id, member)| is_fed(id, member))
            .peekable();
        members.peek().is_none() || members.any(|(_, member)| member.is_needed)
    }

    /// The sessions of those who belong to a branch.
    pub(super) fn sessions_of(&self, branch: BranchId) -> Vec<String> {
        self.consumers(branch)
            .into_iter()
            .map(|consumer| consumer.session_id)
            .collect()
    }

    fn consumers(&self, branch: BranchId) -> Vec<ConsumerSnapshot> {
        self.members
            .values()
            .filter(|member| member.branch == Some(branch))
            .map(|member| ConsumerSnapshot {
                consumer_id: member.tap.consumer_id().to_owned(),
                session_id: member.tap.session_id().to_owned(),
                target: member.target,
                is_needed: member.is_needed,
            })
            .collect()
    }
}
