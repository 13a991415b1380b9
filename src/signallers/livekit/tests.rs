// SPDX-License-Identifier: MPL-2.0
//! The signaller against a real LiveKit server, driven by its signals alone: a plain webrtcbin in place of the elements.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::channel::mpsc;
use futures::{StreamExt, future};
use gst::glib::prelude::*;
use gst::prelude::*;
use gst_rtp::prelude::*;
use livekit_api::access_token::{AccessToken, VideoGrants};
use testkit::livekit::{KEY, LiveKit, SECRET, UNHURRIED};
use testkit::proxy::Proxy;

use super::*;
use crate::gst_ext::promise;
use crate::runtime;
use crate::signaller::{SignallableExt, signals};

/// A participant: the signaller, and per session a pipeline around a webrtcbin.
struct Peer {
    signaller: LiveKitSignaller,
    /// What the signaller told, in words.
    log: Arc<Mutex<Vec<String>>>,
    packets: Arc<AtomicUsize>,
    pipeline: Arc<Mutex<Option<gst::Pipeline>>>,
    /// The negotiation goes step by step on one task.
    _task: runtime::Task,
}

enum Step {
    Begin {
        session: String,
    },
    Local {
        session: String,
    },
    Remote {
        session: String,
        description: gst_webrtc::WebRTCSessionDescription,
    },
    Candidate {
        line: u32,
        candidate: String,
    },
    End,
}

impl Peer {
    fn new(role: WebRTCSignallerRole, server: &LiveKit, identity: &str) -> Self {
        gst::init().unwrap();
        let signaller = LiveKitSignaller::new(role);
        signaller.set_ws_url(server.url());
        signaller.set_api_key(KEY);
        signaller.set_secret_key(SECRET);
        signaller.set_room_name("room");
        signaller.set_identity(identity);
        let (steps, queue) = mpsc::unbounded();
        let log = Arc::new(Mutex::new(Vec::new()));
        connect(&signaller, &steps, &log);
        let (packets, pipeline) = (Arc::default(), Arc::default());
        let worker = Worker {
            signaller: signaller.clone(),
            simulcast: identity == SIMULCASTER,
            log: Arc::clone(&log),
            steps,
            packets: Arc::clone(&packets),
            pipeline: Arc::clone(&pipeline),
        };
        let task = runtime::spawn(worker.run(queue));
        Self {
            signaller,
            log,
            packets,
            pipeline,
            _task: task,
        }
    }

    /// A started participant, by API key and secret.
    fn start(role: WebRTCSignallerRole, server: &LiveKit, identity: &str) -> Self {
        let peer = Self::new(role, server, identity);
        peer.signaller.start();
        peer
    }

    /// Whether the log has a line with this text.
    fn says(&self, text: &str) -> bool {
        self.log.lock().unwrap().iter().any(|line| line.contains(text))
    }

    fn wait_for(&self, text: &str) {
        self.wait(text, || self.says(text));
    }

