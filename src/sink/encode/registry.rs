// SPDX-License-Identifier: MPL-2.0
//! What the worker does at each command: consumers come and go, inputs change, encoders fail.
//!
//! Placing consumers on branches is `grouping`; starting and stopping is `lifecycle`. All methods run on the worker.
//! Owns who is where: members, branches and keys change here and in `grouping` only. The worker's thread takes commands
//! in turn, so decisions need no lock of their own; the pool's state lock is held for single reads and writes, because
//! taps and statistics read it from other threads.

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Instant;

use super::branch::{Branch, BranchKey};
use super::lifecycle;
use super::sharing::Sharing;
use super::state::{Member, Shared};
use super::tap::{MemberId, Tap};
use super::worker::Command;
use super::{AttachRequest, BranchError, BranchFailure, BranchId, StreamId};
use crate::codec::{self, Codec, MediaKind};

/// See the module.
pub(super) struct Registry {
    pub(super) shared: Arc<Shared>,
    pub(super) commands: Sender<Command>,
    pub(super) keys: Vec<SharedKey>,
}

/// Members that could share, and the memory of the decision who does.
pub(super) struct SharedKey {
    /// What they have in common.
    pub(super) key: BranchKey,
    /// Who waits to move, and since when.
    pub(super) sharing: Sharing,
    /// A branch could not be started: none is added before this.
    pub(super) frozen_until: Option<Instant>,
}

impl Registry {
    /// Nobody is there.
    pub(super) const fn new(shared: Arc<Shared>, commands: Sender<Command>) -> Self {
        Self {
            shared,
            commands,
            keys: Vec::new(),
        }
    }

    /// Whether time passing changes nothing.
    pub(super) const fn is_idle(&self) -> bool {
        self.keys.is_empty()
    }

    /// Places a consumer.
    pub(super) fn attach(&mut self, request: AttachRequest) -> Result<Arc<Tap>, BranchError> {
        let key = self.key_for(&request)?;
        let id = MemberId(self.shared.state().next_id());
        let tap = Tap::new(
            id,
            request.consumer_id,
            request.session_id,
            request.appsrc,
            self.commands.clone(),
        );
        let member = Member {
            tap: tap.clone(),
            key: key.clone(),
            target: request.target,
            is_needed: true,
            branch: None,
        };
        self.shared.state().members.insert(id, member);
        let mut result = self.regroup(&key);
        let has_branches = !self.shared.state().branches_of(&key).is_empty();
        if result.is_err() && has_branches {
            // No further encoder is to be had: the newcomer shares with those who have one.
            result = self.regroup(&key);
        }
        if self.shared.branch_of(id).is_some() {
            return Ok(tap);
        }
        self.detach(id);
        Err(result.err().unwrap_or(BranchError::ShutDown))
    }

    /// A consumer is gone.
    pub(super) fn detach(&mut self, id: MemberId) {
        let Some(member) = self.shared.state().members.remove(&id) else {
            return;
        };
        member.tap.close();
        let branches = self.shared.state().branches_of(&member.key);
        for branch in branches {
            branch.remove_tap(id);
            lifecycle::set_fed(&self.shared, &branch);
        }
        self.settle(&member.key);
    }

    /// A consumer takes nothing from a branch any more.
    pub(super) fn left(&mut self, id: MemberId, branch: BranchId) {
        let found = {
            let state = self.shared.state();
            let belongs = state
                .members
                .get(&id)
                .is_some_and(|member| member.branch == Some(branch));
            state.branches.get(&branch).filter(|_| !belongs).cloned()
        };
        if let Some(branch) = found {
            branch.remove_tap(id);
            self.retire_useless(branch.key());
        }
    }

    /// A consumer needs its frames again, or does not for a while. After a rest everybody waits for a key frame: what was
    /// held before it is old by then.
    pub(super) fn need_changed(&self, id: MemberId) {
        let Some(branch) = self.shared.branch_of(id) else {
            return;
        };
        if lifecycle::set_fed(&self.shared, &branch) {
            for tap in branch.taps().values() {
                tap.restarted(branch.id());
            }
            branch.keys().request();
        }
    }

    /// Targets or settings changed.
    pub(super) fn regroup_all(&mut self) {
        self.shared
            .regroup_pending
            .store(false, std::sync::atomic::Ordering::Release);
        let keys: Vec<_> = self.keys.iter().map(|shared| shared.key.clone()).collect();
        for key in keys {
            self.settle(&key);
        }
    }

