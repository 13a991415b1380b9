// SPDX-License-Identifier: MPL-2.0
//! The default signaller against the real server, without media.

use std::sync::mpsc;
use std::time::Duration;

use gst::glib::prelude::*;
use gst_plugin_webrtc_signalling::{Config, Handle, Server};
use gst_webrtc::{WebRTCSDPType, WebRTCSessionDescription};
use gstrswebrtc::signaller::prelude::*;
use gstrswebrtc::signaller::{Signallable, Signaller, WebRTCSignallerRole, signals};

const DEADLINE: Duration = Duration::from_secs(30);

/// What a signaller reported, in words.
type Heard = mpsc::Receiver<String>;

struct TestServer {
    runtime: tokio::runtime::Runtime,
    handle: Option<Handle>,
    port: u16,
}

impl TestServer {
    fn start(port: u16) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let config = Config {
            host: "127.0.0.1".to_owned(),
            port,
            ..Config::default()
        };
        let handle = runtime.block_on(async {
            // A restarted server may have to wait for its port.
            let deadline = std::time::Instant::now() + DEADLINE;
            loop {
                match Server::bind(config.clone()).await {
                    Ok(server) => return server.spawn(),
                    Err(error) => assert!(std::time::Instant::now() < deadline, "{error}"),
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        let port = handle.local_addr().port();
        Self {
            runtime,
            handle: Some(handle),
            port,
        }
    }

    fn uri(&self) -> String {
        format!("ws://127.0.0.1:{}", self.port)
    }

    fn stop(mut self) -> u16 {
        let handle = self.handle.take().unwrap();
        self.runtime.block_on(handle.shutdown());
        self.port
    }
}

fn signaller(role: WebRTCSignallerRole, uri: &str) -> (Signaller, Heard) {
    gst::init().unwrap();
    let signaller = Signaller::new(role);
    signaller.set_property("uri", uri);
    let (tx, heard) = mpsc::channel();
    let this = signaller.upcast_ref::<Signallable>();
    let log = move |text: String| drop(tx.send(text));
    listen_to_sessions(this, &log);
    let say = log.clone();
    signals::connect_producer_added(this, move |_, id, meta, is_new| {
        let name = meta.and_then(|meta| meta.get::<String>("name").ok());
        say(format!("producer {id} {name:?} {is_new}"));
    });
    let say = log.clone();
    signals::connect_producer_removed(this, move |_, id, _| say(format!("gone {id}")));
    let say = log.clone();
    signals::connect_warning(this, move |_, text| say(format!("warning {text}")));
    signals::connect_error(this, move |_, text| log(format!("error {text}")));
    (signaller, heard)
}

fn listen_to_sessions(this: &Signallable, log: &(impl Fn(String) + Clone + Send + Sync + 'static)) {
    let say = log.clone();
    signals::connect_session_requested(this, move |_, session, peer, offer| {
        say(format!("requested {session} {peer} {}", offer.is_some()));
    });
    let say = log.clone();
    signals::connect_session_started(this, move |_, session, peer| {
        say(format!("started {session} {peer}"))
    });
    let say = log.clone();
    signals::connect_session_description(this, move |_, session, sdp| {
        say(format!(
            "{} {session}",
            if sdp.type_() == WebRTCSDPType::Offer {
                "offer"
            } else {
                "answer"
            }
        ));
    });
    let say = log.clone();
    signals::connect_handle_ice(this, move |_, session, index, mid, candidate| {
        say(format!("ice {session} {index} {mid:?} {candidate}"));
    });
    let say = log.clone();
    signals::connect_session_ended(this, move |_, session| {
        say(format!("ended {session}"));
        true
    });
    let say = log.clone();
    signals::connect_session_ended_with_error(this, move |_, session, error| {
        say(format!("ended {session} {error:?}"));
        true
    });
}

fn next(heard: &Heard) -> String {
    heard
        .recv_timeout(DEADLINE)
        .expect("something is reported in time")
}

/// Skips reports until one begins like this.
fn next_like(heard: &Heard, beginning: &str) -> String {
    loop {
        let text = next(heard);
        if text.starts_with(beginning) {
            return text;
        }
    }
}

fn client_id(signaller: &Signaller) -> String {
    let deadline = std::time::Instant::now() + DEADLINE;
    loop {
        if let Some(id) = signaller.property::<Option<String>>("client-id") {
            return id;
        }
        assert!(std::time::Instant::now() < deadline, "not welcomed in time");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn sdp(type_: WebRTCSDPType) -> WebRTCSessionDescription {
    let sdp =
        gst_sdp::SDPMessage::parse_buffer(b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n").unwrap();
    WebRTCSessionDescription::new(type_, sdp)
}

/// A producer and a consumer in a session.
fn session(server: &TestServer) -> (Signaller, Heard, Signaller, Heard, String) {
    let (producer, at_producer) = signaller(WebRTCSignallerRole::Producer, &server.uri());
    producer.start();
    let producer_id = client_id(&producer);
    // The server lists a producer once it has taken its status.
    let (listener, at_listener) = signaller(WebRTCSignallerRole::Listener, &server.uri());
    listener.start();
    next_like(&at_listener, &format!("producer {producer_id}"));
    listener.stop();
    let (consumer, at_consumer) = signaller(WebRTCSignallerRole::Consumer, &server.uri());
    consumer.set_property("producer-peer-id", &producer_id);
    consumer.start();
    let started = next_like(&at_consumer, "started ");
    let session_id = started.split(' ').nth(1).unwrap().to_owned();
    next_like(&at_producer, &format!("requested {session_id}"));
    (producer, at_producer, consumer, at_consumer, session_id)
}

#[test]
fn messages_arrive_in_the_order_they_were_made() {
    let server = TestServer::start(0);
    let (producer, at_producer, consumer, at_consumer, id) = session(&server);
    producer.send_sdp(&id, &sdp(WebRTCSDPType::Offer));
    for index in 0..50 {
        producer.add_ice(&id, &format!("candidate:{index}"), index, None);
    }
    assert_eq!(next(&at_consumer), format!("offer {id}"));
    for index in 0..50 {
        assert_eq!(
            next(&at_consumer),
            format!("ice {id} {index} None candidate:{index}")
        );
    }
    consumer.send_sdp(&id, &sdp(WebRTCSDPType::Answer));
    assert_eq!(next(&at_producer), format!("answer {id}"));
    producer.stop();
    consumer.stop();
}

#[test]
fn an_end_says_why_even_right_before_the_stop() {
    let server = TestServer::start(0);
    let (producer, _, consumer, at_consumer, id) = session(&server);
    producer.end_session_with_error(&id, Some("timeout: no answer".to_owned()));
    producer.stop();
    assert_eq!(
        next(&at_consumer),
        format!("ended {id} Some(\"timeout: no answer\")")
    );
    consumer.stop();
}

#[test]
fn listeners_see_producers_and_what_they_say_of_themselves() {
    let server = TestServer::start(0);
    let (listener, heard) = signaller(WebRTCSignallerRole::Listener, &server.uri());
    listener.start();
    client_id(&listener);
    let (producer, _) = signaller(WebRTCSignallerRole::Producer, &server.uri());
    signals::connect_request_meta(producer.upcast_ref(), |_| {
        Some(gst::Structure::builder("meta").field("name", "camera").build())
    });
    producer.start();
    let id = client_id(&producer);
    assert!(next(&heard).starts_with(&format!("producer {id} Some(\"camera\")")));
    producer.stop();
    assert_eq!(next(&heard), format!("gone {id}"));
    assert_eq!(producer.property::<Option<String>>("client-id"), None);
    listener.stop();
}

#[test]
fn a_consumer_of_the_first_producer_waits_for_it() {
    let server = TestServer::start(0);
    let (consumer, at_consumer) = signaller(
        WebRTCSignallerRole::Consumer,
        &format!("{}?connect-to-first-producer", server.uri()),
    );
    consumer.start();
    client_id(&consumer);
    let (producer, at_producer) = signaller(WebRTCSignallerRole::Producer, &server.uri());
    producer.start();
    next_like(&at_producer, "requested");
    next_like(&at_consumer, "started");
    assert_eq!(
        consumer.property::<Option<String>>("producer-peer-id"),
        Some(client_id(&producer))
    );
    producer.stop();
    consumer.stop();
}

#[test]
fn an_unknown_producer_is_an_error() {
    let server = TestServer::start(0);
    let (consumer, heard) = signaller(WebRTCSignallerRole::Consumer, &server.uri());
    consumer.set_property("producer-peer-id", "nobody");
    consumer.start();
    let error = next_like(&heard, "error ");
    assert!(error.contains("nobody"), "{error}");
    consumer.stop();
}

#[test]
fn no_server_is_one_error() {
    let (producer, heard) = signaller(WebRTCSignallerRole::Producer, "ws://127.0.0.1:1");
    producer.start();
    let error = next(&heard);
    assert!(
        error.starts_with("error ") && error.contains("127.0.0.1:1"),
        "{error}"
    );
    producer.stop();
    assert!(heard.try_recv().is_err());
}

#[test]
fn an_address_that_is_none_is_reported_at_the_start() {
    let (producer, heard) = signaller(WebRTCSignallerRole::Producer, "http://127.0.0.1:1");
    assert_eq!(producer.property::<String>("uri"), "ws://127.0.0.1:8443/");
    producer.start();
    let error = next(&heard);
    assert!(error.contains("http://127.0.0.1:1"), "{error}");
    producer.stop();
}

#[test]
fn a_restarted_server_is_found_again() {
    let server = TestServer::start(0);
    let (producer, heard) = signaller(WebRTCSignallerRole::Producer, &server.uri());
    producer.start();
    let before = client_id(&producer);
    let port = server.stop();
    next_like(&heard, "warning ");
    let server = TestServer::start(port);
    let (listener, at_listener) = signaller(WebRTCSignallerRole::Listener, &server.uri());
    listener.start();
    let seen = next_like(&at_listener, "producer ");
    assert!(!seen.contains(&before), "the new connection has a new id: {seen}");
    producer.stop();
    listener.stop();
}

#[test]
fn stopping_while_connecting_comes_back_at_once() {
    // An address that swallows what is sent to it: the connection attempt hangs.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("ws://{}", listener.local_addr().unwrap());
    let (producer, _heard) = signaller(WebRTCSignallerRole::Producer, &uri);
    producer.start();
    let (_connection, _) = listener.accept().unwrap();
    let (done, stopped) = mpsc::channel();
    std::thread::spawn(move || {
        producer.stop();
        done.send(()).unwrap();
    });
    stopped
        .recv_timeout(Duration::from_secs(5))
        .expect("stop is bounded");
}

/// What the other peer of a session writes itself, past everything that a signaller checks.
async fn send_raw(port: u16, producer: &str) {
    use async_tungstenite::tungstenite::Message;
    use futures::{SinkExt, StreamExt};

    let url = format!("ws://127.0.0.1:{port}");
    let (mut socket, _) = async_tungstenite::tokio::connect_async(url).await.unwrap();
    let start = serde_json::json!({ "type": "startSession", "peerId": producer });
    socket.send(Message::text(start.to_string())).await.unwrap();
    let session = loop {
        let message = socket.next().await.unwrap().unwrap();
        let Ok(text) = message.to_text() else { continue };
        let value: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
        if value["type"] == "error" {
            // The producer has not said yet that it is one.
            socket.send(Message::text(start.to_string())).await.unwrap();
        }
        if let Some(id) = value["sessionId"].as_str() {
            break id.to_owned();
        }
    };
    for candidate in ["candidate:1 \0", "candidate:2"] {
        let ice = serde_json::json!({ "candidate": candidate, "sdpMLineIndex": 0 });
        let message = serde_json::json!({ "type": "peer", "sessionId": session, "ice": ice });
        socket.send(Message::text(message.to_string())).await.unwrap();
    }
    SinkExt::close(&mut socket).await.unwrap();
}

#[test]
fn a_nul_from_a_peer_ends_nothing() {
    let server = TestServer::start(0);
    let (producer, heard) = signaller(WebRTCSignallerRole::Producer, &server.uri());
    producer.start();
    let id = client_id(&producer);
    server.runtime.block_on(send_raw(server.port, &id));
    let ice = next_like(&heard, "ice");
    assert!(ice.contains("candidate:2"), "{ice}");
    producer.stop();
}
