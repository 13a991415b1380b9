// SPDX-License-Identifier: MPL-2.0
//! Whose turn it is: one offer at a time, and changes that come meanwhile are not forgotten.
//!
//! Pure. The sink offers; a peer's offer is taken only as the very first description of a session. Which descriptions
//! are made and set is `session`'s affair. JSEP's own states (RFC 8829, section 3.2) are webrtcbin's; these are about
//! offers of ours only, and know of restarts that webrtcbin does not see.

use gst_webrtc::WebRTCSDPType;

/// Turns of one session.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::sink) struct Turns {
    turn: Turn,
    /// Streams came or went since the offer that is out.
    is_outdated: bool,
}

/// What the last offer was for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::sink) enum Turn {
    /// Nothing is under way.
    #[default]
    Stable,
    /// An offer of webrtcbin's was sent.
    AwaitingAnswer,
    /// New ICE credentials were sent; webrtcbin knows nothing of that.
    AwaitingRestart,
}

/// What a description that came is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sink) enum Step {
    /// It answers our offer.
    Apply,
    /// It answers our new ICE credentials.
    FinishRestart,
    /// It answers nothing, and does no harm.
    Ignore,
}

/// A description that cannot be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::sink) enum TurnError {
    /// Something else than an answer was sent for one.
    #[error("{0} came where an answer was expected")]
    NotAnAnswer(&'static str),
}

impl Turns {
    /// The streams changed. Whether to offer now; otherwise it is remembered.
    pub(in crate::sink) fn change(&mut self) -> bool {
        self.is_outdated = self.turn != Turn::Stable;
        !self.is_outdated
    }

    /// An offer was sent.
    pub(in crate::sink) fn offered(&mut self) {
        self.turn = Turn::AwaitingAnswer;
        self.is_outdated = false;
    }

    /// The connection is to be restarted. Whether now; while an offer is out it cannot be.
    pub(in crate::sink) fn restart(&mut self) -> bool {
        // A restart that was not answered may have got lost with the network.
        let may_restart = self.turn != Turn::AwaitingAnswer;
        if may_restart {
            self.turn = Turn::AwaitingRestart;
        }
        may_restart
    }

    /// A description came.
    ///
    /// # Errors
    /// When an answer was due and this is none.
    pub(in crate::sink) fn described(&self, kind: WebRTCSDPType) -> Result<Step, TurnError> {
        match (self.turn, kind) {
            (Turn::AwaitingAnswer, WebRTCSDPType::Answer) => Ok(Step::Apply),
            (Turn::AwaitingRestart, WebRTCSDPType::Answer) => Ok(Step::FinishRestart),
            (Turn::Stable, _) => Ok(Step::Ignore),
            (Turn::AwaitingAnswer | Turn::AwaitingRestart, other) => Err(TurnError::NotAnAnswer(name(other))),
        }
    }

    /// The answer is applied. Whether the streams changed meanwhile, so that another offer is due.
    pub(in crate::sink) fn answered(&mut self) -> bool {
        self.turn = Turn::Stable;
        std::mem::take(&mut self.is_outdated)
    }
}

fn name(kind: WebRTCSDPType) -> &'static str {
    match kind {
        WebRTCSDPType::Offer => "an offer",
        WebRTCSDPType::Pranswer => "a provisional answer",
        WebRTCSDPType::Rollback => "a rollback",
        _ => "something unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_while_stable_is_offered_at_once() {
        let mut turns = Turns::default();
        assert!(turns.change());
        turns.offered();
        assert!(!turns.answered());
    }

    #[test]
    fn a_change_while_an_offer_is_out_is_offered_afterwards() {
        let mut turns = Turns::default();
        turns.offered();
        assert!(!turns.change());
        assert!(!turns.change());
        assert!(turns.answered());
        assert!(!turns.answered());
    }

    #[test]
    fn only_an_answer_answers() {
        let mut turns = Turns::default();
        turns.offered();
        assert_eq!(turns.described(WebRTCSDPType::Answer), Ok(Step::Apply));
        for kind in [
            WebRTCSDPType::Offer,
            WebRTCSDPType::Pranswer,
            WebRTCSDPType::Rollback,
        ] {
            assert!(turns.described(kind).is_err(), "{kind:?}");
        }
    }

    #[test]
    fn descriptions_out_of_turn_do_no_harm() {
        for kind in [
            WebRTCSDPType::Answer,
            WebRTCSDPType::Offer,
            WebRTCSDPType::Rollback,
        ] {
            assert_eq!(Turns::default().described(kind), Ok(Step::Ignore));
        }
    }

    #[test]
    fn a_restart_waits_for_an_offer_but_not_for_a_lost_restart() {
        let mut turns = Turns::default();
        assert!(turns.restart());
        assert!(turns.restart());
        assert_eq!(turns.described(WebRTCSDPType::Answer), Ok(Step::FinishRestart));
        turns.offered();
        assert!(!turns.restart());
    }

    #[test]
    fn errors_say_what_came() {
        let mut turns = Turns::default();
        turns.offered();
        let error = turns.described(WebRTCSDPType::Offer).unwrap_err();
        assert_eq!(error.to_string(), "an offer came where an answer was expected");
    }
}
