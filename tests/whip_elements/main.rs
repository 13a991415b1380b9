// SPDX-License-Identifier: MPL-2.0
//! The WHIP and WHEP elements in pipelines: what hostile clients and hard circumstances do to them.
#![cfg(all(feature = "whip", feature = "whep"))]

mod front;
mod recovery;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use gst::prelude::*;

/// Generous: the machine may be loaded.
const PATIENCE: Duration = Duration::from_secs(90);

fn pipeline(line: &str) -> gst::Pipeline {
    gst::init().unwrap();
    // Registering twice is refused, and changes nothing.
    let _ = gstrswebrtc::plugin_register_static();
    gst::parse::launch(line).unwrap().downcast().unwrap()
}

fn wait_for<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = found() {
            return value;
        }
        assert!(Instant::now() < deadline, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Host and port of the server element `name`, once it listens.
fn address(pipeline: &gst::Pipeline, name: &str) -> String {
    let signaller: gst::glib::Object = pipeline.by_name(name).unwrap().property("signaller");
    wait_for("listening", || {
        let address: String = signaller.property("host-addr");
        let address = address
            .trim_start_matches("http://")
            .trim_end_matches('/')
            .to_owned();
        (!address.ends_with(":0")).then_some(address)
    })
}

/// Sends one request and gives status and the rest of the answer.
fn ask(address: &str, method: &str, path: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-type: application/sdp\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .unwrap();
    (status, answer)
}

fn header<'a>(answer: &'a str, name: &str) -> &'a str {
    let prefix = format!("{name}: ");
    answer
        .lines()
        .find_map(|line| line.strip_prefix(prefix.as_str()))
        .unwrap_or_default()
}

/// An offer as a player makes it.
fn offer(n: usize) -> String {
    format!(
        "v=0\r\no=- {n} 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
         m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=recvonly\r\na=ice-ufrag:user{n}\r\n\
         a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\na=fingerprint:sha-256 {}\r\na=setup:actpass\r\na=rtcp-mux\r\n\
         a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack pli\r\n",
        vec!["AB"; 32].join(":")
    )
}

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

fn sessions(pipeline: &gst::Pipeline) -> usize {
    let stats: gst::Structure = pipeline.by_name("sink").unwrap().property("stats");
    stats.n_fields()
}

fn to_null(pipeline: &gst::Pipeline) {
    let begin = Instant::now();
    pipeline.set_state(gst::State::Null).unwrap();
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
}

const PICTURE: &str = "videotestsrc is-live=true ! video/x-raw,width=160,height=120,framerate=10/1";
const WHEP: &str = "videotestsrc is-live=true ! video/x-raw,width=160,height=120,framerate=10/1 ! \
    whepserversink name=sink stun-server=\"\" signaller::host-addr=http://127.0.0.1:0";
const WHIP: &str = "whipserversrc name=src stun-server=\"\" signaller::stun-server=\"\" signaller::host-addr=http://127.0.0.1:0";

/// Counts the pictures that pass the element `seen`.
struct Frames(Arc<AtomicU64>);

impl Frames {
    fn of(pipeline: &gst::Pipeline) -> Self {
        let frames = Self(Arc::default());
        let count = frames.0.clone();
        let pad = pipeline.by_name("seen").unwrap().static_pad("src").unwrap();
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
            count.fetch_add(1, Ordering::Relaxed);
            gst::PadProbeReturn::Ok
        });
        frames
    }

    /// Waits for so many pictures from now on.
    fn wait_more(&self, number: u64) {
        let goal = self.0.load(Ordering::Relaxed) + number;
        wait_for("pictures", || {
            (self.0.load(Ordering::Relaxed) >= goal).then_some(())
        });
    }
}

