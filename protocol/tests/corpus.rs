// SPDX-License-Identifier: MPL-2.0
//! Replays the corpus of the fuzz target `protocol`, so that a finding stays fixed without a fuzzer at hand.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

#[path = "../../fuzz/checks/protocol.rs"]
mod protocol;

#[test]
fn every_input_of_the_corpus_passes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/protocol");
    let inputs: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert!(
        inputs.len() >= 40,
        "the corpus is missing: {} inputs",
        inputs.len()
    );
    for input in inputs {
        protocol::check(&std::fs::read(input).unwrap());
    }
}

#[test]
fn every_cut_of_every_input_passes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/protocol");
    for entry in std::fs::read_dir(folder).unwrap() {
        let data = std::fs::read(entry.unwrap().path()).unwrap();
        for end in 0..data.len() {
            protocol::check(&data[..end]);
        }
    }
}
