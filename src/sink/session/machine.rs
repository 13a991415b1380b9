// SPDX-License-Identifier: MPL-2.0
//! The life of one session as a pure machine: `New → Negotiating → Connecting → Connected ⇄ Recovering → Ended`.
//!
//! Owns when a session is late, silent or lost, and what follows. It has no clock and touches nothing: facts and the
//! time go in, actions come out. Descriptions and candidates are none of its business, only that they were exchanged.
//! Run by `driver` on the session's task, which carries the actions out; facts come from `pipeline`'s callbacks.

use std::time::{Duration, Instant};

use crate::end_reason::{EndReason, SessionEndReason};

/// Where a session stands. Each state knows exactly what it needs to be judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    /// Its pipeline is being built.
    New {
        /// When it is given up.
        deadline: Option<Instant>,
    },
    /// Offer and answer are under way.
    Negotiating {
        /// When it is given up.
        deadline: Option<Instant>,
    },
    /// Both descriptions are set; ICE and DTLS are at work.
    Connecting {
        /// When it is given up.
        deadline: Option<Instant>,
        /// Which half of being connected is there already.
        progress: Progress,
    },
    /// Media flows.
    Connected {
        /// When it is looked at again.
        next_check: Instant,
    },
    /// Media stopped getting through; the connection is given a while to come back.
    Recovering {
        /// How far it is.
        recovery: Recovery,
        /// When it is looked at again.
        next_check: Instant,
    },
    /// Over. Nothing leads out of here.
    Ended(EndReason),
}

/// A connection that is to come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Recovery {
    /// Since when.
    since: Instant,
    /// Why, for the end if it comes to that.
    cause: Cause,
    /// What is heard after this comes over a path that is good again.
    silent_from: Instant,
    /// When something is done about it, next or again.
    next_attempt: Instant,
}

/// Being connected takes two things that come in either order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// ICE and DTLS are through.
    pub(crate) is_transported: bool,
    /// The peer's certificate is the one its description names.
    pub(crate) is_verified: bool,
}

/// What takes a session from connected to recovering.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Nothing came from the peer although media was sent.
    Silence,
    /// The ICE agent gave up.
    Transport,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fact {
    /// The pipeline is there; the first description is being made.
    Prepared,
    /// Both descriptions are set.
    Described,
    /// ICE and DTLS are connected.
    TransportConnected,
    /// ICE failed.
    TransportFailed,
    /// The DTLS handshake failed.
    DtlsFailed,
    /// The peer's certificate matches its description.
    FingerprintMatched,
    /// The peer's certificate is another one.
    FingerprintDiffers,
}

/// What came and went of late, for judging silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Traffic {
    /// When anything last arrived from the peer.
    pub(crate) heard: Option<Instant>,
    /// When media last went out.
    pub(crate) sent: Option<Instant>,
    /// When media first went out after the peer was last heard.
    pub(crate) unanswered_since: Option<Instant>,
}

/// What is to be done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// Let media flow, beginning with a key frame.
    StartMedia,
    /// Try to get the connection back.
    Recover,
    /// Release everything; nothing comes after this.
    End(EndReason),
}

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Machine {
    state: State,
    /// Kept for the text of an end; deadlines are in the states.
    timeout: Option<Duration>,
}

impl Machine {
    /// A new session. It has `timeout` to get connected, or for ever.
    pub(crate) fn new(now: Instant, timeout: Option<Duration>) -> Self {
        Self {
            state: State::New {
                deadline: timeout.map(|timeout| now + timeout),
            },
            timeout,
        }
    }

