// SPDX-License-Identifier: MPL-2.0
//! Our clients against our servers, straight and through a proxy that delays, doubles and drops requests.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::*;
use crate::signallers::{whep::client::WhepClientSignaller, whip::client::WhipClientSignaller};

/// A client whose element offers, or answers, at once.
fn start_client(
    signaller: Signallable,
    endpoint: (&str, String),
    set: impl FnOnce(&glib::Object),
) -> (Signallable, Log) {
    let log = watch(&signaller);
    signaller.set_property(endpoint.0, endpoint.1);
    set(signaller.upcast_ref());
    let entry = log.clone();
    signals::connect_session_requested(&signaller, move |signaller, id, _, _| {
        entry.push(format!("requested {id}"));
        describe(signaller, &id, WebRTCSDPType::Offer, "sendrecv");
    });
    let entry = log.clone();
    signals::connect_session_description(&signaller, move |signaller, id, sdp| {
        entry.push(format!("{} {id}", sdp.type_().to_str()));
        if sdp.type_() == WebRTCSDPType::Offer {
            describe(signaller, &id, WebRTCSDPType::Answer, "recvonly");
        }
    });
    signaller.start();
    (signaller, log)
}

fn whip_client(endpoint: String, set: impl FnOnce(&glib::Object)) -> (Signallable, Log) {
    gst::init().unwrap();
    start_client(
        WhipClientSignaller::default().upcast(),
        ("whip-endpoint", endpoint),
        set,
    )
}

fn whep_client(endpoint: String) -> (Signallable, Log) {
    gst::init().unwrap();
    start_client(
        WhepClientSignaller::default().upcast(),
        ("whep-endpoint", endpoint),
        |_| {},
    )
}

#[test]
fn whip_publishes_and_stopping_deletes() {
    let server = Server::whip(|signaller| signaller.set_property("auth-token", "secret"));
    let (client, log) = whip_client(server.url("/whip/endpoint"), |client| {
        client.set_property("auth-token", "secret")
    });
    log.wait("answer unique");
    client.stop();
    // Stopping has waited for the answer to the DELETE.
    assert_eq!(server.log.count("ended"), 1);
}

#[test]
fn whep_plays_and_an_ended_session_is_deleted() {
    let server = Server::whep(|_| {});
    let (client, log) = whep_client(server.url("/whep/endpoint"));
    log.wait("answer whep-client-offer");
    client.end_session("whep-client-offer");
    server.log.wait("ended");
    client.stop();
}

#[test]
fn whep_takes_a_counter_offer() {
    let server = Server::whep(|signaller| signaller.set_property("send-counter-offer", true));
    let (client, log) = whep_client(server.url("/whep/endpoint"));
    log.wait("ended whep-client-offer");
    log.wait("offer whep-server-sent-offer");
    server.log.wait("answer");
    client.stop();
    server.log.wait("ended");
}

#[test]
fn a_taken_server_is_tried_again() {
    let server = Server::whip(|_| {});
    let first = server.post("/whip/endpoint", &unique_offer("sendonly", 1));
    let (client, log) = whip_client(server.url("/whip/endpoint"), |_| {});
    log.wait("ended unique");
    assert_eq!(
        server.ask("DELETE", field(&first, "location"), &[], "").status(),
        200
    );
    log.wait("answer unique-");
    assert_eq!(log.count("error"), 0);
    client.stop();
}

#[test]
fn refusals_reach_the_application() {
    let server = Server::whip(|signaller| signaller.set_property("auth-token", "secret"));
    let (client, log) = whip_client(server.url("/whip/endpoint"), |_| {});
    assert!(log.wait("error").contains("401"));
    client.stop();
    let (client, log) = whip_client(String::new(), |_| {});
    assert_eq!(log.wait("error"), "error WHIP endpoint URL must be set");
    client.stop();
}

