// SPDX-License-Identifier: MPL-2.0
//! What tests of elements share: an in-process signaller, consumers, ready-made producers, waiting with a deadline.
#![allow(dead_code, reason = "each test binary uses its own part")]
#![allow(unreachable_pub, reason = "tests have no crate to export to")]

pub mod consumer;
pub mod loopback;
pub mod pipelines;
pub mod producer;
pub mod receiver;

use std::sync::Once;
use std::time::{Duration, Instant};

/// Long enough for a machine that does ten other things; a test that needs it all has failed.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// `session-timeout` for what is not about timeouts: on a machine that does ten other things the usual ten seconds are
/// little for a handshake.
pub const PATIENCE_SECONDS: u32 = 50;

/// Initialises GStreamer and registers the elements of this crate.
pub fn init() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        gst::init().expect("GStreamer initialises");
        gstrswebrtc::plugin_register_static().expect("the plugin registers");
    });
}

/// Waits until `condition` holds; panics with `what` when it does not within [`DEADLINE`].
pub fn wait_until(what: &str, condition: impl FnMut() -> bool) {
    wait_within(DEADLINE, what, condition);
}

/// Waits until `condition` holds; panics with `what` when it does not within `deadline`.
pub fn wait_within(deadline: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + deadline;
    while !condition() {
        assert!(Instant::now() < end, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