    /// Takes in a fact.
    pub(crate) fn handle(&mut self, now: Instant, fact: Fact) -> Option<Action> {
        match (&mut self.state, fact) {
            (State::Ended(_), _) => None,
            (_, Fact::FingerprintDiffers) => self.end(
                SessionEndReason::FingerprintMismatch,
                "the peer's certificate is not the one its description names",
            ),
            (_, Fact::DtlsFailed) => self.end(SessionEndReason::DtlsFailed, "the DTLS handshake failed"),
            (State::New { deadline }, Fact::Prepared) => {
                self.state = State::Negotiating { deadline: *deadline };
                None
            }
            (State::Negotiating { deadline }, Fact::Described) => {
                self.state = State::Connecting {
                    deadline: *deadline,
                    progress: Progress::default(),
                };
                None
            }
            (State::Connecting { progress, .. }, Fact::TransportConnected) => {
                progress.is_transported = true;
                self.connect_if_complete(now)
            }
            (State::Connecting { progress, .. }, Fact::FingerprintMatched) => {
                progress.is_verified = true;
                self.connect_if_complete(now)
            }
            (
                State::New { .. } | State::Negotiating { .. } | State::Connecting { .. },
                Fact::TransportFailed,
            ) => self.end(
                SessionEndReason::IceFailed,
                "no connection to the peer could be made",
            ),
            (State::Connected { .. }, Fact::TransportFailed) => self.recover(now, Cause::Transport),
            (State::Recovering { .. }, Fact::TransportConnected) => self.connected(now),
            (State::Recovering { recovery, .. }, Fact::TransportFailed) => {
                let recovery = *recovery;
                self.recover_again(now, recovery)
            }
            // A renegotiation describes again while everything else goes on; the rest repeats what is known.
            (
                State::Connected { .. } | State::Recovering { .. } | State::Connecting { .. },
                Fact::Prepared | Fact::Described | Fact::FingerprintMatched,
            )
            | (State::Connected { .. }, Fact::TransportConnected)
            | (State::New { .. }, Fact::Described | Fact::TransportConnected | Fact::FingerprintMatched)
            | (State::Negotiating { .. }, Fact::Prepared) => None,
            // The first checks may succeed before webrtcbin has told us that the answer is applied.
            (State::Negotiating { deadline }, Fact::TransportConnected) => {
                let progress = Progress {
                    is_transported: true,
                    is_verified: false,
                };
                self.state = State::Connecting {
                    deadline: *deadline,
                    progress,
                };
                None
            }
            (State::Negotiating { deadline }, Fact::FingerprintMatched) => {
                let progress = Progress {
                    is_transported: false,
                    is_verified: true,
                };
                self.state = State::Connecting {
                    deadline: *deadline,
                    progress,
                };
                None
            }
        }
    }

