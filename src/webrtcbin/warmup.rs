// SPDX-License-Identifier: MPL-2.0
//! Makes the process's DTLS certificate before anybody waits for it.
//!
//! All webrtcbins of a process present one certificate, made when the first DTLS element appears; that takes 140 to 520
//! ms (measured). Done early and off-thread, the first offer costs 30 ms instead. Elements call `start` on the way to
//! PAUSED and `finish` on the way to NULL; both may be called by any number of them.

use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::{gst_ext::make, runtime};

static MAKING: Once = Once::new();
static IS_STARTED: AtomicBool = AtomicBool::new(false);

/// Starts making the certificate unless that was done before. Returns at once.
pub(crate) fn start() {
    if !IS_STARTED.swap(true, Ordering::SeqCst) {
        runtime::run_blocking(make_certificate);
    }
}

/// Comes back when no other thread is making the certificate any more, at once if none was.
///
/// A process may exit as soon as its pipeline is in NULL, and OpenSSL crashes when it is at work meanwhile.
pub(crate) fn finish() {
    if IS_STARTED.load(Ordering::SeqCst) {
        make_certificate();
    }
}

/// Whoever comes second waits here for the first.
fn make_certificate() {
    MAKING.call_once(|| {
        // Whoever needs DTLS reports a missing plugin; here it only means that nothing gets faster.
        drop(make::element("dtlsdec", None, "to make the DTLS certificate"));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_started_is_finished_when_waited_for() {
        gst::init().unwrap();
        finish();
        start();
        start();
        finish();
        assert!(MAKING.is_completed());
    }
}
