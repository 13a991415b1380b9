// SPDX-License-Identifier: MPL-2.0
//! Clients that mean no good, and states that must not hold a server up.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use futures::future::join_all;

use super::*;

/// Several kinds of what is no offer.
fn garbage(n: usize) -> String {
    match n % 4 {
        0 => "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n".to_owned(),
        1 => "\u{0}\u{1}garbage".repeat(n),
        2 => sample("recvonly").replace("a=mid:1", "a=mid:0"),
        _ => "m=".repeat(1000),
    }
}

#[test]
fn a_flood_of_garbage_neither_stays_nor_stands_in_the_way() {
    let server = Server::whep(|_| {});
    let post = |body: String| {
        let request = Request::post(server.url("/whep/endpoint")).header("content-type", "application/sdp");
        server.send(request.body(Bytes::from(body)).unwrap())
    };
    let (refused, served) = runtime::block_on(async {
        let flood = join_all((0..200).map(|n| post(garbage(n))));
        let proper = join_all((0..20).map(|n| post(unique_offer("recvonly", n))));
        futures::future::join(flood, proper).await
    });
    assert!(
        refused.iter().all(|r| matches!(r.status().as_u16(), 400 | 422)),
        "{refused:?}"
    );
    assert!(served.iter().all(|r| r.status() == 201), "{served:?}");
    // Garbage never reached the element.
    assert_eq!(server.log.count("requested"), 20);
    for session in &served {
        assert_eq!(
            server.ask("DELETE", field(session, "location"), &[], "").status(),
            200
        );
    }
    assert_eq!(server.log.count("ended"), 20);
}

#[test]
fn a_flood_without_end_is_slowed_down() {
    let server = Server::whip(|_| {});
    let statuses = runtime::block_on(join_all((0..600).map(|n| {
        let request = Request::post(server.url("/whip/endpoint")).header("content-type", "application/sdp");
        server.send(request.body(Bytes::from(garbage(n))).unwrap())
    })));
    assert!(
        statuses
            .iter()
            .any(|r| r.status() == 429 && !field(r, "retry-after").is_empty())
    );
}

#[test]
fn a_huge_body_is_refused_unread() {
    let server = Server::whip(|_| {});
    let mut stream = TcpStream::connect(server.url("").trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = "POST /whip/endpoint HTTP/1.1\r\nHost: a\r\nContent-Type: application/sdp\r\nContent-Length: 52428800\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let mut status = [0; 12];
    stream.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 413");
    assert_eq!(server.post("/whip/endpoint", &sample("sendonly")).status(), 201);
}

#[test]
fn connections_left_open_do_not_hold_up_a_stop() {
    let server = Server::whip(|_| {});
    let address = server.url("").trim_start_matches("http://").to_owned();
    let mut open = vec![];
    for head in [
        "",
        "POST /whip/endpoint HTTP/1.1\r\n",
        "POST /whip/endpoint HTTP/1.1\r\nHost: a\r\nContent-Type: application/sdp\r\nContent-Length: 9\r\n\r\nx",
    ] {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        open.push(stream);
    }
    let begin = Instant::now();
    server.signaller.stop();
    assert!(begin.elapsed() < Duration::from_secs(5));
    // The port is free again.
    drop(std::net::TcpListener::bind(&address).unwrap());
}

#[test]
fn a_stopped_server_starts_again() {
    let server = Server::whip(|_| {});
    assert_eq!(server.post("/whip/endpoint", &sample("sendonly")).status(), 201);
    server.signaller.stop();
    server.signaller.start();
    server.log.wait_number("listening", 2);
    assert_eq!(
        server
            .post("/whip/endpoint", &unique_offer("sendonly", 1))
            .status(),
        201
    );
}

#[test]
fn a_port_in_use_is_an_error_of_the_signaller() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let signaller: Signallable = WhipServerSignaller::default().upcast();
    let log = watch(&signaller);
    signaller.set_property("host-addr", format!("http://{}", taken.local_addr().unwrap()));
    signaller.start();
    assert!(log.wait("error").contains("cannot listen on"));
    signaller.stop();
}

#[test]
fn https_without_a_certificate_is_an_error_of_the_signaller() {
    let signaller: Signallable = WhepServerSignaller::default().upcast();
    let log = watch(&signaller);
    signaller.set_property("host-addr", "https://127.0.0.1:0");
    signaller.start();
    assert!(log.wait("error").contains("tls-cert"));
    signaller.stop();
}

#[test]
fn who_leaves_before_the_answer_leaves_no_session() {
    gst::init().unwrap();
    let signaller: Signallable = WhipServerSignaller::default().upcast();
    let log = watch(&signaller);
    let entry = log.clone();
    // An element that never answers.
    signals::connect_session_started(&signaller, move |_, id, _| entry.push(format!("started {id}")));
    let server = Server::start(signaller, log, |_| {});
    let mut stream = TcpStream::connect(server.url("").trim_start_matches("http://")).unwrap();
    let sdp = sample("sendonly");
    let head = format!(
        "POST /whip/endpoint HTTP/1.1\r\nHost: a\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
        sdp.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    server.log.wait("started");
    drop(stream);
    server.log.wait("ended");
}
