// SPDX-License-Identifier: MPL-2.0
//! Who shares an encoder, and at which bitrate: a pure function of what each consumer's controller allows.
//!
//! Consumers whose targets are close share one branch, which runs at the lowest target among them. One whose target
//! falls leaves for a slower branch at once; one that could do better elsewhere goes only after that has been so for a
//! while. A branch stays with those whose targets are nearest to the rate it runs at, so that neither a falling nor a
//! rising consumer makes the others move. Putting a plan into effect is `grouping`'s; the worker calls this at every
//! change of a target and once a second.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use congestion::units::Bitrate;

use super::BranchId;
use super::tap::MemberId;

/// One consumer, as the decision sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    /// Who.
    pub(super) id: MemberId,
    /// What its congestion controller allows.
    pub(super) target: Bitrate,
    /// The branch it is on or on its way to; `None` for a newcomer.
    pub(super) branch: Option<BranchId>,
}

/// How members of one key may be put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// One branch for all: nothing in it depends on a target.
    Together,
    /// A branch for each.
    Apart,
    /// By target, on at most so many branches.
    ByTarget(usize),
}

/// Members that are to be on one branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    /// The branch that goes on for them; `None`: a new one.
    pub(super) branch: Option<BranchId>,
    /// What its encoder is to run at.
    pub(super) rate: Bitrate,
    /// Who, highest target first.
    pub(super) members: Vec<MemberId>,
}

/// Remembers for how long members could have done better elsewhere; everything else comes in by argument.
#[derive(Debug, Default)]
pub(super) struct Sharing {
    /// Since when the ideal grouping has a member elsewhere.
    better_since: BTreeMap<MemberId, Instant>,
}

impl Sharing {
    /// Groups `members`. `rates` are what running branches run at; a branch that is in no group has become useless.
    pub(super) fn plan(
        &mut self,
        now: Instant,
        rule: Rule,
        members: &[Member],
        rates: &BTreeMap<BranchId, Bitrate>,
    ) -> Vec<Group> {
        let ideal = partition(rule, members);
        let labels = label(&ideal, rates);
        let mut wanted: Vec<(Member, Slot)> = Vec::with_capacity(members.len());
        for (index, group) in ideal.iter().enumerate() {
            let slot = labels[index].map_or(Slot::New(index), Slot::Running);
            wanted.extend(group.iter().map(|member| (*member, slot)));
        }
        self.better_since
            .retain(|id, _| members.iter().any(|member| member.id == *id));

        let patient: Vec<(Member, Slot)> = wanted
            .iter()
            .map(|(member, slot)| (*member, self.settle(now, member, *slot, rates)))
            .collect();
        let chosen = if fits(rule, &patient) { patient } else { wanted };
        collect(&chosen)
    }

    /// Where a member goes now: its place in the ideal grouping, or its own branch until going there is due.
    fn settle(
        &mut self,
        now: Instant,
        member: &Member,
        ideal: Slot,
        rates: &BTreeMap<BranchId, Bitrate>,
    ) -> Slot {
        let Some(own) = member.branch.filter(|own| ideal != Slot::Running(*own)) else {
            self.better_since.remove(&member.id);
            return ideal;
        };
        let falls = rates
            .get(&own)
            .is_none_or(|rate| member.target < *rate * KEEP_RATIO);
        let since = *self.better_since.entry(member.id).or_insert(now);
        if falls || now.duration_since(since) >= STABLE_FOR {
            self.better_since.remove(&member.id);
            return ideal;
        }
        Slot::Running(own)
    }
}

/// A branch that runs, or one that a group of the ideal partition needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Slot {
    Running(BranchId),
    New(usize),
}

/// The grouping there would be if moving cost nothing; highest targets first.
fn partition(rule: Rule, members: &[Member]) -> Vec<Vec<Member>> {
    let mut sorted = members.to_vec();
    sorted.sort_by(|a, b| b.target.cmp(&a.target).then(a.id.cmp(&b.id)));
    match rule {
        _ if sorted.is_empty() => Vec::new(),
        Rule::Together => vec![sorted],
        Rule::Apart => sorted.into_iter().map(|member| vec![member]).collect(),
        Rule::ByTarget(most) => {
            let mut groups = by_closeness(sorted);
            while groups.len() > most.max(1) {
                merge_cheapest(&mut groups);
            }
            groups
        }
    }
}

