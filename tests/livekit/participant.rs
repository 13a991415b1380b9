// SPDX-License-Identifier: MPL-2.0
//! LiveKit's own client, `@livekit/rtc-node`, run by Node.js: what it receives and what it sends.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::common;

/// A participant that tells what it sees; leaves with the value.
pub(crate) struct Participant {
    child: Child,
    seen: Arc<Mutex<Value>>,
}

impl Participant {
    /// Joins; with `publish` it sends a green picture and a tone. `None`, said aloud, when the client is not installed;
    /// with `REQUIRE_ALL=1` that is a panic.
    pub(crate) fn join(url: &str, token: &str, publish: bool) -> Option<Self> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop");
        if !std::path::Path::new(folder)
            .join("node_modules/@livekit/rtc-node")
            .exists()
        {
            assert!(
                std::env::var_os("REQUIRE_ALL").is_none_or(|value| value != "1"),
                "@livekit/rtc-node is missing"
            );
            eprintln!("NOT RUN: @livekit/rtc-node is not installed (scripts/setup test)");
            return None;
        }
        let mut child = Command::new("node")
            .args(["livekit-participant.mjs", url, token])
            .args(publish.then_some("publish"))
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let seen = Arc::new(Mutex::new(Value::Null));
        let output = BufReader::new(child.stdout.take().unwrap());
        let latest = Arc::clone(&seen);
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                *latest.lock().unwrap() = serde_json::from_str(&line).unwrap_or_default();
            }
        });
        Some(Self { child, seen })
    }

    /// What it saw last.
    pub(crate) fn seen(&self) -> Value {
        self.seen.lock().unwrap().clone()
    }

    /// Waits until it received another `frames` frames and as many samples as `seconds` of audio have.
    pub(crate) fn wait_for(&self, frames: u64, seconds: u64) {
        let before = self.seen();
        let grown = |name: &str, by: u64| {
            let (now, then) = (self.seen()[name].as_u64(), before[name].as_u64());
            now.unwrap_or_default() >= then.unwrap_or_default() + by
        };
        common::wait_until("frames and samples at LiveKit's client", || {
            grown("frames", frames) && grown("samples", seconds * 48_000)
        });
    }

    /// The names of the tracks it is subscribed to.
    pub(crate) fn track_names(&self) -> Vec<String> {
        let seen = self.seen();
        let tracks = seen["tracks"].as_object().into_iter().flatten();
        let mut names: Vec<_> = tracks
            .map(|(_, track)| track["name"].as_str().unwrap_or_default().to_owned())
            .collect();
        names.sort();
        names
    }

    /// Whether its picture shows the 75 % bars of SMPTE EG 1, each channel within 60 of what it should be.
    pub(crate) fn sees_bars(&self) -> bool {
        const ON: i64 = 191;
        let bars = [
            [ON, ON, ON],
            [ON, ON, 0],
            [0, ON, ON],
            [0, ON, 0],
            [ON, 0, ON],
            [ON, 0, 0],
            [0, 0, ON],
        ];
        let seen = self.seen();
        let colour =
            |column: usize, channel: usize| seen["colours"][column][channel].as_i64().unwrap_or(-1000);
        let mut all = bars
            .iter()
            .enumerate()
            .flat_map(|(column, bar)| bar.iter().enumerate().map(move |bar| (column, bar)));
        all.all(|(column, (channel, expected))| (colour(column, channel) - expected).abs() <= 60)
    }
}

impl Drop for Participant {
    fn drop(&mut self) {
        // A participant that left by itself needs no killing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
