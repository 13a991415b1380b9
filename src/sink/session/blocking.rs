// SPDX-License-Identifier: MPL-2.0
//! Work that blocks, off the runtime's workers, and never at the same time as the session's release.
//!
//! Owns the lock `busy` together with `release`. Threads are the runtime's blocking ones, as many as are needed: a
//! state change of one session never waits for another's.

use std::sync::Arc;

use super::handle::Session;
use crate::end_reason::{EndReason, SessionEndReason};
use crate::runtime;

/// Runs `work` on a thread of its own.
///
/// The session's task may be cut short while it waits here, but `work` cannot: it holds `busy` until it is done, and
/// the release waits for that.
///
/// # Errors
/// Whatever `work` gives, and [`SessionEndReason::Internal`] when it panicked.
pub(super) async fn run<T, W>(session: &Arc<Session>, work: W) -> Result<T, EndReason>
where
    T: Send + 'static,
    W: FnOnce(&Arc<Session>) -> Result<T, EndReason> + Send + 'static,
{
    let guard = session.busy.clone().lock_owned().await;
    let session = session.clone();
    let done = runtime::spawn_blocking(move || {
        let result = work(&session);
        drop(guard);
        result
    });
    done.await.unwrap_or_else(|_| {
        Err(EndReason::new(
            SessionEndReason::Internal,
            "a step of the session panicked",
        ))
    })
}