    /// Takes in that [`Machine::deadline`] has passed.
    pub(crate) fn handle_timeout(&mut self, now: Instant, traffic: Traffic) -> Option<Action> {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return None;
        }
        match &self.state {
            State::New { .. } => self.late("the session was not prepared"),
            State::Negotiating { .. } => self.late("the peer did not answer"),
            State::Connecting { progress, .. } if progress.is_transported => {
                self.late("the peer's certificate was not verified")
            }
            State::Connecting { .. } => self.late("ICE and DTLS did not connect"),
            State::Connected { .. } if is_silent(now, traffic) => self.recover(now, Cause::Silence),
            State::Connected { .. } => {
                self.state = State::Connected {
                    next_check: now + CHECK_INTERVAL,
                };
                None
            }
            State::Recovering { recovery, .. } => {
                let recovery = *recovery;
                self.judge_recovery(now, recovery, traffic)
            }
            State::Ended(_) => None,
        }
    }

    /// When [`Machine::handle_timeout`] wants to be called; never when nothing is pending.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::New { deadline }
            | State::Negotiating { deadline }
            | State::Connecting { deadline, .. } => *deadline,
            State::Connected { next_check } | State::Recovering { next_check, .. } => Some(*next_check),
            State::Ended(_) => None,
        }
    }

    /// The state's name, for logs and statistics.
    pub(crate) fn state_name(&self) -> &'static str {
        match self.state {
            State::New { .. } => "new",
            State::Negotiating { .. } => "negotiating",
            State::Connecting { .. } => "connecting",
            State::Connected { .. } => "connected",
            State::Recovering { .. } => "recovering",
            State::Ended(_) => "ended",
        }
    }

    /// Nothing goes to a peer whose certificate was not checked, however well its transport works.
    fn connect_if_complete(&mut self, now: Instant) -> Option<Action> {
        let State::Connecting {
            progress:
                Progress {
                    is_transported: true,
                    is_verified: true,
                },
            ..
        } = self.state
        else {
            return None;
        };
        self.connected(now)
    }

    fn connected(&mut self, now: Instant) -> Option<Action> {
        self.state = State::Connected {
            next_check: now + CHECK_INTERVAL,
        };
        Some(Action::StartMedia)
    }

    /// A silent network may come back by itself, and restarting ICE would then only be in the way; an agent that gave
    /// up will not.
    fn recover(&mut self, now: Instant, cause: Cause) -> Option<Action> {
        let (next_attempt, action) = match cause {
            Cause::Silence => (now + SILENCE, None),
            Cause::Transport => (now + ATTEMPT_INTERVAL, Some(Action::Recover)),
        };
        self.state = State::Recovering {
            recovery: Recovery {
                since: now,
                cause,
                silent_from: now,
                next_attempt,
            },
            next_check: now + CHECK_INTERVAL,
        };
        action
    }

    /// The agent gave up on a restart too, in a network that may be back by now: what was heard while it tried came over
    /// the former path, which is gone with it.
    fn recover_again(&mut self, now: Instant, before: Recovery) -> Option<Action> {
        let attempted = before.next_attempt.checked_sub(ATTEMPT_INTERVAL);
        if attempted.is_some_and(|attempted| now < attempted + SAME_FAILURE) {
            return None;
        }
        let action = self.recover(now, Cause::Transport);
        if let State::Recovering { recovery, .. } = &mut self.state {
            recovery.since = before.since;
        }
        action
    }

    /// Anything heard means that the path is back. Until then attempts are made at intervals, for as long as the peer's
    /// own consent would last.
    fn judge_recovery(&mut self, now: Instant, recovery: Recovery, traffic: Traffic) -> Option<Action> {
        if traffic.heard.is_some_and(|heard| heard > recovery.silent_from) {
            return self.connected(now);
        }
        if now - recovery.since >= RECOVERY_TIME {
            return match recovery.cause {
                Cause::Silence => self.end(SessionEndReason::Stalled, "nothing came from the peer any more"),
                Cause::Transport => self.end(SessionEndReason::IceFailed, "the connection did not come back"),
            };
        }
        let is_due = now >= recovery.next_attempt;
        let next_attempt = if is_due {
            now + ATTEMPT_INTERVAL
        } else {
            recovery.next_attempt
        };
        self.state = State::Recovering {
            recovery: Recovery {
                next_attempt,
                ..recovery
            },
            next_check: now + CHECK_INTERVAL,
        };
        is_due.then_some(Action::Recover)
    }

    /// The text says which step was waited for, which is where a user has to look.
    fn late(&mut self, what: &str) -> Option<Action> {
        let seconds = self.timeout.unwrap_or_default().as_secs_f32();
        self.end(SessionEndReason::Timeout, &format!("{what} within {seconds} s"))
    }

    fn end(&mut self, kind: SessionEndReason, text: &str) -> Option<Action> {
        let reason = EndReason::new(kind, text);
        self.state = State::Ended(reason.clone());
        Some(Action::End(reason))
    }
}

/// Whether the peer has been silent for [`SILENCE`] while it had something to be heard about.
///
/// An idle stream makes receivers report only every few seconds (RFC 3550, section 6.2), so silence counts only from
/// when media went out again, and only while it still does.
fn is_silent(now: Instant, traffic: Traffic) -> bool {
    let is_sending = traffic.sent.is_some_and(|sent| now - sent < CHECK_INTERVAL * 2);
    is_sending
        && traffic
            .unanswered_since
            .is_some_and(|since| now - since >= SILENCE)
}

/// How often a connected session is looked at.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Five seconds hold fifty transport-wide reports or two of the slowest receiver reports that WebRTC endpoints send.
const SILENCE: Duration = Duration::from_secs(5);

/// Offer, answer and checks of a restart take a second or two over the slowest paths. Not longer, for an agent sends its
/// checks ever more rarely (RFC 8489, section 6.2.1): what began before the network was back finds it late.
const ATTEMPT_INTERVAL: Duration = Duration::from_secs(3);

/// webrtcbin reports one failure as that of ICE and as that of the connection; an agent checks for some seconds before.
const SAME_FAILURE: Duration = Duration::from_secs(2);

