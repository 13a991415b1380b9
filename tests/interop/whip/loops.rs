// SPDX-License-Identifier: MPL-2.0
//! Our own elements against each other, with media; and through a TURN server that only `Link` headers tell of.

use super::process::{Process, is_installed};
use super::{Counter, PICTURE, Pipeline, TONE, not_run, wait_for};

use std::process::Command;

use gst::prelude::*;
use testkit::network::{free_port, own_address};

/// A receiving pipeline's server address and a sending one for it.
fn whip(server: &str, client: &str) -> (Pipeline, Pipeline, Counter) {
    let receiving = Pipeline::start(&format!(
        "whipserversrc name=src stun-server=\"\" signaller::stun-server=\"\" signaller::host-addr=http://127.0.0.1:0 {server}"
    ));
    let counter = Counter::attach(&receiving, "src");
    let endpoint = format!("{}/whip/endpoint", receiving.address("src"));
    let sending = Pipeline::start(&format!(
        "whipclientsink name=sink stun-server=\"\" signaller::whip-endpoint={endpoint} {client} {PICTURE} ! sink. {TONE} ! sink."
    ));
    (receiving, sending, counter)
}

#[test]
fn whipclientsink_publishes_to_whipserversrc_again_and_again() {
    let (receiving, sending, counter) = whip("signaller::auth-token=secret", "signaller::auth-token=secret");
    for _ in 0..2 {
        counter.wait("video", 15);
        counter.wait("audio", 15);
        sending.assert_no_error();
        sending.stop();
        wait_for("the pads' removal", || counter.is_empty().then_some(()));
        sending.0.set_state(gst::State::Playing).unwrap();
    }
    counter.wait("video", 15);
    receiving.assert_no_error();
}

fn whep(server: &str) {
    let sending = Pipeline::start(&format!(
        "whepserversink name=sink stun-server=\"\" signaller::stun-server=\"\" signaller::host-addr=http://127.0.0.1:0 \
         {server} {PICTURE} ! sink. {TONE} ! sink."
    ));
    let endpoint = format!("{}/whep/endpoint", sending.address("sink"));
    let players: Vec<_> = (0..2)
        .map(|_| {
            let player = Pipeline::start(&format!(
                "whepclientsrc name=src stun-server=\"\" signaller::whep-endpoint={endpoint}"
            ));
            let counter = Counter::attach(&player, "src");
            (player, counter)
        })
        .collect();
    for (player, counter) in &players {
        counter.wait("video", 15);
        counter.wait("audio", 15);
        player.assert_no_error();
    }
    sending.assert_no_error();
}

#[test]
fn whepclientsrc_plays_whepserversink() {
    whep("");
}

#[test]
fn whepclientsrc_answers_counter_offers() {
    whep("signaller::send-counter-offer=true");
}

#[test]
fn announced_turn_servers_carry_the_media() {
    if !is_installed("turnserver") {
        return not_run("coturn");
    }
    let Some(address) = own_address().map(|address| address.to_string()) else {
        return not_run("a network");
    };
    let port = free_port();
    let _turn = Process::start(Command::new("turnserver").args([
        "-n",
        "--no-cli",
        "--no-tls",
        "--no-dtls",
        "--lt-cred-mech",
        "--user",
        "user:pass",
        "--realm",
        "r",
        "--allow-loopback-peers",
        "--listening-ip",
        &address,
        "--relay-ip",
        &address,
        "--listening-port",
        &port.to_string(),
    ]));
    wait_for("coturn", || {
        std::net::TcpStream::connect((address.as_str(), port)).ok()
    });
    // The client may use relayed candidates only, and knows of no server but the one that is announced.
    let (_receiving, sending, counter) = whip(
        &format!("signaller::turn-servers=<\"turn://user:pass@{address}:{port}\">"),
        "ice-transport-policy=relay signaller::use-link-headers=true",
    );
    counter.wait("video", 15);
    sending.assert_no_error();
}