    fn wait(&self, what: &str, condition: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(90);
        while !condition() {
            assert!(
                Instant::now() < deadline,
                "{what} did not happen: {:?}",
                self.log.lock().unwrap()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until another `count` packets came.
    fn wait_for_packets(&self, count: usize) {
        let target = self.packets.load(Ordering::Relaxed) + count;
        self.wait("media", || self.packets.load(Ordering::Relaxed) >= target);
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.signaller.stop();
        if let Some(pipeline) = self.pipeline.lock().unwrap().take() {
            let _ = pipeline.set_state(gst::State::Null);
        }
    }
}

/// The signaller's reports become steps of the negotiation and lines of the log.
fn connect(signaller: &LiveKitSignaller, steps: &mpsc::UnboundedSender<Step>, log: &Arc<Mutex<Vec<String>>>) {
    let this: &Signallable = signaller.upcast_ref();
    let step = |make: fn(String) -> Step| {
        let steps = steps.clone();
        move |session: String| drop(steps.unbounded_send(make(session)))
    };
    let say = {
        let log = Arc::clone(log);
        // A test that failed must not take the runtime down with it.
        move |text: String| log.lock().unwrap_or_else(PoisonError::into_inner).push(text)
    };
    let begin = step(|session| Step::Begin { session });
    let begin_too = step(|session| Step::Begin { session });
    let end = step(|_| Step::End);
    let describe = steps.clone();
    let hand_over = steps.clone();
    signals::connect_session_requested(this, move |_, session, _, _| begin(session));
    signals::connect_session_started(this, move |_, session, _| begin_too(session));
    signals::connect_session_description(this, move |_, session, description| {
        drop(describe.unbounded_send(Step::Remote { session, description }));
    });
    signals::connect_handle_ice(this, move |_, _, line, _, candidate| {
        drop(hand_over.unbounded_send(Step::Candidate { line, candidate }));
    });
    let said = say.clone();
    signals::connect_session_ended_with_error(this, move |_, session, error| {
        said(format!("ended {session}: {}", error.unwrap_or_default()));
        end(session);
        true
    });
    let said = say.clone();
    signals::connect_error(this, move |_, error| said(format!("error: {error}")));
    let said = say.clone();
    signals::connect_producer_added(this, move |_, sid, _, is_new| {
        said(format!("producer {sid} new={is_new}"))
    });
    let said = say.clone();
    signals::connect_producer_removed(this, move |_, sid, _| said(format!("producer {sid} left")));
    signaller.connect_notify(Some("connection-state"), move |signaller, _| {
        say(format!("state {:?}", signaller.connection_state()));
    });
}

struct Worker {
    signaller: LiveKitSignaller,
    /// Whether to send the picture in three sizes.
    simulcast: bool,
    log: Arc<Mutex<Vec<String>>>,
    steps: mpsc::UnboundedSender<Step>,
    packets: Arc<AtomicUsize>,
    pipeline: Arc<Mutex<Option<gst::Pipeline>>>,
}

impl Worker {
    async fn run(self, queue: mpsc::UnboundedReceiver<Step>) {
        let mut webrtcbin = None;
        queue
            .for_each(|step| {
                self.step(step, &mut webrtcbin);
                future::ready(())
            })
            .await;
    }

    fn step(&self, step: Step, webrtcbin: &mut Option<gst::Element>) {
        match (step, webrtcbin.clone()) {
            (Step::Begin { session }, _) => *webrtcbin = Some(self.begin(session)),
            (Step::Local { session }, Some(webrtcbin)) => {
                let offer = runtime::block_on(promise::create_offer(&webrtcbin)).unwrap();
                runtime::block_on(promise::set_local_description(&webrtcbin, &offer)).unwrap();
                self.signaller.send_sdp(&session, &offer);
            }
            (Step::Remote { session, description }, Some(webrtcbin)) => {
                let is_offer = description.type_() == gst_webrtc::WebRTCSDPType::Offer;
                runtime::block_on(promise::set_remote_description(&webrtcbin, &description)).unwrap();
                if is_offer {
                    let answer = runtime::block_on(promise::create_answer(&webrtcbin)).unwrap();
                    runtime::block_on(promise::set_local_description(&webrtcbin, &answer)).unwrap();
                    self.signaller.send_sdp(&session, &answer);
                }
            }
            (Step::Candidate { line, candidate }, Some(webrtcbin)) => {
                webrtcbin.emit_by_name::<()>("add-ice-candidate", &[&line, &candidate]);
            }
            (Step::End, _) => self.end(),
            (Step::Local { .. } | Step::Remote { .. } | Step::Candidate { .. }, None) => {}
        }
    }

    /// The session is over.
    fn end(&self) {
        if let Some(pipeline) = self.pipeline.lock().unwrap().take() {
            pipeline.set_state(gst::State::Null).unwrap();
        }
    }

    /// A new session: its pipeline, its webrtcbin handed to the signaller.
    fn begin(&self, session: String) -> gst::Element {
        self.end();
        let is_publisher = self.signaller.role() == WebRTCSignallerRole::Producer;
        let description = match (is_publisher, self.simulcast) {
            (true, false) => SENDING.to_owned(),
            (true, true) => simulcast(),
            (false, _) => "webrtcbin name=rtc bundle-policy=max-bundle".to_owned(),
        };
        let bin = gst::parse::launch(&description).unwrap();
        let pipeline = bin.downcast::<gst::Pipeline>().unwrap_or_else(|bin| {
            let pipeline = gst::Pipeline::new();
            pipeline.add(&bin).unwrap();
            pipeline
        });
        let webrtcbin = pipeline.by_name("rtc").unwrap();
        let (signaller, session_id) = (self.signaller.clone(), session.clone());
        webrtcbin.connect("on-ice-candidate", false, move |values| {
            let (line, candidate) = (
                values[1].get::<u32>().unwrap(),
                values[2].get::<String>().unwrap(),
            );
            signaller.add_ice(&session_id, &candidate, line, None);
            None
        });
        let packets = Arc::clone(&self.packets);
        let log = Arc::clone(&self.log);
        webrtcbin.connect_pad_added(move |webrtcbin, pad| count(webrtcbin, pad, &packets, &log));
        if is_publisher && self.simulcast {
            extend_headers(&pipeline);
        }
        pipeline.set_state(gst::State::Ready).unwrap();
        signals::emit_webrtcbin_ready(self.signaller.upcast_ref(), "unique", &webrtcbin);
        let steps = self.steps.clone();
        if is_publisher {
            webrtcbin.connect("on-negotiation-needed", false, move |_| {
                drop(steps.unbounded_send(Step::Local {
                    session: session.clone(),
                }));
                None
            });
        }
        pipeline.set_state(gst::State::Playing).unwrap();
        *self.pipeline.lock().unwrap() = Some(pipeline);
        webrtcbin
    }
}

/// Counts the packets of a received track; a picture is decoded and its width logged.
fn count(
    webrtcbin: &gst::Element,
    pad: &gst::Pad,
    packets: &Arc<AtomicUsize>,
    log: &Arc<Mutex<Vec<String>>>,
) {
    if pad.direction() != gst::PadDirection::Src {
        return;
    }
    let packets = Arc::clone(packets);
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        packets.fetch_add(1, Ordering::Relaxed);
        gst::PadProbeReturn::Ok
    });
    let bin = webrtcbin.parent().and_downcast::<gst::Bin>().unwrap();
    let caps = pad
        .current_caps()
        .map(|caps| caps.to_string())
        .unwrap_or_default();
    let line = if caps.contains("VP8") {
        "rtpvp8depay request-keyframe=true ! vp8dec ! fakesink name=sink async=false sync=false"
    } else {
        "fakesink name=sink async=false sync=false"
    };
    let sink = gst::parse::bin_from_description(line, true).unwrap();
    let log = Arc::clone(log);
    sink.by_name("sink")
        .unwrap()
        .static_pad("sink")
        .unwrap()
        .add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
            if let Some(gst::EventView::Caps(caps)) = info.event().map(|event| event.view())
                && let Ok(width) = caps.caps().structure(0).unwrap().get::<i32>("width")
            {
                log.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(format!("width {width}"));
            }
            gst::PadProbeReturn::Ok
        });
    bin.add(&sink).unwrap();
    sink.sync_state_with_parent().unwrap();
    pad.link(&sink.static_pad("sink").unwrap()).unwrap();
}

