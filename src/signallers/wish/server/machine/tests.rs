// SPDX-License-Identifier: MPL-2.0
//! Scripts of requests and of the element's words, and what comes of them.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, header};

use super::super::super::description::{Flow, sample};
use super::super::super::sdpfrag::Fragment;
use super::super::protocol;
use super::*;

const CANDIDATE: &str = "candidate:1 1 UDP 1 192.0.2.1 5000 typ host";

struct Server {
    machine: Machine,
    now: Instant,
    replies: u64,
}

impl Server {
    fn new(kind: Kind, capacity: usize) -> Self {
        gst::init().unwrap();
        let links = vec![HeaderValue::from_static("<stun:a>; rel=\"ice-server\"")];
        let policy = Policy {
            kind,
            capacity,
            timeout: Some(Duration::from_secs(15)),
            links,
        };
        Self {
            machine: Machine::new(policy),
            now: Instant::now(),
            replies: 0,
        }
    }

    fn whip() -> Self {
        Self::new(Kind::Whip, 1)
    }

    fn handle(&mut self, input: Input) -> Vec<Action> {
        self.machine.handle(self.now, SystemTime::UNIX_EPOCH, input)
    }

    fn ask(&mut self, ask: Ask) -> Vec<Action> {
        self.replies += 1;
        let names = Names {
            id: format!("id{}", self.replies),
            resource: format!("r{}", self.replies),
            etag: EntityTag::received(&format!("\"t{}\"", self.replies)),
        };
        self.handle(Input::Request {
            reply: ReplyId(self.replies),
            ask,
            names,
            has_media: true,
        })
    }

    fn post(&mut self, sdp: &str) -> Vec<Action> {
        let flow = if self.machine.policy.kind == Kind::Whip {
            Flow::Publish
        } else {
            Flow::Play
        };
        let offer = protocol::offer(&Bytes::from(sdp.to_owned()), flow).unwrap();
        self.ask(Ask::Post {
            chosen: None,
            offer: Some(offer),
        })
    }

    fn patch(&mut self, resource: &str, if_match: Option<&str>, text: &str) -> Vec<Action> {
        let body = PatchBody::Fragment(Fragment::parse(text).unwrap());
        self.ask(Ask::Patch {
            resource: resource.into(),
            if_match: if_match.map(str::to_owned),
            body,
        })
    }

    /// A session with id `id1`, resource `r1` and tag `"t1"`.
    fn established(kind: Kind) -> Self {
        let mut server = Self::new(kind, if kind == Kind::Whip { 1 } else { 2 });
        server.post(&sample(if kind == Kind::Whip {
            "sendonly"
        } else {
            "recvonly"
        }));
        server.describe("id1");
        assert_eq!(
            statuses(&server.handle(Input::Gathered {
                id: "id1".into(),
                candidates: vec![]
            })),
            [201]
        );
        server
    }

    fn describe(&mut self, id: &str) -> Vec<Action> {
        let mut actions = self.handle(Input::LocalDescription {
            id: id.into(),
            sdp: sample("recvonly"),
        });
        actions.extend(self.handle(Input::LocalCandidate {
            id: id.into(),
            m_line: 0,
            candidate: CANDIDATE.into(),
        }));
        actions
    }
}

fn statuses(actions: &[Action]) -> Vec<u16> {
    let status = |action: &Action| match action {
        Action::Reply { response, .. } => Some(response.status().as_u16()),
        _ => None,
    };
    actions.iter().filter_map(status).collect()
}

