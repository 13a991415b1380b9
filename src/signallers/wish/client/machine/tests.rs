// SPDX-License-Identifier: MPL-2.0
//! Scripts of the element's words and the server's answers, and what comes of them.

use url::Url;

use super::super::super::{description::sample, redirect::MAX_REDIRECTS};
use super::*;

const CANDIDATE: &str = "candidate:1 1 UDP 1 192.0.2.1 5000 typ host";

struct Client {
    machine: Machine,
    now: Instant,
}

impl Client {
    fn new(kind: Kind, uses_links: bool) -> Self {
        gst::init().unwrap();
        let endpoint = Url::parse("https://a.example/whip/endpoint").unwrap();
        let policy = Policy {
            kind,
            endpoint,
            uses_links,
            timeout: Some(Duration::from_secs(15)),
        };
        Self {
            machine: Machine::new(policy),
            now: Instant::now(),
        }
    }

    fn handle(&mut self, input: Input) -> Vec<Action> {
        self.machine.handle(self.now, SystemTime::UNIX_EPOCH, input)
    }

    /// Lets the element make a whole offer and gives the POST.
    fn offer(&mut self, id: &str) -> Fetch {
        self.handle(Input::LocalDescription {
            id: id.into(),
            sdp: sample("sendonly"),
        });
        fetch(&self.handle(Input::LocalCandidate {
            id: id.into(),
            m_line: 0,
            candidate: String::new(),
        }))
    }

    fn answer(&mut self, fetch: &Fetch, response: Response<Bytes>) -> Vec<Action> {
        self.handle(Input::Fetched {
            serial: fetch.serial,
            outcome: Ok(response),
        })
    }

    fn fail(&mut self, fetch: &Fetch, error: FetchError) -> Vec<Action> {
        self.handle(Input::Fetched {
            serial: fetch.serial,
            outcome: Err(error),
        })
    }

    fn ended(&mut self, id: &str, kind: SessionEndReason) -> Vec<Action> {
        self.handle(Input::Ended {
            id: id.into(),
            reason: EndReason::new(kind, ""),
        })
    }

    /// A session whose media flowed, at https://a.example/s/1 with tag `"t"`.
    fn running() -> Self {
        let mut client = Self::new(Kind::Whip, false);
        client.handle(Input::Start);
        let post = client.offer("unique");
        client.answer(&post, created());
        client.handle(Input::Connected { id: "unique".into() });
        client
    }

    fn skip(&mut self) -> Vec<Action> {
        self.now = self.machine.next_deadline().expect("a deadline");
        self.handle(Input::Tick)
    }
}

fn response(status: u16, fields: &[(&str, &str)], body: &str) -> Response<Bytes> {
    let mut response = Response::builder().status(status);
    for (name, value) in fields {
        response = response.header(*name, *value);
    }
    response.body(Bytes::from(body.to_owned())).unwrap()
}

fn created() -> Response<Bytes> {
    response(
        201,
        &[("location", "/s/1"), ("etag", "\"t\"")],
        &sample("recvonly"),
    )
}

