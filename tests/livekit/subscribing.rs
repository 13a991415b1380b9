// SPDX-License-Identifier: MPL-2.0
//! `livekitwebrtcsrc`: what comes out of a room.

use std::time::{Duration, Instant};

use gst::prelude::*;
use testkit::livekit::LiveKit;

use crate::common::wait_until;
use crate::participant::Participant;
use crate::room::{Running, Viewer, by_key, publisher, token, track_names};

#[test]
fn media_go_from_sink_to_source() {
    let Some(server) = LiveKit::start("") else { return };
    let publisher = publisher(&server.url(), "publisher");
    let viewer = Viewer::launch(&by_key(&server.url(), "viewer"));
    viewer.wait_for(50);
    publisher.assert_no_error();
    viewer.running.assert_no_error();
}

#[test]
fn what_livekits_client_publishes_is_received_with_all_that_is_known_of_it() {
    let Some(server) = LiveKit::start("") else { return };
    let Some(_publisher) = Participant::join(&server.url(), &token("official"), true) else {
        return;
    };
    let viewer = Viewer::launch(&by_key(&server.url(), "viewer"));
    viewer.wait_for(30);
    let pad = viewer
        .source
        .iterate_src_pads()
        .into_iter()
        .flatten()
        .find(|pad| pad.name().contains("video"))
        .unwrap();
    let participant = pad.property::<gst::Structure>("participant-info");
    assert_eq!(participant.get::<&str>("identity"), Ok("official"));
    let track = pad.property::<gst::Structure>("track-info");
    assert_eq!(
        (track.get::<&str>("name"), track.get::<&str>("source")),
        (Ok("green"), Ok("CAMERA"))
    );
    assert_eq!(
        pad.property::<String>("track-sid"),
        track.get::<String>("sid").unwrap()
    );
    assert_eq!(
        pad.property::<String>("participant-sid"),
        participant.get::<String>("sid").unwrap()
    );
}

#[test]
fn a_track_stops_while_it_is_disabled() {
    let Some(server) = LiveKit::start("") else { return };
    let _publisher = publisher(&server.url(), "publisher");
    let viewer = Viewer::launch(&by_key(&server.url(), "viewer"));
    viewer.wait_for(30);
    let pad = viewer
        .source
        .iterate_src_pads()
        .into_iter()
        .flatten()
        .find(|pad| pad.name().contains("video"))
        .unwrap();
    pad.emit_by_name::<()>("set-track-disabled", &[&true]);
    let has_stopped = || {
        let (before, sounds) = (viewer.frames(), viewer.sounds());
        wait_until("a second of audio", || viewer.sounds() >= sounds + 50);
        viewer.frames() == before
    };
    wait_until("no more video", has_stopped);
    pad.emit_by_name::<()>("set-track-disabled", &[&false]);
    viewer.wait_for(30);
}

#[test]
fn a_track_in_a_codec_that_is_not_accepted_is_told_and_others_are_received() {
    let Some(server) = LiveKit::start("") else { return };
    let publisher = Running::launch(&format!(
        "livekitwebrtcsink name=sink {} video-caps=video/x-vp9 audiotestsrc is-live=true ! sink. \
         videotestsrc is-live=true ! video/x-raw,width=160,height=120,framerate=10/1 ! sink.",
        by_key(&server.url(), "publisher")
    ));
    wait_until("the tracks", || track_names(&server, "publisher").len() == 2);
    let viewer = Viewer::launch(&format!("{} video-codecs=<VP8>", by_key(&server.url(), "viewer")));
    let warning = viewer.running.message(gst::MessageType::Warning);
    assert!(warning.contains("SE_CODEC_UNSUPPORTED"), "{warning}");
    wait_until("the tone", || viewer.sounds() > 20);
    assert_eq!(viewer.frames(), 0);
    viewer.running.assert_no_error();
    publisher.assert_no_error();
}

