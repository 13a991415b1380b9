// SPDX-License-Identifier: MPL-2.0
//! Requests and what they are taken for.

use super::super::super::description::sample;
use super::*;

fn protocol(kind: Kind) -> Protocol {
    Protocol {
        kind,
        token: None,
        links: vec![HeaderValue::from_static("<stun:a>; rel=\"ice-server\"")],
        makes_counter_offers: false,
    }
}

fn head(
    protocol: &Protocol,
    method: &str,
    path: &str,
    fields: &[(&str, &str)],
) -> Result<Wanted, Box<Response>> {
    let mut request = http::Request::builder().method(method).uri(path);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    protocol.head(&request.body(()).unwrap().into_parts().0)
}

fn status(protocol: &Protocol, method: &str, path: &str, fields: &[(&str, &str)]) -> u16 {
    head(protocol, method, path, fields).map_or_else(|response| response.status().as_u16(), |_| 0)
}

#[test]
fn routes_and_methods() {
    let sdp = [("content-type", "application/sdp")];
    let fragment = [("content-type", "application/trickle-ice-sdpfrag")];
    let whip = protocol(Kind::Whip);
    // 0 stands for a question to the machine.
    let cases: [(&str, &str, &[(&str, &str)], u16); 17] = [
        ("POST", "/whip/endpoint", &sdp, 0),
        ("POST", "/whip/endpoint/", &sdp, 0),
        ("POST", "/whip/endpoint/cam-1", &sdp, 0),
        ("POST", "/whip/endpoint/a%20b", &sdp, 404),
        ("POST", "/whip/endpoint/a/b", &sdp, 404),
        ("POST", "/whep/endpoint", &sdp, 404),
        ("POST", "/", &sdp, 404),
        ("PATCH", "/whip/resource/x", &fragment, 0),
        ("DELETE", "/whip/resource/x", &[], 0),
        ("GET", "/whip/resource/x", &[], 0),
        ("GET", "/whip/endpoint", &[], 204),
        ("HEAD", "/whip/endpoint", &[], 204),
        ("OPTIONS", "/whip/endpoint", &[], 200),
        ("PUT", "/whip/endpoint", &[], 405),
        ("DELETE", "/whip/endpoint", &[], 405),
        ("POST", "/whip/resource/x", &sdp, 405),
        ("DELETE", "/whip/resource/", &[], 404),
    ];
    for (method, path, fields, expected) in cases {
        assert_eq!(status(&whip, method, path, fields), expected, "{method} {path}");
    }
}

#[test]
fn a_refused_method_names_the_allowed_ones() {
    let response = head(&protocol(Kind::Whip), "PUT", "/whip/resource/x", &[]).unwrap_err();
    assert_eq!(
        response.headers()[header::ALLOW],
        "PATCH, DELETE, GET, HEAD, OPTIONS"
    );
}

#[test]
fn media_types_are_compared_without_parameters_or_case() {
    let whip = protocol(Kind::Whip);
    for good in [
        "application/sdp",
        "application/sdp; charset=utf-8",
        "Application/SDP",
    ] {
        assert_eq!(
            status(&whip, "POST", "/whip/endpoint", &[("content-type", good)]),
            0,
            "{good}"
        );
    }
    for bad in ["text/plain", "application/sdpx", ""] {
        let response = head(&whip, "POST", "/whip/endpoint", &[("content-type", bad)]).unwrap_err();
        assert_eq!(response.status(), 415);
        assert_eq!(response.headers()[ACCEPT_POST], SDP);
    }
    assert_eq!(status(&whip, "POST", "/whip/endpoint", &[]), 415);
    assert_eq!(
        status(&whip, "PATCH", "/whip/resource/x", &[("content-type", SDP)]),
        415
    );
}

#[test]
fn a_whep_endpoint_can_be_recognised() {
    let response = head(&protocol(Kind::Whep), "HEAD", "/whep/endpoint", &[]).unwrap_err();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()[header::CONTENT_TYPE], SDP);
}

#[test]
fn the_token_is_asked_for_everywhere_but_in_preflights() {
    let whip = Protocol {
        token: Some("secret".into()),
        ..protocol(Kind::Whip)
    };
    for (method, path) in [
        ("POST", "/whip/endpoint"),
        ("GET", "/whip/endpoint"),
        ("PATCH", "/whip/resource/x"),
        ("DELETE", "/whip/resource/x"),
    ] {
        let refused = head(&whip, method, path, &[]).unwrap_err();
        assert_eq!(refused.status(), 401);
        assert_eq!(refused.headers()[header::WWW_AUTHENTICATE], "Bearer");
        for wrong in [
            "Bearer secre",
            "Bearer secret2",
            "Basic secret",
            "Bearer ",
            "secret",
        ] {
            assert_eq!(
                status(&whip, method, path, &[("authorization", wrong)]),
                401,
                "{wrong}"
            );
        }
    }
    assert_eq!(
        status(
            &whip,
            "DELETE",
            "/whip/resource/x",
            &[("authorization", "bearer  secret")]
        ),
        0
    );
    let preflight = [("origin", "https://a"), ("access-control-request-method", "POST")];
    assert_eq!(status(&whip, "OPTIONS", "/whip/endpoint", &preflight), 200);
}