const SENDING: &str = "webrtcbin name=rtc bundle-policy=max-bundle \
    videotestsrc is-live=true ! video/x-raw,width=160,height=120,framerate=15/1 ! vp8enc deadline=1 keyframe-max-dist=15 \
    ! rtpvp8pay pt=96 ! application/x-rtp,media=video,encoding-name=VP8,payload=96 ! rtc. \
    audiotestsrc is-live=true ! opusenc ! rtpopuspay pt=97 ! application/x-rtp,media=audio,encoding-name=OPUS,payload=97 ! rtc.";

/// Who sends the picture in three sizes.
const SIMULCASTER: &str = "simulcaster";
const LAYERS: [(&str, u32, u32); 3] = [("q", 160, 100_000), ("h", 320, 300_000), ("f", 640, 900_000)];

/// Three encoders whose packets meet in one m-line; webrtcbin 1.22 takes rids, simulcast and msid from the caps.
fn simulcast() -> String {
    let branch = |(index, (rid, width, bitrate)): (usize, &(&str, u32, u32))| {
        let height = width * 3 / 4;
        format!(
            " t. ! queue ! videoscale ! video/x-raw,width={width},height={height} \
             ! vp8enc deadline=1 cpu-used=8 end-usage=cbr target-bitrate={bitrate} keyframe-max-dist=30 \
             ! rtpvp8pay name=pay_{rid} pt=96 ssrc={} picture-id-mode=15-bit ! f.",
            1000 + index
        )
    };
    let branches: String = LAYERS.iter().enumerate().map(branch).collect();
    format!(
        "webrtcbin name=rtc bundle-policy=max-bundle videotestsrc is-live=true \
         ! video/x-raw,format=I420,width=640,height=480,framerate=10/1 ! tee name=t {branches} rtpfunnel name=f \
         ! capsfilter caps=\"application/x-rtp,media=video,encoding-name=VP8,clock-rate=90000,payload=96,\
         extmap-1=(string){MID},extmap-2=(string){RID},a-mid=(string)video0,a-msid=(string)\\\"cam track\\\",\
         rid-q=(string)send,rid-h=(string)send,rid-f=(string)send,a-simulcast=(string)\\\"send q\\\\;h\\\\;f\\\"\" ! rtc.sink_0"
    )
}

