// SPDX-License-Identifier: MPL-2.0
//! Putting a grouping into effect: branches started, consumers moved, useless branches stopped.
//!
//! Who belongs together is decided by `sharing`. On the worker. Owns the order: new branches are started before anybody
//! is moved, and old ones are stopped only when nobody is fed by them, so a consumer has a branch at any time.
//! `lifecycle` starts and stops; a consumer's `tap` makes the move itself, at a key frame.

use std::sync::Arc;
use std::time::{Duration, Instant};

use congestion::units::Bitrate;

use super::branch::{Branch, BranchKey};
use super::candidates::Candidates;
use super::lifecycle::{self, Starter};
use super::registry::Registry;
use super::sharing::{Group, Rule};
use super::tap::MemberId;
use super::{BranchError, BranchId};
use crate::codec::{self, MediaKind};

impl Registry {
    /// Regroups, and forgets a key that nobody has any more.
    pub(super) fn settle(&mut self, key: &BranchKey) {
        // Those who are there keep their branch when another one cannot be had.
        let _ = self.regroup(key);
        let has_members = !self.shared.state().sharers(key).is_empty();
        self.keys.retain(|shared| shared.key != *key || has_members);
    }

    /// Groups the members of a key anew. An error is that of a branch which could not be started; whoever has a branch
    /// already keeps it then.
    pub(super) fn regroup(&mut self, key: &BranchKey) -> Result<(), BranchError> {
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

    /// What `sharing` says of the members now. While frozen, no plan has more groups than there are branches.
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

    /// Called when an encoder could not be had.
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

    /// The encoders to try in rank order; for input that is not encoded here, one attempt without any.
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

    /// What starts branches.
    pub(super) fn starter(&self) -> Starter<'_> {
        Starter {
            shared: &self.shared,
            commands: &self.commands,
        }
    }

    /// Moves members to a branch. Each keeps being fed by its old one until a key frame of the new one.
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
        lifecycle::set_fed(&self.shared, branch);
        self.set_rate(branch, group.rate);
    }

    fn set_rate(&self, branch: &Branch, rate: Bitrate) {
        let before = std::mem::replace(&mut branch.running().rate, rate);
        if before != rate {
            lifecycle::apply_rate(&self.shared, branch);
        }
    }

    /// Stops branches that nobody belongs to and nobody is still fed by.
    pub(super) fn retire_useless(&self, key: &BranchKey) {
        let useless: Vec<_> = {
            let state = self.shared.state();
            let is_useless = |branch: &Arc<Branch>| state.members_of(branch.id()).is_empty();
            state.branches_of(key).into_iter().filter(is_useless).collect()
        };
        for branch in useless.iter().filter(|branch| branch.taps().is_empty()) {
            self.remove_branch(branch);
        }
    }
}

/// An encoder that could not be had, such as the fourth on hardware with three, is not asked for again so soon.
const FREEZE: Duration = Duration::from_secs(10);
