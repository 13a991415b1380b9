// SPDX-License-Identifier: MPL-2.0
//! What the machine wants done, in order; requests made while the server is away wait in a bounded backlog.
//!
//! Pure. Owns the order of actions within one input, and what survives an interruption: requests do, as the server
//! keeps the participation for a resume; after a new join nothing old applies.

use std::collections::VecDeque;

use super::{Action, Report, Request};

/// Collects actions while an input is handled; see the module.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// Of the input at hand.
    actions: Vec<Action>,
    /// Requests for a server that is away.
    backlog: VecDeque<Request>,
    /// Whether the server listens.
    is_up: bool,
}

impl Outbox {
    /// Sends `request`, now or after the resume. The oldest go first and are dropped first when there are too many.
    pub(super) fn send(&mut self, request: Request) {
        if self.is_up {
            self.actions.push(Action::Send(Box::new(request)));
            return;
        }
        if self.backlog.len() == MAX_BACKLOG {
            self.backlog.pop_front();
        }
        self.backlog.push_back(request);
    }

    /// Tells the element.
    pub(super) fn report(&mut self, report: Report) {
        self.actions.push(Action::Report(report));
    }

    /// Any other action.
    pub(super) fn push(&mut self, action: Action) {
        self.actions.push(action);
    }

    /// The server listens again: what waited goes out.
    pub(super) fn open(&mut self) {
        self.is_up = true;
        self.actions.extend(
            self.backlog
                .drain(..)
                .map(|request| Action::Send(Box::new(request))),
        );
    }

    /// The server is away: requests wait from now on.
    pub(super) fn close(&mut self) {
        self.is_up = false;
    }

    /// A new participation begins, to which nothing old applies.
    pub(super) fn forget_backlog(&mut self) {
        self.backlog.clear();
    }

    /// Everything collected, in order.
    pub(super) fn take(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }
}

/// Candidates of one gathering and some settings; a resume that takes longer is a new join.
const MAX_BACKLOG: usize = 256;

#[cfg(test)]
mod tests {
    use super::super::super::protocol;
    use super::*;

    #[test]
    fn requests_wait_while_the_server_is_away() {
        let mut outbox = Outbox::default();
        outbox.send(protocol::leave());
        assert!(outbox.take().is_empty());
        outbox.open();
        assert_eq!(outbox.take(), [Action::Send(Box::new(protocol::leave()))]);
        outbox.send(protocol::leave());
        assert_eq!(outbox.take().len(), 1);
    }

    #[test]
    fn the_backlog_is_bounded_and_can_be_forgotten() {
        let mut outbox = Outbox::default();
        for _ in 0..MAX_BACKLOG * 2 {
            outbox.send(protocol::leave());
        }
        assert_eq!(outbox.backlog.len(), MAX_BACKLOG);
        outbox.forget_backlog();
        outbox.open();
        assert!(outbox.take().is_empty());
    }
}