/// Which m-line a packet is of and which layer (RFC 9143, RFC 8852).
fn extend_headers(pipeline: &gst::Pipeline) {
    for (rid, ..) in LAYERS {
        let payloader = pipeline.by_name(&format!("pay_{rid}")).unwrap();
        for (id, factory, property, value) in [
            (1_u32, "rtphdrextmid", "mid", "video0"),
            (2, "rtphdrextstreamid", "rid", rid),
        ] {
            let extension = gst::ElementFactory::make(factory)
                .property(property, value)
                .build()
                .unwrap();
            extension
                .downcast_ref::<gst_rtp::RTPHeaderExtension>()
                .unwrap()
                .set_id(id);
            payloader.emit_by_name::<()>("add-extension", &[&extension]);
        }
    }
}

const MID: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";
const RID: &str = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id";

const PRODUCER: WebRTCSignallerRole = WebRTCSignallerRole::Producer;
const CONSUMER: WebRTCSignallerRole = WebRTCSignallerRole::Consumer;

#[test]
fn media_pass_through_a_room() {
    let Some(server) = LiveKit::start("") else { return };
    let publisher = Peer::start(PRODUCER, &server, "publisher");
    publisher.wait_for("state Published");
    let subscriber = Peer::start(CONSUMER, &server, "subscriber");
    subscriber.wait_for("state Subscribed");
    subscriber.wait_for("producer PA_");
    subscriber.wait_for_packets(100);
    subscriber.wait("data channel", || {
        subscriber.signaller.reliable_channel().is_some()
    });
    drop(publisher);
    subscriber.wait_for("left");
}

/// A token for this room API call or that participant.
fn token(identity: &str, grants: VideoGrants) -> String {
    let token = AccessToken::with_api_key(KEY, SECRET)
        .with_identity(identity)
        .with_grants(grants);
    token.to_jwt().unwrap()
}

/// A token for the room API.
fn admin() -> String {
    token(
        "admin",
        VideoGrants {
            room_admin: true,
            room_create: true,
            room: "room".into(),
            ..Default::default()
        },
    )
}

/// A port nobody listens on.
fn unused_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

#[test]
fn a_restarted_server_gets_everybody_back() {
    let Some(mut server) = LiveKit::start("") else {
        return;
    };
    let publisher = Peer::start(PRODUCER, &server, "publisher");
    let subscriber = Peer::start(CONSUMER, &server, "subscriber");
    subscriber.wait_for_packets(50);
    let restarted = Instant::now();
    server.revive();
    publisher.wait_for("ended unique: signalling-lost");
    subscriber.wait_for("ended unique: signalling-lost");
    subscriber.wait_for_packets(50);
    eprintln!("media back {:?} after the restart began", restarted.elapsed());
    assert!(!publisher.says("error") && !subscriber.says("error"));
}

#[test]
fn a_lost_connection_is_resumed_and_media_go_on() {
    let Some(server) = LiveKit::start("") else { return };
    let proxies = [Proxy::new(server.address()), Proxy::new(server.address())];
    let roles = [(PRODUCER, "publisher"), (CONSUMER, "subscriber")];
    let peers: Vec<_> = std::iter::zip(&proxies, roles)
        .map(|(proxy, (role, identity))| {
            let peer = Peer::new(role, &server, identity);
            peer.signaller.set_ws_url(format!("ws://{}", proxy.address()));
            peer.signaller.start();
            peer
        })
        .collect();
    let subscriber = &peers[1];
    subscriber.wait_for_packets(50);
    for (proxy, peer) in std::iter::zip(&proxies, &peers) {
        peer.log.lock().unwrap().clear();
        proxy.cut();
        peer.wait_for("state ServerDisconnected");
        let state = if peer.signaller.role() == PRODUCER {
            "state Published"
        } else {
            "state Subscribed"
        };
        peer.wait_for(state);
        subscriber.wait_for_packets(100);
        assert!(
            !peer.says("ended") && !peer.says("error"),
            "{:?}",
            peer.log.lock().unwrap()
        );
    }
    // The server restarts the subscriber's ICE on a resume: media must flow over what was agreed on then.
    subscriber.wait_for_packets(400);
}

