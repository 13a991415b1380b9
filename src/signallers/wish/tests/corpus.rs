// SPDX-License-Identifier: MPL-2.0
//! Replays what the fuzzers have collected, so that a past failure stays fixed without one at hand.

use super::super::{link_header, sdpfrag};

#[path = "../../../../fuzz/checks/link_header.rs"]
mod check_link_header;
#[path = "../../../../fuzz/checks/sdpfrag.rs"]
mod check_sdpfrag;

fn replay(name: &str, check: fn(&[u8])) {
    let folder = format!("{}/fuzz/corpus/{name}", env!("CARGO_MANIFEST_DIR"));
    let mut replayed = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        check(&std::fs::read(entry.unwrap().path()).unwrap());
        replayed += 1;
    }
    assert!(replayed > 0);
}

#[test]
fn link_headers() {
    replay("link_header", check_link_header::check);
}

#[test]
fn ice_fragments() {
    replay("sdpfrag", check_sdpfrag::check);
}
