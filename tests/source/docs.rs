// SPDX-License-Identifier: MPL-2.0
//! The launch lines of docs/receiving.md, run as they stand but for the server's port and what opens windows.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use gst::prelude::*;

use crate::common::{PATIENCE_SECONDS, wait_until};
use crate::playback::Broadcast;

const PAGE: &str = include_str!("../../docs/receiving.md");

/// The lines of the page that contain `word`, ready to be parsed.
fn line(word: &str, port: u16, folder: &std::path::Path) -> String {
    let found = PAGE
        .lines()
        .find(|line| line.starts_with("gst-launch-1.0") && line.contains(word));
    let line = found.unwrap_or_else(|| panic!("the page has a line with {word}"));
    let line = line
        .trim_start_matches("gst-launch-1.0")
        .trim()
        .trim_start_matches("-e ");
    line.replace(
        "webrtcsrc ",
        &format!(
            "webrtcsrc stun-server=\"\" session-timeout={PATIENCE_SECONDS} signaller::uri=ws://127.0.0.1:{port} "
        ),
    )
    .replace("autovideosink", "fakesink sync=false")
    .replace("autoaudiosink", "fakesink sync=false")
    .replace("received.mkv", &folder.join("received.mkv").display().to_string())
}

fn sees_data(word: &str, sinks: usize) {
    let broadcast = Broadcast::new();
    broadcast.send();
    let folder = std::env::temp_dir().join(format!("receiving-{}-{word}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder for what is received");
    let line = line(word, broadcast.port(), &folder);
    let pipeline: gst::Pipeline = gst::parse::launch(&line)
        .expect("a valid line")
        .downcast()
        .expect("a pipeline");
    let counts: Vec<_> = pipeline
        .iterate_sinks()
        .into_iter()
        .flatten()
        .map(|sink| {
            let count = Arc::new(AtomicU64::new(0));
            let counter = count.clone();
            sink.static_pad("sink").expect("a sink has one").add_probe(
                gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST,
                move |_, _| {
                    counter.fetch_add(1, Ordering::SeqCst);
                    gst::PadProbeReturn::Ok
                },
            );
            count
        })
        .collect();
    assert_eq!(counts.len(), sinks, "{line}");
    pipeline.set_state(gst::State::Playing).expect("it plays");
    wait_until(&format!("data comes out of {line}"), || {
        counts.iter().all(|count| count.load(Ordering::SeqCst) > 10)
    });
    pipeline.set_state(gst::State::Null).expect("it stops");
    std::fs::remove_dir_all(folder).expect("the folder is ours");
}

#[test]
fn the_raw_line_of_the_page_works() {
    sees_data("autovideosink", 2);
}

#[test]
fn the_encoded_line_of_the_page_works() {
    sees_data("matroskamux", 1);
}

#[test]
fn the_rtp_line_of_the_page_works() {
    sees_data("udpsink", 1);
}
