// SPDX-License-Identifier: MPL-2.0
//! Replays the corpus of the fuzz target `feedback`: every input that ever mattered.

#[path = "../../fuzz/checks/feedback.rs"]
mod feedback;

#[test]
fn every_input_of_the_corpus_is_survived() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/feedback");
    let files = std::fs::read_dir(directory).expect("the corpus is there");
    let inputs: Vec<_> = files
        .map(|file| std::fs::read(file.unwrap().path()).expect("it can be read"))
        .collect();
    assert!(inputs.len() >= 9, "only {} inputs", inputs.len());
    inputs.iter().for_each(|data| feedback::check(data));
}
