// SPDX-License-Identifier: MPL-2.0
//! The relays of a join response: the TURN server that is part of the LiveKit server, and one beside it.

use gst::glib;
use gst::prelude::*;
use testkit::coturn::Coturn;
use testkit::livekit::LiveKit;
use testkit::network::free_port;

use crate::common::wait_until;
use crate::room::{Running, Viewer, by_key, track_names};

/// A server whose join responses name a relay.
fn server() -> Option<LiveKit> {
    LiveKit::start(&format!("turn:\n  enabled: true\n  udp_port: {}", free_port()))
}

#[test]
fn a_publisher_that_may_only_relay_reaches_the_room() {
    let Some(server) = server() else { return };
    let publisher = Running::launch(&format!(
        "livekitwebrtcsink name=sink ice-transport-policy=relay {} videotestsrc is-live=true \
         ! video/x-raw,width=320,height=240,framerate=15/1 ! sink. audiotestsrc is-live=true ! sink.",
        by_key(&server.url(), "publisher")
    ));
    wait_until("the tracks", || track_names(&server, "publisher").len() == 2);
    let viewer = Viewer::launch(&by_key(&server.url(), "viewer"));
    viewer.wait_for(30);
    publisher.assert_no_error();
}

#[test]
fn a_subscriber_that_may_only_relay_is_reached() {
    let Some(server) = server() else { return };
    let publisher = crate::room::publisher(&server.url(), "publisher");
    let viewer = Viewer::prepare(&by_key(&server.url(), "viewer"));
    let signaller = viewer.source.property::<glib::Object>("signaller");
    signaller.connect("webrtcbin-ready", false, |values| {
        let webrtcbin = values[2].get::<gst::Element>().unwrap();
        webrtcbin.set_property_from_str("ice-transport-policy", "relay");
        None
    });
    viewer.running.play();
    viewer.wait_for(30);
    publisher.assert_no_error();
    viewer.running.assert_no_error();
}

#[test]
fn relays_outside_of_the_server_are_used() {
    let Some(relay) = Coturn::with_user() else { return };
    let (user, password) = Coturn::USER;
    let Some(server) = LiveKit::start(&format!(
        "  turn_servers:\n  - host: {}\n    port: {}\n    protocol: udp\n    username: {user}\n    credential: {password}",
        relay.address().ip(),
        relay.address().port()
    )) else {
        return;
    };
    let publisher = Running::launch(&format!(
        "livekitwebrtcsink name=sink ice-transport-policy=relay {} videotestsrc is-live=true \
         ! video/x-raw,width=320,height=240,framerate=15/1 ! sink.",
        by_key(&server.url(), "publisher")
    ));
    let viewer = Viewer::launch(&by_key(&server.url(), "viewer"));
    wait_until("pictures by the relay", || viewer.frames() > 30);
    publisher.assert_no_error();
}