fn reply(actions: &[Action]) -> &Response {
    let found = actions.iter().find_map(|a| match a {
        Action::Reply { response, .. } => Some(response),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("no reply in {actions:?}"))
}

fn ends(actions: &[Action]) -> usize {
    actions.iter().filter(|a| matches!(a, Action::End { .. })).count()
}

#[test]
fn an_offer_starts_a_session_and_its_answer_goes_out_with_all_candidates() {
    let mut server = Server::whip();
    let actions = server.post(&sample("sendonly"));
    assert!(matches!(&actions[..], [Action::Start { id, offer: Some(_) }] if id == "id1"));
    assert!(server.describe("id1").is_empty());
    let actions = server.handle(Input::Gathered {
        id: "id1".into(),
        candidates: vec![],
    });
    let response = reply(&actions);
    assert_eq!(response.status(), 201);
    assert_eq!(response.headers()[header::LOCATION], "/whip/resource/r1");
    assert_eq!(response.headers()[header::ETAG], "\"t1\"");
    assert_eq!(response.headers()[header::LINK], "<stun:a>; rel=\"ice-server\"");
    let body = String::from_utf8_lossy(response.body());
    assert!(
        body.contains(CANDIDATE) && body.contains("a=rtcp-mux-only") && body.contains("a=end-of-candidates")
    );
}

#[test]
fn an_answer_does_not_wait_for_candidates_that_never_come() {
    let mut server = Server::whip();
    server.post(&sample("sendonly"));
    server.describe("id1");
    server.now = server.machine.next_deadline().unwrap();
    assert_eq!(statuses(&server.handle(Input::Tick)), [201]);
    assert_eq!(server.machine.next_deadline(), None);
}

#[test]
fn an_element_that_says_nothing_costs_its_timeout() {
    let mut server = Server::whip();
    server.post(&sample("sendonly"));
    server.now += Duration::from_secs(14);
    assert!(server.handle(Input::Tick).is_empty());
    server.now += Duration::from_secs(1);
    let actions = server.handle(Input::Tick);
    assert_eq!((statuses(&actions), ends(&actions)), (vec![500], 1));
    assert_eq!(server.machine.session_count(), 0);
}

#[test]
fn a_second_publisher_is_told_to_come_back() {
    let mut server = Server::established(Kind::Whip);
    let actions = server.post(&sample("sendonly").replace("EsAw", "Othr"));
    assert_eq!(statuses(&actions), [409]);
    assert!(reply(&actions).headers().contains_key(header::RETRY_AFTER));
    assert_eq!(
        statuses(&server.ask(Ask::Delete {
            resource: "r1".into()
        })),
        [200]
    );
    assert!(matches!(
        server.post(&sample("sendonly"))[..],
        [Action::Start { .. }]
    ));
}

#[test]
fn players_are_served_up_to_the_limit() {
    let mut server = Server::new(Kind::Whep, 2);
    for n in 0..2 {
        let actions = server.post(&sample("recvonly").replace("EsAw", &format!("user{n}")));
        assert!(matches!(actions[..], [Action::Start { .. }]));
    }
    let actions = server.post(&sample("recvonly"));
    assert_eq!(statuses(&actions), [503]);
    assert!(reply(&actions).headers().contains_key(header::RETRY_AFTER));
}

#[test]
fn a_repeated_post_gets_the_session_it_made() {
    let mut server = Server::whip();
    server.post(&sample("sendonly"));
    assert!(server.post(&sample("sendonly")).is_empty());
    server.describe("id1");
    let actions = server.handle(Input::Gathered {
        id: "id1".into(),
        candidates: vec![],
    });
    assert_eq!(statuses(&actions), [201, 201]);
    let again = server.post(&sample("sendonly"));
    assert_eq!(reply(&again).headers()[header::LOCATION], "/whip/resource/r1");
    assert_eq!(server.machine.session_count(), 1);
}

#[test]
fn a_name_is_used_once() {
    let mut server = Server::established(Kind::Whep);
    server.replies = 0;
    assert_eq!(
        statuses(&server.post(&sample("recvonly").replace("EsAw", "Othr"))),
        [409]
    );
}

#[test]
fn nobody_waiting_means_nobody_knows_the_session() {
    let mut server = Server::whip();
    server.post(&sample("sendonly"));
    server.post(&sample("sendonly"));
    assert!(server.handle(Input::Abandoned { reply: ReplyId(1) }).is_empty());
    assert_eq!(ends(&server.handle(Input::Abandoned { reply: ReplyId(2) })), 1);
    assert_eq!(server.machine.session_count(), 0);
}

#[test]
fn an_abandoned_request_of_a_running_session_changes_nothing() {
    let mut server = Server::established(Kind::Whip);
    assert!(server.handle(Input::Abandoned { reply: ReplyId(1) }).is_empty());
    assert_eq!(server.machine.session_count(), 1);
}

#[test]
fn delete_ends_what_is_there_and_misses_what_is_not() {
    let mut server = Server::established(Kind::Whip);
    assert_eq!(
        statuses(&server.ask(Ask::Delete {
            resource: "id1".into()
        })),
        [404]
    );
    let actions = server.ask(Ask::Delete {
        resource: "r1".into(),
    });
    assert_eq!((statuses(&actions), ends(&actions)), (vec![200], 1));
    assert_eq!(
        statuses(&server.ask(Ask::Delete {
            resource: "r1".into()
        })),
        [404]
    );
    assert_eq!(
        statuses(&server.ask(Ask::Look {
            resource: "r1".into()
        })),
        [404]
    );
}

#[test]
fn preconditions_are_checked_and_not_for_delete() {
    let mut server = Server::established(Kind::Whip);
    let fragment = format!("m=audio 9 A 0\na=mid:0\na={CANDIDATE}\n");
    for (resource, if_match, expected) in [
        ("r1", None, 428),
        ("r1", Some("\"old\""), 412),
        ("r9", Some("\"t1\""), 404),
        ("r1", Some("\"t1\""), 204),
    ] {
        let actions = server.patch(resource, if_match, &fragment);
        assert_eq!(statuses(&actions), [expected]);
        assert_eq!(actions.len(), if expected == 204 { 2 } else { 1 });
    }
    assert_eq!(
        statuses(&server.ask(Ask::Look {
            resource: "r1".into()
        })),
        [204]
    );
}

#[test]
fn candidates_reach_the_section_they_name() {
    let mut server = Server::established(Kind::Whip);
    let actions = server.patch(
        "r1",
        Some("\"t1\""),
        &format!("m=video 9 A 0\na=mid:1\na={CANDIDATE}\n"),
    );
    assert!(matches!(&actions[0], Action::Candidate { m_line: 1, mid: Some(mid), .. } if mid == "1"));
    assert_eq!(
        statuses(&server.patch(
            "r1",
            Some("\"t1\""),
            &format!("m=video 9 A 0\na=mid:7\na={CANDIDATE}\n")
        )),
        [400]
    );
}

fn restart_fragment() -> String {
    format!(
        "a=ice-ufrag:new1\na=ice-pwd:{}\nm=audio 9 A 0\na=mid:0\na={CANDIDATE}\n",
        "n".repeat(24)
    )
}

#[test]
fn a_restart_gets_new_credentials_and_a_new_tag() {
    let mut server = Server::established(Kind::Whip);
    let mut actions = server.patch("r1", Some("\"*\""), &restart_fragment());
    assert_eq!(actions.len(), 1);
    let ours = Credentials {
        ufrag: "ours".into(),
        pwd: "o".repeat(24),
    };
    let actions = server.machine.restarted(actions.remove(0), Some(ours));
    assert!(matches!(actions[0], Action::Candidate { m_line: 0, .. }));
    let response = reply(&actions);
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()[header::ETAG], "\"t2\"");
    assert_eq!(response.headers()[header::CONTENT_TYPE], response::SDP_FRAGMENT);
    let body = String::from_utf8_lossy(response.body());
    assert!(body.contains("a=ice-ufrag:ours") && body.contains(CANDIDATE));
    assert_eq!(
        statuses(&server.patch("r1", Some("\"t1\""), "a=end-of-candidates\n")),
        [412]
    );
    assert_eq!(
        statuses(&server.patch("r1", Some("\"t2\""), "a=end-of-candidates\n")),
        [204]
    );
}

