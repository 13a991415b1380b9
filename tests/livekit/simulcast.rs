// SPDX-License-Identifier: MPL-2.0
//! `livekitwebrtcsink simulcast-layers=…`: what the server sees of the layers, and which one a subscriber gets.

use gst::prelude::*;
use testkit::livekit::{LiveKit, UNHURRIED};

use crate::common::wait_until;
use crate::room::{Running, Viewer, by_key, track};

/// Without congestion control a machine that is busy with other tests makes no layer drop out.
const STEADY: &str = "congestion-control=disabled max-bitrate=2000000 session-timeout=40";

/// A publisher of a picture that is large enough for three layers: 240, 480 and 960 pixels wide.
fn publisher(server: &LiveKit, properties: &str) -> Running {
    Running::launch(&format!(
        "livekitwebrtcsink name=sink simulcast-layers=3 {properties} {} videotestsrc is-live=true \
         ! capsfilter name=size caps=video/x-raw,format=I420,width=960,height=540,framerate=10/1 ! sink.",
        by_key(&server.url(), "publisher")
    ))
}

/// One layer as the server's API has it.
struct Layer {
    rid: String,
    width: u64,
    ssrc: u64,
}

fn layers(server: &LiveKit) -> Vec<Layer> {
    let layers = track(server, "publisher")["layers"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let number = |value: &serde_json::Value| value.as_u64().unwrap_or_default();
    layers
        .iter()
        .map(|layer| Layer {
            rid: layer["rid"].as_str().unwrap_or_default().to_owned(),
            width: number(&layer["width"]),
            ssrc: number(&layer["ssrc"]),
        })
        .collect()
}

/// Waits until media of all three layers arrived.
fn wait_for_layers(server: &LiveKit) {
    wait_until("three layers", || {
        let seen = layers(server);
        let named: Vec<_> = seen.iter().map(|it| (it.rid.as_str(), it.width)).collect();
        named == [("q", 240), ("h", 480), ("f", 960)] && seen.iter().all(|it| it.ssrc > 0)
    });
}

/// The streams of the sink's one session, as its statistics show them.
fn streams(publisher: &Running) -> Vec<gst::Structure> {
    let stats = publisher.element("sink").property::<gst::Structure>("stats");
    let session = stats
        .iter()
        .find_map(|(_, session)| session.get::<gst::Structure>().ok());
    let consumer = session.and_then(|session| session.get::<gst::Structure>("consumer-stats").ok());
    let streams = consumer.and_then(|consumer| consumer.get::<gst::Array>("streams").ok());
    let streams = streams.iter().flat_map(|streams| streams.iter());
    streams.filter_map(|stream| stream.get().ok()).collect()
}

/// Whether all layers are sent, or none.
fn are_active(publisher: &Running, active: bool) -> bool {
    let streams = streams(publisher);
    streams.len() == 3 && streams.iter().all(|stream| stream.get("active") == Ok(active))
}

/// Frames encoded so far, in all layers.
fn frames(publisher: &Running) -> u64 {
    let streams = streams(publisher);
    streams
        .iter()
        .filter_map(|stream| stream.get::<u64>("frames").ok())
        .sum()
}

fn choose(viewer: &Viewer, quality: &str) {
    let mut pads = viewer.source.iterate_src_pads().into_iter().flatten();
    let pad = pads.next().unwrap();
    let type_ = gst::glib::Type::from_name("GstWebRTCLiveKitTrackQuality").unwrap();
    let qualities = gst::glib::EnumClass::with_type(type_).unwrap();
    let quality = qualities.to_value_by_nick(quality).unwrap();
    pad.emit_by_name_with_values("set-track-quality", &[quality]);
}

/// Encoders make key frames when they are asked for one: each change shows that the request reached the right one.
fn assert_every_layer_is_given(codec: &str) {
    let Some(server) = LiveKit::start(UNHURRIED) else {
        return;
    };
    let publisher = publisher(&server, &format!("{STEADY} video-caps={codec}"));
    wait_for_layers(&server);
    let viewer = Viewer::launch(&by_key(&server.url(), "viewer"));
    wait_until("the largest layer", || viewer.width() == 960);
    for (quality, width) in [("low", 240), ("medium", 480), ("high", 960)] {
        choose(&viewer, quality);
        wait_until("another layer", || viewer.width() == width);
        let frames = viewer.frames();
        wait_until("its frames", || viewer.frames() >= frames + 10);
    }
    let encodings = streams(&publisher);
    assert!(
        encodings.iter().all(|it| it
            .get::<String>("codec")
            .is_ok_and(|it| codec.ends_with(&it.to_lowercase()))),
        "{encodings:?}"
    );
    publisher.assert_no_error();
    viewer.running.assert_no_error();
}

#[test]
fn a_subscriber_is_given_the_layer_of_vp8_it_asks_for() {
    assert_every_layer_is_given("video/x-vp8");
}

#[test]
fn a_subscriber_is_given_the_layer_of_h264_it_asks_for() {
    assert_every_layer_is_given("video/x-h264");
}

#[test]
fn larger_layers_join_in_as_the_estimate_grows() {
    let Some(server) = LiveKit::start(UNHURRIED) else {
        return;
    };
    let publisher = publisher(
        &server,
        "session-timeout=40 min-bitrate=50000 start-bitrate=200000",
    );
    let viewer = Viewer::launch(&by_key(&server.url(), "viewer"));
    wait_until("the smallest layer", || viewer.width() == 240);
    wait_until("the largest layer", || viewer.width() == 960);
    assert!(are_active(&publisher, true));
    publisher.assert_no_error();
}

#[test]
fn layers_that_nobody_receives_are_not_encoded() {
    let Some(server) = LiveKit::start(&format!("{UNHURRIED}\nvideo:\n  dynacast_pause_delay: 1s")) else {
        return;
    };
    let publisher = publisher(&server, STEADY);
    wait_for_layers(&server);
    {
        let viewer = Viewer::launch(&by_key(&server.url(), "viewer"));
        wait_until("the largest layer", || viewer.width() == 960);
        choose(&viewer, "low");
        wait_until("one layer", || {
            let active = streams(&publisher);
            let active = active.iter().filter(|it| it.get("active") == Ok(true));
            active
                .map(|it| it.get::<String>("rid").unwrap())
                .collect::<Vec<_>>()
                == ["q"]
        });
    }
    wait_until("rest", || are_active(&publisher, false));
    let before = frames(&publisher);
    let viewer = Viewer::launch(&by_key(&server.url(), "viewer"));
    wait_until("the largest layer", || {
        viewer.width() == 960 && viewer.frames() > 10
    });
    assert!(are_active(&publisher, true));
    assert!(frames(&publisher) > before);
    publisher.assert_no_error();
}

/// A publisher of three layers, and a viewer who is shown the largest.
fn watched(server: &LiveKit) -> (Running, Viewer) {
    let publisher = publisher(server, STEADY);
    wait_for_layers(server);
    let viewer = Viewer::launch(&by_key(&server.url(), "viewer"));
    wait_until("the largest layer", || viewer.width() == 960);
    (publisher, viewer)
}

/// Has the publisher's picture come in another size.
fn resize(publisher: &Running, width: i32, height: i32) {
    let caps = format!("video/x-raw,format=I420,width={width},height={height},framerate=10/1");
    publisher.element("size").set_property_from_str("caps", &caps);
}

#[test]
fn layers_follow_the_size_of_the_input() {
    let Some(server) = LiveKit::start(UNHURRIED) else {
        return;
    };
    let (publisher, viewer) = watched(&server);
    resize(&publisher, 640, 360);
    wait_until("the largest layer of another picture", || viewer.width() == 640);
    wait_until("the server to know", || {
        track(&server, "publisher")["width"] == 640
    });
    choose(&viewer, "low");
    wait_until("the smallest", || viewer.width() == 160);
    publisher.assert_no_error();
    viewer.running.assert_no_error();
}

#[test]
fn layers_have_the_size_that_the_input_got_while_they_were_muted() {
    let Some(server) = LiveKit::start(UNHURRIED) else {
        return;
    };
    let (publisher, viewer) = watched(&server);
    publisher.set_muted("video0", true);
    wait_until("the mute", || track(&server, "publisher")["muted"] == true);
    resize(&publisher, 1280, 720);
    publisher.set_muted("video0", false);
    wait_until("the largest layer of a larger picture", || viewer.width() == 1280);
    choose(&viewer, "low");
    wait_until("the smallest", || viewer.width() == 320);
    publisher.assert_no_error();
    viewer.running.assert_no_error();
}

#[test]
fn layers_stay_when_another_track_comes() {
    let Some(server) = LiveKit::start(UNHURRIED) else {
        return;
    };
    let (publisher, viewer) = watched(&server);
    let source = gst::parse::bin_from_description("audiotestsrc is-live=true", true).unwrap();
    publisher.pipeline.add(&source).unwrap();
    source.link(&publisher.element("sink")).unwrap();
    source.sync_state_with_parent().unwrap();
    viewer.wait_for(30);
    choose(&viewer, "low");
    wait_until("the smallest layer", || viewer.width() == 240);
    publisher.assert_no_error();
}

#[test]
fn layers_are_back_after_a_restart_of_the_server() {
    let Some(mut server) = LiveKit::start(UNHURRIED) else {
        return;
    };
    let publisher = publisher(&server, STEADY);
    wait_for_layers(&server);
    server.revive();
    wait_for_layers(&server);
    let viewer = Viewer::launch(&by_key(&server.url(), "viewer"));
    wait_until("the largest layer", || viewer.width() == 960);
    publisher.assert_no_error();
}

#[test]
fn every_layer_has_retransmissions_of_its_own() {
    let Some(server) = LiveKit::start(&format!("{UNHURRIED}\nlogging:\n  level: debug")) else {
        return;
    };
    // The controller's probes are padding, which goes where the retransmissions of a layer go.
    let publisher = publisher(&server, "session-timeout=40 start-bitrate=3000000");
    wait_for_layers(&server);
    let viewer = Viewer::launch(&by_key(&server.url(), "viewer"));
    wait_until("a picture", || viewer.frames() > 10);
    wait_until("retransmissions of a layer", || {
        server.log().contains("rtx pair found from extension")
    });
    publisher.assert_no_error();
}

#[test]
fn a_codec_that_has_no_layers_is_sent_in_one_size() {
    let Some(server) = LiveKit::start(UNHURRIED) else {
        return;
    };
    let publisher = publisher(&server, &format!("{STEADY} video-caps=video/x-vp9"));
    let viewer = Viewer::launch(&by_key(&server.url(), "viewer"));
    wait_until("a picture", || viewer.frames() > 5 && viewer.width() == 960);
    assert!(streams(&publisher).iter().all(|stream| !stream.has_field("rid")));
    publisher.assert_no_error();
}

#[test]
fn a_small_picture_and_one_that_comes_encoded_are_sent_in_one_size() {
    let Some(server) = LiveKit::start(UNHURRIED) else {
        return;
    };
    let publisher = Running::launch(&format!(
        "livekitwebrtcsink name=sink simulcast-layers=3 {STEADY} {} \
         videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=10/1 ! sink. \
         videotestsrc is-live=true ! video/x-raw,width=960,height=540,framerate=10/1 ! vp8enc deadline=1 ! sink.",
        by_key(&server.url(), "publisher")
    ));
    let viewer = Viewer::launch(&by_key(&server.url(), "viewer"));
    wait_until("two pictures", || {
        viewer.source.num_src_pads() == 2 && viewer.frames() > 20
    });
    assert!(streams(&publisher).iter().all(|stream| !stream.has_field("rid")));
    publisher.assert_no_error();
}