    /// Time has passed.
    pub(super) fn tick(&mut self) {
        self.regroup_all();
        let branches: Vec<_> = self.shared.state().branches.values().cloned().collect();
        for branch in branches {
            lifecycle::apply_rate(&self.shared, &branch);
        }
    }

    /// A stream has other caps: branches follow, or are rebuilt where elements cannot.
    pub(super) fn input_caps_changed(&mut self, stream: &StreamId) {
        let Some(caps) = self.shared.input_caps(stream) else {
            return;
        };
        let branches = self.shared.state().branches_of_stream(stream);
        for branch in branches {
            let codec = branch.key().codec;
            if !can_leave_as(&caps, codec) {
                let error = BranchError::WrongCodec {
                    stream: stream.clone(),
                    input: caps.clone(),
                    codec,
                };
                self.fail(&branch, error);
            } else if lifecycle::needs_rebuild(&branch, &caps) {
                self.restart(&branch);
            } else {
                lifecycle::apply_rate(&self.shared, &branch);
            }
        }
    }

    /// The input of a stream is over, also for those of its branches that rest.
    pub(super) fn input_ended(&self, stream: &StreamId) {
        let branches = self.shared.state().branches_of_stream(stream);
        for branch in branches {
            lifecycle::end_input(&branch);
        }
    }

    /// A stream takes another time to arrive.
    pub(super) fn input_latency_changed(&self, stream: &StreamId) {
        let latency = self
            .shared
            .inputs()
            .get(stream)
            .map(|input| input.latency)
            .unwrap_or_default();
        let branches = self.shared.state().branches_of_stream(stream);
        for branch in branches {
            lifecycle::set_input_latency(&branch, latency);
            lifecycle::update_latency(&branch);
        }
    }

    /// A branch may take another time.
    pub(super) fn latency_changed(&self, branch: BranchId) {
        let branch = self.shared.state().branches.get(&branch).cloned();
        if let Some(branch) = branch {
            lifecycle::update_latency(&branch);
        }
    }

    /// An element of a branch posted an error: the encoder starts again, or the next one takes over.
    pub(super) fn failed(&mut self, branch: BranchId, generation: u64, reason: &str) {
        let Some(branch) = self.current(branch, generation) else {
            return;
        };
        let had_output = branch.has_output();
        branch.running().give_up(Instant::now(), had_output, reason);
        self.restart(&branch);
    }

    /// Nothing more leaves a branch. A failing source ends its stream too: consumers are told only of a real end.
    pub(super) fn ended(&self, branch: BranchId, generation: u64) {
        let Some(branch) = self.current(branch, generation) else {
            return;
        };
        let stream = &branch.key().stream;
        let is_real = self
            .shared
            .inputs()
            .get(stream)
            .is_some_and(|input| input.is_ended);
        if is_real {
            let sessions = self.shared.state().sessions_of(branch.id());
            for tap in branch.taps().values() {
                tap.end_of_stream(branch.id());
            }
            self.shared.host.stream_ended(stream, sessions);
        }
    }

    /// A pad was released.
    pub(super) fn remove_stream(&mut self, stream: &StreamId) {
        let branches = {
            let mut state = self.shared.state();
            state.members.retain(|_, member| member.key.stream != *stream);
            state.branches_of_stream(stream)
        };
        for branch in branches {
            self.remove_branch(&branch);
        }
        self.keys.retain(|shared| shared.key.stream != *stream);
    }

    /// The element runs on another clock or base time.
    pub(super) fn clock_changed(&self) {
        let branches: Vec<_> = self.shared.state().branches.values().cloned().collect();
        for branch in branches {
            lifecycle::set_clock(&self.shared, &branch);
        }
    }

    /// The pool is at its end.
    pub(super) fn stop_everything(&mut self) {
        let (members, branches) = {
            let mut state = self.shared.state();
            (
                std::mem::take(&mut state.members),
                state.branches.values().cloned().collect::<Vec<_>>(),
            )
        };
        for member in members.values() {
            member.tap.close();
        }
        for branch in branches {
            self.remove_branch(&branch);
        }
        self.keys.clear();
    }

