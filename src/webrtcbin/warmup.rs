// SPDX-License-Identifier: MPL-2.0
//! Makes the process's DTLS certificate before anybody waits for it.
//!
//! All webrtcbins of a process present one certificate, made when the first DTLS element appears; that takes 140 to 520
//! ms (measured). Done early and off-thread, the first offer costs 30 ms instead. Elements call `start` on the way to
//! PAUSED and `finish` on the way to NULL; both may be called by any number of them.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::{gst_ext::make, runtime};

static MAKING: Making = Making {
    progress: Mutex::new(Progress::NotStarted),
    is_made: Condvar::new(),
};

/// Starts making the certificate unless that was done before. Returns at once.
pub(crate) fn start() {
    if MAKING.begin() {
        runtime::run_blocking(|| {
            make_certificate();
            MAKING.end();
        });
    }
}

/// Comes back when no other thread is making the certificate any more, at once if none was. False when that takes
/// longer than the state change of an element may.
///
/// A process may exit as soon as its pipeline is in NULL, and OpenSSL crashes when it is at work meanwhile.
pub(crate) fn finish() -> bool {
    MAKING.wait(PATIENCE)
}

/// Whoever comes second waits here for the first.
fn make_certificate() {
    // Whoever needs DTLS reports a missing plugin; here it only means that nothing gets faster.
    drop(make::element("dtlsdec", None, "to make the DTLS certificate"));
}

struct Making {
    progress: Mutex<Progress>,
    is_made: Condvar,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    NotStarted,
    Started,
    Made,
}

impl Making {
    /// True for the first who calls.
    fn begin(&self) -> bool {
        let mut progress = self.progress();
        let is_first = *progress == Progress::NotStarted;
        if is_first {
            *progress = Progress::Started;
        }
        is_first
    }

    fn end(&self) {
        *self.progress() = Progress::Made;
        self.is_made.notify_all();
    }

    /// False when it is still at work after `patience`.
    fn wait(&self, patience: Duration) -> bool {
        let is_at_work = |progress: &mut Progress| *progress == Progress::Started;
        let (progress, _) = self
            .is_made
            .wait_timeout_while(self.progress(), patience, is_at_work)
            .unwrap_or_else(PoisonError::into_inner);
        *progress != Progress::Started
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Making it takes 140 to 520 ms (measured), and up to 8 s at a load of 15 on two cores; an element is to be in NULL
/// within 5 s.
const PATIENCE: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_started_is_finished_when_waited_for() {
        gst::init().unwrap();
        start();
        start();
        while !finish() {}
        assert_eq!(*MAKING.progress(), Progress::Made);
    }

    #[test]
    fn waiting_is_bounded_and_only_for_what_was_started() {
        let making = Making {
            progress: Mutex::new(Progress::NotStarted),
            is_made: Condvar::new(),
        };
        assert!(making.wait(Duration::MAX));
        assert!(making.begin());
        assert!(!making.begin());
        assert!(!making.wait(Duration::from_millis(1)));
        making.end();
        assert!(making.wait(Duration::MAX));
    }
}
