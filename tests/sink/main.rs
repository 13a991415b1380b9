// SPDX-License-Identifier: MPL-2.0
//! The sending side among other programs and hard facts: real files, a real TURN server, a signalling server that is
//! killed, the example programs, peers that stall, links of different capacity, and properties with absurd values.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]
#![allow(unreachable_pub, reason = "tests have no crate to export to")]

#[path = "../common/mod.rs"]
mod common;
#[allow(dead_code, reason = "shared with tests that start more kinds of programs")]
#[path = "../interop/whip/process.rs"]
mod process;

mod adapting;
mod encoded_input;
mod examples;
mod file;
mod grouping;
mod media;
mod nonsense;
mod relay_only;
mod server_killed;
mod servers;
mod stalled_channel;

use std::time::Instant;

/// Waits until `found` gives something.
fn wait_for<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + common::DEADLINE;
    loop {
        if let Some(value) = found() {
            return value;
        }
        assert!(Instant::now() < deadline, "{what} did not happen");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// A program of this build.
fn built(name: &str) -> std::path::PathBuf {
    let executable = std::env::current_exe().expect("a test is a program");
    let folder = executable.ancestors().nth(2).expect("it is in target/*/deps");
    let path = folder.join(name);
    assert!(
        path.exists(),
        "{} is missing: run cargo build --workspace --all-targets first",
        path.display()
    );
    path
}