    /// A branch, if the message is of the pipeline that it has now.
    fn current(&self, branch: BranchId, generation: u64) -> Option<Arc<Branch>> {
        let branch = self.shared.state().branches.get(&branch).cloned();
        branch.filter(|branch| branch.running().generation == generation)
    }

    /// The key of those whose branches suit the request, or a new one.
    fn key_for(&mut self, request: &AttachRequest) -> Result<BranchKey, BranchError> {
        let stream = &request.stream;
        let caps = self
            .shared
            .input_caps(stream)
            .ok_or_else(|| BranchError::UnknownStream(stream.clone()))?;
        let codec = request.codec;
        if !can_leave_as(&caps, codec) {
            return Err(BranchError::WrongCodec {
                stream: stream.clone(),
                input: caps,
                codec,
            });
        }
        let wanted = BranchKey {
            stream: stream.clone(),
            codec,
            encoder_caps: request.encoder_caps.clone(),
            size: request.size,
        };
        if let Some(shared) = self.keys.iter().find(|shared| shared.key.suits(&wanted)) {
            return Ok(shared.key.clone());
        }
        self.keys.push(SharedKey {
            key: wanted.clone(),
            sharing: Sharing::default(),
            frozen_until: None,
        });
        Ok(wanted)
    }

    /// Stops a branch and starts it again, for other input or with another encoder. Consumers keep their place in it
    /// and wait for its next key frame.
    fn restart(&mut self, branch: &Arc<Branch>) {
        lifecycle::stop(&self.shared, branch);
        for tap in branch.taps().values() {
            tap.restarted(branch.id());
        }
        if let Err(error) = self.starter().start(branch) {
            self.fail(branch, error);
        }
    }

    /// A branch cannot go on: those still fed by another stay there, the others are reported.
    fn fail(&mut self, branch: &Arc<Branch>, error: BranchError) {
        let sessions = {
            let members = self.shared.state().members_of(branch.id());
            members
                .into_iter()
                .filter_map(|id| self.fall_back(id, branch.id()))
                .collect()
        };
        self.remove_branch(branch);
        self.settle(branch.key());
        let failure = BranchFailure {
            branch: branch.id(),
            stream: branch.key().stream.clone(),
            sessions,
            error,
        };
        self.shared.host.branch_failed(failure);
    }

    /// Puts a member back to the branch that still feeds it, or takes it out and names its session.
    fn fall_back(&self, id: MemberId, failed: BranchId) -> Option<String> {
        let tap = self
            .shared
            .state()
            .members
            .get(&id)
            .map(|member| member.tap.clone())?;
        tap.gone(failed);
        let other = tap.branch().filter(|other| *other != failed);
        let mut state = self.shared.state();
        if let Some(other) = other.filter(|other| state.branches.contains_key(other)) {
            state.members.get_mut(&id)?.branch = Some(other);
            return None;
        }
        state
            .members
            .remove(&id)
            .map(|member| member.tap.session_id().to_owned())
    }

    /// Stops a branch; those it feeds wait for another.
    pub(super) fn remove_branch(&self, branch: &Arc<Branch>) {
        self.shared.state().branches.remove(&branch.id());
        for tap in branch.taps().values() {
            tap.gone(branch.id());
        }
        lifecycle::stop(&self.shared, branch);
    }
}

/// Whether a stream with these caps can leave as `codec`: encoded input only as what it is.
fn can_leave_as(caps: &gst::Caps, codec: Codec) -> bool {
    if codec::caps::is_raw(caps) {
        return MediaKind::of_caps(caps) == Some(codec.media());
    }
    Codec::of_encoded_caps(caps) == Some(codec)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::str::FromStr;

    #[test]
    fn encoded_input_leaves_only_as_what_it_is() {
        gst::init().unwrap();
        let cases = [
            ("video/x-raw", Codec::Vp8, true),
            ("video/x-raw", Codec::Opus, false),
            ("audio/x-raw", Codec::Opus, true),
            ("video/x-vp8", Codec::Vp8, true),
            ("video/x-vp8", Codec::H264, false),
            ("text/plain", Codec::Vp8, false),
        ];
        for (caps, codec, can) in cases {
            assert_eq!(
                can_leave_as(&gst::Caps::from_str(caps).unwrap(), codec),
                can,
                "{caps} as {codec}"
            );
        }
    }
}