#[test]
fn tracks_that_are_muted_are_not_missed() {
    let Some(server) = LiveKit::start("") else { return };
    let publisher = publisher(&server.url(), "publisher");
    let viewer = Viewer::launch(&by_key(&server.url(), "viewer"));
    viewer.wait_for(10);
    let state = || {
        let stats = viewer.source.property::<gst::Structure>("stats");
        stats.get::<String>("state").unwrap()
    };
    assert_eq!(state(), "connected");
    let set_muted = |muted| ["video0", "audio1"].map(|track| publisher.set_muted(track, muted));
    set_muted(true);
    // Longer than it takes to call a connection stalled.
    let silence = Instant::now() + Duration::from_secs(8);
    wait_until("a long silence", || {
        assert_eq!(state(), "connected");
        Instant::now() > silence
    });
    set_muted(false);
    viewer.wait_for(10);
    viewer.running.assert_no_error();
}

#[test]
fn only_the_chosen_producer_is_received_and_the_choice_can_change() {
    let Some(server) = LiveKit::start("") else { return };
    let publishers = ["one", "two"].map(|identity| publisher(&server.url(), identity));
    let properties = format!(
        "{} signaller::producer-peer-id=one",
        by_key(&server.url(), "viewer")
    );
    let viewer = Viewer::launch(&properties);
    viewer.wait_for(30);
    let senders = || {
        let pads = viewer.source.iterate_src_pads().into_iter().flatten();
        let infos = pads.filter_map(|pad| pad.property::<Option<gst::Structure>>("participant-info"));
        infos
            .filter_map(|info| info.get::<String>("identity").ok())
            .collect::<Vec<_>>()
    };
    assert_eq!(senders(), ["one", "one"]);
    let signaller = viewer.source.property::<gst::glib::Object>("signaller");
    signaller.set_property("producer-peer-id", "two");
    wait_until("the other producer", || {
        !senders().is_empty() && senders().iter().all(|sender| sender == "two")
    });
    viewer.wait_for(30);
    publishers.iter().for_each(Running::assert_no_error);
}

#[test]
fn participants_come_and_go_while_playing() {
    let Some(server) = LiveKit::start("") else { return };
    let viewer = Viewer::launch(&by_key(&server.url(), "viewer"));
    let pads = || viewer.source.iterate_src_pads().into_iter().flatten().count();
    for _ in 0..2 {
        let publisher = publisher(&server.url(), "publisher");
        viewer.wait_for(30);
        drop(publisher);
        wait_until("no pads", || pads() == 0);
    }
    viewer.running.assert_no_error();
}

#[test]
fn a_restarted_server_gives_media_back_within_fifteen_seconds() {
    let Some(mut server) = LiveKit::start("") else {
        return;
    };
    let publisher = publisher(&server.url(), "publisher");
    let viewer = Viewer::launch(&by_key(&server.url(), "viewer"));
    viewer.wait_for(30);
    server.revive();
    let back = Instant::now();
    viewer.wait_for(30);
    eprintln!("media back {:?} after the server was", back.elapsed());
    assert!(back.elapsed() < Duration::from_secs(15));
    publisher.assert_no_error();
    viewer.running.assert_no_error();
}

#[test]
fn a_server_that_hangs_is_noticed_and_found_again() {
    let Some(server) = LiveKit::start("") else { return };
    let publisher = publisher(&server.url(), "publisher");
    let viewer = Viewer::launch(&by_key(&server.url(), "viewer"));
    viewer.wait_for(30);
    server.freeze();
    let sink = publisher.element("sink");
    for element in [&sink, &viewer.source] {
        let signaller = element.property::<gst::glib::Object>("signaller");
        wait_until("its silence to be noticed", || {
            let state = signaller.property_value("connection-state");
            format!("{state:?}").contains("server-disconnected")
        });
    }
    server.thaw();
    viewer.wait_for(30);
    publisher.assert_no_error();
    viewer.running.assert_no_error();
}

#[test]
fn streams_synchronised_by_the_room_still_tell_their_tracks() {
    let Some(server) = LiveKit::start("room:\n  sync_streams: true") else {
        return;
    };
    let _publisher = publisher(&server.url(), "publisher");
    let viewer = Viewer::launch(&by_key(&server.url(), "viewer"));
    viewer.wait_for(30);
    for pad in viewer.source.iterate_src_pads().into_iter().flatten() {
        assert!(pad.property::<String>("track-sid").starts_with("TR_"));
        assert!(pad.property::<Option<gst::Structure>>("track-info").is_some());
    }
}