#[test]
fn a_restart_that_cannot_be_served_leaves_the_session_alone() {
    let mut server = Server::established(Kind::Whip);
    let mut actions = server.patch("r1", Some("*"), &restart_fragment());
    assert_eq!(
        statuses(&server.machine.restarted(actions.remove(0), None)),
        [422]
    );
    assert_eq!(
        statuses(&server.patch("r1", Some("\"t1\""), "a=end-of-candidates\n")),
        [204]
    );
}

#[test]
fn new_credentials_need_a_restart() {
    let mut server = Server::established(Kind::Whip);
    assert_eq!(
        statuses(&server.patch("r1", Some("\"t1\""), &restart_fragment())),
        [422]
    );
}

#[test]
fn an_end_from_inside_is_told_to_those_who_wait() {
    let cases = [
        (SessionEndReason::BadDescription, 400),
        (SessionEndReason::NoCommonCodec, 422),
        (SessionEndReason::Internal, 500),
    ];
    for (kind, status) in cases {
        let mut server = Server::whip();
        server.post(&sample("sendonly"));
        let actions = server.handle(Input::Ended {
            id: "id1".into(),
            reason: EndReason::new(kind, "why"),
        });
        assert_eq!((statuses(&actions), ends(&actions)), (vec![status], 0));
        assert_eq!(server.machine.session_count(), 0);
    }
}

