// SPDX-License-Identifier: MPL-2.0
//! The requirements of RFC 9725 on a server, over HTTP. docs/whip-whep.md lists which test shows what.

use super::*;

const FRAGMENT: &str = "application/trickle-ice-sdpfrag";
const TRICKLE: &str = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=ice-ufrag:EsAw\r\n\
    a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\na=candidate:1 1 UDP 1 192.0.2.9 6000 typ host\r\na=end-of-candidates\r\n";

#[test]
fn a_session_is_made_trickled_to_and_ended() {
    let server = Server::whip(|_| {});
    let created = server.post("/whip/endpoint", &sample("sendonly"));
    assert_eq!(
        (created.status().as_u16(), field(&created, "content-type")),
        (201, "application/sdp")
    );
    let (session, tag) = (field(&created, "location"), field(&created, "etag"));
    assert!(tag.starts_with('"') && tag.ends_with('"'), "{tag}");
    assert_eq!(field(&created, "accept-patch"), FRAGMENT);
    let patch = |tag: Option<&str>| {
        let mut fields = vec![("content-type", FRAGMENT)];
        fields.extend(tag.map(|tag| ("if-match", tag)));
        server.ask("PATCH", session, &fields, TRICKLE).status().as_u16()
    };
    assert_eq!(
        [patch(Some(tag)), patch(None), patch(Some("\"other\""))],
        [204, 428, 412]
    );
    assert!(
        server
            .log
            .wait("candidate")
            .contains("0 Some(\"0\") candidate:1 1 UDP 1 192.0.2.9 6000")
    );
    assert_eq!(server.ask("GET", session, &[], "").status(), 204);
    // A tag is not looked at here.
    assert_eq!(
        server
            .ask("DELETE", session, &[("if-match", "\"other\"")], "")
            .status(),
        200
    );
    server.log.wait("ended");
    assert_eq!(server.ask("DELETE", session, &[], "").status(), 404);
    assert_eq!(
        server
            .ask(
                "PATCH",
                session,
                &[("content-type", FRAGMENT), ("if-match", tag)],
                TRICKLE
            )
            .status(),
        404
    );
}

#[test]
fn an_answer_without_restart_keeps_the_session() {
    let server = Server::whip(|_| {});
    let created = server.post("/whip/endpoint", &sample("sendonly"));
    let restart = TRICKLE.replace("EsAw", "NEW1");
    let fields = [("content-type", FRAGMENT), ("if-match", "\"*\"")];
    // The stand-in for the element has no webrtcbin whose ICE could be restarted.
    assert_eq!(
        server
            .ask("PATCH", field(&created, "location"), &fields, &restart)
            .status(),
        422
    );
    assert_eq!(
        server.ask("GET", field(&created, "location"), &[], "").status(),
        204
    );
}

#[test]
fn pages_of_other_origins_may_use_the_server() {
    let server = Server::whip(|_| {});
    let preflight = [
        ("origin", "https://page.example"),
        ("access-control-request-method", "POST"),
    ];
    let answer = server.ask("OPTIONS", "/whip/endpoint", &preflight, "");
    assert_eq!(
        (answer.status().as_u16(), field(&answer, "accept-post")),
        (200, "application/sdp")
    );
    assert!(!answer.headers().contains_key("link"));
    assert!(field(&answer, "access-control-allow-methods").contains("POST"));
    assert!(field(&answer, "access-control-allow-headers").contains("If-Match"));
    let answer = server.ask("OPTIONS", "/whip/resource/x", &preflight, "");
    assert!(field(&answer, "access-control-allow-methods").contains("PATCH"));
    for answer in [
        server.post("/whip/endpoint", &sample("sendonly")),
        server.post("/nowhere", ""),
    ] {
        assert_eq!(field(&answer, "access-control-allow-origin"), "*");
        for exposed in ["Location", "Link", "ETag", "Retry-After"] {
            assert!(
                field(&answer, "access-control-expose-headers").contains(exposed),
                "{exposed}"
            );
        }
    }
}

#[test]
fn servers_are_announced_with_the_session_in_valid_links() {
    let server = Server::whip(|signaller| {
        signaller.set_property(
            "turn-servers",
            gst::Array::new(["turn://user:p%20w@turn.example:3478?transport=tcp"]),
        );
    });
    let created = server.post("/whip/endpoint", &sample("sendonly"));
    let links: Vec<_> = created.headers().get_all("link").iter().collect();
    assert_eq!(links[0], "<stun:stun.l.google.com:19303>; rel=\"ice-server\"");
    assert_eq!(
        links[1],
        "<turn:turn.example:3478?transport=tcp>; rel=\"ice-server\"; username=\"user\"; credential=\"p w\"; credential-type=\"password\""
    );
}

