// SPDX-License-Identifier: MPL-2.0
//! The examples, run as a user would, against each other and against an element.

use testkit::network::free_port;

use super::process::Process;
use super::{Counter, Pipeline, not_run};

use std::path::PathBuf;
use std::process::Command;

/// An example's program; `None` when only this test was built.
fn example(name: &str) -> Option<Command> {
    let here = std::env::current_exe().unwrap();
    let folder: PathBuf = here.parent()?.parent()?.join("examples");
    let program = folder.join(name);
    program.is_file().then(|| Command::new(program))
}

#[test]
fn the_whip_client_publishes_to_the_whip_server() {
    let (Some(mut server), Some(mut client)) = (example("whipserver"), example("whipclient")) else {
        return not_run("whipserver or whipclient");
    };
    let port = free_port();
    // It plays into sinks that need no screen, and that say what they play.
    let mut server = Process::start(
        server
            .arg(format!("http://127.0.0.1:{port}"))
            .env("GST_PLUGIN_FEATURE_RANK", "fakevideosink:MAX,fakeaudiosink:MAX")
            .env("GST_DEBUG", "basesink:6")
            .env("GST_DEBUG_NO_COLOR", "1"),
    );
    server.wait_line("listening", |line| line.starts_with("Listening on"));
    let _client = Process::start(client.arg(format!("http://127.0.0.1:{port}/whip/endpoint")));
    server.wait_line("a session", |line| line.starts_with("Session created with ID"));
    server.wait_line("media", |line| line.contains("<sink> rendering object"));
    server.interrupt();
    server.wait_end();
}

#[test]
fn the_whep_server_is_played_and_ends() {
    let Some(mut server) = example("whepserver") else {
        return not_run("whepserver");
    };
    let port = free_port();
    let mut server = Process::start(server.arg(format!("http://127.0.0.1:{port}")));
    server.wait_line("listening", |line| line.starts_with("Listening on"));
    let player = Pipeline::start(&format!(
        "whepclientsrc name=src stun-server=\"\" signaller::whep-endpoint=http://127.0.0.1:{port}/whep/endpoint"
    ));
    let counter = Counter::attach(&player, "src");
    counter.wait("video", 15);
    player.assert_no_error();
    player.stop();
    server.interrupt();
    server.wait_end();
}
