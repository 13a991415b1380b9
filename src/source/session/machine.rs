// SPDX-License-Identifier: MPL-2.0
//! Life of one producer connection: `New → Negotiating → Connecting → Connected ⇄ Recovering → Ended`.
//!
//! Pure: what happened and the time go in, what to tell comes out. The session's task asks for [`Machine::deadline`]
//! and feeds [`Input::Tick`] when it passes. Recovery itself is the producer's to begin, with a new offer; this side
//! waits for it and knows when to give up.

use std::time::{Duration, Instant};

use crate::end_reason::{EndReason, SessionEndReason};

/// Time limits of one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// From the beginning to connected; `None` waits for ever.
    pub(crate) connect: Option<Duration>,
    /// What the signaller may need for descriptions alone, where that is longer.
    pub(crate) negotiate: Option<Duration>,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Input {
    /// The first description came or was asked for.
    Negotiating,
    /// Both descriptions are set.
    Described,
    /// A candidate pair works and DTLS is done.
    Connected,
    /// ICE says that no candidate pair works.
    IceFailed,
    /// The DTLS handshake was refused.
    DtlsFailed,
    /// Time passed; `last_packet` is when the peer was heard last.
    Tick {
        /// When RTP or RTCP last came from the peer.
        last_packet: Option<Instant>,
    },
    /// The connection was replaced by a fresh one, or its ICE restarted.
    Renewed,
}

/// What to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// Media may flow, for the first time.
    Connected,
    /// Nothing comes any more; wait for it to come back.
    Recovering,
    /// It came back.
    Recovered,
    /// Release everything and tell everybody.
    End(EndReason),
}

/// The life of one session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Machine {
    /// Copied from settings and signaller when the session began.
    limits: Limits,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    New {
        since: Instant,
    },
    Negotiating {
        since: Instant,
    },
    Connecting {
        since: Instant,
        ice_failed: bool,
    },
    Connected {
        /// When the peer was heard last, or the connection began.
        quiet_since: Instant,
    },
    Recovering {
        since: Instant,
        next_look: Instant,
        ice_failed: bool,
    },
    Ended,
}

impl Machine {
    /// A session that begins now.
    pub(crate) fn new(now: Instant, limits: Limits) -> Self {
        Self {
            limits,
            state: State::New { since: now },
        }
    }

    /// Takes in what happened.
    pub(crate) fn handle(&mut self, now: Instant, input: Input) -> Vec<Action> {
        match (self.state, input) {
            (State::Ended, _) => Vec::new(),
            (State::New { since }, Input::Negotiating) => self.enter(State::Negotiating { since }),
            (State::New { since } | State::Negotiating { since }, Input::Described) => {
                self.enter(State::Connecting {
                    since,
                    ice_failed: false,
                })
            }
            (State::New { .. } | State::Negotiating { .. } | State::Connecting { .. }, Input::Connected) => {
                self.state = State::Connected { quiet_since: now };
                vec![Action::Connected]
            }
            (State::Connecting { since, .. }, Input::IceFailed) => {
                // Candidates may still be on their way: the deadline decides.
                self.enter(State::Connecting {
                    since,
                    ice_failed: true,
                })
            }
            (State::Connected { .. }, Input::IceFailed) => self.recover(now, true),
            (State::Recovering { since, next_look, .. }, Input::IceFailed) => {
                let ice_failed = true;
                self.enter(State::Recovering {
                    since,
                    next_look,
                    ice_failed,
                })
            }
            (State::Recovering { .. }, Input::Connected) => self.recovered(now),
            (_, Input::DtlsFailed) => self.end(SessionEndReason::DtlsFailed, "the handshake was refused"),
            (_, Input::Tick { last_packet }) => self.tick(now, last_packet),
            (State::Connected { .. }, Input::Renewed) => self.enter(State::Connected { quiet_since: now }),
            // A new connection begins with what the old one had; these change nothing.
            (State::Connected { .. } | State::Recovering { .. }, Input::Negotiating | Input::Described)
            | (State::Connected { .. }, Input::Connected)
            | (State::Recovering { .. }, Input::Renewed)
            | (State::New { .. } | State::Negotiating { .. } | State::Connecting { .. }, Input::Renewed)
            | (State::Negotiating { .. } | State::Connecting { .. }, Input::Negotiating)
            | (State::Connecting { .. }, Input::Described)
            | (State::New { .. } | State::Negotiating { .. }, Input::IceFailed) => Vec::new(),
        }
    }