#[test]
fn descriptions_are_judged_before_anything_is_made_of_them() {
    let server = Server::whip(|_| {});
    let many = sample("sendonly") + &"m=video 9 UDP/TLS/RTP/SAVPF 96\r\n".repeat(200);
    let cases = [
        ("nonsense".to_owned(), 400),
        (String::new(), 400),
        (sample("sendonly").replace("a=mid:1", "a=mid:0"), 400),
        (sample("recvonly"), 422),
        (sample("inactive"), 422),
        (many, 422),
    ];
    for (sdp, status) in cases {
        assert_eq!(server.post("/whip/endpoint", &sdp).status(), status, "{sdp:.200}");
    }
    assert_eq!(
        server
            .ask("POST", "/whip/endpoint", &[("content-type", "text/plain")], "v=0")
            .status(),
        415
    );
    assert_eq!(
        server
            .ask(
                "POST",
                "/whip/endpoint",
                &[("content-type", "Application/SDP; charset=utf-8")],
                "x"
            )
            .status(),
        400
    );
    assert_eq!(server.log.count("offer"), 0);
}

#[test]
fn a_second_publisher_waits_for_the_first() {
    let server = Server::whip(|_| {});
    let first = server.post("/whip/endpoint", &sample("sendonly"));
    let second = server.post("/whip/endpoint", &unique_offer("sendonly", 2));
    assert_eq!(second.status(), 409);
    assert!(field(&second, "retry-after").parse::<u64>().is_ok());
    assert_eq!(
        server.ask("DELETE", field(&first, "location"), &[], "").status(),
        200
    );
    assert_eq!(
        server
            .post("/whip/endpoint", &unique_offer("sendonly", 2))
            .status(),
        201
    );
}

#[test]
fn a_token_is_required_everywhere_and_guards_turn_credentials() {
    let server = Server::whip(|signaller| signaller.set_property("auth-token", "secret"));
    let bearer = ("authorization", "Bearer secret");
    assert_eq!(server.post("/whip/endpoint", &sample("sendonly")).status(), 401);
    let sdp = ("content-type", "application/sdp");
    let created = server.ask("POST", "/whip/endpoint", &[sdp, bearer], &sample("sendonly"));
    assert_eq!(created.status(), 201);
    let session = field(&created, "location");
    assert_eq!(
        field(&server.ask("DELETE", session, &[], ""), "www-authenticate"),
        "Bearer"
    );
    assert_eq!(server.ask("DELETE", session, &[bearer], "").status(), 200);
    assert!(
        !server
            .ask("OPTIONS", "/whip/endpoint", &[], "")
            .headers()
            .contains_key("link")
    );
    assert!(
        server
            .ask("OPTIONS", "/whip/endpoint", &[bearer], "")
            .headers()
            .contains_key("link")
    );
}

#[test]
fn a_chosen_name_does_not_give_the_session_away() {
    let server = Server::whip(|_| {});
    let created = server.post("/whip/endpoint/cam", &sample("sendonly"));
    assert_eq!(server.log.wait("offer"), "offer cam");
    assert_eq!(server.ask("DELETE", "/whip/resource/cam", &[], "").status(), 404);
    assert_eq!(
        server
            .ask("DELETE", field(&created, "location"), &[], "")
            .status(),
        200
    );
}

#[test]
fn whep_makes_counter_offers_when_told_to() {
    let server = Server::whep(|signaller| signaller.set_property("send-counter-offer", true));
    let offer = server.post("/whep/endpoint", "");
    assert_eq!(offer.status(), 406);
    assert!(field(&offer, "content-type").starts_with("application/sdp; valid-until=\""));
    assert!(String::from_utf8_lossy(offer.body()).contains("a=sendonly"));
    let session = field(&offer, "location");
    let answer = |sdp: &str| {
        server
            .ask("PATCH", session, &[("content-type", "application/sdp")], sdp)
            .status()
            .as_u16()
    };
    assert_eq!([answer("nonsense"), answer(&sample("recvonly"))], [400, 204]);
    server.log.wait("answer");
    assert_eq!(server.ask("DELETE", session, &[], "").status(), 200);
}

#[test]
fn whep_endpoints_are_recognised_and_serve_many() {
    let server = Server::whep(|_| {});
    let head = server.ask("HEAD", "/whep/endpoint", &[], "");
    assert_eq!(
        (head.status().as_u16(), field(&head, "content-type")),
        (200, "application/sdp")
    );
    for n in 0..3 {
        assert_eq!(
            server
                .post("/whep/endpoint", &unique_offer("recvonly", n))
                .status(),
            201
        );
    }
}

#[test]
fn encryption_is_used_when_asked_for_and_only_then() {
    let dir = std::env::temp_dir().join(format!("wish-tls-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let (cert, key) = (dir.join("cert.pem"), dir.join("key.pem"));
    let made = std::process::Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
        ])
        .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&cert)
        .output()
        .expect("openssl is there");
    assert!(made.status.success(), "{made:?}");
    let server = Server::whip(|signaller| {
        signaller.set_property("host-addr", "https://127.0.0.1:0");
        signaller.set_property("tls-cert", cert.to_str());
        signaller.set_property("tls-key", key.to_str());
    });
    assert!(server.url("").starts_with("https://"));
    let get = || {
        Request::get(server.url("/whip/endpoint"))
            .body(Bytes::new())
            .unwrap()
    };
    let fetch = |cafile: Option<&std::path::Path>| {
        let client = Client::new(tls::client_config(cafile, false).unwrap()).unwrap();
        runtime::block_on(async { client.fetch(get(), Some(PATIENCE)).await })
    };
    assert_eq!(fetch(Some(&cert)).unwrap().status(), 204);
    assert!(fetch(None).is_err());
    std::fs::remove_dir_all(dir).unwrap();
}
