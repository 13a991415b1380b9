// SPDX-License-Identifier: MPL-2.0
//! Makes the process's DTLS certificate before anybody waits for it.
//!
//! All webrtcbins of a process present one certificate, made when the first DTLS element appears; that takes 140 to
//! 520 ms (measured). Done early and off-thread, the first offer costs 30 ms instead.

use std::sync::Once;

use crate::{gst_ext::make, runtime};

/// Starts making the certificate unless that was done before. Returns at once.
pub(crate) fn start() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Whoever needs DTLS reports a missing plugin; here it only means that nothing gets faster.
        runtime::run_blocking(|| drop(make::element("dtlsdec", None, "to make the DTLS certificate")));
    });
}
