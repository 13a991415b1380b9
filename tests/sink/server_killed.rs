// SPDX-License-Identifier: MPL-2.0
//! The signalling server is killed mid-session: media goes on, the sink finds the next one, newcomers get in.

use std::process::Command;

use gst::prelude::*;
use testkit::network::free_port;

use super::media::Receiver;
use super::process::Process;
use super::{built, common};

fn serve(port: u16) -> Process {
    let server = Process::start(Command::new(built("gst-webrtc-signalling-server")).args([
        "--host",
        "127.0.0.1",
        "--port",
        &port.to_string(),
    ]));
    server.wait_line("it listens", |line| line.contains("Listening on"));
    server
}

#[test]
fn media_outlives_its_signalling_server() {
    common::init();
    let port = free_port();
    let uri = format!("ws://127.0.0.1:{port}");
    let server = serve(port);
    let line = format!(
        "webrtcsink name=ws stun-server=\"\" signaller::uri={uri} video-caps=video/x-vp8 \
         videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=30/1 ! ws."
    );
    let pipeline = gst::parse::launch(&line)
        .unwrap()
        .downcast::<gst::Pipeline>()
        .unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let watcher = Receiver::start(&uri);
    watcher.wait_packets(30);
    // With SIGKILL: nobody is told anything.
    drop(server);
    watcher.wait_packets(90);
    let _server = serve(port);
    let newcomer = Receiver::start(&uri);
    newcomer.wait_packets(30);
    watcher.wait_packets(30);
    let sink = pipeline.by_name("ws").unwrap();
    assert_eq!(sink.emit_by_name::<Vec<String>>("get-sessions", &[]).len(), 2);
    let error = pipeline.bus().unwrap().pop_filtered(&[gst::MessageType::Error]);
    assert!(error.is_none(), "{error:?}");
    drop((watcher, newcomer));
    pipeline.set_state(gst::State::Null).unwrap();
}
