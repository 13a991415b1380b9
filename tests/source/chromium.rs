// SPDX-License-Identifier: MPL-2.0
//! Chromium as the producer, with camera, microphone and screen: what it sends, how its streams come and go, and what a
//! cut of the network between the two costs.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gst::prelude::*;
use gst_webrtc::{WebRTCSDPType, WebRTCSessionDescription};
use gstrswebrtc::signaller::signals;
use testkit::candidate;
use testkit::link::Plan;
use testkit::relay::{Link, Side};

use crate::common::loopback::{Loopback, Sent};
use crate::common::receiver::Receiver;
use crate::common::{init, wait_until, wait_within};

/// A browser in a session with a source, every packet between them passing an emulated link.
struct Camera {
    /// One browser at a time is enough for a small machine.
    _turn: MutexGuard<'static, ()>,
    browser: Child,
    input: Arc<Mutex<ChildStdin>>,
    receiver: Receiver,
    link: Arc<Link>,
}

static TURN: Mutex<()> = Mutex::new(());
const SESSION: &str = "camera";
/// Microphone, camera and screen, as Chromium orders them.
const PADS: [&str; 3] = ["audio_0", "video_0", "video_1"];

impl Camera {
    /// `None`, and said so, where there is no browser.
    fn open() -> Option<Self> {
        init();
        let Some(folder) = node_folder().filter(|_| std::path::Path::new("/usr/bin/chromium").exists())
        else {
            let is_required = std::env::var("REQUIRE_ALL").as_deref() == Ok("1");
            assert!(
                !is_required,
                "chromium and the npm packages of tests/interop are required"
            );
            eprintln!(
                "NOT RUN: chromium or the npm packages of tests/interop are missing (scripts/setup test)"
            );
            return None;
        };
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let clear = Plan::clear(Duration::from_millis(5));
        let link = Arc::new(Link::new(clear.clone(), clear));
        let receiver = Receiver::new(|name| {
            Some(if name.starts_with("video") {
                "videoconvert"
            } else {
                "audioconvert"
            })
        });
        let mut browser = Command::new("node")
            .arg("camera.mjs")
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node starts");
        let input = Arc::new(Mutex::new(browser.stdin.take().expect("it is a pipe")));
        let output = browser.stdout.take().expect("it is a pipe");
        answer_to(&receiver.signaller, &input, &link);
        let (signaller, towards) = (receiver.signaller.clone(), link.clone());
        // A browser may take longer to come up than a session waits for its offer.
        let mut lines = BufReader::new(output).lines().map_while(Result::ok).peekable();
        assert!(
            lines.peek().is_some(),
            "the browser ended before it offered anything"
        );
        signals::emit_session_started(signaller.upcast_ref(), SESSION, "browser");
        std::thread::spawn(move || lines.for_each(|line| hear(&signaller, &towards, &line)));
        let camera = Self {
            _turn: turn,
            browser,
            input,
            receiver,
            link,
        };
        for name in PADS {
            camera.receiver.wait_buffers(name, 20);
        }
        Some(camera)
    }

    /// Lets nothing pass for so long; then media has five seconds, or more on a slow machine, to come back.
    fn cut(&self, length: Duration) {
        let lossy = Plan::clear(Duration::ZERO).losing(1.0);
        self.link.restart(lossy.clone(), lossy);
        let end = Instant::now() + length;
        wait_within(length * 2, "the network is gone", || Instant::now() >= end);
        let clear = Plan::clear(Duration::from_millis(5));
        self.link.restart(clear.clone(), clear);
        for name in PADS {
            self.receiver.wait_buffers(name, 20);
            let stream = self.receiver.stream(name).expect("it was there");
            assert_eq!(stream.ends.load(Ordering::SeqCst), 0, "{name} goes on");
        }
        assert_eq!(*self.receiver.seen.pads_added.lock().unwrap(), PADS);
        assert!(self.receiver.errors().is_empty(), "{:?}", self.receiver.errors());
    }

    fn tell(&self, message: &serde_json::Value) {
        write(&self.input, message);
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        self.receiver.signaller.forget(SESSION);
        // It may have ended already.
        let _ = self.browser.kill();
        let _ = self.browser.wait();
    }
}

/// What the source sends goes to the browser, through the link.
fn answer_to(signaller: &Loopback, input: &Arc<Mutex<ChildStdin>>, link: &Arc<Link>) {
    let (input, link) = (input.clone(), link.clone());
    signaller.route(SESSION, move |sent| {
        let relay = |address| link.relay(Side::Right, address);
        match sent {
            Sent::Description(description) => {
                let text = description.sdp().as_text().expect("it prints");
                let sdp = candidate::rewrite_description(&text, relay);
                write(&input, &serde_json::json!({"type": "answer", "sdp": sdp}));
            }
            Sent::Candidate(index, text) => {
                if let Some(candidate) = candidate::rewrite(&text, relay) {
                    write(
                        &input,
                        &serde_json::json!({"candidate": candidate, "index": index}),
                    );
                }
            }
            Sent::End(_) => {}
        }
    });
}

/// What the browser says goes to the source, through the link.
fn hear(signaller: &Loopback, link: &Link, line: &str) {
    let Ok(message) = serde_json::from_str::<serde_json::Value>(line) else {
        return eprintln!("browser: {line}");
    };
    let relay = |address| link.relay(Side::Left, address);
    if let Some(sdp) = message["sdp"].as_str() {
        let text = candidate::rewrite_description(sdp, relay);
        let sdp = gst_sdp::SDPMessage::parse_buffer(text.as_bytes()).expect("a browser's offer parses");
        let offer = WebRTCSessionDescription::new(WebRTCSDPType::Offer, sdp);
        signaller.receive(SESSION, Sent::Description(offer));
    } else if let (Some(text), Some(index)) = (message["candidate"].as_str(), message["index"].as_u64()) {
        if let Some(text) = candidate::rewrite(text, relay) {
            let index = u32::try_from(index).expect("a few m-lines");
            signaller.receive(SESSION, Sent::Candidate(index, text));
        }
    } else {
        eprintln!("browser: {line}");
    }
}

fn write(input: &Mutex<ChildStdin>, message: &serde_json::Value) {
    // A browser that is gone is noticed by what no longer comes.
    let _ = writeln!(input.lock().unwrap(), "{message}");
}

/// The folder of the Node programs; `None` when their packages are not installed.
fn node_folder() -> Option<PathBuf> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop"));
    folder.join("node_modules").is_dir().then_some(folder)
}

#[test]
fn chromiums_camera_and_screen_survive_cuts_of_the_network() {
    let Some(camera) = Camera::open() else { return };
    camera.cut(Duration::from_secs(3));
    camera.cut(Duration::from_secs(15));
}

#[test]
fn chromiums_screen_comes_and_goes_while_its_camera_plays() {
    let Some(camera) = Camera::open() else { return };
    for round in 1..=20 {
        camera.tell(&serde_json::json!({"screen": false}));
        wait_until("the screen's pad goes", || {
            camera.receiver.seen.pads_removed.lock().unwrap().len() == round
        });
        camera.tell(&serde_json::json!({"screen": true}));
        wait_until("the screen's pad is back", || {
            camera.receiver.src.static_pad("video_1").is_some()
        });
        camera.receiver.wait_buffers("video_1", 2);
        camera.receiver.wait_buffers("video_0", 2);
    }
    let stream = camera.receiver.stream("video_0").expect("it was there");
    assert_eq!(stream.ends.load(Ordering::SeqCst), 0);
    assert!(
        camera.receiver.errors().is_empty(),
        "{:?}",
        camera.receiver.errors()
    );
}
