// SPDX-License-Identifier: MPL-2.0
//! What the worker does: places consumers on branches, and keeps the branches that are needed.
//!
//! Decisions come from `sharing`; starting and stopping is `lifecycle`. All methods run on the worker.

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use congestion::units::Bitrate;

use super::branch::{Branch, BranchKey};
use super::candidates::Candidates;
use super::lifecycle::{self, Starter};
use super::sharing::{Group, Rule, Sharing};
use super::state::{Member, Shared};
use super::tap::{MemberId, Tap};
use super::worker::Command;
use super::{AttachRequest, BranchError, BranchFailure, BranchId, StreamId};
use crate::codec::{self, Codec, MediaKind};

/// See the module.
pub(super) struct Registry {
    shared: Arc<Shared>,
    commands: Sender<Command>,
    keys: Vec<SharedKey>,
}

/// Members that could share, and the memory of the decision who does.
struct SharedKey {
    key: BranchKey,
    sharing: Sharing,
    /// A branch could not be started: none is added before this.
    frozen_until: Option<Instant>,
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
            branch: None,
        };
        self.shared.state().members.insert(id, member);
        let result = self.regroup(&key);
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

    /// Regroups, and forgets a key that nobody has any more.
    fn settle(&mut self, key: &BranchKey) {
        // Those who are there keep their branch when another one cannot be had.
        let _ = self.regroup(key);
        let has_members = !self.shared.state().sharers(key).is_empty();
        self.keys.retain(|shared| shared.key != *key || has_members);
    }

    fn regroup(&mut self, key: &BranchKey) -> Result<(), BranchError> {
        let mut result = Ok(());
        for group in self.plan(key) {
            match self.branch_for(key, &group) {
                Ok(branch) => self.place(&branch, &group),
                Err(error) => {
                    self.freeze(key);
                    result = Err(error);
                }
            }
        }
        self.retire_useless(key);
        result
    }

    fn plan(&mut self, key: &BranchKey) -> Vec<Group> {
        let now = Instant::now();
        let (members, branches) = {
            let state = self.shared.state();
            (state.sharers(key), state.branches_of(key))
        };
        let rates = branches
            .iter()
            .map(|branch| (branch.id(), branch.running().rate))
            .collect();
        let rule = self.rule(key);
        let Some(shared) = self.keys.iter_mut().find(|shared| shared.key == *key) else {
            return Vec::new();
        };
        let rule = match shared.frozen_until {
            Some(until) if now < until && !branches.is_empty() => Rule::ByTarget(branches.len()),
            _ => rule,
        };
        shared.sharing.plan(now, rule, &members, &rates)
    }

    /// Only a video encoder of ours depends on targets.
    fn rule(&self, key: &BranchKey) -> Rule {
        let is_encoded = self
            .shared
            .input_caps(&key.stream)
            .is_some_and(|caps| !codec::caps::is_raw(&caps));
        if is_encoded || key.codec.is_raw_payload() {
            return Rule::Together;
        }
        match self.shared.host.encode_settings().max_encoders {
            0 => Rule::Apart,
            _ if key.codec.media() == MediaKind::Audio => Rule::Together,
            most => Rule::ByTarget(usize::try_from(most).unwrap_or(usize::MAX)),
        }
    }

    fn freeze(&mut self, key: &BranchKey) {
        if let Some(shared) = self.keys.iter_mut().find(|shared| shared.key == *key) {
            shared.frozen_until = Some(Instant::now() + FREEZE);
        }
    }

    /// The branch that a group goes on with, started when it is new.
    fn branch_for(&self, key: &BranchKey, group: &Group) -> Result<Arc<Branch>, BranchError> {
        let (id, cause) = {
            let mut state = self.shared.state();
            let running = group.branch.and_then(|id| state.branches.get(&id).cloned());
            if let Some(branch) = running {
                return Ok(branch);
            }
            let newcomer = |id: &&MemberId| {
                state
                    .members
                    .get(id)
                    .is_some_and(|member| member.branch.is_none())
            };
            let cause = group.members.iter().find(newcomer).or(group.members.first());
            let cause = cause
                .and_then(|id| state.members.get(id))
                .map(|member| member.tap.consumer_id().to_owned());
            (BranchId(state.next_id()), cause.unwrap_or_default())
        };
        let candidates = self.candidates(key);
        let branch = Branch::new(id, key.clone(), cause, group.rate, candidates);
        self.starter().start(&branch)?;
        self.shared.state().branches.insert(id, branch.clone());
        Ok(branch)
    }

    fn candidates(&self, key: &BranchKey) -> Candidates<Option<gst::ElementFactory>> {
        let is_raw = self
            .shared
            .input_caps(&key.stream)
            .is_some_and(|caps| codec::caps::is_raw(&caps));
        if is_raw && !key.codec.is_raw_payload() {
            Candidates::new(
                self.shared
                    .catalogue
                    .encoders(key.codec)
                    .iter()
                    .cloned()
                    .map(Some),
            )
        } else {
            Candidates::new([None])
        }
    }

    fn starter(&self) -> Starter<'_> {
        Starter {
            shared: &self.shared,
            commands: &self.commands,
        }
    }

    fn place(&self, branch: &Arc<Branch>, group: &Group) {
        for id in &group.members {
            let moved = {
                let mut state = self.shared.state();
                let member = state
                    .members
                    .get_mut(id)
                    .filter(|member| member.branch != Some(branch.id()));
                member.map(|member| {
                    member.branch = Some(branch.id());
                    member.tap.clone()
                })
            };
            if let Some(tap) = moved {
                tap.set_latency(branch.latency());
                branch.add_tap(tap.clone());
                tap.move_to(branch.id(), branch.keys().clone());
            }
        }
        self.set_rate(branch, group.rate);
    }

    fn set_rate(&self, branch: &Branch, rate: Bitrate) {
        let before = std::mem::replace(&mut branch.running().rate, rate);
        if before != rate {
            lifecycle::apply_rate(&self.shared, branch);
        }
    }

    /// Stops branches that nobody belongs to and nobody is still fed by.
    fn retire_useless(&self, key: &BranchKey) {
        let useless: Vec<_> = {
            let state = self.shared.state();
            let is_useless = |branch: &Arc<Branch>| state.members_of(branch.id()).is_empty();
            state.branches_of(key).into_iter().filter(is_useless).collect()
        };
        for branch in useless.iter().filter(|branch| branch.taps().is_empty()) {
            self.remove_branch(branch);
        }
    }

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

    fn remove_branch(&self, branch: &Arc<Branch>) {
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

/// An encoder that could not be had, such as the fourth on hardware with three, is not asked for again so soon.
const FREEZE: Duration = Duration::from_secs(10);

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
