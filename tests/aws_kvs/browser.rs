// SPDX-License-Identifier: MPL-2.0
//! Chromium with the vendor's library, and other programs in `tests/interop/kvs`.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use testkit::kvs::{KEY_ID, Kvs, REGION, SECRET};

use super::common::wait_until;

/// Where the programs are.
pub(crate) const INTEROP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop");

/// Whether something a test needs is there. Says aloud when not; with `REQUIRE_ALL=1` that is a panic.
pub(crate) fn has(what: &str, is_there: bool) -> bool {
    if !is_there {
        assert!(
            std::env::var_os("REQUIRE_ALL").is_none_or(|value| value != "1"),
            "{what} is missing"
        );
        eprintln!("NOT RUN: {what} is not installed (scripts/setup test)");
    }
    is_there
}

/// Whether this npm package of the programs is installed.
pub(crate) fn has_package(name: &str) -> bool {
    has(name, Path::new(INTEROP).join("node_modules").join(name).exists())
}

/// What a program needs to know of the channel, as JSON.
pub(crate) fn channel(kvs: &Kvs) -> String {
    json!({
        "channelARN": kvs.arn(),
        "channelEndpoint": kvs.websocket_url(),
        "region": REGION,
        "credentials": {"accessKeyId": KEY_ID, "secretAccessKey": SECRET},
    })
    .to_string()
}

/// A browser whose pages are viewers; ends with the value.
pub(crate) struct Browser {
    child: Child,
    frames: Arc<Mutex<BTreeMap<String, u64>>>,
}

impl Browser {
    /// Starts one, if there is one.
    pub(crate) fn start(kvs: &Kvs) -> Option<Self> {
        let chromium = std::env::var("CHROMIUM").unwrap_or_else(|_| "/usr/bin/chromium".to_owned());
        let is_there = has_package("amazon-kinesis-video-streams-webrtc")
            && has_package("playwright-core")
            && has("chromium", Path::new(&chromium).exists());
        if !is_there {
            return None;
        }
        let mut child = Command::new("node")
            .args(["kvs/viewers.mjs", &channel(kvs)])
            .current_dir(INTEROP)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node is installed");
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        let frames = Arc::new(Mutex::new(BTreeMap::new()));
        let counted = frames.clone();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let news: Value = serde_json::from_str(&line).expect("the program prints JSON");
                let id = news["viewer"].as_str().expect("a viewer").to_owned();
                let count = news["frames"].as_u64().unwrap_or_default();
                counted.lock().unwrap().insert(id, count);
            }
        });
        Some(Self { child, frames })
    }

    /// Opens a page that watches as `id`.
    pub(crate) fn join(&mut self, id: &str) {
        let input = self.child.stdin.as_mut().expect("it is piped");
        writeln!(input, "{id}").expect("the program listens");
    }

    /// Waits until a page has decoded so many frames more than now.
    pub(crate) fn wait_frames(&self, id: &str, more: u64) {
        let frames = || self.frames.lock().unwrap().get(id).copied().unwrap_or_default();
        let target = frames() + more;
        wait_until(&format!("{id} decodes {more} frames"), || frames() >= target);
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The program closes its browser when its input ends.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
