// SPDX-License-Identifier: MPL-2.0
//! The channel's TURN servers: used, and fetched again before their credentials end.

use std::time::{Duration, SystemTime};

use gst::prelude::*;
use testkit::coturn::Coturn;
use testkit::kvs::switches::{Call, IceServer};
use testkit::kvs::{Kvs, turn};

use super::common::wait_until;
use super::master::Master;
use super::viewer::Viewer;

fn server(uri: &str, username: &str, password: &str, ttl: u32) -> IceServer {
    IceServer {
        uris: vec![uri.to_owned()],
        username: username.to_owned(),
        password: password.to_owned(),
        ttl,
    }
}

/// Gives out credentials of `coturn` that end after `ttl` seconds.
fn hand_out(kvs: &Kvs, coturn: &Coturn, ttl: u32) {
    let lifetime = Duration::from_secs(ttl.into());
    let (user, password) = turn::credentials(Coturn::SECRET, "demo", SystemTime::now(), lifetime);
    kvs.switch(|switches| switches.ice = vec![server(&coturn.uri(), &user, &password, ttl)]);
}

#[test]
fn media_goes_through_the_channels_server_and_credentials_are_renewed() {
    let Some(coturn) = Coturn::with_secret() else {
        return;
    };
    let kvs = Kvs::start();
    hand_out(&kvs, &coturn, 8);
    let master = Master::start(&kvs, |sink, _| {
        sink.set_property_from_str("ice-transport-policy", "relay")
    });
    wait_until("the master is on the channel", || kvs.has_master());
    let viewer = Viewer::join(&kvs, "first");
    viewer.wait_frames(10);
    // The first credentials end; who comes then needs others.
    let fetched = kvs.calls(Call::Ice);
    let start = std::time::Instant::now();
    wait_until("the first credentials are over", || {
        hand_out(&kvs, &coturn, 8);
        start.elapsed() > Duration::from_secs(9) && kvs.calls(Call::Ice) > fetched
    });
    viewer.wait_frames(10);
    let late = Viewer::join(&kvs, "late");
    late.wait_frames(10);
    master.assert_no_errors();
    master.stop();
}

#[test]
fn a_refresh_that_fails_is_tried_again() {
    let kvs = Kvs::start();
    kvs.switch(|switches| switches.ice = vec![server("turn:127.0.0.1:9", "1:a", "b", 1)]);
    let master = Master::connected(&kvs);
    let viewer = Viewer::join(&kvs, "v");
    viewer.wait_frames(10);
    let fetched = kvs.calls(Call::Ice);
    // The SDK tries each call three times.
    kvs.switch(|switches| {
        switches.refusals.push(testkit::kvs::switches::Refusal {
            call: Call::Ice,
            nth: fetched + 1..=fetched + 3,
            status: 500,
            kind: "InternalFailure",
        });
    });
    master.wait_warning("could not be refreshed");
    wait_until("the servers are fetched again", || {
        kvs.calls(Call::Ice) > fetched + 3
    });
    viewer.wait_frames(10);
    master.assert_no_errors();
    master.stop();
}

#[test]
fn an_odd_configuration_is_no_obstacle() {
    let odd = [
        Vec::new(),
        vec![server("turn:127.0.0.1:9", "no-colon", "p", 300)],
        vec![server("nonsense", "1:a", "p", 300), server("turn:", "", "", 0)],
    ];
    for ice in odd {
        let kvs = Kvs::start();
        kvs.switch(|switches| switches.ice = ice.clone());
        let master = Master::connected(&kvs);
        let viewer = Viewer::join(&kvs, "v");
        viewer.wait_frames(5);
        master.assert_no_errors();
        master.stop();
    }
}

#[test]
fn the_service_can_ask_for_a_refresh() {
    let kvs = Kvs::start();
    let master = Master::connected(&kvs);
    let fetched = kvs.calls(Call::Ice);
    kvs.reconnect_ice_server();
    wait_until("the servers are fetched again", || kvs.calls(Call::Ice) > fetched);
    assert_eq!(kvs.masters(), 1);
    master.stop();
}

#[test]
fn a_slow_refresh_holds_up_neither_viewers_nor_the_end() {
    let kvs = Kvs::start();
    let master = Master::connected(&kvs);
    kvs.switch(|switches| switches.delay = Duration::from_secs(600));
    let fetched = kvs.calls(Call::Ice);
    kvs.reconnect_ice_server();
    wait_until("the servers are asked for", || kvs.calls(Call::Ice) > fetched);
    let viewer = Viewer::join(&kvs, "v");
    viewer.wait_frames(10);
    master.assert_no_errors();
    master.stop();
}

#[test]
fn endpoints_that_ran_out_are_asked_for_again() {
    let kvs = Kvs::start();
    let master = Master::connected(&kvs);
    let viewer = Viewer::join(&kvs, "v");
    viewer.wait_frames(10);
    let fetched = kvs.calls(Call::Ice);
    kvs.switch(|switches| {
        switches.refusals.push(testkit::kvs::switches::Refusal {
            call: Call::Ice,
            nth: fetched + 1..=fetched + 1,
            status: 400,
            kind: "SessionExpiredException",
        });
    });
    kvs.reconnect_ice_server();
    wait_until("the channel is looked up again", || kvs.masters() == 2);
    viewer.wait_frames(10);
    master.assert_no_errors();
    master.stop();
}