fn fetch(actions: &[Action]) -> Fetch {
    let found = actions.iter().find_map(|action| match action {
        Action::Fetch(fetch) => Some((**fetch).clone()),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("no request in {actions:?}"))
}

fn error(actions: &[Action]) -> &str {
    let found = actions.iter().find_map(|action| match action {
        Action::Error(text) => Some(text.as_str()),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("no error in {actions:?}"))
}

fn starts(actions: &[Action]) -> Option<&str> {
    actions.iter().find_map(|action| match action {
        Action::StartSession { id } => Some(id.as_str()),
        _ => None,
    })
}

fn ends(actions: &[Action]) -> bool {
    actions
        .iter()
        .any(|action| matches!(action, Action::EndSession { .. }))
}

#[test]
fn an_offer_is_posted_and_its_answer_handed_over() {
    let mut client = Client::new(Kind::Whip, false);
    assert_eq!(starts(&client.handle(Input::Start)), Some("unique"));
    let post = client.offer("unique");
    assert_eq!(
        (post.method.as_str(), post.content_type),
        ("POST", Some("application/sdp"))
    );
    assert_eq!(post.target.url.as_str(), "https://a.example/whip/endpoint");
    assert!(post.target.is_trusted && post.body.contains("a=rtcp-mux-only"));
    let actions = client.answer(&post, created());
    assert_eq!(
        actions,
        [Action::Answer {
            id: "unique".into(),
            sdp: sample("recvonly")
        }]
    );
    let delete = fetch(&client.handle(Input::Stop));
    assert_eq!(
        (delete.method.as_str(), delete.target.url.as_str()),
        ("DELETE", "https://a.example/s/1")
    );
}

#[test]
fn an_offer_does_not_wait_long_for_candidates_and_the_rest_is_trickled() {
    let mut client = Client::new(Kind::Whip, false);
    client.handle(Input::Start);
    assert!(
        client
            .handle(Input::LocalDescription {
                id: "unique".into(),
                sdp: sample("sendonly")
            })
            .is_empty()
    );
    let post = fetch(&client.skip());
    let late = Input::LocalCandidate {
        id: "unique".into(),
        m_line: 0,
        candidate: CANDIDATE.into(),
    };
    assert!(client.handle(late).is_empty());
    let patch = fetch(&client.answer(&post, created()));
    assert_eq!(
        (patch.method.as_str(), patch.target.url.path()),
        ("PATCH", "/s/1")
    );
    assert_eq!(patch.if_match.as_deref(), Some("\"t\""));
    assert!(
        patch.body.contains(CANDIDATE)
            && patch.body.contains("a=mid:0")
            && patch.body.contains("a=ice-ufrag:EsAw")
    );
    assert!(
        client
            .handle(Input::Gathered {
                id: "unique".into(),
                candidates: vec![]
            })
            .is_empty()
    );
    let last = fetch(&client.answer(&patch, response(204, &[], "")));
    assert!(last.body.contains("a=end-of-candidates") && !last.body.contains(CANDIDATE));
    assert!(client.answer(&last, response(204, &[], "")).is_empty());
}

#[test]
fn a_server_without_trickle_is_left_alone() {
    for status in [405, 501, 422, 400] {
        let mut client = Client::running();
        let late = Input::LocalCandidate {
            id: "unique".into(),
            m_line: 0,
            candidate: CANDIDATE.into(),
        };
        let patch = fetch(&client.handle(late));
        assert!(matches!(
            client.answer(&patch, response(status, &[], ""))[..],
            [Action::Warn(_)]
        ));
        let more = Input::LocalCandidate {
            id: "unique".into(),
            m_line: 0,
            candidate: CANDIDATE.into(),
        };
        assert!(client.handle(more).is_empty());
    }
}

#[test]
fn a_lost_patch_is_repeated() {
    let mut client = Client::running();
    let late = Input::LocalCandidate {
        id: "unique".into(),
        m_line: 0,
        candidate: CANDIDATE.into(),
    };
    let patch = fetch(&client.handle(late));
    assert!(client.fail(&patch, FetchError::Lost("reset".into())).is_empty());
    assert_eq!(fetch(&client.skip()).body, patch.body);
}

#[test]
fn redirects_are_followed_and_the_token_stays_at_home() {
    let mut client = Client::new(Kind::Whip, false);
    client.handle(Input::Start);
    let first = client.offer("unique");
    let second = fetch(&client.answer(&first, response(307, &[("location", "/eu/whip")], "")));
    assert_eq!(second.target.url.as_str(), "https://a.example/eu/whip");
    let third = fetch(&client.answer(
        &second,
        response(308, &[("location", "https://b.example/x/")], ""),
    ));
    assert!(second.target.is_trusted && !third.target.is_trusted);
    assert_eq!(third.body, first.body);
    client.answer(&third, response(201, &[("location", "s/1")], &sample("recvonly")));
    let delete = fetch(&client.handle(Input::Stop));
    assert_eq!(delete.target.url.as_str(), "https://b.example/x/s/1");
    assert!(!delete.target.is_trusted);
}

#[test]
fn redirects_that_are_not_allowed_or_never_end_are_errors() {
    for status in [301, 302, 303] {
        let mut client = Client::new(Kind::Whip, false);
        client.handle(Input::Start);
        let post = client.offer("unique");
        let actions = client.answer(&post, response(status, &[("location", "/b")], ""));
        assert!(error(&actions).contains(&status.to_string()));
    }
    let mut client = Client::new(Kind::Whip, false);
    client.handle(Input::Start);
    let mut post = client.offer("unique");
    for _ in 0..MAX_REDIRECTS {
        post = fetch(&client.answer(&post, response(307, &[("location", "/again")], "")));
    }
    let actions = client.answer(&post, response(307, &[("location", "/again")], ""));
    assert_eq!(error(&actions), "Too many redirects. Unable to connect.");
}

#[test]
fn refusals_name_status_and_body() {
    let mut client = Client::new(Kind::Whip, false);
    client.handle(Input::Start);
    let post = client.offer("unique");
    let actions = client.answer(&post, response(403, &[], "wrong\r\ntoken"));
    assert_eq!(error(&actions), "Unexpected response: 403 Forbidden - wrongtoken");
}

#[test]
fn answers_that_cannot_be_used_are_errors_and_their_sessions_deleted() {
    let cases = [
        (response(201, &[], &sample("recvonly")), false),
        (
            response(201, &[("location", "ftp://x/")], &sample("recvonly")),
            false,
        ),
        (response(201, &[("location", "/s/1")], "garbage"), true),
        (
            response(201, &[("location", "/s/1")], "v=0\r\nm=audio 9 A 0\r\n"),
            true,
        ),
    ];
    for (answer, deletes) in cases {
        let mut client = Client::new(Kind::Whip, false);
        client.handle(Input::Start);
        let post = client.offer("unique");
        let actions = client.answer(&post, answer);
        assert!(!error(&actions).is_empty());
        assert_eq!(
            actions
                .iter()
                .any(|a| matches!(a, Action::Fetch(f) if f.method == "DELETE")),
            deletes
        );
    }
}

#[test]
fn retry_after_is_obeyed_with_back_off_for_as_long_as_the_server_says_so() {
    let mut client = Client::new(Kind::Whep, false);
    assert_eq!(starts(&client.handle(Input::Start)), Some("whep-client-offer"));
    let mut id = "whep-client-offer".to_owned();
    for seconds in [10, 20, 40, 60, 60] {
        let post = client.offer(&id);
        let actions = client.answer(&post, response(409, &[("retry-after", "10")], ""));
        assert!(ends(&actions));
        assert_eq!(
            client.machine.next_deadline(),
            Some(client.now + Duration::from_secs(seconds))
        );
        id = starts(&client.skip()).unwrap().to_owned();
    }
    assert_eq!(id, "whep-client-offer-6");
    let post = client.offer(&id);
    assert!(matches!(
        client.answer(&post, created())[..],
        [Action::Answer { .. }]
    ));
}

#[test]
fn a_lost_post_is_repeated_but_a_refused_connection_is_final() {
    let mut client = Client::new(Kind::Whip, false);
    client.handle(Input::Start);
    let post = client.offer("unique");
    let again = fetch(&client.fail(&post, FetchError::Lost("reset".into())));
    assert_eq!(again.body, post.body);
    let again = fetch(&client.fail(&again, FetchError::Lost("reset".into())));
    assert!(error(&client.fail(&again, FetchError::Lost("reset".into()))).contains("reset"));

    let mut client = Client::new(Kind::Whip, false);
    client.handle(Input::Start);
    let post = client.offer("unique");
    assert!(error(&client.fail(&post, FetchError::Connect("refused".into()))).contains("refused"));
}

#[test]
fn the_whole_chain_shares_one_timeout() {
    let mut client = Client::new(Kind::Whip, false);
    client.handle(Input::Start);
    let post = client.offer("unique");
    client.now += Duration::from_secs(10);
    let second = fetch(&client.answer(&post, response(307, &[("location", "/b")], "")));
    assert_eq!(second.timeout, Some(Duration::from_secs(5)));
    let actions = client.fail(&second, FetchError::Timeout(Duration::from_secs(5)));
    assert_eq!(error(&actions), "Request timeout, elapsed 15 s");
}

#[test]
fn links_are_asked_for_before_the_offer_is_made() {
    let mut client = Client::new(Kind::Whip, true);
    let options = fetch(&client.handle(Input::Start));
    assert_eq!(options.method, Method::OPTIONS);
    let actions = client.answer(
        &options,
        response(200, &[("link", "<stun:a>; rel=\"ice-server\"")], ""),
    );
    assert!(
        matches!(&actions[..], [Action::UseServers(servers), Action::StartSession { .. }] if servers.len() == 1)
    );
    let mut client = Client::new(Kind::Whip, true);
    let options = fetch(&client.handle(Input::Start));
    assert!(starts(&client.answer(&options, response(405, &[], ""))).is_some());
    let mut client = Client::new(Kind::Whip, true);
    let options = fetch(&client.handle(Input::Start));
    assert!(starts(&client.fail(&options, FetchError::Connect("refused".into()))).is_some());
}

#[test]
fn servers_that_came_too_late_are_used_for_another_try() {
    let mut client = Client::new(Kind::Whip, true);
    let options = fetch(&client.handle(Input::Start));
    client.answer(&options, response(200, &[], ""));
    let post = client.offer("unique");
    let link = "<turn:t>; rel=\"ice-server\"; username=\"u\"; credential=\"p\"";
    let actions = client.answer(
        &post,
        response(201, &[("location", "/s/1"), ("link", link)], &sample("recvonly")),
    );
    assert!(matches!(actions[0], Action::UseServers(_)));
    client.ended("unique", SessionEndReason::IceFailed);
    assert_eq!(starts(&client.skip()), Some("unique-2"));
}

#[test]
fn links_are_not_used_unasked() {
    let mut client = Client::new(Kind::Whip, false);
    client.handle(Input::Start);
    let post = client.offer("unique");
    let link = ("link", "<stun:a>; rel=\"ice-server\"");
    let actions = client.answer(
        &post,
        response(201, &[("location", "/s/1"), link], &sample("recvonly")),
    );
    assert!(!actions.iter().any(|a| matches!(a, Action::UseServers(_))));
}

#[test]
fn a_session_that_worked_is_replaced() {
    let mut client = Client::running();
    let actions = client.ended("unique", SessionEndReason::IceFailed);
    assert_eq!(fetch(&actions).method, Method::DELETE);
    assert_eq!(starts(&client.skip()), Some("unique-2"));
    let post = client.offer("unique-2");
    assert!(ends(&client.fail(&post, FetchError::Connect("refused".into()))));
    assert_eq!(starts(&client.skip()), Some("unique-3"));
    let post = client.offer("unique-3");
    client.answer(&post, created());
    client.handle(Input::Connected {
        id: "unique-3".into(),
    });
    assert!(
        starts(&{
            client.ended("unique-3", SessionEndReason::Stalled);
            client.skip()
        })
        .is_some()
    );
}

#[test]
fn replacing_is_given_up_in_the_end() {
    let mut client = Client::running();
    client.ended("unique", SessionEndReason::IceFailed);
    for tries in 0..20 {
        let id = starts(&client.skip()).unwrap().to_owned();
        let post = client.offer(&id);
        let actions = client.fail(&post, FetchError::Connect("refused".into()));
        if actions.iter().any(|a| matches!(a, Action::Error(_))) {
            assert!(tries >= 4);
            return;
        }
    }
    panic!("never given up");
}

#[test]
fn a_session_that_never_worked_is_an_error() {
    for kind in [
        SessionEndReason::IceFailed,
        SessionEndReason::NoCommonCodec,
        SessionEndReason::Internal,
    ] {
        let mut client = Client::new(Kind::Whip, false);
        client.handle(Input::Start);
        let post = client.offer("unique");
        client.answer(&post, created());
        assert!(error(&client.ended("unique", kind)).contains(kind.nick()));
    }
}

#[test]
fn an_end_on_purpose_deletes_and_is_no_error() {
    let mut client = Client::running();
    let actions = client.ended("unique", SessionEndReason::Closed);
    assert_eq!(actions.len(), 1);
    assert_eq!(fetch(&actions).method, Method::DELETE);
    assert!(client.handle(Input::Stop).is_empty());
    assert!(client.ended("unique", SessionEndReason::Closed).is_empty());
}

#[test]
fn stopping_cancels_what_is_open() {
    let mut client = Client::new(Kind::Whip, false);
    client.handle(Input::Start);
    let post = client.offer("unique");
    assert_eq!(
        client.handle(Input::Stop),
        [Action::Cancel { serial: post.serial }]
    );
    assert!(client.answer(&post, created()).is_empty());
}

#[test]
fn words_about_other_sessions_change_nothing() {
    let mut client = Client::running();
    assert!(client.ended("other", SessionEndReason::IceFailed).is_empty());
    assert!(
        client
            .handle(Input::Gathered {
                id: "other".into(),
                candidates: vec![]
            })
            .is_empty()
    );
    assert!(
        client
            .handle(Input::LocalDescription {
                id: "other".into(),
                sdp: sample("sendonly")
            })
            .is_empty()
    );
}

fn restart(client: &mut Client) -> Fetch {
    let sdp = sample("sendonly").replace("EsAw", "NEW1") + &format!("a={CANDIDATE}\r\n");
    fetch(&client.handle(Input::LocalDescription {
        id: "unique".into(),
        sdp,
    }))
}

#[test]
fn other_credentials_restart_ice() {
    let mut client = Client::running();
    let patch = restart(&mut client);
    assert_eq!(
        (patch.method.as_str(), patch.if_match.as_deref()),
        ("PATCH", Some("\"*\""))
    );
    assert!(patch.body.contains("a=ice-ufrag:NEW1"));
    let body = format!(
        "a=ice-ufrag:SRV2\r\na=ice-pwd:{}\r\nm=audio 9 A 0\r\na=mid:0\r\na={CANDIDATE}\r\n",
        "s".repeat(24)
    );
    let actions = client.answer(&patch, response(200, &[("etag", "\"t2\"")], &body));
    assert!(matches!(&actions[0], Action::Answer { sdp, .. } if sdp.contains("a=ice-ufrag:SRV2")));
    assert!(matches!(&actions[1], Action::Candidate { m_line: 0, .. }));
    let late = Input::LocalCandidate {
        id: "unique".into(),
        m_line: 0,
        candidate: CANDIDATE.replace("5000", "5001"),
    };
    assert_eq!(fetch(&client.handle(late)).if_match.as_deref(), Some("\"t2\""));
}

#[test]
fn a_server_that_wants_the_bare_asterisk_gets_it() {
    let mut client = Client::running();
    let patch = restart(&mut client);
    let second = fetch(&client.answer(&patch, response(412, &[], "")));
    assert_eq!(second.if_match.as_deref(), Some("*"));
}

#[test]
fn where_ice_cannot_be_restarted_the_session_is_replaced() {
    let mut client = Client::running();
    let patch = restart(&mut client);
    let second = fetch(&client.answer(&patch, response(422, &[], "")));
    let actions = client.answer(&second, response(422, &[], ""));
    assert!(ends(&actions));
    assert_eq!(fetch(&actions).method, Method::DELETE);
    assert_eq!(starts(&client.skip()), Some("unique-2"));
}

#[test]
fn an_ordinary_renegotiation_is_not_possible() {
    let mut client = Client::running();
    let actions = client.handle(Input::LocalDescription {
        id: "unique".into(),
        sdp: sample("sendonly"),
    });
    assert!(matches!(actions[..], [Action::Warn(_)]));
}

fn counter_offered() -> (Client, Vec<Action>) {
    let mut client = Client::new(Kind::Whep, false);
    client.handle(Input::Start);
    let post = client.offer("whep-client-offer");
    let fields = [
        ("location", "/s/1"),
        ("content-type", "application/sdp; valid-until=\"x\""),
    ];
    let actions = client.answer(&post, response(406, &fields, &sample("sendonly")));
    (client, actions)
}

#[test]
fn a_counter_offer_is_answered_by_patch() {
    let (mut client, actions) = counter_offered();
    assert!(
        matches!(&actions[..], [Action::EndSession { .. }, Action::CounterOffer { id, .. }] if id == "whep-server-sent-offer")
    );
    let patch = client.offer("whep-server-sent-offer");
    assert_eq!(
        (patch.method.as_str(), patch.content_type),
        ("PATCH", Some("application/sdp"))
    );
    assert_eq!(patch.target.url.path(), "/s/1");
    assert!(client.answer(&patch, response(204, &[], "")).is_empty());
    assert_eq!(fetch(&client.handle(Input::Stop)).method, Method::DELETE);
}

#[test]
fn a_refused_answer_to_a_counter_offer_is_an_error() {
    let (mut client, _) = counter_offered();
    let patch = client.offer("whep-server-sent-offer");
    assert!(error(&client.answer(&patch, response(400, &[], "no"))).contains("400"));
}

#[test]
fn only_sdp_makes_406_a_counter_offer() {
    let mut client = Client::new(Kind::Whep, false);
    client.handle(Input::Start);
    let post = client.offer("whep-client-offer");
    assert!(error(&client.answer(&post, response(406, &[], "no"))).starts_with("Unexpected response: 406"));
    let mut client = Client::new(Kind::Whip, false);
    client.handle(Input::Start);
    let post = client.offer("unique");
    let fields = [("location", "/s/1"), ("content-type", "application/sdp")];
    assert!(error(&client.answer(&post, response(406, &fields, &sample("sendonly")))).contains("406"));
}