#[test]
fn announced_servers_are_asked_for_first() {
    let server = Server::whip(|signaller| signaller.set_property("stun-server", "stun://127.0.0.1:1"));
    let (client, log) = whip_client(server.url("/whip/endpoint"), |client| {
        client.set_property("use-link-headers", true)
    });
    log.wait("answer unique");
    client.stop();
}

#[test]
fn a_client_starts_and_stops_again() {
    let server = Server::whip(|_| {});
    let (client, log) = whip_client(server.url("/whip/endpoint"), |_| {});
    for n in 1..=2 {
        log.wait_number("answer unique", n);
        client.stop();
        assert_eq!(server.log.count("ended"), n);
        if n == 1 {
            client.start();
        }
    }
}

/// What happens to the connections through a proxy, one after the other, over and over.
#[derive(Clone, Copy)]
enum Trouble {
    None,
    /// The request arrives late.
    Delay,
    /// The request is lost.
    DropRequest,
    /// The answer is lost.
    DropAnswer,
    /// The request arrives twice.
    Double,
}

/// A proxy for requests of one connection each; gives its address.
fn proxy(target: String, troubles: &'static [Trouble]) -> String {
    let address = runtime::block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let next = Arc::new(AtomicUsize::new(0));
        runtime::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let trouble = troubles[next.fetch_add(1, Ordering::Relaxed) % troubles.len()];
                runtime::spawn(pass(stream, target.clone(), trouble)).detach();
            }
        })
        .detach();
        address
    });
    format!("http://{address}")
}

async fn pass(mut client: TcpStream, target: String, trouble: Trouble) {
    let request = read_message(&mut client).await;
    let send = |request: Vec<u8>| {
        let target = target.clone();
        async move {
            let mut server = TcpStream::connect(&target).await.unwrap();
            server.write_all(&request).await.unwrap();
            read_message(&mut server).await
        }
    };
    let answer = match trouble {
        Trouble::None => send(request).await,
        Trouble::Delay => {
            tokio::time::sleep(Duration::from_millis(300)).await;
            send(request).await
        }
        Trouble::DropRequest => return,
        Trouble::DropAnswer => {
            send(request).await;
            return;
        }
        Trouble::Double => {
            futures::future::join(send(request.clone()), send(request))
                .await
                .0
        }
    };
    // The client may have given up.
    let _ = client.write_all(&answer).await;
}

/// One HTTP message with a content length.
async fn read_message(stream: &mut TcpStream) -> Vec<u8> {
    let mut message = vec![];
    let mut chunk = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&message).to_ascii_lowercase();
        if let Some((head, _)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .and_then(|l| l.parse().ok());
            if message.len() >= head.len() + 4 + length.unwrap_or(0) {
                return message;
            }
        }
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return message,
            Ok(n) => message.extend_from_slice(&chunk[..n]),
        }
    }
}

#[test]
fn a_bad_network_neither_loses_nor_doubles_a_session() {
    const TROUBLES: &[&[Trouble]] = &[
        &[Trouble::DropRequest, Trouble::DropAnswer, Trouble::None],
        &[Trouble::Double, Trouble::Delay],
        &[Trouble::Delay, Trouble::DropAnswer, Trouble::Double],
    ];
    for troubles in TROUBLES {
        let server = Server::whip(|_| {});
        let target = server.url("").trim_start_matches("http://").to_owned();
        let (client, log) = whip_client(
            format!("{}/whip/endpoint", proxy(target.clone(), troubles)),
            |_| {},
        );
        log.wait("answer unique");
        assert_eq!(server.log.count("offer"), 1);
        client.stop();
        let server = Server::whep(|_| {});
        let target = server.url("").trim_start_matches("http://").to_owned();
        let (client, log) = whep_client(format!("{}/whep/endpoint", proxy(target, troubles)));
        log.wait("answer whep-client-offer");
        assert_eq!(server.log.count("requested"), 1);
        client.stop();
    }
}
