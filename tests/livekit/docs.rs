// SPDX-License-Identifier: MPL-2.0
//! The launch lines of docs/livekit.md, run as they stand but for the server's address and secret, and what opens windows.

use gst::prelude::*;
use testkit::livekit::{LiveKit, SECRET};

use crate::common::wait_until;
use crate::room::{ROOM, Running, Viewer, by_key, publisher, token};

const PAGE: &str = include_str!("../../docs/livekit.md");

/// The line of the page that contains `word`, ready to be parsed.
fn line(word: &str, server: &LiveKit) -> String {
    let joined = PAGE.replace("\\\n", " ");
    let found = joined
        .lines()
        .find(|line| line.starts_with("gst-launch-1.0") && line.contains(word));
    let line = found.unwrap_or_else(|| panic!("the page has a line with {word}"));
    line.trim_start_matches("gst-launch-1.0")
        .replace("ws://127.0.0.1:7880", &server.url())
        .replace("secret-key=secret", &format!("secret-key=\"{SECRET}\""))
        .replace("testroom", ROOM)
        .replace("TOKEN", &token("viewer"))
        .replace(
            "autovideosink",
            "fakesink name=out sync=false signal-handoffs=true",
        )
}

#[test]
fn the_line_that_publishes_works() {
    let Some(server) = LiveKit::start("") else { return };
    let publisher = Running::launch(&line("audiotestsrc", &server));
    Viewer::launch(&by_key(&server.url(), "viewer")).wait_for(20);
    publisher.assert_no_error();
}

#[test]
fn the_line_that_publishes_layers_works() {
    let Some(server) = LiveKit::start("") else { return };
    let publisher = Running::launch(&line("simulcast-layers", &server));
    let viewer = Viewer::launch(&by_key(&server.url(), "viewer"));
    wait_until("pictures", || viewer.frames() > 10);
    publisher.assert_no_error();
}

#[test]
fn the_line_that_receives_works() {
    let Some(server) = LiveKit::start("") else { return };
    let publisher = publisher(&server.url(), "publisher");
    let receiver = Running::prepare(&line("auth-token", &server));
    let (frames, seen) = std::sync::mpsc::channel();
    let frames = std::sync::Mutex::new(frames);
    receiver.element("out").connect("handoff", false, move |_| {
        // The test may have seen enough.
        let _ = frames.lock().unwrap().send(());
        None
    });
    receiver.play();
    for _ in 0..20 {
        seen.recv_timeout(crate::common::DEADLINE).expect("a frame");
    }
    publisher.assert_no_error();
}