#[test]
fn whoever_cannot_join_is_told_why() {
    let Some(server) = LiveKit::start("room:\n  auto_create: false") else {
        return;
    };
    let expired = testkit::tokens::expired("room");
    let nowhere = format!("ws://127.0.0.1:{}", unused_port());
    type Change<'a> = &'a dyn Fn(&LiveKitSignaller);
    let cases: [(&str, Change<'_>, &str); 6] = [
        (
            "a room that does not exist",
            &|_| {},
            "404 Not Found: requested room does not exist",
        ),
        (
            "a wrong secret",
            &|signaller| signaller.set_secret_key("wrong"),
            "401 Unauthorized: invalid token",
        ),
        (
            "no token at all",
            &|signaller| signaller.set_auth_token("nonsense"),
            "401 Unauthorized",
        ),
        (
            "an expired token",
            &|signaller| signaller.set_auth_token(expired.as_str()),
            "401 Unauthorized",
        ),
        (
            "no server",
            &|signaller| signaller.set_ws_url(nowhere.as_str()),
            "cannot be reached",
        ),
        (
            "no address",
            &|signaller| signaller.set_ws_url("nonsense"),
            "is not an address",
        ),
    ];
    for role in [PRODUCER, CONSUMER] {
        for (name, change, expected) in &cases {
            let peer = Peer::new(role, &server, "peer");
            change(&peer.signaller);
            peer.signaller.start();
            peer.wait_for("error");
            assert!(peer.says(expected), "{name}: {:?}", peer.log.lock().unwrap());
        }
    }
}

#[test]
fn whoever_is_thrown_out_is_told_why() {
    let Some(server) = LiveKit::start("") else { return };
    let body = |extra: &str| format!(r#"{{"room":"room"{extra}}}"#);
    let publisher = Peer::start(PRODUCER, &server, "publisher");
    publisher.wait_for("state Published");
    let other = Peer::start(PRODUCER, &server, "publisher");
    publisher.wait_for(
        "error: the LiveKit server ended the session: another participant joined with the same identity",
    );
    other.wait_for("state Published");
    let (status, _) = server.call("RemoveParticipant", &admin(), &body(r#","identity":"publisher""#));
    assert_eq!(status, 200);
    other.wait_for("this participant was removed from the room");
    let subscriber = Peer::start(CONSUMER, &server, "subscriber");
    subscriber.wait_for("state Subscribed");
    assert_eq!(server.call("DeleteRoom", &admin(), &body("")).0, 200);
    subscriber.wait_for("the room was deleted");
}

#[test]
fn a_track_that_may_not_be_published_is_refused_at_once() {
    let Some(server) = LiveKit::start("") else { return };
    let peer = Peer::new(PRODUCER, &server, "publisher");
    let grants = VideoGrants {
        room_join: true,
        room: "room".into(),
        can_publish: Some(false),
        ..Default::default()
    };
    peer.signaller.set_auth_token(token("publisher", grants));
    peer.signaller.start();
    peer.wait_for("the server refused to publish track");
    assert!(peer.says("not allowed"));
}

#[test]
fn a_publisher_with_a_token_for_everything_is_active() {
    let Some(server) = LiveKit::start("") else { return };
    let peer = Peer::new(PRODUCER, &server, "publisher");
    let grants = VideoGrants {
        room_join: true,
        room: "room".into(),
        ..Default::default()
    };
    peer.signaller.set_auth_token(token("publisher", grants));
    peer.signaller.start();
    peer.wait_for("state Published");
    let participants = || server.call("ListParticipants", &admin(), r#"{"room":"room"}"#).1;
    // On the other entrance it would wait for a connection to subscribe by, then be thrown out.
    peer.wait("an active participant", || participants().contains("ACTIVE"));
    peer.wait("both tracks", || participants().matches("\"TR_").count() == 2);
    let described = participants();
    for expected in ["MICROPHONE", "CAMERA", "video/VP8", "audio/opus"] {
        assert!(
            described.to_lowercase().contains(&expected.to_lowercase()),
            "{expected}: {described}"
        );
    }
}

#[test]
fn a_track_muted_by_the_server_is_not_sent_any_more() {
    let Some(server) = LiveKit::start("") else { return };
    let publisher = Peer::start(PRODUCER, &server, "publisher");
    publisher.wait_for("state Published");
    let subscriber = Peer::start(CONSUMER, &server, "subscriber");
    subscriber.wait_for_packets(50);
    let described = server.call("ListParticipants", &admin(), r#"{"room":"room"}"#).1;
    let sids = described.split('"').filter(|word| word.starts_with("TR_"));
    for sid in sids.collect::<std::collections::BTreeSet<_>>() {
        let body = format!(r#"{{"room":"room","identity":"publisher","trackSid":"{sid}","muted":true}}"#);
        assert_eq!(server.call("MutePublishedTrack", &admin(), &body).0, 200);
    }
    let sent = || {
        let pipeline = publisher.pipeline.lock().unwrap().clone().unwrap();
        let stats = runtime::block_on(promise::get_stats(&pipeline.by_name("rtc").unwrap())).unwrap();
        let packets = stats.iter().filter_map(|(_, value)| {
            let entry = value.get::<gst::Structure>().ok()?;
            entry
                .name()
                .contains("outbound-rtp")
                .then(|| entry.get::<u64>("packets-sent").unwrap_or_default())
        });
        packets.sum::<u64>()
    };
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let before = sent();
        std::thread::sleep(Duration::from_millis(500));
        if sent() == before {
            break;
        }
        assert!(Instant::now() < deadline, "still sending");
    }
}

#[test]
fn garbage_on_the_socket_is_an_error_and_nothing_worse() {
    use async_tungstenite::tungstenite::{self, Message};
    gst::init().unwrap();
    for (garbage, expected) in [
        (
            Message::binary(vec![0xff; 1000]),
            "1000 bytes from the server are not a LiveKit message",
        ),
        (
            Message::text("hello"),
            "5 bytes of text are not a LiveKit message",
        ),
    ] {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("ws://{}", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut socket = tungstenite::accept(stream).unwrap();
            socket.send(garbage).unwrap();
            while socket.read().is_ok() {}
        });
        let signaller = LiveKitSignaller::new(CONSUMER);
        signaller.set_ws_url(url);
        signaller.set_auth_token("jwt");
        let (errors, received) = std::sync::mpsc::channel();
        let errors = Mutex::new(errors);
        signals::connect_error(signaller.upcast_ref(), move |_, error| {
            drop(errors.lock().unwrap().send(error))
        });
        signaller.start();
        let error = received.recv_timeout(Duration::from_secs(90)).unwrap();
        assert!(error.contains(expected), "{error}");
        signaller.stop();
        server.join().unwrap();
    }
}

#[test]
fn three_layers_are_published_and_a_subscriber_switches_between_them() {
    let Some(server) = LiveKit::start(UNHURRIED) else {
        return;
    };
    let publisher = Peer::start(PRODUCER, &server, SIMULCASTER);
    publisher.wait_for("state Published");
    let participants = || server.call("ListParticipants", &admin(), r#"{"room":"room"}"#).1;
    publisher.wait("three layers", || {
        let described = participants().replace(' ', "");
        ["1000", "1001", "1002"]
            .iter()
            .all(|ssrc| described.contains(&format!("\"ssrc\":{ssrc}")))
    });
    let subscriber = Peer::start(CONSUMER, &server, "subscriber");
    subscriber.wait_for("width 640");
    let described = participants();
    let sid = described.split('"').find(|word| word.starts_with("TR_")).unwrap();
    for (quality, expected) in [
        (TrackQuality::Low, "width 160"),
        (TrackQuality::Medium, "width 320"),
        (TrackQuality::High, "width 640"),
    ] {
        subscriber.log.lock().unwrap().clear();
        subscriber.signaller.set_track_quality(sid, quality);
        subscriber.wait_for(expected);
    }
}
