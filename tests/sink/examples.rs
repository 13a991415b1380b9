// SPDX-License-Identifier: MPL-2.0
//! The example programs of `webrtcsink`, each run with a consumer; the page of statistics in a real browser.

use std::process::Command;

use testkit::network::free_port;

use super::media::{File, Receiver};
use super::process::{Process, is_installed, node_folder};
use super::{built, wait_for};

/// A signalling server and its address.
fn server() -> (Process, String) {
    let port = free_port();
    let server = Process::start(Command::new(built("gst-webrtc-signalling-server")).args([
        "--host",
        "127.0.0.1",
        "--port",
        &port.to_string(),
    ]));
    server.wait_line("it listens", |line| line.contains("Listening on"));
    (server, format!("ws://127.0.0.1:{port}"))
}

fn has_exited(line: &str) -> bool {
    line.starts_with("Error")
}

#[test]
fn high_quality_tune_tunes_scaler_and_encoder() {
    let (_server, uri) = server();
    let mut example = Process::start(
        Command::new(built("examples/webrtcsink-high-quality-tune"))
            .arg(&uri)
            .env("GST_PLUGIN_FEATURE_RANK", "x264enc:1000"),
    );
    let receiver = Receiver::start(&uri);
    example.wait_line("the encoder is tuned", |line| line == "Encoder: x264enc");
    example.wait_line("the scaler is tuned", |line| line == "Tuning videoscale");
    receiver.wait_packets(30);
    assert_eq!(example.find(has_exited), None);
    example.interrupt();
    example.wait_end();
}

#[test]
fn stats_server_tells_what_the_page_reads() {
    let (_server, uri) = server();
    let file = File::make("stats", 60);
    let listen = format!("127.0.0.1:{}", free_port());
    let mut example = Process::start(Command::new(built("examples/webrtcsink-stats-server")).args([
        &file.uri(),
        "--signaller",
        &uri,
        "--listen",
        &listen,
    ]));
    example.wait_line("it listens", |line| line.contains("statistics at ws://"));
    let receiver = Receiver::start(&uri);
    receiver.wait_packets(30);
    example.wait_line("the encoder is named", |line| line.contains("encoder: vp8enc"));
    let text = wait_for("statistics of a consumer", || {
        let text = read_once(&listen);
        (text.contains("outbound-rtp") && text.contains("gst-twcc-stats")).then_some(text)
    });
    for field in [
        "video-encoders",
        "codec-name",
        "mitigation-mode",
        "fec-percentage",
        "bitrate-sent",
        "pli-count",
    ] {
        assert!(text.contains(&format!("\"{field}\"")), "{field}: {text}");
    }
    draw(&listen);
    example.interrupt();
    example.wait_end();
}

/// The first text of the websocket.
fn read_once(address: &str) -> String {
    use futures::StreamExt as _;
    let uri = format!("ws://{address}");
    gstrswebrtc::runtime::block_on(async {
        let (mut socket, _) = async_tungstenite::tokio::connect_async(&uri)
            .await
            .expect("it accepts");
        let message = socket.next().await.expect("it sends").expect("without errors");
        message.into_text().expect("texts").to_string()
    })
}

/// The page draws lines in a real browser.
fn draw(listen: &str) {
    let (true, Some(folder)) = (is_installed("chromium"), node_folder()) else {
        assert!(
            std::env::var("REQUIRE_ALL").as_deref() != Ok("1"),
            "chromium is required"
        );
        return eprintln!(
            "NOT RUN: chromium or the npm packages of tests/interop are missing (scripts/setup test)"
        );
    };
    let page = Process::start(
        Command::new("node")
            .args(["stats-page.mjs", listen])
            .current_dir(folder),
    );
    page.wait_line("every plot has its line", |line| line == "drawn 8");
}
