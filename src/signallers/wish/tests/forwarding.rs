// SPDX-License-Identifier: MPL-2.0
//! An application with an HTTP server of its own forwards requests through the action signals.

use super::*;

fn act(server: &Server, signal: &str, id: Option<&str>, rest: &[&dyn ToValue]) -> gst::Structure {
    let promise = gst::Promise::new();
    let mut arguments: Vec<&dyn ToValue> = vec![&id];
    arguments.extend(rest);
    arguments.push(&promise);
    server.signaller.emit_by_name::<()>(signal, &arguments);
    assert_eq!(promise.wait(), gst::PromiseResult::Replied);
    promise.get_reply().unwrap().to_owned()
}

fn status(reply: &gst::Structure) -> u32 {
    reply.get("status").unwrap()
}

fn bytes(text: &str) -> glib::Bytes {
    glib::Bytes::from_owned(text.to_owned().into_bytes())
}

fn without_server(signaller: &glib::Object) {
    signaller.set_property("host-addr", None::<String>);
}

#[test]
fn a_session_is_made_and_ended() {
    let server = Server::whip(without_server);
    let reply = act(&server, "post", None, &[&bytes(&sample("sendonly"))]);
    assert_eq!(
        (reply.name().as_str(), status(&reply)),
        ("whip-signaller/response", 201)
    );
    let location: String = reply
        .get::<gst::Structure>("headers")
        .unwrap()
        .get("location")
        .unwrap();
    assert!(reply.get::<glib::Bytes>("body").unwrap().starts_with(b"v=0"));
    let id = location.rsplit('/').next().unwrap();
    assert_eq!(status(&act(&server, "delete", Some(id), &[])), 200);
    assert_eq!(status(&act(&server, "delete", Some(id), &[])), 404);
}

#[test]
fn a_chosen_id_is_the_end_of_the_url() {
    let server = Server::whep(without_server);
    let reply = act(&server, "post", Some("room-1"), &[&bytes(&sample("recvonly"))]);
    let headers: gst::Structure = reply.get("headers").unwrap();
    assert_eq!(
        headers.get::<String>("location").unwrap(),
        "/whep/resource/room-1"
    );
    let tag: String = headers.get("etag").unwrap();
    let fields = gst::Structure::builder("headers")
        .field("content-type", "application/trickle-ice-sdpfrag")
        .field("if-match", tag)
        .build();
    let fragment = bytes("a=mid:0\r\na=candidate:7 1 UDP 1 192.0.2.9 6000 typ host\r\n");
    assert_eq!(
        status(&act(&server, "patch", Some("room-1"), &[&fragment, &fields])),
        204
    );
    assert!(server.log.wait("candidate").contains("room-1"));
}

#[test]
fn what_is_no_offer_is_refused_all_the_same() {
    let server = Server::whip(without_server);
    assert_eq!(status(&act(&server, "post", None, &[&bytes("nonsense")])), 400);
    assert_eq!(
        status(&act(&server, "post", Some("a/b"), &[&bytes(&sample("sendonly"))])),
        404
    );
    assert_eq!(status(&act(&server, "delete", Some("no such"), &[])), 404);
}

#[test]
fn requests_before_the_start_wait_for_it() {
    gst::init().unwrap();
    let signaller: Signallable = WhipServerSignaller::default().upcast();
    let promise = gst::Promise::new();
    signaller.emit_by_name::<()>("post", &[&None::<String>, &bytes(&sample("sendonly")), &promise]);
    let log = watch(&signaller);
    signals::connect_session_description(&signaller, |signaller, id, _| {
        describe(signaller, &id, WebRTCSDPType::Answer, "recvonly");
    });
    let _server = Server::start(signaller, log, without_server);
    assert_eq!(promise.wait(), gst::PromiseResult::Replied);
    assert_eq!(status(&promise.get_reply().unwrap().to_owned()), 201);
}

#[test]
fn only_so_many_requests_wait_for_a_start() {
    gst::init().unwrap();
    let signaller: Signallable = WhipServerSignaller::default().upcast();
    let post = || {
        let promise = gst::Promise::new();
        signaller.emit_by_name::<()>("post", &[&None::<String>, &bytes(&sample("sendonly")), &promise]);
        promise
    };
    let waiting: Vec<_> = (0..64).map(|_| post()).collect();
    for _ in 0..3 {
        let refused = post();
        assert_eq!(refused.wait(), gst::PromiseResult::Replied);
        assert_eq!(status(&refused.get_reply().unwrap().to_owned()), 503);
    }
    // A stop answers those who waited, and makes room.
    signaller.stop();
    for promise in waiting {
        assert_eq!(promise.wait(), gst::PromiseResult::Replied);
        assert_eq!(status(&promise.get_reply().unwrap().to_owned()), 503);
    }
    drop(post());
}