/// POSTs `number` bodies, all at once.
fn flood(
    address: &str,
    path: &str,
    number: usize,
    body: impl Fn(usize) -> String + Sync,
) -> Vec<(u16, String)> {
    let body = &body;
    std::thread::scope(|scope| {
        let posting: Vec<_> = (0..number)
            .map(|n| scope.spawn(move || ask(address, "POST", path, &body(n))))
            .collect();
        posting.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// Memory of this process that is in use, in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    let kibibytes: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kibibytes * 1024
}

#[test]
fn a_flood_of_garbage_does_not_keep_a_publisher_out() {
    let receiving = pipeline(&format!(
        "{WHIP} ! videoconvert ! identity name=seen ! fakesink sync=false"
    ));
    let frames = Frames::of(&receiving);
    receiving.set_state(gst::State::Playing).unwrap();
    let address = address(&receiving, "src");
    let publisher = pipeline(&format!(
        "{PICTURE} ! whipclientsink stun-server=\"\" signaller::whip-endpoint=http://{address}/whip/endpoint"
    ));
    let garbage = |n: usize| match n % 4 {
        0 => "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n".to_owned(),
        1 => offer(n).replace("a=mid", "a=mud"),
        // Of a player, which has nothing to send.
        2 => offer(n),
        _ => "\u{1}".repeat(5000),
    };
    publisher.set_state(gst::State::Playing).unwrap();
    let refused = flood(&address, "/whip/endpoint", 200, garbage);
    assert!(
        refused.iter().all(|(status, _)| (400..500).contains(status)),
        "{refused:?}"
    );
    frames.wait_more(30);

    let (threads_before, memory_before) = (threads(), resident());
    let refused = flood(&address, "/whip/endpoint", 200, garbage);
    assert!(
        refused.iter().all(|(status, _)| (400..500).contains(status)),
        "{refused:?}"
    );
    frames.wait_more(30);
    wait_for("the threads' end", || {
        (threads() <= threads_before + 5).then_some(())
    });
    let grown = resident().saturating_sub(memory_before);
    assert!(grown < 32 << 20, "{grown} bytes more");
    for pipeline in [&publisher, &receiving] {
        let error = pipeline.bus().unwrap().pop_filtered(&[gst::MessageType::Error]);
        assert!(error.is_none(), "{error:?}");
        to_null(pipeline);
    }
}

#[test]
fn garbage_leaves_nothing_behind_and_proper_players_are_served() {
    let pipeline = pipeline(WHEP);
    pipeline.set_state(gst::State::Playing).unwrap();
    let address = address(&pipeline, "sink");
    let answer = wait_for("media", || {
        Some(ask(&address, "POST", "/whep/endpoint", &offer(0))).filter(|(s, _)| *s == 201)
    });
    assert_eq!(ask(&address, "DELETE", header(&answer.1, "location"), "").0, 200);
    wait_for("the first session's end", || {
        (sessions(&pipeline) == 0).then_some(())
    });
    let before = threads();

    let garbage = [
        "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n".to_owned(),
        offer(1).replace("a=mid", "a=mud\r\nx"),
        "\u{1}".repeat(5000),
    ];
    let statuses = flood(&address, "/whep/endpoint", 220, |n| match n % 11 {
        0 => offer(n),
        _ => garbage[n % 3].clone(),
    });
    let served: Vec<_> = statuses.iter().filter(|(status, _)| *status == 201).collect();
    assert_eq!(served.len(), 20);
    assert_eq!(statuses.iter().filter(|(status, _)| *status == 400).count(), 200);
    assert_eq!(sessions(&pipeline), 20);
    for (_, answer) in served {
        assert_eq!(ask(&address, "DELETE", header(answer, "location"), "").0, 200);
    }
    wait_for("all ends", || (sessions(&pipeline) == 0).then_some(()));
    wait_for("the threads' end", || (threads() <= before + 5).then_some(()));
    to_null(&pipeline);
}

#[test]
fn offers_that_cannot_be_served_are_refused_and_the_element_goes_on() {
    let pipeline = pipeline(WHEP);
    pipeline.set_state(gst::State::Playing).unwrap();
    let address = address(&pipeline, "sink");
    wait_for("media", || {
        (ask(&address, "POST", "/whep/endpoint", "x").0 == 400).then_some(())
    });
    let many = offer(1) + &"m=video 9 UDP/TLS/RTP/SAVPF 96\r\n".repeat(200);
    assert_eq!(ask(&address, "POST", "/whep/endpoint", &many).0, 422);
    let section = offer(1).split_once("m=video").unwrap().1.to_owned();
    assert_eq!(
        ask(
            &address,
            "POST",
            "/whep/endpoint",
            &(offer(1) + "m=video" + &section)
        )
        .0,
        400
    );
    let foreign = offer(2).replace("VP8", "NOSUCHCODEC");
    let status = wait_for("an answer", || {
        Some(ask(&address, "POST", "/whep/endpoint", &foreign).0).filter(|s| *s != 409)
    });
    assert!((400..500).contains(&status), "{status}");
    wait_for("service", || {
        (ask(&address, "POST", "/whep/endpoint", &offer(3)).0 == 201).then_some(())
    });
    to_null(&pipeline);
}

#[test]
fn before_there_is_media_players_are_told_to_come_back() {
    let pipeline = pipeline(
        "appsrc name=src is-live=true format=time ! whepserversink name=sink stun-server=\"\" \
         signaller::host-addr=http://127.0.0.1:0",
    );
    pipeline.set_state(gst::State::Playing).unwrap();
    let address = address(&pipeline, "sink");
    let (status, answer) = ask(&address, "POST", "/whep/endpoint", &offer(0));
    assert_eq!(status, 409);
    assert!(!header(&answer, "retry-after").is_empty(), "{answer}");
    to_null(&pipeline);
}

#[test]
fn open_connections_do_not_hold_up_the_way_to_null_and_the_port_is_free_after() {
    let pipeline = pipeline(WHEP);
    pipeline.set_state(gst::State::Playing).unwrap();
    let address = address(&pipeline, "sink");
    let mut open = TcpStream::connect(&address).unwrap();
    open.write_all(b"POST /whep/endpoint HTTP/1.1\r\nhost: a\r\ncontent-type: application/sdp\r\ncontent-length: 9\r\n\r\nv")
        .unwrap();
    let _idle = TcpStream::connect(&address).unwrap();
    to_null(&pipeline);
    drop(std::net::TcpListener::bind(&address).unwrap());
    pipeline.set_state(gst::State::Playing).unwrap();
    self::address(&pipeline, "sink");
    to_null(&pipeline);
}

#[test]
fn a_port_in_use_is_an_error_on_the_bus() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let pipeline = pipeline(&format!(
        "videotestsrc is-live=true ! whepserversink stun-server=\"\" signaller::host-addr=http://{}",
        taken.local_addr().unwrap()
    ));
    pipeline.set_state(gst::State::Playing).unwrap();
    let bus = pipeline.bus().unwrap();
    let message = bus
        .timed_pop_filtered(gst::ClockTime::from_seconds(90), &[gst::MessageType::Error])
        .unwrap();
    let gst::MessageView::Error(error) = message.view() else {
        unreachable!()
    };
    assert!(error.debug().unwrap().contains("cannot listen on"), "{error:?}");
    to_null(&pipeline);
}

#[test]
fn the_name_of_older_documentation_makes_the_same_element() {
    let pipeline =
        pipeline("videotestsrc ! whipwebrtcsink name=sink signaller::whip-endpoint=http://127.0.0.1:1/");
    let signaller: gst::glib::Object = pipeline.by_name("sink").unwrap().property("signaller");
    assert_eq!(signaller.type_().name(), "GstWhipClientSignaller");
}

#[test]
fn nobody_at_the_endpoint_is_an_error_at_once() {
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let pipeline = pipeline(&format!(
        "videotestsrc is-live=true ! whipclientsink stun-server=\"\" signaller::whip-endpoint=http://{free}/whip"
    ));
    pipeline.set_state(gst::State::Playing).unwrap();
    let bus = pipeline.bus().unwrap();
    let message = bus
        .timed_pop_filtered(gst::ClockTime::from_seconds(90), &[gst::MessageType::Error])
        .unwrap();
    let gst::MessageView::Error(error) = message.view() else {
        unreachable!()
    };
    assert!(error.debug().unwrap().contains("unable to connect"), "{error:?}");
    to_null(&pipeline);
}
