// SPDX-License-Identifier: MPL-2.0
//! `livekitwebrtcsink`: what a room gets to see.

use gst::prelude::*;
use testkit::livekit::LiveKit;

use crate::common::{self, wait_until};
use crate::participant::Participant;
use crate::room::{Running, Viewer, by_key, participants, publisher, token, track, track_names};

#[test]
fn livekits_client_sees_and_hears_what_is_published_by_key_and_secret() {
    let Some(server) = LiveKit::start("") else { return };
    let Some(viewer) = Participant::join(&server.url(), &token("viewer"), false) else {
        return;
    };
    let publisher = publisher(&server.url(), "publisher");
    viewer.wait_for(30, 2);
    wait_until("colour bars", || viewer.sees_bars());
    assert_eq!(viewer.track_names(), ["audio1", "video0"]);
    publisher.assert_no_error();
}

#[test]
fn a_ready_token_for_everything_serves_to_publish() {
    let Some(server) = LiveKit::start("") else { return };
    let Some(viewer) = Participant::join(&server.url(), &token("viewer"), false) else {
        return;
    };
    let publisher = Running::launch(&format!(
        "livekitwebrtcsink name=sink signaller::ws-url={} signaller::auth-token={} \
         videotestsrc is-live=true ! sink. audiotestsrc is-live=true ! sink.",
        server.url(),
        token("publisher"),
    ));
    viewer.wait_for(30, 2);
    publisher.assert_no_error();
}

#[test]
fn tracks_bear_the_names_and_sources_the_user_chose() {
    let Some(server) = LiveKit::start("") else { return };
    let publisher = Running::prepare(&format!(
        "livekitwebrtcsink name=sink {} signaller::track-sources=\"sources,desktop=screen_share\" \
         videotestsrc is-live=true ! sink.video_0 videotestsrc is-live=true ! sink.video_1",
        by_key(&server.url(), "publisher")
    ));
    for (pad, name) in [("video_0", "desktop"), ("video_1", "face")] {
        publisher
            .element("sink")
            .static_pad(pad)
            .unwrap()
            .set_property("msid", name);
    }
    publisher.play();
    wait_until("two named tracks", || {
        track_names(&server, "publisher") == ["desktop", "face"]
    });
    let described = participants(&server).to_string();
    assert!(
        described.contains("SCREEN_SHARE") && described.contains("CAMERA"),
        "{described}"
    );
}

#[test]
fn the_room_knows_the_size_of_a_picture_and_each_change_of_it() {
    let Some(server) = LiveKit::start("") else { return };
    let publisher = Running::launch(&format!(
        "livekitwebrtcsink name=sink {} videotestsrc is-live=true \
         ! capsfilter name=size caps=video/x-raw,width=322,height=241,framerate=10/1 ! sink.",
        by_key(&server.url(), "publisher")
    ));
    let size = || {
        let track = track(&server, "publisher");
        (track["width"].as_u64(), track["height"].as_u64())
    };
    wait_until("its size", || size() == (Some(322), Some(240)));
    let caps = "video/x-raw,width=160,height=120,framerate=10/1";
    publisher.element("size").set_property_from_str("caps", caps);
    wait_until("another size", || size() == (Some(160), Some(120)));
    publisher.assert_no_error();
}

#[test]
fn a_pad_added_later_is_published_and_a_removed_one_is_not_any_more() {
    let Some(server) = LiveKit::start("") else { return };
    let Some(viewer) = Participant::join(&server.url(), &token("viewer"), false) else {
        return;
    };
    let publisher = Running::launch(&format!(
        "livekitwebrtcsink name=sink {} videotestsrc is-live=true ! sink.",
        by_key(&server.url(), "publisher")
    ));
    wait_until("one track", || viewer.track_names().len() == 1);
    let source = gst::ElementFactory::make("audiotestsrc")
        .property("is-live", true)
        .build()
        .unwrap();
    let sink = publisher.element("sink");
    publisher.pipeline.add(&source).unwrap();
    let pad = sink.request_pad_simple("audio_%u").unwrap();
    source.static_pad("src").unwrap().link(&pad).unwrap();
    source.sync_state_with_parent().unwrap();
    wait_until("another track", || viewer.track_names().len() == 2);
    viewer.wait_for(10, 1);
    source.set_locked_state(true);
    source.set_state(gst::State::Null).unwrap();
    sink.release_request_pad(&pad);
    publisher.pipeline.remove(&source).unwrap();
    wait_until("one track left", || viewer.track_names().len() == 1);
    publisher.assert_no_error();
}