    /// When to feed [`Input::Tick`] next.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::New { since } | State::Negotiating { since } => {
                let limit = self
                    .limits
                    .connect?
                    .max(self.limits.negotiate.unwrap_or_default());
                Some(since + limit)
            }
            State::Connecting { since, .. } => Some(since + self.limits.connect?),
            State::Connected { quiet_since } => Some(quiet_since + SILENCE),
            State::Recovering { next_look, .. } => Some(next_look),
            State::Ended => None,
        }
    }

    /// The state's name, for statistics and logs.
    pub(crate) fn state_name(&self) -> &'static str {
        match self.state {
            State::New { .. } => "new",
            State::Negotiating { .. } => "negotiating",
            State::Connecting { .. } => "connecting",
            State::Connected { .. } => "connected",
            State::Recovering { .. } => "recovering",
            State::Ended => "ended",
        }
    }

    fn enter(&mut self, state: State) -> Vec<Action> {
        self.state = state;
        Vec::new()
    }

    fn end(&mut self, kind: SessionEndReason, text: &str) -> Vec<Action> {
        self.state = State::Ended;
        vec![Action::End(EndReason::new(kind, text))]
    }

    fn recover(&mut self, now: Instant, ice_failed: bool) -> Vec<Action> {
        self.state = State::Recovering {
            since: now,
            next_look: now + LOOK_INTERVAL,
            ice_failed,
        };
        vec![Action::Recovering]
    }

    fn recovered(&mut self, now: Instant) -> Vec<Action> {
        self.state = State::Connected { quiet_since: now };
        vec![Action::Recovered]
    }

    fn tick(&mut self, now: Instant, last_packet: Option<Instant>) -> Vec<Action> {
        let is_due = self.deadline().is_some_and(|deadline| deadline <= now);
        match self.state {
            State::New { .. } | State::Negotiating { .. } if is_due => {
                self.end(SessionEndReason::Timeout, "no description came in time")
            }
            State::Connecting { ice_failed: true, .. } if is_due => {
                self.end(SessionEndReason::IceFailed, "no candidate pair works")
            }
            State::Connecting { .. } if is_due => self.end(
                SessionEndReason::Timeout,
                "descriptions were exchanged, no connection came of it",
            ),
            State::Connected { quiet_since } => {
                let quiet_since = last_packet.map_or(quiet_since, |last| last.max(quiet_since));
                self.state = State::Connected { quiet_since };
                if now < quiet_since + SILENCE {
                    Vec::new()
                } else {
                    self.recover(now, false)
                }
            }
            State::Recovering {
                since, ice_failed, ..
            } => {
                if last_packet.is_some_and(|last| last > since) {
                    return self.recovered(now);
                }
                if now < since + RECOVERY {
                    let next_look = now + LOOK_INTERVAL;
                    return self.enter(State::Recovering {
                        since,
                        next_look,
                        ice_failed,
                    });
                }
                match ice_failed {
                    true => self.end(SessionEndReason::IceFailed, "no candidate pair works any more"),
                    false => self.end(
                        SessionEndReason::Stalled,
                        "nothing came from the producer for 35 s",
                    ),
                }
            }
            State::New { .. } | State::Negotiating { .. } | State::Connecting { .. } | State::Ended => {
                Vec::new()
            }
        }
    }
}

