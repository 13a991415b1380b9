// SPDX-License-Identifier: MPL-2.0
//! When to probe for more than the estimate, and at which rate.
//!
//! At the start, to get from the start rate to the link's in a few round trips; then every few seconds, because a
//! sender at its estimate cannot see that a link has become faster, nor can one whose application sends little. A
//! probe that meets no limit is followed by the next. There is none while the link is overused.

use std::time::Duration;

use super::cluster::ProbeResult;
use crate::feedback::ProbeId;
use crate::units::{Bitrate, Timestamp};
use crate::{ProbeCluster, Usage};

/// Decides about probes.
#[derive(Debug)]
pub(super) struct Prober {
    next_id: u32,
    state: State,
    /// When the link was last seen overused.
    overused: Option<Timestamp>,
}

#[derive(Debug)]
enum State {
    /// Nothing was sent yet.
    Idle,
    /// A probe at this rate is wanted as soon as the link allows.
    Wanted { rate: Bitrate },
    /// A probe is under way.
    Probing {
        id: ProbeId,
        rate: Bitrate,
        since: Timestamp,
        /// Whether no higher rate is wanted.
        is_last: bool,
    },
    /// Nothing to do until then.
    Resting { until: Timestamp },
}

/// What the decision is made from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Situation {
    pub(super) target: Bitrate,
    /// What the application can use: a target that covers it is high enough.
    pub(super) needed: Bitrate,
    /// The highest target there may be.
    pub(super) max: Bitrate,
    pub(super) usage: Usage,
    /// Something has been sent and fed back lately, so a probe would be answered.
    pub(super) is_sending: bool,
}

impl Prober {
    pub(super) const fn new() -> Self {
        Self {
            next_id: 0,
            state: State::Idle,
            overused: None,
        }
    }

    /// The probe to send now, if any.
    pub(super) fn poll(&mut self, now: Timestamp, situation: &Situation) -> Option<ProbeCluster> {
        if situation.usage == Usage::Over {
            self.overused = Some(now);
        }
        self.advance(now, situation);
        let State::Wanted { rate } = self.state else {
            return None;
        };
        let quiet = self.overused.is_none_or(|last| now - last >= QUIET_BEFORE);
        if !quiet || !situation.is_sending {
            return None;
        }
        // What would be proved must exceed what is used, or the packets are for nothing.
        let highest = situation.max * ABOVE_MAX;
        let is_last = rate >= highest;
        let rate = rate.min(highest);
        if rate.as_f64() < situation.target.as_f64() * WORTHWHILE {
            self.state = State::Resting {
                until: now + INTERVAL,
            };
            return None;
        }
        let id = ProbeId(self.next_id);
        self.next_id = self.next_id.wrapping_add(1);
        self.state = State::Probing {
            id,
            rate,
            since: now,
            is_last,
        };
        Some(ProbeCluster {
            id,
            rate,
            size: situation.target * WORTH,
            min_packets: LEAST_PACKETS,
        })
    }

    /// A probe was answered.
    pub(super) fn on_result(&mut self, now: Timestamp, id: ProbeId, result: &ProbeResult) {
        let State::Probing {
            id: current,
            rate,
            is_last,
            ..
        } = self.state
        else {
            return;
        };
        if current != id {
            return;
        }
        let goes_on = result.rate.as_f64() >= rate.as_f64() * CONTINUE && result.unsaturated;
        self.state = if goes_on && !is_last {
            State::Wanted {
                rate: result.rate * FACTOR,
            }
        } else {
            State::Resting {
                until: now + INTERVAL,
            }
        };
    }

    fn advance(&mut self, now: Timestamp, situation: &Situation) {
        self.state = match self.state {
            State::Idle if situation.is_sending => State::Wanted {
                rate: situation.target * FIRST,
            },
            State::Probing { since, .. } if now - since >= ANSWER_TIME => {
                State::Resting { until: now + RETRY }
            }
            State::Resting { until } if now >= until && situation.target < situation.needed => {
                State::Wanted {
                    rate: situation.target * FACTOR,
                }
            }
            _ => return,
        };
    }
}

/// The first probe, in multiples of the start rate (libwebrtc, `first_exponential_probe_scale`).
const FIRST: f64 = 3.0;
/// Every further one, in multiples of what is known (libwebrtc, `further_exponential_probe_scale`).
const FACTOR: f64 = 2.0;
/// The share of the probed rate that must have been proved to go on (libwebrtc, `further_probe_threshold`).
const CONTINUE: f64 = 0.7;
/// Probes may exceed the maximum by what is lost to measuring, so that the maximum itself can be proved.
const ABOVE_MAX: f64 = 1.1;
/// A probe below this multiple of the target is not worth its packets.
const WORTHWHILE: f64 = 1.05;
/// How much a probe sends, in time at the target: all that the pacer lets a probe overdraw. At twice the target it
/// lasts 30 ms (libwebrtc's `min_probe_duration` is 15 ms; that is too short for jitter of that size).
const WORTH: Duration = Duration::from_millis(60);
/// The fewest packets: two gaps between three arrivals (libwebrtc has `min_probe_packets_sent` of 5, which at 300 kbit/s
/// would be more than a probe may cost).
const LEAST_PACKETS: u32 = 3;
/// Between probes (libwebrtc probes every 5 s when application-limited, `alr_probing_interval`).
const INTERVAL: Duration = Duration::from_secs(5);
/// After a probe that was not answered, or whose answer made no sense.
const RETRY: Duration = Duration::from_secs(1);
/// An answer later than this is none (libwebrtc, `kMaxWaitingTimeForProbingResult`).
const ANSWER_TIME: Duration = Duration::from_secs(1);
/// How long overuse must be over: the queue it left is drained then.
const QUIET_BEFORE: Duration = Duration::from_millis(1000);

