// SPDX-License-Identifier: MPL-2.0
//! simple-whip-client, which trickles and deletes, publishes to `whipserversrc`.

use std::process::Command;

use super::process::{Folder, Process, is_installed};
use super::{Counter, Pipeline, not_run, wait_for};

/// On Debian 12 the program aborts because two versions of libsoup meet in it, one of them through this library, which
/// libnice uses for UPnP only. A library that finds no gateway gets round it.
const NO_UPNP: &str = "
#include <stddef.h>
size_t gupnp_simple_igd_get_type(void) { return 0; }
void *gupnp_simple_igd_thread_new(void) { return NULL; }
void gupnp_simple_igd_add_port(void) {}
void gupnp_simple_igd_remove_port(void) {}
void gupnp_simple_igd_remove_port_local(void) {}
";

fn client(folder: &Folder, endpoint: &str) -> Process {
    let source = folder.write("igd.c", NO_UPNP);
    let library = folder.0.join("libgupnp-igd-1.0.so.4");
    let made = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .arg(&library)
        .arg(&source)
        .status()
        .unwrap();
    assert!(made.success());
    let audio = "audiotestsrc is-live=true wave=red-noise ! audioconvert ! audioresample ! queue ! opusenc ! rtpopuspay pt=100 \
        ! queue ! application/x-rtp,media=audio,encoding-name=OPUS,payload=100";
    let video = "videotestsrc is-live=true pattern=ball ! video/x-raw,width=320,height=240,framerate=15/1 ! videoconvert ! queue ! \
        vp8enc deadline=1 ! rtpvp8pay pt=96 ! queue ! application/x-rtp,media=video,encoding-name=VP8,payload=96";
    let mut command = Command::new("whip-client");
    command.args([
        "-u", endpoint, "-t", "secret", "-A", audio, "-V", video, "-l", "7",
    ]);
    Process::start(command.env("LD_LIBRARY_PATH", &folder.0))
}

#[test]
fn simple_whip_client_publishes_and_the_next_one_is_served() {
    if !is_installed("whip-client") || !is_installed("cc") {
        return not_run("simple-whip-client");
    }
    let folder = Folder::new("whip-client");
    let pipeline = Pipeline::start(
        "whipserversrc name=src stun-server=\"\" signaller::stun-server=\"\" signaller::auth-token=secret \
         signaller::host-addr=http://127.0.0.1:0",
    );
    let endpoint = format!("{}/whip/endpoint", pipeline.address("src"));
    let counter = Counter::attach(&pipeline, "src");
    for _ in 0..2 {
        let mut client = client(&folder, &endpoint);
        counter.wait("video", 20);
        counter.wait("audio", 20);
        client.interrupt();
        client.wait_end();
        wait_for("the pads' removal", || counter.is_empty().then_some(()));
        pipeline.assert_no_error();
    }
}