#[test]
fn an_end_from_inside_makes_room() {
    let mut server = Server::established(Kind::Whip);
    server.handle(Input::Ended {
        id: "id1".into(),
        reason: EndReason::new(SessionEndReason::IceFailed, ""),
    });
    assert_eq!(
        statuses(&server.ask(Ask::Delete {
            resource: "r1".into()
        })),
        [404]
    );
    assert!(matches!(
        server.post(&sample("sendonly"))[..],
        [Action::Start { .. }]
    ));
}

#[test]
fn a_publisher_is_received_whole_or_not_at_all() {
    let mut server = Server::whip();
    server.post(&sample("sendonly"));
    let sdp = sample("recvonly").replace("m=video 9", "m=video 0");
    server.handle(Input::LocalDescription {
        id: "id1".into(),
        sdp,
    });
    let actions = server.handle(Input::Gathered {
        id: "id1".into(),
        candidates: vec![],
    });
    assert_eq!((statuses(&actions), ends(&actions)), (vec![422], 1));
}

#[test]
fn words_nobody_waits_for_are_noted() {
    let mut server = Server::established(Kind::Whip);
    for id in ["id1", "unknown"] {
        let actions = server.handle(Input::LocalDescription {
            id: id.into(),
            sdp: String::new(),
        });
        assert!(matches!(actions[..], [Action::Ignored { .. }]));
    }
    assert!(
        server
            .handle(Input::Gathered {
                id: "unknown".into(),
                candidates: vec![]
            })
            .is_empty()
    );
}

fn counter_offer() -> Server {
    let mut server = Server::new(Kind::Whep, 2);
    let actions = server.ask(Ask::Post {
        chosen: None,
        offer: None,
    });
    assert!(matches!(&actions[..], [Action::Start { offer: None, .. }]));
    server.describe("id1");
    let actions = server.handle(Input::LocalCandidate {
        id: "id1".into(),
        m_line: 0,
        candidate: String::new(),
    });
    let response = reply(&actions);
    assert_eq!(response.status(), 406);
    let content_type = response.headers()[header::CONTENT_TYPE].to_str().unwrap();
    assert_eq!(
        content_type,
        "application/sdp; valid-until=\"Thu, 01 Jan 1970 00:00:30 GMT\""
    );
    assert_eq!(response.headers()[header::LOCATION], "/whep/resource/r1");
    server
}

fn answer_to(server: &mut Server, sdp: &str) -> Vec<Action> {
    let body = PatchBody::Answer(protocol::answer(&Bytes::from(sdp.to_owned())).unwrap());
    server.ask(Ask::Patch {
        resource: "r1".into(),
        if_match: None,
        body,
    })
}

#[test]
fn a_counter_offer_is_answered_by_patch() {
    let mut server = counter_offer();
    assert_eq!(
        statuses(&answer_to(&mut server, "v=0\r\nm=audio 9 A 0\r\n")),
        [400]
    );
    let actions = answer_to(&mut server, &sample("recvonly"));
    assert!(matches!(&actions[0], Action::Answer { id, .. } if id == "id1"));
    assert_eq!(statuses(&actions), [204]);
    let again = answer_to(&mut server, &sample("recvonly"));
    assert_eq!((statuses(&again), again.len()), (vec![204], 1));
    assert_eq!(statuses(&answer_to(&mut server, &sample("sendrecv"))), [409]);
}

#[test]
fn a_counter_offer_holds_half_a_minute() {
    let mut server = counter_offer();
    server.now += Duration::from_secs(30);
    assert_eq!(ends(&server.handle(Input::Tick)), 1);
    assert_eq!(statuses(&answer_to(&mut server, &sample("recvonly"))), [404]);
}

#[test]
fn players_that_come_before_the_media_are_told_to_come_back() {
    let mut server = Server::new(Kind::Whep, 2);
    let names = Names::guarded(None);
    let ask = Ask::Post {
        chosen: None,
        offer: None,
    };
    let actions = server.handle(Input::Request {
        reply: ReplyId(1),
        ask,
        names,
        has_media: false,
    });
    assert_eq!(statuses(&actions), [409]);
    assert!(reply(&actions).headers().contains_key(header::RETRY_AFTER));
    assert_eq!(server.machine.session_count(), 0);
}