#[cfg(test)]
mod tests {
    use super::*;

    const CALM: Situation = Situation {
        target: Bitrate::from_kbps(500),
        needed: Bitrate::from_kbps(8000),
        max: Bitrate::from_kbps(8000),
        usage: Usage::Normal,
        is_sending: true,
    };

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    fn result(kbps: u64, unsaturated: bool) -> ProbeResult {
        ProbeResult {
            rate: Bitrate::from_kbps(kbps),
            unsaturated,
        }
    }

    #[test]
    fn the_start_is_probed_until_the_link_is_met() {
        let mut prober = Prober::new();
        assert_eq!(
            prober.poll(
                at(0),
                &Situation {
                    is_sending: false,
                    ..CALM
                }
            ),
            None
        );
        let first = prober.poll(at(10), &CALM).unwrap();
        assert_eq!(first.rate, Bitrate::from_kbps(1500));
        assert_eq!(prober.poll(at(20), &CALM), None);
        prober.on_result(at(120), first.id, &result(1500, true));
        let second = prober.poll(at(130), &CALM).unwrap();
        assert_eq!(second.rate, Bitrate::from_kbps(3000));
        prober.on_result(at(240), second.id, &result(2400, false));
        assert_eq!(prober.poll(at(250), &CALM), None);
    }

    #[test]
    fn a_resting_prober_probes_again() {
        let mut prober = Prober::new();
        let first = prober.poll(at(0), &CALM).unwrap();
        prober.on_result(at(100), first.id, &result(600, false));
        assert_eq!(prober.poll(at(5000), &CALM), None);
        assert_eq!(
            prober.poll(at(5100), &CALM).unwrap().rate,
            Bitrate::from_kbps(1000)
        );
    }

    #[test]
    fn overuse_delays_a_probe() {
        let mut prober = Prober::new();
        assert_eq!(
            prober.poll(
                at(0),
                &Situation {
                    usage: Usage::Over,
                    ..CALM
                }
            ),
            None
        );
        assert_eq!(prober.poll(at(900), &CALM), None);
        assert!(prober.poll(at(1000), &CALM).is_some());
    }

    #[test]
    fn an_unanswered_probe_ends() {
        let mut prober = Prober::new();
        prober.poll(at(0), &CALM).unwrap();
        assert_eq!(prober.poll(at(1000), &CALM), None);
        assert!(prober.poll(at(2000), &CALM).is_some());
    }

    #[test]
    fn a_target_at_its_maximum_is_not_probed() {
        let mut prober = Prober::new();
        let full = Situation {
            target: CALM.max,
            max: CALM.max,
            ..CALM
        };
        let probe = prober.poll(at(0), &full).unwrap();
        assert_eq!(probe.rate, CALM.max * 1.1);
        let tight = Situation {
            target: CALM.max * 1.1,
            ..full
        };
        assert_eq!(Prober::new().poll(at(0), &tight), None);
    }

    #[test]
    fn a_probe_for_all_there_may_be_is_the_last_of_its_row() {
        let mut prober = Prober::new();
        let fast = Situation {
            target: Bitrate::from_kbps(5000),
            ..CALM
        };
        let probe = prober.poll(at(0), &fast).unwrap();
        assert_eq!(probe.rate, CALM.max * 1.1);
        prober.on_result(at(100), probe.id, &result(7000, true));
        assert_eq!(prober.poll(at(110), &fast), None, "though it proved most of it");
    }

    #[test]
    fn nobody_searches_for_more_than_is_needed() {
        let mut prober = Prober::new();
        let covered = Situation {
            needed: Bitrate::from_kbps(400),
            ..CALM
        };
        let first = prober.poll(at(0), &covered).unwrap();
        prober.on_result(at(100), first.id, &result(600, false));
        assert_eq!(prober.poll(at(60_000), &covered), None);
        assert!(prober.poll(at(60_001), &CALM).is_some(), "needs may grow");
    }

    #[test]
    fn an_answer_to_another_probe_is_ignored() {
        let mut prober = Prober::new();
        let probe = prober.poll(at(0), &CALM).unwrap();
        prober.on_result(at(10), ProbeId(probe.id.0 + 1), &result(9000, true));
        assert_eq!(prober.poll(at(20), &CALM), None);
    }
}