#[test]
fn links_are_for_those_who_may_use_them() {
    let links = |protocol: &Protocol, fields: &[(&str, &str)]| {
        let response = head(protocol, "OPTIONS", "/whip/endpoint", fields).unwrap_err();
        assert_eq!(response.headers()[ACCEPT_POST], SDP);
        response.headers().get_all(header::LINK).iter().count()
    };
    let open = protocol(Kind::Whip);
    let guarded = Protocol {
        token: Some("secret".into()),
        ..open.clone()
    };
    assert_eq!(links(&open, &[]), 1);
    assert_eq!(
        links(
            &open,
            &[("origin", "https://a"), ("access-control-request-method", "POST")]
        ),
        0
    );
    assert_eq!(links(&guarded, &[]), 0);
    assert_eq!(links(&guarded, &[("authorization", "Bearer secret")]), 1);
}

#[test]
fn bodies_become_questions() {
    let post = head(
        &protocol(Kind::Whip),
        "POST",
        "/whip/endpoint/cam",
        &[("content-type", SDP)],
    )
    .unwrap();
    assert!(post.needs_body());
    match post.clone().with_body(&Bytes::from(sample("sendonly"))).unwrap() {
        Ask::Post { chosen, offer } => {
            assert_eq!(chosen.as_deref(), Some("cam"));
            assert_eq!(offer.unwrap().parsed.section_count(), 2);
        }
        other => panic!("{other:?}"),
    }
    let cases: [(&[u8], u16); 4] = [
        (b"garbage", 400),
        (b"\xff\xfe", 400),
        (b"", 400),
        (sample("recvonly").leak().as_bytes(), 422),
    ];
    for (body, expected) in cases {
        assert_eq!(
            post.clone()
                .with_body(&Bytes::from_static(body))
                .unwrap_err()
                .status(),
            expected
        );
    }
}

#[test]
fn fragments_become_questions() {
    let fields = [("content-type", SDP_FRAGMENT), ("if-match", "\"t\"")];
    let patch = head(&protocol(Kind::Whep), "PATCH", "/whep/resource/x", &fields).unwrap();
    assert!(patch.needs_body());
    assert_eq!(
        patch
            .clone()
            .with_body(&Bytes::from_static(b"nonsense"))
            .unwrap_err()
            .status(),
        400
    );
    let body = Bytes::from_static(b"a=end-of-candidates\r\n");
    match patch.with_body(&body).unwrap() {
        Ask::Patch {
            if_match,
            body: PatchBody::Fragment(_),
            ..
        } => assert_eq!(if_match.as_deref(), Some("\"t\"")),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_tag_in_the_wrong_field_counts() {
    let fields = [("content-type", SDP_FRAGMENT), ("etag", "\"t\"")];
    let patch = head(&protocol(Kind::Whip), "PATCH", "/whip/resource/x", &fields).unwrap();
    let ask = patch
        .with_body(&Bytes::from_static(b"a=end-of-candidates\r\n"))
        .unwrap();
    assert!(matches!(ask, Ask::Patch { if_match: Some(tag), .. } if tag == "\"t\""));
}

#[test]
fn with_counter_offers_the_body_of_a_post_is_not_looked_at() {
    let whep = Protocol {
        makes_counter_offers: true,
        ..protocol(Kind::Whep)
    };
    let post = head(&whep, "POST", "/whep/endpoint", &[]).unwrap();
    assert!(!post.needs_body());
    assert_eq!(
        post.with_body(&Bytes::new()).unwrap(),
        Ask::Post {
            chosen: None,
            offer: None
        }
    );
    let patch = head(&whep, "PATCH", "/whep/resource/x", &[("content-type", SDP)]).unwrap();
    let ask = patch.with_body(&Bytes::from(sample("recvonly"))).unwrap();
    assert!(matches!(
        ask,
        Ask::Patch {
            body: PatchBody::Answer(_),
            ..
        }
    ));
}

proptest::proptest! {
    #[test]
    fn no_path_panics(path in "/[a-z/.~-]{0,80}") {
        let _ = head(&protocol(Kind::Whip), "POST", &path, &[("content-type", SDP)]);
    }
}