/// Each group reaches down from its highest member, for that one loses most by sharing.
fn by_closeness(sorted: Vec<Member>) -> Vec<Vec<Member>> {
    let mut groups: Vec<Vec<Member>> = Vec::new();
    for member in sorted {
        match groups.last_mut() {
            Some(group) if is_close(&group[0], &member) => group.push(member),
            _ => groups.push(vec![member]),
        }
    }
    groups
}

/// Those together stay so a little longer than it takes to come together.
fn is_close(leader: &Member, member: &Member) -> bool {
    let together = leader.branch.is_some() && leader.branch == member.branch;
    let ratio = if together { KEEP_RATIO } else { JOIN_RATIO };
    member.target >= leader.target * ratio
}

/// Puts those two neighbours together whose upper part loses least, in shares of what its members could have had.
fn merge_cheapest(groups: &mut Vec<Vec<Member>>) {
    let cost = |upper: &[Member], lower: &[Member]| -> f64 {
        let (now, then) = (rate_of(upper), rate_of(lower));
        upper
            .iter()
            .map(|member| now.ratio(member.target) - then.ratio(member.target))
            .sum()
    };
    let cheapest = (1..groups.len())
        .min_by(|a, b| cost(&groups[a - 1], &groups[*a]).total_cmp(&cost(&groups[b - 1], &groups[*b])));
    if let Some(index) = cheapest {
        let lower = groups.remove(index);
        groups[index - 1].extend(lower);
    }
}

fn rate_of(group: &[Member]) -> Bitrate {
    group.iter().map(|member| member.target).min().unwrap_or_default()
}

/// Which running branch goes on for which group. Each branch picks, among the groups its members go to, the one
/// nearest to its rate; of several branches that picked one group, the one most of it is on already wins.
fn label(groups: &[Vec<Member>], rates: &BTreeMap<BranchId, Bitrate>) -> Vec<Option<BranchId>> {
    let mut labels: Vec<Option<BranchId>> = vec![None; groups.len()];
    for (branch, rate) in rates {
        let on_it = |group: &[Member]| {
            group
                .iter()
                .filter(|member| member.branch == Some(*branch))
                .count()
        };
        let picked = (0..groups.len())
            .filter(|index| on_it(&groups[*index]) > 0)
            .min_by(|a, b| {
                let distance = |index: usize| distance(rate_of(&groups[index]), *rate);
                let by_size = on_it(&groups[*b]).cmp(&on_it(&groups[*a]));
                distance(*a).total_cmp(&distance(*b)).then(by_size)
            });
        let Some(index) = picked else { continue };
        let holds = |holder: BranchId| {
            groups[index]
                .iter()
                .filter(|member| member.branch == Some(holder))
                .count()
        };
        if labels[index].is_none_or(|holder| holds(*branch) > holds(holder)) {
            labels[index] = Some(*branch);
        }
    }
    labels
}

/// How far apart two rates are, as a ratio on a scale where twice and half are equally far.
fn distance(a: Bitrate, b: Bitrate) -> f64 {
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    if low == high {
        1.0
    } else {
        high.as_f64() / low.as_f64().max(1.0)
    }
}

/// Patience may keep a branch in use that the limit has no room for; then there is none.
fn fits(rule: Rule, placed: &[(Member, Slot)]) -> bool {
    match rule {
        Rule::ByTarget(most) => collect(placed).len() <= most.max(1),
        Rule::Together | Rule::Apart => true,
    }
}

fn collect(placed: &[(Member, Slot)]) -> Vec<Group> {
    let mut groups: BTreeMap<Slot, Vec<Member>> = BTreeMap::new();
    for (member, slot) in placed {
        groups.entry(*slot).or_default().push(*member);
    }
    groups
        .into_iter()
        .map(|(slot, members)| Group {
            branch: match slot {
                Slot::Running(branch) => Some(branch),
                Slot::New(_) => None,
            },
            rate: rate_of(&members),
            members: members.iter().map(|member| member.id).collect(),
        })
        .collect()
}