/// Consent to send expires after 30 s (RFC 7675, section 5.1).
const RECOVERY_TIME: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(10);
    const QUIET: Traffic = Traffic {
        heard: None,
        sent: None,
        unanswered_since: None,
    };

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn kind(action: Option<Action>) -> SessionEndReason {
        match action {
            Some(Action::End(reason)) => reason.kind,
            other => panic!("no end but {other:?}"),
        }
    }

    fn at(facts: &[Fact]) -> (Instant, Machine) {
        let now = Instant::now();
        let mut machine = Machine::new(now, Some(TIMEOUT));
        for fact in facts {
            machine.handle(now, fact.clone());
        }
        (now, machine)
    }

    fn connected() -> (Instant, Machine) {
        let (now, machine) = at(&[
            Fact::Prepared,
            Fact::Described,
            Fact::FingerprintMatched,
            Fact::TransportConnected,
        ]);
        assert_eq!(machine.state_name(), "connected");
        (now, machine)
    }

    #[test]
    fn media_starts_once_connected_and_verified_in_either_order() {
        for order in [
            [Fact::FingerprintMatched, Fact::TransportConnected],
            [Fact::TransportConnected, Fact::FingerprintMatched],
        ] {
            let (now, mut machine) = at(&[Fact::Prepared, Fact::Described]);
            assert_eq!(machine.handle(now, order[0].clone()), None);
            assert_ne!(machine.state_name(), "connected");
            assert_eq!(machine.handle(now, order[1].clone()), Some(Action::StartMedia));
            assert_eq!(machine.state_name(), "connected");
        }
    }

    #[test]
    fn a_connection_faster_than_the_answers_promise_counts() {
        let (now, mut machine) = at(&[Fact::Prepared, Fact::FingerprintMatched, Fact::Described]);
        assert_eq!(
            machine.handle(now, Fact::TransportConnected),
            Some(Action::StartMedia)
        );
    }

    #[test]
    fn every_state_before_connected_is_late_at_the_same_time() {
        let stages: [&[Fact]; 4] = [
            &[],
            &[Fact::Prepared],
            &[Fact::Prepared, Fact::Described],
            &[Fact::Prepared, Fact::Described, Fact::TransportConnected],
        ];
        for facts in stages {
            let (now, mut machine) = at(facts);
            assert_eq!(machine.deadline(), Some(now + TIMEOUT));
            assert_eq!(machine.handle_timeout(now + seconds(9), QUIET), None);
            assert_eq!(
                kind(machine.handle_timeout(now + TIMEOUT, QUIET)),
                SessionEndReason::Timeout
            );
            assert_eq!(machine.deadline(), None);
        }
    }

    #[test]
    fn without_a_timeout_nothing_is_ever_late() {
        let now = Instant::now();
        let mut machine = Machine::new(now, None);
        assert_eq!(machine.deadline(), None);
        assert_eq!(machine.handle_timeout(now + seconds(3600), QUIET), None);
    }

    #[test]
    fn another_certificate_ends_the_session_at_any_time() {
        let stages: [&[Fact]; 3] = [
            &[],
            &[Fact::Prepared],
            &[Fact::Prepared, Fact::Described, Fact::TransportConnected],
        ];
        for facts in stages {
            let (now, mut machine) = at(facts);
            let action = machine.handle(now, Fact::FingerprintDiffers);
            assert_eq!(kind(action), SessionEndReason::FingerprintMismatch);
        }
    }

    #[test]
    fn a_transport_that_fails_before_it_ever_worked_ends_the_session() {
        let (now, mut machine) = at(&[Fact::Prepared, Fact::Described]);
        assert_eq!(
            kind(machine.handle(now, Fact::TransportFailed)),
            SessionEndReason::IceFailed
        );
    }

    #[test]
    fn a_refused_handshake_has_its_own_reason() {
        let (now, mut machine) = at(&[Fact::Prepared, Fact::Described]);
        assert_eq!(
            kind(machine.handle(now, Fact::DtlsFailed)),
            SessionEndReason::DtlsFailed
        );
    }

    #[test]
    fn nothing_leads_out_of_the_end() {
        let (now, mut machine) = at(&[Fact::FingerprintDiffers]);
        for fact in [
            Fact::Prepared,
            Fact::Described,
            Fact::TransportConnected,
            Fact::FingerprintDiffers,
        ] {
            assert_eq!(machine.handle(now, fact), None);
        }
        assert_eq!(machine.handle_timeout(now + TIMEOUT, QUIET), None);
    }

    #[test]
    fn silence_counts_only_while_media_is_sent() {
        let (now, mut machine) = connected();
        let later = now + seconds(6);
        let idle = Traffic {
            heard: Some(now),
            sent: Some(now),
            unanswered_since: Some(now),
        };
        assert_eq!(machine.handle_timeout(later, idle), None);
        let resumed = Traffic {
            heard: Some(now),
            sent: Some(later),
            unanswered_since: Some(later),
        };
        assert_eq!(machine.handle_timeout(later + seconds(1), resumed), None);
        let ignored = Traffic {
            heard: Some(now),
            sent: Some(now + seconds(8)),
            unanswered_since: Some(now),
        };
        assert_eq!(machine.handle_timeout(now + seconds(8), ignored), None);
        assert_eq!(machine.state_name(), "recovering");
    }

    #[test]
    fn silence_is_waited_out_before_anything_is_tried() {
        let (now, mut machine) = connected();
        machine.recover(now, Cause::Silence);
        let attempts: Vec<u64> = (1..30)
            .filter(|second| machine.handle_timeout(now + seconds(*second), QUIET).is_some())
            .collect();
        assert_eq!(attempts, [5, 8, 11, 14, 17, 20, 23, 26, 29]);
    }

    #[test]
    fn a_failed_transport_is_restarted_at_once_and_again() {
        let (now, mut machine) = connected();
        assert_eq!(machine.handle(now, Fact::TransportFailed), Some(Action::Recover));
        let attempts: Vec<u64> = (1..30)
            .filter(|second| machine.handle_timeout(now + seconds(*second), QUIET).is_some())
            .collect();
        assert_eq!(attempts, [3, 6, 9, 12, 15, 18, 21, 24, 27]);
    }

    #[test]
    fn a_peer_heard_again_brings_media_back() {
        let (now, mut machine) = connected();
        assert_eq!(machine.handle(now, Fact::TransportFailed), Some(Action::Recover));
        let heard = Traffic {
            heard: Some(now + seconds(3)),
            sent: None,
            unanswered_since: None,
        };
        assert_eq!(
            machine.handle_timeout(now + seconds(4), heard),
            Some(Action::StartMedia)
        );
        assert_eq!(machine.state_name(), "connected");
    }

    #[test]
    fn a_transport_connected_again_brings_media_back() {
        let (now, mut machine) = connected();
        machine.handle(now, Fact::TransportFailed);
        assert_eq!(
            machine.handle(now, Fact::TransportConnected),
            Some(Action::StartMedia)
        );
    }

    #[test]
    fn a_restart_that_fails_is_followed_by_another_whatever_was_heard_meanwhile() {
        let (now, mut machine) = connected();
        machine.recover(now, Cause::Silence);
        assert_eq!(
            machine.handle(now + seconds(8), Fact::TransportFailed),
            Some(Action::Recover)
        );
        // Reported twice.
        assert_eq!(machine.handle(now + seconds(8), Fact::TransportFailed), None);
        let heard = |after| Traffic {
            heard: Some(now + seconds(after)),
            ..QUIET
        };
        assert_eq!(machine.handle_timeout(now + seconds(9), heard(7)), None);
        assert_eq!(machine.state_name(), "recovering");
        assert_eq!(
            machine.handle_timeout(now + seconds(10), heard(9)),
            Some(Action::StartMedia)
        );
        machine.recover(now, Cause::Silence);
        machine.handle(now + seconds(8), Fact::TransportFailed);
        let ended = machine.handle_timeout(now + seconds(30), QUIET);
        assert_eq!(kind(ended), SessionEndReason::IceFailed);
    }

    #[test]
    fn recovery_is_given_up_with_its_cause_after_consent_expired() {
        for (cause, expected) in [
            (Cause::Silence, SessionEndReason::Stalled),
            (Cause::Transport, SessionEndReason::IceFailed),
        ] {
            let (now, mut machine) = connected();
            machine.recover(now, cause);
            for second in 1..30 {
                let action = machine.handle_timeout(now + seconds(second), QUIET);
                assert!(!matches!(action, Some(Action::End(_))), "{second}");
            }
            assert_eq!(kind(machine.handle_timeout(now + seconds(30), QUIET)), expected);
        }
    }

    #[test]
    fn renegotiation_disturbs_nothing() {
        let (now, mut machine) = connected();
        for fact in [
            Fact::Described,
            Fact::TransportConnected,
            Fact::FingerprintMatched,
        ] {
            assert_eq!(machine.handle(now, fact), None);
            assert_eq!(machine.state_name(), "connected");
        }
    }
}
