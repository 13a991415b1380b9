// SPDX-License-Identifier: MPL-2.0
//! `whipclientsink` publishes into a VideoRoom of Janus through simple-whip-server.

use std::path::{Path, PathBuf};
use std::process::Command;

use testkit::network::free_port;

use super::process::{Folder, Process, is_installed, node_folder};
use super::{PICTURE, Pipeline, TONE, not_run, wait_for};

/// Where Debian's Janus has its plugins.
const JANUS: &str = "/usr/lib/x86_64-linux-gnu/janus";
/// Plugins and transports that the test does without.
const UNUSED: &str = "libjanus_audiobridge.so,libjanus_echotest.so,libjanus_recordplay.so,libjanus_sip.so,\
    libjanus_nosip.so,libjanus_streaming.so,libjanus_textroom.so,libjanus_videocall.so,libjanus_voicemail.so,\
    libjanus_lua.so,libjanus_duktape.so";
const UNUSED_TRANSPORTS: &str =
    "libjanus_http.so,libjanus_pfunix.so,libjanus_rabbitmq.so,libjanus_mqtt.so,libjanus_nanomsg.so";

/// Janus with one room, and the WHIP server in front of it.
struct WhipServer {
    whip_port: u16,
    admin_port: u16,
    server: Process,
    _janus: Process,
    _folder: Folder,
}

impl WhipServer {
    /// Starts both; `None` when one is not installed.
    fn start(name: &str) -> Option<Self> {
        let sources = PathBuf::from(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/target/interop/simple-whip-server"
        ));
        let (true, true, Some(node)) = (is_installed("janus"), sources.is_dir(), node_folder()) else {
            not_run("janus or simple-whip-server");
            return None;
        };
        let folder = Folder::new(name);
        let (ws_port, admin_port, whip_port) = (free_port(), free_port(), free_port());
        let janus = start_janus(&folder, ws_port, admin_port);
        let server = start_whip_server(&folder, &sources, &node, ws_port, whip_port);
        Some(Self {
            whip_port,
            admin_port,
            server,
            _janus: janus,
            _folder: folder,
        })
    }

    fn endpoint(&self) -> String {
        let url = format!("http://127.0.0.1:{}/whip", self.whip_port);
        let made = Command::new("curl")
            .args(["-sfo", "/dev/null", "-H", "content-type: application/json", "-d"])
            .arg(r#"{"id":"abc","room":1234,"token":"verysecret"}"#)
            .arg(format!("{url}/create"))
            .status()
            .unwrap();
        assert!(made.success());
        format!("{url}/endpoint/abc")
    }

    /// Packets that Janus has received, per medium.
    fn packets(&self) -> Vec<u64> {
        let folder = node_folder().unwrap();
        let port = self.admin_port.to_string();
        let asked = Command::new("node")
            .args(["whip/janus-packets.mjs", &port])
            .current_dir(folder)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&asked.stdout).into_owned();
        text.split_whitespace()
            .filter_map(|number| number.parse().ok())
            .collect()
    }
}

fn start_janus(folder: &Folder, ws_port: u16, admin_port: u16) -> Process {
    let path = folder.0.display();
    folder.write(
        "janus/janus.jcfg",
        &format!(
            "general: {{ configs_folder = \"{path}/janus\"\n plugins_folder = \"{JANUS}/plugins\"\n \
             transports_folder = \"{JANUS}/transports\"\n events_folder = \"{JANUS}/events\"\n \
             loggers_folder = \"{JANUS}/loggers\"\n admin_secret = \"secret\" }}\n\
             plugins: {{ disable = \"{UNUSED}\" }}\ntransports: {{ disable = \"{UNUSED_TRANSPORTS}\" }}\n"
        ),
    );
    folder.write(
        "janus/janus.transport.websockets.jcfg",
        &format!(
            "general: {{ ws = true, ws_port = {ws_port}, ws_ip = \"127.0.0.1\", wss = false }}\n\
             admin: {{ admin_ws = true, admin_ws_port = {admin_port}, admin_ws_ip = \"127.0.0.1\", admin_wss = false }}\n"
        ),
    );
    folder.write(
        "janus/janus.plugin.videoroom.jcfg",
        "room-1234: { description = \"test\", publishers = 6, bitrate = 2000000, videocodec = \"vp8,h264\" }\n",
    );
    let janus = Process::start(Command::new("janus").arg(format!("--configs-folder={path}/janus")));
    wait_for("janus", || {
        std::net::TcpStream::connect(("127.0.0.1", ws_port)).ok()
    });
    janus
}

fn start_whip_server(folder: &Folder, sources: &Path, node: &Path, ws_port: u16, whip_port: u16) -> Process {
    for name in ["server.js", "whip-janus.js"] {
        folder.write(
            &format!("whip/{name}"),
            &std::fs::read_to_string(sources.join(name)).unwrap(),
        );
    }
    folder.write(
        "whip/config.js",
        &format!(
            "module.exports = {{ janus: {{ address: 'ws://127.0.0.1:{ws_port}' }}, port: {whip_port}, rest: '/whip', \
             allowTrickle: true, strictETags: true, iceServers: [{{ uri: 'stun:127.0.0.1:1' }}] }};"
        ),
    );
    let mut command = Command::new("node");
    command.arg("server.js").current_dir(folder.0.join("whip"));
    command
        .env("NODE_PATH", node.join("node_modules"))
        .env("DEBUG", "whip:*");
    let server = Process::start(&mut command);
    server.wait_line("the server's start", |line| {
        line.contains("WHIP server prototype started")
    });
    server
}

#[test]
fn janus_receives_what_whipclientsink_publishes() {
    let Some(server) = WhipServer::start("janus") else {
        return;
    };
    let line = format!(
        "whipclientsink name=sink stun-server=\"\" signaller::whip-endpoint={} signaller::auth-token=verysecret \
         signaller::use-link-headers=true {PICTURE} ! sink. {TONE} ! sink.",
        server.endpoint()
    );
    // Twice: the second one is let in only when the first has ended its session.
    for _ in 0..2 {
        let pipeline = Pipeline::start(&line);
        wait_for("media in Janus", || {
            pipeline.assert_no_error();
            let packets = server.packets();
            (packets.len() == 2 && packets.iter().all(|n| *n > 50)).then_some(())
        });
        pipeline.stop();
        server
            .server
            .wait_line("the DELETE", |line| line.contains("Terminating WHIP session"));
        wait_for("the end in Janus", || server.packets().is_empty().then_some(()));
    }
}

#[test]
fn a_wrong_token_is_an_error_with_status_and_body() {
    let Some(server) = WhipServer::start("janus-token") else {
        return;
    };
    let endpoint = server.endpoint();
    let pipeline = Pipeline::start(&format!(
        "{PICTURE} ! whipclientsink stun-server=\"\" signaller::whip-endpoint={endpoint} signaller::auth-token=wrong"
    ));
    let bus = gst::prelude::ElementExt::bus(&pipeline.0).unwrap();
    let message = bus
        .timed_pop_filtered(gst::ClockTime::from_seconds(90), &[gst::MessageType::Error])
        .unwrap();
    let gst::MessageView::Error(error) = message.view() else {
        unreachable!()
    };
    let text = format!("{} {:?}", error.error(), error.debug());
    assert!(text.contains("403") && text.contains("Unauthorized"), "{text}");
}