/// Consumers within about 20 % share: a target below this share of the highest, or of the branch's rate, is too low.
const KEEP_RATIO: f64 = 0.8;
/// Those that are apart come together a little earlier than they would part, so that noise does not move them.
const JOIN_RATIO: f64 = 0.85;
/// How long it must pay to go elsewhere: some cycles of an estimator's increase and decrease, and rare enough that
/// the key frame which every move costs stays below a percent of the bitrate.
pub(super) const STABLE_FOR: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays scripted targets and applies every plan, as the pool does.
    struct Play {
        start: Instant,
        rule: Rule,
        sharing: Sharing,
        members: Vec<Member>,
        rates: BTreeMap<BranchId, Bitrate>,
        next_branch: u64,
        moves: usize,
    }

    impl Play {
        fn new(rule: Rule) -> Self {
            Self {
                start: Instant::now(),
                rule,
                sharing: Sharing::default(),
                members: Vec::new(),
                rates: BTreeMap::new(),
                next_branch: 0,
                moves: 0,
            }
        }

        fn join(&mut self, id: u64, kbps: u64) {
            self.members.push(Member {
                id: MemberId(id),
                target: Bitrate::from_kbps(kbps),
                branch: None,
            });
        }

        fn set(&mut self, id: u64, kbps: u64) {
            let member = self
                .members
                .iter_mut()
                .find(|member| member.id == MemberId(id))
                .unwrap();
            member.target = Bitrate::from_kbps(kbps);
        }

        fn at(&mut self, seconds: f64) -> Vec<(u64, Vec<u64>)> {
            let now = self.start + Duration::from_secs_f64(seconds);
            let groups = self.sharing.plan(now, self.rule, &self.members, &self.rates);
            self.rates.clear();
            let mut shown = Vec::new();
            for group in groups {
                let branch = group.branch.unwrap_or_else(|| {
                    self.next_branch += 1;
                    BranchId(self.next_branch)
                });
                self.rates.insert(branch, group.rate);
                for member in self
                    .members
                    .iter_mut()
                    .filter(|member| group.members.contains(&member.id))
                {
                    self.moves += usize::from(member.branch.is_some_and(|old| old != branch));
                    member.branch = Some(branch);
                }
                shown.push((
                    group.rate.bps() / 1000,
                    group.members.iter().map(|id| id.0).collect(),
                ));
            }
            shown.sort_by(|a: &(u64, Vec<u64>), b| b.cmp(a));
            shown
        }
    }

    #[test]
    fn three_consumers_make_two_branches_and_merge_again() {
        let mut play = Play::new(Rule::ByTarget(3));
        for id in 1..=3 {
            play.join(id, 3000);
        }
        assert_eq!(play.at(0.0), [(3000, vec![1, 2, 3])]);
        play.set(2, 2900);
        play.set(3, 500);
        assert_eq!(play.at(1.0), [(2900, vec![1, 2]), (500, vec![3])], "down at once");
        assert_eq!(play.moves, 1);
        play.set(3, 2950);
        assert_eq!(
            play.at(2.0),
            [(2950, vec![3]), (2900, vec![1, 2])],
            "up only when it lasts"
        );
        assert_eq!(play.at(6.9), [(2950, vec![3]), (2900, vec![1, 2])]);
        assert_eq!(play.at(7.1), [(2900, vec![1, 3, 2])]);
        assert_eq!(play.moves, 2, "the many never moved");
    }

    #[test]
    fn a_relapse_starts_the_wait_anew() {
        let mut play = Play::new(Rule::ByTarget(3));
        play.join(1, 3000);
        play.join(2, 500);
        play.at(0.0);
        play.set(2, 3000);
        play.at(1.0);
        play.set(2, 600);
        play.at(5.0);
        play.set(2, 3000);
        assert_eq!(play.at(5.5).len(), 2);
        assert_eq!(play.at(9.0).len(), 2);
        assert_eq!(play.at(10.6).len(), 1);
    }

    #[test]
    fn many_that_fall_together_do_not_move() {
        let mut play = Play::new(Rule::ByTarget(3));
        for id in 1..=4 {
            play.join(id, 3000);
        }
        play.at(0.0);
        for id in 1..=4 {
            play.set(id, 800);
        }
        assert_eq!(play.at(0.1), [(800, vec![1, 2, 3, 4])]);
        assert_eq!(play.moves, 0);
    }

    #[test]
    fn one_that_stays_fast_is_not_dragged_by_a_falling_majority() {
        let mut play = Play::new(Rule::ByTarget(3));
        for id in 1..=3 {
            play.join(id, 3000);
        }
        play.at(0.0);
        play.set(2, 500);
        play.set(3, 500);
        assert_eq!(play.at(0.1), [(3000, vec![1]), (500, vec![2, 3])]);
        assert_eq!(
            play.members[0].branch,
            Some(BranchId(1)),
            "the fast one keeps its encoder"
        );
    }

    #[test]
    fn one_that_rises_leaves_its_branch_to_the_others() {
        let mut play = Play::new(Rule::ByTarget(3));
        for id in 1..=3 {
            play.join(id, 500);
        }
        play.at(0.0);
        play.set(1, 1500);
        assert_eq!(play.at(1.0), [(500, vec![1, 2, 3])]);
        assert_eq!(play.at(6.1), [(1500, vec![1]), (500, vec![2, 3])]);
        assert_eq!(play.moves, 1);
    }

    #[test]
    fn closeness_needs_more_to_come_together_than_to_stay() {
        let mut play = Play::new(Rule::ByTarget(3));
        play.join(1, 1000);
        play.join(2, 820);
        assert_eq!(play.at(0.0).len(), 2, "82 % is not enough to join");
        play.set(2, 860);
        play.at(1.0);
        assert_eq!(play.at(6.5).len(), 1);
        play.set(2, 810);
        assert_eq!(play.at(7.0), [(810, vec![1, 2])], "81 % is enough to stay");
        play.set(1, 1020);
        assert_eq!(play.at(8.0).len(), 1, "one that rises waits");
        assert_eq!(play.at(13.1).len(), 2);
    }

    #[test]
    fn the_number_of_branches_is_kept() {
        let targets = [4000, 2000, 1000, 500, 250, 125];
        for most in 1..=6 {
            let mut play = Play::new(Rule::ByTarget(most));
            for (id, kbps) in targets.iter().enumerate() {
                play.join(id as u64, *kbps);
                assert!(play.at(id as f64).len() <= most);
            }
            assert_eq!(play.at(20.0).len(), most);
        }
    }

    #[test]
    fn one_encoder_runs_at_the_lowest_target() {
        let mut play = Play::new(Rule::ByTarget(1));
        play.join(1, 3000);
        play.join(2, 500);
        assert_eq!(play.at(0.0), [(500, vec![1, 2])]);
    }

    #[test]
    fn no_limit_on_encoders_means_one_each() {
        let mut play = Play::new(Rule::Apart);
        play.join(1, 3000);
        play.join(2, 3000);
        assert_eq!(play.at(0.0), [(3000, vec![2]), (3000, vec![1])]);
        assert_eq!(play.at(60.0).len(), 2);
        assert_eq!(play.moves, 0);
    }

    #[test]
    fn audio_and_encoded_input_share_whatever_their_targets() {
        let mut play = Play::new(Rule::Together);
        play.join(1, 3000);
        play.join(2, 5);
        assert_eq!(play.at(0.0).len(), 1);
        play.set(1, 1);
        assert_eq!(play.at(0.1).len(), 1);
        assert_eq!(play.moves, 0);
    }

    #[test]
    fn at_the_limit_a_falling_consumer_joins_the_nearest() {
        let mut play = Play::new(Rule::ByTarget(2));
        play.join(1, 3000);
        play.join(2, 3000);
        play.join(3, 600);
        play.at(0.0);
        play.set(2, 500);
        assert_eq!(play.at(1.0), [(3000, vec![1]), (500, vec![3, 2])]);
        assert_eq!(play.moves, 1);
    }

    #[test]
    fn a_lowered_limit_takes_effect_at_once() {
        let mut play = Play::new(Rule::Apart);
        for id in 1..=5 {
            play.join(id, 1000);
        }
        assert_eq!(play.at(0.0).len(), 5);
        play.rule = Rule::ByTarget(3);
        assert!(play.at(0.1).len() <= 3);
    }

    #[test]
    fn nobody_and_nothing_are_fine() {
        let mut play = Play::new(Rule::ByTarget(0));
        assert!(play.at(0.0).is_empty());
        play.join(1, 0);
        play.join(2, 0);
        assert_eq!(play.at(0.1), [(0, vec![1, 2])]);
        assert!(play.sharing.better_since.is_empty());
    }

    #[test]
    fn those_who_left_are_forgotten() {
        let mut play = Play::new(Rule::ByTarget(3));
        play.join(1, 3000);
        play.join(2, 500);
        play.at(0.0);
        play.set(2, 3000);
        play.at(1.0);
        assert_eq!(play.sharing.better_since.len(), 1);
        play.members.pop();
        play.at(2.0);
        assert!(play.sharing.better_since.is_empty());
    }

    #[test]
    fn noise_around_a_threshold_does_not_make_them_wander() {
        let mut play = Play::new(Rule::ByTarget(3));
        play.join(1, 1000);
        play.join(2, 1000);
        for step in 0..600 {
            play.set(2, if step % 2 == 0 { 790 } else { 1000 });
            play.at(f64::from(step) * 0.1);
        }
        assert!(play.moves <= 1, "{} moves in a minute", play.moves);
    }
}