/// Without RTP or RTCP for this long a connection is stalled (docs/architecture.md).
const SILENCE: Duration = Duration::from_secs(5);
/// Consent lasts 30 s (RFC 7675, section 5.1): after that the peer has given up as well.
const RECOVERY: Duration = Duration::from_secs(30);
/// How often to look whether packets came back.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        connect: Some(Duration::from_secs(10)),
        negotiate: None,
    };

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn tick(last_packet: Option<Instant>) -> Input {
        Input::Tick { last_packet }
    }

    fn ended(actions: &[Action]) -> Option<SessionEndReason> {
        match actions {
            [Action::End(reason)] => Some(reason.kind),
            _ => None,
        }
    }

    /// A machine after `inputs`, each handled at `start`.
    fn after(start: Instant, inputs: &[Input]) -> Machine {
        let mut machine = Machine::new(start, LIMITS);
        for input in inputs {
            machine.handle(start, *input);
        }
        machine
    }

    #[test]
    fn the_way_to_connected_passes_every_state_once() {
        let now = Instant::now();
        let mut machine = Machine::new(now, LIMITS);
        let steps = [
            (Input::Negotiating, "negotiating", vec![]),
            (Input::Described, "connecting", vec![]),
            (Input::Connected, "connected", vec![Action::Connected]),
            (Input::Connected, "connected", vec![]),
            (Input::Negotiating, "connected", vec![]),
            (Input::Described, "connected", vec![]),
        ];
        for (input, state, actions) in steps {
            assert_eq!(machine.handle(now, input), actions);
            assert_eq!(machine.state_name(), state);
        }
    }

    #[test]
    fn each_state_before_connected_ends_at_its_deadline_with_its_reason() {
        let start = Instant::now();
        let cases: [(&[Input], _); 4] = [
            (&[], SessionEndReason::Timeout),
            (&[Input::Negotiating], SessionEndReason::Timeout),
            (&[Input::Described], SessionEndReason::Timeout),
            (&[Input::Described, Input::IceFailed], SessionEndReason::IceFailed),
        ];
        for (inputs, reason) in cases {
            let mut machine = after(start, inputs);
            assert_eq!(machine.deadline(), Some(start + seconds(10)));
            assert!(machine.handle(start + seconds(9), tick(None)).is_empty());
            assert_eq!(
                ended(&machine.handle(start + seconds(10), tick(None))),
                Some(reason)
            );
            assert_eq!(machine.deadline(), None);
            assert!(
                machine.handle(start, Input::Connected).is_empty(),
                "an end is final"
            );
        }
    }

    #[test]
    fn no_limit_waits_for_ever_and_a_signaller_may_take_longer() {
        let start = Instant::now();
        let endless = Limits {
            connect: None,
            negotiate: None,
        };
        assert_eq!(Machine::new(start, endless).deadline(), None);
        let patient = Limits {
            negotiate: Some(seconds(15)),
            ..LIMITS
        };
        let mut machine = Machine::new(start, patient);
        assert_eq!(machine.deadline(), Some(start + seconds(15)));
        machine.handle(start, Input::Described);
        assert_eq!(machine.deadline(), Some(start + seconds(10)));
    }

    #[test]
    fn packets_keep_a_connection_from_stalling() {
        let start = Instant::now();
        let mut machine = after(start, &[Input::Connected]);
        for second in 1..20 {
            let now = start + seconds(second);
            assert!(machine.handle(now, tick(Some(now))).is_empty());
            assert_eq!(machine.deadline(), Some(now + SILENCE));
        }
    }

    #[test]
    fn silence_recovers_when_packets_return() {
        let start = Instant::now();
        let mut machine = after(start, &[Input::Connected]);
        assert_eq!(
            machine.handle(start + seconds(5), tick(None)),
            [Action::Recovering]
        );
        let later = start + seconds(20);
        assert!(
            machine.handle(later, tick(Some(start))).is_empty(),
            "an old packet is no sign of life"
        );
        assert_eq!(machine.deadline(), Some(later + LOOK_INTERVAL));
        assert_eq!(machine.handle(later, tick(Some(later))), [Action::Recovered]);
    }

    #[test]
    fn recovery_ends_with_what_began_it() {
        let start = Instant::now();
        let mut silent = after(start, &[Input::Connected]);
        silent.handle(start + seconds(5), tick(None));
        assert!(silent.handle(start + seconds(34), tick(None)).is_empty());
        let end = silent.handle(start + seconds(35), tick(None));
        assert_eq!(ended(&end), Some(SessionEndReason::Stalled));

        let mut failed = after(start, &[Input::Connected]);
        assert_eq!(failed.handle(start, Input::IceFailed), [Action::Recovering]);
        let end = failed.handle(start + seconds(30), tick(None));
        assert_eq!(ended(&end), Some(SessionEndReason::IceFailed));
    }

    #[test]
    fn a_renewed_connection_gets_its_time_and_recovers_when_connected() {
        let start = Instant::now();
        let mut machine = after(start, &[Input::Connected]);
        machine.handle(start + seconds(5), tick(None));
        assert!(machine.handle(start + seconds(6), Input::Renewed).is_empty());
        assert_eq!(
            machine.handle(start + seconds(7), Input::Connected),
            [Action::Recovered]
        );
        assert!(machine.handle(start + seconds(11), Input::Renewed).is_empty());
        assert_eq!(machine.deadline(), Some(start + seconds(16)));
    }

    #[test]
    fn a_refused_handshake_ends_every_state() {
        let now = Instant::now();
        for inputs in [&[][..], &[Input::Described], &[Input::Connected]] {
            let end = after(now, inputs).handle(now, Input::DtlsFailed);
            assert_eq!(ended(&end), Some(SessionEndReason::DtlsFailed));
        }
    }
}
