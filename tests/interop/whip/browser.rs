// SPDX-License-Identifier: MPL-2.0
//! Chromium with the WHIP and WHEP libraries of Eyevinn: `whepserversink` plays in it, and it publishes to `whipserversrc`.

use std::process::Command;

use super::process::{Process, is_installed, node_folder};
use super::{Counter, PICTURE, Pipeline, TONE, not_run};

/// A page in a browser that tells of its frames in lines of JSON.
fn open(page: &str, url: &str) -> Option<Process> {
    let (true, Some(folder)) = (is_installed("chromium"), node_folder()) else {
        not_run("chromium or the npm packages of tests/interop");
        return None;
    };
    Some(Process::start(
        Command::new("node")
            .args(["whip/browser.mjs", page, url])
            .current_dir(folder),
    ))
}

/// What the page says of itself.
fn reports(line: &str, is_it: impl Fn(&serde_json::Value) -> bool) -> bool {
    serde_json::from_str(line).is_ok_and(|report| is_it(&report))
}

/// Left to right: grey, yellow, cyan, green, magenta, red, blue, at 75 %.
const BARS: [[i64; 3]; 7] = [
    [191, 191, 191],
    [191, 191, 0],
    [0, 191, 191],
    [0, 191, 0],
    [191, 0, 191],
    [191, 0, 0],
    [0, 0, 191],
];

fn has_bars(report: &serde_json::Value) -> bool {
    let Some(bars) = report["bars"].as_array().filter(|bars| bars.len() == BARS.len()) else {
        return false;
    };
    let is_close = |bar: &serde_json::Value, wanted: &[i64; 3]| {
        (0..3).all(|i| {
            bar[i]
                .as_i64()
                .is_some_and(|value| (value - wanted[i]).abs() < 60)
        })
    };
    bars.iter().zip(&BARS).all(|(bar, wanted)| is_close(bar, wanted))
}

#[test]
fn chromium_plays_whepserversink() {
    let pipeline = Pipeline::start(&format!(
        "whepserversink name=sink stun-server=\"\" signaller::host-addr=http://127.0.0.1:0 {PICTURE} ! sink. {TONE} ! sink."
    ));
    let url = format!("{}/whep/endpoint", pipeline.address("sink"));
    let Some(page) = open("play", &url) else { return };
    page.wait_line("playing with the right colours", |line| {
        reports(line, |report| {
            report["frames"].as_u64().is_some_and(|n| n > 30) && has_bars(report)
        })
    });
    pipeline.assert_no_error();
}

#[test]
fn chromium_publishes_to_whipserversrc() {
    let pipeline = Pipeline::start(
        "whipserversrc name=src stun-server=\"\" signaller::stun-server=\"\" signaller::auth-token=secret \
         signaller::host-addr=http://127.0.0.1:0",
    );
    let counter = Counter::attach(&pipeline, "src");
    let url = format!("{}/whip/endpoint", pipeline.address("src"));
    let Some(page) = open("publish", &url) else { return };
    page.wait_line("sending", |line| {
        reports(line, |report| report["frames"].as_u64().is_some_and(|n| n > 10))
    });
    counter.wait("video", 30);
    counter.wait("audio", 30);
    pipeline.assert_no_error();
}
