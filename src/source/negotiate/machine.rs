// SPDX-License-Identifier: MPL-2.0
//! What a description that arrives means for the connection: the order of offers and answers (RFC 8829, section 4.1.8).
//!
//! Pure. Descriptions are handled one at a time by the session's task, so an answer being made is never seen from here.
//! This side yields when both offer at once. Carrying a step out is `session/answer`'s; what is chosen, `lines`' and
//! `select`'s.

use super::description::Description;

/// Where offer and answer stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Machine {
    state: State,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// Nothing was exchanged.
    Idle,
    /// Our offer is out.
    Offering,
    /// Both sides have described themselves.
    Stable(Peer),
}

/// What identifies the peer's connection and its ICE generation.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Peer {
    session_id: String,
    ufrag: String,
}

/// What to do with a description.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Answer it on the connection there is.
    Answer,
    /// Restart ICE beneath the connection there is, then answer (RFC 8839, section 4.4.1.1.1).
    RestartIce,
    /// Answer it on a fresh connection: the peer has one, or gave way to no one while we were offering.
    Renew,
    /// It answers our offer.
    TakeAnswer,
    /// It answers nothing: leave it.
    Ignore,
}

impl Machine {
    /// Before anything was exchanged.
    pub(crate) fn new() -> Self {
        Self { state: State::Idle }
    }

    /// Our offer is being sent.
    pub(crate) fn offering(&mut self) {
        self.state = State::Offering;
    }

    /// Says what `offer` asks for.
    pub(crate) fn offer(&self, offer: &Description) -> Step {
        match &self.state {
            State::Idle => Step::Answer,
            State::Offering => Step::Renew,
            State::Stable(peer) if peer.session_id != offer.session_id => Step::Renew,
            State::Stable(peer) if peer.ufrag != ufrag(offer) => Step::RestartIce,
            State::Stable(_) => Step::Answer,
        }
    }

    /// Says what an answer is good for.
    pub(crate) fn answer(&self) -> Step {
        match self.state {
            State::Offering => Step::TakeAnswer,
            State::Idle | State::Stable(_) => Step::Ignore,
        }
    }

    /// Both descriptions are set; `theirs` is the peer's.
    pub(crate) fn settled(&mut self, theirs: &Description) {
        self.state = State::Stable(Peer {
            session_id: theirs.session_id.clone(),
            ufrag: ufrag(theirs),
        });
    }
}

/// Of the bundle's transport: another one means another ICE generation (RFC 8839, section 4.4.1.1.1).
fn ufrag(description: &Description) -> String {
    let credentials = description.ice_credentials(description.bundle_index().unwrap_or_default());
    credentials.unwrap_or_default().0.to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::description::tests::{CHROMIUM, chromium};
    use super::*;

    fn changed(from: &str, to: &str) -> Description {
        Description::parse(&CHROMIUM.replace(from, to)).expect("a description")
    }

    fn stable() -> Machine {
        let mut machine = Machine::new();
        machine.settled(&chromium());
        machine
    }

    #[test]
    fn every_offer_has_its_meaning() {
        let mut offering = Machine::new();
        offering.offering();
        let new_connection = changed("4611731400430051336", "7");
        let new_ice = changed("Lmn1", "Opq2");
        let more = changed("a=msid-semantic: WMS stream", "a=x");
        let cases = [
            (Machine::new(), chromium(), Step::Answer),
            (offering, chromium(), Step::Renew),
            (stable(), chromium(), Step::Answer),
            (stable(), more, Step::Answer),
            (stable(), new_ice, Step::RestartIce),
            (stable(), new_connection, Step::Renew),
        ];
        for (machine, offer, step) in cases {
            assert_eq!(machine.offer(&offer), step, "{machine:?}");
        }
    }

    #[test]
    fn an_answer_counts_only_while_we_offer() {
        let mut machine = Machine::new();
        assert_eq!(machine.answer(), Step::Ignore);
        machine.offering();
        assert_eq!(machine.answer(), Step::TakeAnswer);
        machine.settled(&chromium());
        assert_eq!(machine.answer(), Step::Ignore);
    }
}
