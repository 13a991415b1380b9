// SPDX-License-Identifier: MPL-2.0
//! Sends within the service's quotas: 5 descriptions and 20 candidates a second for each connection. Pure.
//!
//! What may not go yet waits in order; the candidates of a viewer never overtake its answer. Exceeding a quota loses
//! the message, and the service says so only afterwards, if at all. The queue is bounded, as viewers come without being
//! asked. Part of `machine`; `client` sleeps for as long as it says.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::protocol::Action;

/// Messages waiting to be sent.
#[derive(Debug)]
pub(super) struct Pace {
    answers: Bucket,
    candidates: Bucket,
    waiting: VecDeque<Outgoing>,
}

/// One message and the session it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outgoing {
    pub(super) session: String,
    pub(super) action: Action,
    pub(super) text: String,
}

#[derive(Debug)]
struct Bucket {
    per_second: usize,
    /// When each of the last messages went, oldest first.
    sent: VecDeque<Instant>,
}

impl Pace {
    /// Nothing waits, and nothing was sent lately.
    pub(super) fn new() -> Self {
        Self {
            answers: Bucket::new(ANSWERS_PER_SECOND),
            candidates: Bucket::new(CANDIDATES_PER_SECOND),
            waiting: VecDeque::new(),
        }
    }

    /// Queues a message; false when too many wait already.
    pub(super) fn push(&mut self, message: Outgoing) -> bool {
        let has_room = self.waiting.len() < MAX_WAITING;
        if has_room {
            self.waiting.push_back(message);
        }
        has_room
    }

    /// Drops what waits for a session that is over.
    pub(super) fn forget(&mut self, session: &str) {
        self.waiting.retain(|message| message.session != session);
    }

    /// Puts a message that could not be sent back to where it came from.
    pub(super) fn take_back(&mut self, message: Outgoing) {
        self.waiting.push_front(message);
    }

    /// The next message that may go now.
    pub(super) fn poll(&mut self, now: Instant) -> Option<Outgoing> {
        let answer_may_go = self.answers.wait(now).is_zero();
        let candidate_may_go = self.candidates.wait(now).is_zero();
        let index = self
            .waiting
            .iter()
            .enumerate()
            .position(|(index, message)| match message.action {
                Action::Answer => answer_may_go,
                Action::Candidate => candidate_may_go && !self.has_answer_before(index, &message.session),
            })?;
        let message = self.waiting.remove(index)?;
        match message.action {
            Action::Answer => self.answers.sent.push_back(now),
            Action::Candidate => self.candidates.sent.push_back(now),
        }
        Some(message)
    }

    /// How long until [`Pace::poll`] may have a message; `None` when nothing waits.
    pub(super) fn wait(&mut self, now: Instant) -> Option<Duration> {
        let waits_for = |action| self.waiting.iter().any(|message| message.action == action);
        let (has_answer, has_candidate) = (waits_for(Action::Answer), waits_for(Action::Candidate));
        let answer = has_answer.then(|| self.answers.wait(now));
        let candidate = has_candidate.then(|| self.candidates.wait(now));
        Some(answer.into_iter().chain(candidate).min()?.max(SHORTEST_WAIT))
    }

    /// Whether the answer of the message at `index` waits as well.
    fn has_answer_before(&self, index: usize, session: &str) -> bool {
        let mut before = self.waiting.iter().take(index);
        before.any(|message| message.action == Action::Answer && message.session == session)
    }
}

impl Bucket {
    fn new(per_second: usize) -> Self {
        Self {
            per_second,
            sent: VecDeque::new(),
        }
    }

    /// How long until one more fits into any one second.
    fn wait(&mut self, now: Instant) -> Duration {
        while self
            .sent
            .front()
            .is_some_and(|sent| now.saturating_duration_since(*sent) >= WINDOW)
        {
            self.sent.pop_front();
        }
        match self.sent.front() {
            Some(oldest) if self.sent.len() >= self.per_second => {
                WINDOW - now.saturating_duration_since(*oldest)
            }
            _ => Duration::ZERO,
        }
    }
}

/// Quotas of Kinesis Video Streams with WebRTC, per connection.
const ANSWERS_PER_SECOND: usize = 5;
const CANDIDATES_PER_SECOND: usize = 20;
/// A second and a little more: the service's clock is not ours.
const WINDOW: Duration = Duration::from_millis(1050);
/// Polling more often than this would spin.
const SHORTEST_WAIT: Duration = Duration::from_millis(5);
/// Ten viewers with thirty candidates each, several times over.
const MAX_WAITING: usize = 2000;

#[cfg(test)]
mod tests {
    use super::*;

    fn message(session: &str, action: Action, text: &str) -> Outgoing {
        Outgoing {
            session: session.into(),
            action,
            text: text.into(),
        }
    }

    /// Every message with the time it went at.
    fn drained(pace: &mut Pace, start: Instant) -> Vec<(Duration, String)> {
        let (mut now, mut sent) = (start, Vec::new());
        while let Some(wait) = pace.wait(now) {
            match pace.poll(now) {
                Some(message) => sent.push((now - start, message.text)),
                None => now += wait,
            }
        }
        sent
    }

    #[test]
    fn no_second_holds_more_than_the_quota() {
        let mut pace = Pace::new();
        for n in 0..100 {
            pace.push(message("v", Action::Candidate, &n.to_string()));
        }
        let sent = drained(&mut pace, Instant::now());
        assert_eq!(sent.len(), 100);
        for (index, (at, text)) in sent.iter().enumerate() {
            assert_eq!(text, &index.to_string(), "in order");
            let within = sent[index..]
                .iter()
                .filter(|(later, _)| *later - *at < Duration::from_secs(1))
                .count();
            assert!(
                within <= CANDIDATES_PER_SECOND,
                "{within} in the second from {at:?}"
            );
        }
    }

    #[test]
    fn a_candidate_never_overtakes_its_answer_but_others_do() {
        let mut pace = Pace::new();
        for n in 0..6 {
            pace.push(message(&format!("v{n}"), Action::Answer, &format!("answer {n}")));
        }
        pace.push(message("v5", Action::Candidate, "candidate 5"));
        pace.push(message("v0", Action::Candidate, "candidate 0"));
        let sent: Vec<_> = drained(&mut pace, Instant::now())
            .into_iter()
            .map(|(_, text)| text)
            .collect();
        let position = |text: &str| sent.iter().position(|it| it == text).unwrap();
        assert!(position("candidate 0") < position("answer 5"));
        assert!(position("candidate 5") > position("answer 5"));
    }

    #[test]
    fn what_could_not_be_sent_goes_first_later() {
        let mut pace = Pace::new();
        let now = Instant::now();
        pace.push(message("v", Action::Answer, "answer"));
        pace.push(message("v", Action::Candidate, "candidate"));
        let answer = pace.poll(now).unwrap();
        pace.take_back(answer);
        assert_eq!(pace.poll(now).unwrap().text, "answer");
        assert_eq!(pace.poll(now).unwrap().text, "candidate");
    }

    #[test]
    fn what_waits_is_bounded_and_forgotten_with_its_viewer() {
        let mut pace = Pace::new();
        let pushed = (0..MAX_WAITING + 5)
            .filter(|_| pace.push(message("v", Action::Candidate, "")))
            .count();
        assert_eq!(pushed, MAX_WAITING);
        pace.forget("v");
        assert_eq!(pace.wait(Instant::now()), None);
    }
}
