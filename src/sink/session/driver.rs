// SPDX-License-Identifier: MPL-2.0
//! The one task of a session: operations and deadlines side by side, until something ends them; then the release.
//!
//! Owns that everything stops together: the three loops are branches of one `select!`, and whichever ends first ends
//! the others where they wait. What blocks runs elsewhere (`blocking`), holding a lock that the release waits for.
//! Decisions are the machine's (`machine`), steps with webrtcbin are `operations`'s, letting go is `release`'s.
//!
//! A task of the runtime; it never blocks a worker.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gst_webrtc::WebRTCSessionDescription;
use tokio::sync::mpsc;

use super::handle::{Ending, Session};
use super::machine::{Action, Fact, Machine};
use super::operations::Operations;
use super::{Input, release};
use crate::end_reason::EndReason;
use crate::gst_ext::promise;
use crate::sink::imp::CAT;
use crate::sink::rate;

/// Runs a session from its request to its end.
pub(super) async fn run(
    session: Arc<Session>,
    inputs: mpsc::Receiver<Input>,
    facts: mpsc::Receiver<Fact>,
    offer: Option<WebRTCSessionDescription>,
) {
    let ending = tokio::select! {
        biased;
        ending = session.ending() => ending,
        reason = supervise(&session, facts) => Ending { reason, is_by_peer: false },
        never = watch_statistics(&session) => match never {},
        reason = operate(&session, inputs, offer) => Ending { reason, is_by_peer: false },
    };
    release::release(&session, ending).await;
}

/// Does what has to be done with webrtcbin, one thing at a time.
async fn operate(
    session: &Arc<Session>,
    mut inputs: mpsc::Receiver<Input>,
    offer: Option<WebRTCSessionDescription>,
) -> EndReason {
    let mut operations = match Operations::begin(session, offer).await {
        Ok(operations) => operations,
        Err(reason) => return reason,
    };
    while let Some(input) = inputs.recv().await {
        if let Err(reason) = operations.perform(input).await {
            return reason;
        }
    }
    // The sending half lives in the session, which this task holds.
    std::future::pending().await
}

/// Feeds the machine with facts and the time, and carries out what it wants.
async fn supervise(session: &Arc<Session>, mut facts: mpsc::Receiver<Fact>) -> EndReason {
    let mut machine = Machine::new(session.traffic.origin(), session.settings().session_timeout());
    loop {
        session.view().state = machine.state_name();
        let action = tokio::select! {
            Some(fact) = facts.recv() => {
                gst::debug!(CAT, "session {}: {fact:?} while {}", session.id(), machine.state_name());
                machine.handle(Instant::now(), fact)
            }
            () = reached(machine.deadline()) => machine.handle_timeout(Instant::now(), session.traffic.snapshot()),
        };
        match action {
            None => {}
            Some(Action::StartMedia) => {
                gst::info!(CAT, "session {}: connected", session.id());
                let elapsed = session.traffic.origin().elapsed();
                session.view().connect_time.get_or_insert(elapsed);
                session.start_media();
            }
            Some(Action::Recover) => session.post(Input::Recover),
            Some(Action::End(reason)) => return reason,
        }
    }
}

/// Collects the statistics that the property shows, from being connected on: often while somebody reads them.
async fn watch_statistics(session: &Arc<Session>) -> Infallible {
    let mut observed = Instant::now();
    loop {
        tokio::time::sleep(READ_INTERVAL).await;
        let read = session.statistics_read.notified();
        // Whether it was read or time passed, it is due.
        let _ = tokio::time::timeout(UNREAD_INTERVAL - READ_INTERVAL, read).await;
        let webrtcbin = session
            .is_flowing()
            .then(|| session.view().webrtcbin.clone())
            .flatten();
        let Some(webrtcbin) = webrtcbin else { continue };
        match promise::get_stats(&webrtcbin).await {
            Ok(stats) => {
                // Who looks at the statistics must not change what they show.
                if observed.elapsed() >= UNREAD_INTERVAL {
                    observed = Instant::now();
                    rate::Control::observe(session, &stats);
                }
                session.view().stats = Some(stats);
            }
            Err(error) => gst::debug!(CAT, "session {}: {error}", session.id()),
        }
    }
}

async fn reached(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

/// How often pages with charts read.
const READ_INTERVAL: Duration = Duration::from_millis(100);

/// webrtcbin collects from every element, which is a load with many consumers; receivers report about this often.
const UNREAD_INTERVAL: Duration = Duration::from_secs(1);
