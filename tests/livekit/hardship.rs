// SPDX-License-Identifier: MPL-2.0
//! What a publisher in a room goes through without harm: mutes by the dozen, pauses, subscribers that come and go, a stop
//! at any moment.

use std::time::{Duration, Instant};

use gst::prelude::*;
use testkit::livekit::{LiveKit, UNHURRIED};

use crate::common::wait_until;
use crate::room::{Running, Viewer, by_key, publisher, track, track_names};

/// A publisher of a small picture that a valve may hold, in as many layers as asked for.
fn paused_at_will(server: &LiveKit, size: &str, properties: &str) -> Running {
    Running::launch(&format!(
        "livekitwebrtcsink name=sink {properties} {} videotestsrc is-live=true \
         ! video/x-raw,format=I420,{size},framerate=10/1 ! valve name=valve ! sink.",
        by_key(&server.url(), "publisher")
    ))
}

#[test]
fn a_storm_of_mutes_ends_as_the_last_one_says() {
    let Some(server) = LiveKit::start(UNHURRIED) else {
        return;
    };
    let publisher = paused_at_will(
        &server,
        "width=640,height=360",
        "simulcast-layers=2 congestion-control=disabled",
    );
    let viewer = Viewer::launch(&by_key(&server.url(), "viewer"));
    wait_until("a picture", || viewer.frames() > 5);
    for muted in [true, false].repeat(100) {
        publisher.set_muted("video0", muted);
    }
    let frames = viewer.frames();
    wait_until("the picture again", || viewer.frames() >= frames + 20);
    for muted in [false, true].repeat(100) {
        publisher.set_muted("video0", muted);
    }
    wait_until("the mute", || track(&server, "publisher")["muted"] == true);
    publisher.set_muted("video0", false);
    let frames = viewer.frames();
    wait_until("the picture once more", || viewer.frames() >= frames + 20);
    publisher.assert_no_error();
}

#[test]
fn a_picture_that_stood_still_goes_on() {
    let Some(server) = LiveKit::start(UNHURRIED) else {
        return;
    };
    let publisher = paused_at_will(&server, "width=640,height=360", "simulcast-layers=2");
    let viewer = Viewer::launch(&by_key(&server.url(), "viewer"));
    wait_until("a picture", || viewer.frames() > 5);
    let valve = publisher.element("valve");
    valve.set_property("drop", true);
    // Longer than it takes to call a connection stalled.
    let silence = Instant::now() + Duration::from_secs(8);
    wait_until("a long pause", || Instant::now() > silence);
    valve.set_property("drop", false);
    let frames = viewer.frames();
    wait_until("the picture again", || viewer.frames() >= frames + 20);
    publisher.assert_no_error();
    viewer.running.assert_no_error();
}

#[test]
fn subscribers_come_and_go() {
    let Some(server) = LiveKit::start(UNHURRIED) else {
        return;
    };
    let publisher = paused_at_will(&server, "width=640,height=360", "simulcast-layers=2");
    let stays = Viewer::launch(&by_key(&server.url(), "stays"));
    wait_until("a picture", || stays.frames() > 5);
    for _ in 0..4 {
        let viewer = Viewer::launch(&by_key(&server.url(), "viewer"));
        wait_until("a picture for another one", || viewer.frames() > 5);
    }
    let frames = stays.frames();
    wait_until("the picture for who stayed", || stays.frames() >= frames + 20);
    publisher.assert_no_error();
}

#[test]
fn a_stop_at_any_moment_is_quick_and_leaves_nothing_behind() {
    let Some(server) = LiveKit::start("") else { return };
    for moment in 0..12 {
        let publisher = publisher(&server.url(), "publisher");
        let until = Instant::now() + Duration::from_millis(moment * 25);
        wait_until("a moment", || Instant::now() >= until);
        let began = Instant::now();
        publisher.pipeline.set_state(gst::State::Null).unwrap();
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        publisher.assert_no_error();
    }
    let publisher = publisher(&server.url(), "publisher");
    wait_until("the tracks", || track_names(&server, "publisher").len() == 2);
    publisher.assert_no_error();
}