#[test]
fn a_muted_track_is_muted_for_everybody_and_goes_on_later() {
    let Some(server) = LiveKit::start("") else { return };
    let Some(viewer) = Participant::join(&server.url(), &token("viewer"), false) else {
        return;
    };
    let publisher = publisher(&server.url(), "publisher");
    viewer.wait_for(30, 1);
    publisher.set_muted("video0", true);
    wait_until("the mute", || {
        viewer.seen().to_string().contains("\"muted\":true")
    });
    publisher.set_muted("video0", false);
    viewer.wait_for(30, 1);
}

#[test]
fn a_mute_outlives_a_restart_of_the_server() {
    let Some(mut server) = LiveKit::start("") else {
        return;
    };
    let publisher = publisher(&server.url(), "publisher");
    wait_until("the tracks", || track_names(&server, "publisher").len() == 2);
    publisher.set_muted("video0", true);
    let muted = |server: &LiveKit| participants(server).to_string().matches("\"muted\":true").count();
    wait_until("the mute", || muted(&server) == 1);
    server.revive();
    wait_until("the tracks again", || {
        track_names(&server, "publisher").len() == 2
    });
    assert_eq!(muted(&server), 1);
    // The muted picture does not leave the machine either: the tone does, and nothing else.
    let viewer = Viewer::launch(&by_key(&server.url(), "viewer"));
    wait_until("the tone", || viewer.sounds() >= 50);
    assert_eq!(viewer.frames(), 0);
    publisher.set_muted("video0", false);
    viewer.wait_for(10);
    publisher.assert_no_error();
}

#[test]
fn names_of_every_script_reach_the_room() {
    let Some(server) = LiveKit::start("") else { return };
    let publisher = Running::prepare(&format!(
        "livekitwebrtcsink name=sink {} signaller::participant-name=\"Zoë 🎥 \\\"x\\\"\" \
         videotestsrc is-live=true ! sink.video_0",
        by_key(&server.url(), "zoë-東京")
    ));
    let pad = publisher.element("sink").static_pad("video_0").unwrap();
    pad.set_property("msid", "caméra-🎥");
    publisher.play();
    wait_until("the track", || track_names(&server, "zoë-東京") == ["caméra-🎥"]);
    let described = participants(&server).to_string();
    assert!(described.contains("Zoë 🎥"), "{described}");
    publisher.assert_no_error();
}

#[test]
fn many_tracks_are_published_at_once() {
    let Some(server) = LiveKit::start("") else { return };
    let sources = "audiotestsrc is-live=true ! sink. ".repeat(12);
    let publisher = Running::launch(&format!(
        "livekitwebrtcsink name=sink {} videotestsrc is-live=true ! video/x-raw,width=160,height=120 ! sink. {sources}",
        by_key(&server.url(), "publisher")
    ));
    wait_until("thirteen tracks", || {
        track_names(&server, "publisher").len() == 13
    });
    let viewer = Viewer::launch(&by_key(&server.url(), "viewer"));
    viewer.wait_for(30);
    wait_until("thirteen pads", || viewer.source.num_src_pads() == 13);
    publisher.assert_no_error();
}

#[test]
fn leaving_is_seen_at_once_and_the_element_can_start_again() {
    let Some(server) = LiveKit::start("") else { return };
    let publisher = publisher(&server.url(), "publisher");
    for _ in 0..2 {
        wait_until("the tracks", || track_names(&server, "publisher").len() == 2);
        publisher.pipeline.set_state(gst::State::Ready).unwrap();
        // Without a word of ours the server would wait for the connection to time out.
        let patience = std::time::Duration::from_secs(5);
        common::wait_within(patience, "an empty room", || {
            participants(&server).as_array().is_none_or(Vec::is_empty)
        });
        publisher.pipeline.set_state(gst::State::Playing).unwrap();
    }
    publisher.assert_no_error();
}

#[test]
fn livekits_client_gets_media_back_after_a_restart_of_the_server() {
    let Some(mut server) = LiveKit::start("") else {
        return;
    };
    let publisher = publisher(&server.url(), "publisher");
    wait_until("the tracks", || track_names(&server, "publisher").len() == 2);
    server.revive();
    wait_until("the tracks again", || {
        track_names(&server, "publisher").len() == 2
    });
    let Some(viewer) = Participant::join(&server.url(), &token("viewer"), false) else {
        return;
    };
    viewer.wait_for(30, 2);
    publisher.assert_no_error();
}
