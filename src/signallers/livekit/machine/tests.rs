// SPDX-License-Identifier: MPL-2.0
//! Whole participations as sequences of inputs, in the order a livekit-server 1.13.5 was seen to send its messages.

use std::time::Duration;

use super::*;
use proto::leave_request::Action as LeaveAction;

const S: Duration = Duration::from_secs(1);

const OFFER: &str = "v=0\r\nm=video 9 X 96\r\na=mid:video0\r\na=ssrc:1 msid:cam t0\r\na=ssrc:1 cname:u\r\n\
    m=audio 9 X 97\r\na=mid:audio1\r\na=ssrc:2 msid:u t1\r\na=ssrc:2 cname:u\r\n";

/// A machine with its clock, and what it wanted done so far.
struct Run {
    now: Instant,
    machine: Machine,
    actions: Vec<Action>,
}

impl Run {
    fn new(is_publisher: bool, filter: Filter) -> Self {
        let now = Instant::now();
        let config = Config {
            is_publisher,
            filter,
            sources: vec![("cam".into(), proto::TrackSource::ScreenShare)],
            publish_timeout: 10 * S,
            room_timeout: None,
            reconnect_timeout: Some(60 * S),
        };
        Self {
            now,
            machine: Machine::new(now, config, 7),
            actions: Vec::new(),
        }
    }

    /// Feeds `input` and gives what came of it.
    fn feed(&mut self, input: Input) -> Vec<Action> {
        self.actions = self.machine.handle(self.now, input);
        std::mem::take(&mut self.actions)
    }

    /// A message of the server.
    fn receive(&mut self, response: Response) -> Vec<Action> {
        self.feed(Input::Received(Box::new(response)))
    }

    /// Lets time pass until the next deadline, at most `limit`.
    fn tick(&mut self, limit: Duration) -> Vec<Action> {
        let deadline = self.machine.deadline().unwrap_or(self.now + limit);
        self.now = deadline.min(self.now + limit);
        self.feed(Input::Tick)
    }

    /// Joined, with what that brought about.
    fn joined(is_publisher: bool, filter: Filter) -> (Self, Vec<Action>) {
        let mut run = Self::new(is_publisher, filter);
        run.feed(Input::Start);
        run.feed(Input::Opened);
        let actions = run.receive(join("PA_me", vec![]));
        (run, actions)
    }

    /// Two tracks published and answered.
    fn published() -> Self {
        let (mut run, _) = Self::joined(true, Filter::default());
        run.feed(offer("unique"));
        run.receive(acknowledged("t0", "TR_v"));
        run.receive(acknowledged("t1", "TR_a"));
        run.receive(Response::Answer(publisher::description("answer", "v=0\r\n", 1)));
        run
    }

    /// One offer answered.
    fn subscribed() -> Self {
        let (mut run, _) = Self::joined(false, Filter::default());
        run.receive(Response::Offer(publisher::description("offer", "v=0\r\n", 1)));
        run.feed(answer("unique"));
        run
    }

    /// The next connection, however many ticks it takes.
    fn reconnecting(&mut self) -> Attempt {
        for _ in 0..10 {
            if let Some(attempt) = attempts(&self.tick(10 * S)).pop() {
                return attempt;
            }
        }
        panic!("no attempt to reconnect");
    }
}

fn join(sid: &str, other_participants: Vec<proto::ParticipantInfo>) -> Response {
    Response::Join(proto::JoinResponse {
        participant: Some(proto::ParticipantInfo {
            sid: sid.into(),
            ..Default::default()
        }),
        other_participants,
        ping_interval: 5,
        ping_timeout: 15,
        ..Default::default()
    })
}

fn participant(sid: &str, tracks: &[&str]) -> proto::ParticipantInfo {
    let track = |sid: &&str| proto::TrackInfo {
        sid: (*sid).to_owned(),
        ..Default::default()
    };
    proto::ParticipantInfo {
        sid: sid.into(),
        identity: sid.to_lowercase(),
        state: proto::participant_info::State::Active.into(),
        tracks: tracks.iter().map(track).collect(),
        ..Default::default()
    }
}

fn update(participants: Vec<proto::ParticipantInfo>) -> Response {
    Response::Update(proto::ParticipantUpdate { participants })
}

fn acknowledged(cid: &str, sid: &str) -> Response {
    let track = proto::TrackInfo {
        sid: sid.into(),
        ..Default::default()
    };
    Response::TrackPublished(proto::TrackPublishedResponse {
        cid: cid.into(),
        track: Some(track),
    })
}

fn leave(action: LeaveAction, reason: proto::DisconnectReason) -> Response {
    let leave = proto::LeaveRequest {
        action: action.into(),
        reason: reason.into(),
        ..Default::default()
    };
    Response::Leave(leave)
}

fn offer(session: &str) -> Input {
    Input::Description {
        session: session.into(),
        kind: DescriptionKind::Offer,
        sdp: OFFER.into(),
    }
}

fn answer(session: &str) -> Input {
    Input::Description {
        session: session.into(),
        kind: DescriptionKind::Answer,
        sdp: "v=0\r\n".into(),
    }
}

fn found(session: &str, line: u32) -> Input {
    let candidate = Candidate {
        candidate: format!("candidate:{line}"),
        sdp_mid: None,
        sdp_m_line_index: Some(line),
    };
    Input::Candidate {
        session: session.into(),
        candidate,
    }
}

fn refusal(status: Option<u16>) -> Input {
    Input::Refused(Refusal {
        status,
        text: "refused".into(),
    })
}

fn requests(actions: &[Action]) -> Vec<&Request> {
    fn request(action: &Action) -> Option<&Request> {
        match action {
            Action::Send(request) => Some(&**request),
            _ => None,
        }
    }
    actions.iter().filter_map(request).collect()
}

fn reports(actions: &[Action]) -> Vec<&Report> {
    fn report(action: &Action) -> Option<&Report> {
        match action {
            Action::Report(report) => Some(report),
            _ => None,
        }
    }
    actions.iter().filter_map(report).collect()
}

fn attempts(actions: &[Action]) -> Vec<Attempt> {
    let attempt = |action: &Action| match action {
        Action::Connect(attempt) => Some(attempt.clone()),
        _ => None,
    };
    actions.iter().filter_map(attempt).collect()
}

fn failure(actions: &[Action]) -> Option<&Failure> {
    reports(actions).into_iter().find_map(|report| match report {
        Report::Failed(failure) => Some(failure),
        _ => None,
    })
}

fn session_ended(actions: &[Action]) -> Option<&str> {
    reports(actions).into_iter().find_map(|report| match report {
        Report::SessionEnded { session, .. } => Some(session.as_str()),
        _ => None,
    })
}

/// The kinds of requests, by the name of their variant.
fn kinds(actions: &[Action]) -> Vec<String> {
    let name = |request: &Request| {
        format!("{request:?}")
            .split('(')
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    requests(actions).into_iter().map(name).collect()
}

// Joining.

#[test]
fn a_publisher_joins_by_the_single_entrance_and_is_asked_for_an_offer() {
    let mut run = Run::new(true, Filter::default());
    let attempt = attempts(&run.feed(Input::Start)).remove(0);
    assert_eq!((attempt.route, attempt.purpose), (Route::Single, Purpose::Join));
    run.feed(Input::Opened);
    let actions = run.receive(join("PA_me", vec![]));
    let requested = Report::SessionRequested {
        session: "unique".into(),
    };
    assert!(reports(&actions).contains(&&requested), "{actions:?}");
    assert!(reports(&actions).contains(&&Report::State(ConnectionState::ServerConnected)));
}

#[test]
fn an_older_server_is_joined_by_the_other_entrance() {
    let mut run = Run::new(true, Filter::default());
    run.feed(Input::Start);
    let attempt = attempts(&run.feed(refusal(Some(404)))).remove(0);
    assert_eq!(attempt.route, Route::Dual);
    let actions = run.feed(refusal(Some(404)));
    assert_eq!(failure(&actions), Some(&Failure::Connect("refused".into())));
}

// Publishing: announcements, offers, answers, refusals.

#[test]
fn tracks_are_announced_before_the_offer_and_candidates_follow_it_in_order() {
    let (mut run, _) = Run::joined(true, Filter::default());
    let actions = run.feed(offer("unique"));
    assert_eq!(kinds(&actions), ["AddTrack", "AddTrack"]);
    let names: Vec<_> = requests(&actions)
        .into_iter()
        .map(|request| match request {
            Request::AddTrack(request) => (request.cid.as_str(), request.name.as_str(), request.source()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        names,
        [
            ("t0", "cam", proto::TrackSource::ScreenShare),
            ("t1", "audio1", proto::TrackSource::Microphone)
        ]
    );
    assert!(run.feed(found("unique", 0)).is_empty());
    assert!(run.feed(found("unique", 1)).is_empty());
    assert!(run.receive(acknowledged("t1", "TR_a")).is_empty());
    let actions = run.receive(acknowledged("t0", "TR_v"));
    assert_eq!(kinds(&actions), ["Offer", "Trickle", "Trickle"]);
    let Request::Trickle(first) = requests(&actions)[1] else {
        panic!()
    };
    let first = protocol::candidate(first).unwrap();
    assert_eq!(
        (first.candidate.as_str(), first.sdp_mid.as_deref()),
        ("candidate:0", Some("video0"))
    );
    assert_eq!(kinds(&run.feed(found("unique", 1))), ["Trickle"]);
}

#[test]
fn only_the_answer_to_the_newest_offer_counts() {
    let mut run = Run::published();
    let actions = run.feed(offer("unique"));
    assert_eq!(kinds(&actions), ["Offer"], "known tracks are not announced again");
    let stale = run.receive(Response::Answer(publisher::description("answer", "v=0\r\n", 1)));
    assert!(matches!(reports(&stale).as_slice(), [Report::Oddity(_)]));
    let fresh = run.receive(Response::Answer(publisher::description("answer", "v=0\r\n", 2)));
    assert!(matches!(
        reports(&fresh)[0],
        Report::Description {
            kind: DescriptionKind::Answer,
            ..
        }
    ));
    assert_eq!(reports(&fresh)[1], &Report::State(ConnectionState::Published));
}

#[test]
fn a_refused_track_is_the_end_at_once() {
    let (mut run, _) = Run::joined(true, Filter::default());
    run.feed(offer("unique"));
    let request = proto::AddTrackRequest {
        cid: "t0".into(),
        ..Default::default()
    };
    let actions = run.receive(Response::RequestResponse(proto::RequestResponse {
        reason: proto::request_response::Reason::NotAllowed.into(),
        message: "does not have permission".into(),
        request: Some(proto::request_response::Request::AddTrack(request)),
        ..Default::default()
    }));
    let text = failure(&actions).unwrap().to_string();
    assert_eq!(
        text,
        "the server refused to publish track \"cam\": not allowed does not have permission"
    );
    assert_eq!(session_ended(&actions), Some("unique"));
    assert_eq!(kinds(&actions), ["Leave"]);
    assert!(run.machine.is_over() && run.feed(Input::Tick).is_empty());
}

#[test]
fn an_unacknowledged_track_is_the_end_in_time() {
    let (mut run, _) = Run::joined(true, Filter::default());
    run.feed(offer("unique"));
    run.receive(acknowledged("t1", "TR_a"));
    run.now += 9 * S;
    run.receive(update(vec![]));
    assert!(failure(&run.feed(Input::Tick)).is_none());
    run.now += S;
    let actions = run.feed(Input::Tick);
    assert_eq!(
        failure(&actions),
        Some(&Failure::TrackTimeout {
            name: "cam".into(),
            seconds: 10
        })
    );
}

#[test]
fn tracks_without_acknowledgement_or_msid_do_no_harm() {
    let (mut run, _) = Run::joined(true, Filter::default());
    let sdp = "m=audio 9 X 97\r\nm=audio 9 X 97\r\n".into();
    let input = Input::Description {
        session: "unique".into(),
        kind: DescriptionKind::Offer,
        sdp,
    };
    assert_eq!(kinds(&run.feed(input)), ["AddTrack", "AddTrack"]);
    let empty = proto::TrackPublishedResponse {
        cid: "Audio-0-".into(),
        track: None,
    };
    run.receive(Response::TrackPublished(empty));
    let unknown = proto::TrackPublishedResponse {
        cid: "nobody".into(),
        track: None,
    };
    assert!(matches!(
        reports(&run.receive(Response::TrackPublished(unknown))).as_slice(),
        [Report::Oddity(_)]
    ));
}

/// Whether tracks are announced as muted, by name.
fn announced(actions: &[Action]) -> Vec<(&str, bool)> {
    let announcements = requests(actions).into_iter();
    let announced = announcements.filter_map(|request| match request {
        Request::AddTrack(request) => Some((request.name.as_str(), request.muted)),
        _ => None,
    });
    announced.collect()
}

fn muted(mid: &str, muted: bool) -> Report {
    let mid = mid.into();
    Report::TrackMuted { mid, muted }
}

#[test]
fn what_was_muted_stays_so_in_the_next_session() {
    let mut run = Run::published();
    let name = "cam".to_owned();
    run.feed(Input::MuteTrack { name, muted: true });
    let sid = "TR_a".to_owned();
    run.receive(Response::Mute(proto::MuteTrackRequest { sid, muted: true }));
    run.receive(leave(
        LeaveAction::Reconnect,
        proto::DisconnectReason::StateMismatch,
    ));
    run.reconnecting();
    run.feed(Input::Opened);
    run.receive(join("PA_again", vec![]));
    let actions = run.feed(offer("unique-1"));
    assert_eq!(announced(&actions), [("cam", true), ("audio1", true)]);
    let actions = run.receive(acknowledged("t0", "TR_v2"));
    assert!(reports(&actions).contains(&&muted("video0", true)), "{actions:?}");
    assert_eq!(kinds(&actions), ["Mute"], "the server has forgotten");
}

#[test]
fn a_track_can_be_muted_before_it_is_published() {
    let (mut run, _) = Run::joined(true, Filter::default());
    let mute = |name: &str, muted| Input::MuteTrack {
        name: name.into(),
        muted,
    };
    run.feed(mute("cam", true));
    run.feed(mute("audio1", true));
    assert_eq!(
        announced(&run.feed(offer("unique"))),
        [("cam", true), ("audio1", true)]
    );
    run.feed(mute("audio1", false));
    let actions = run.receive(acknowledged("t0", "TR_v"));
    assert!(reports(&actions).contains(&&muted("video0", true)), "{actions:?}");
    let actions = run.receive(acknowledged("t1", "TR_a"));
    assert!(
        !reports(&actions).contains(&&muted("audio1", true)),
        "{actions:?}"
    );
}

#[test]
fn layers_that_nobody_receives_are_told_and_their_sizes_stay_between_us() {
    let (mut run, _) = Run::joined(true, Filter::default());
    let sdp = "v=0\r\nm=video 9 X 96\r\na=mid:video0\r\na=msid:cam t0\r\na=rid:q send max-width=320;max-height=180\r\n\
               a=rid:h send max-width=640;max-height=360\r\na=simulcast:send q;h\r\n";
    let layered = Input::Description {
        session: "unique".into(),
        kind: DescriptionKind::Offer,
        sdp: sdp.into(),
    };
    run.feed(sized("unique", "video0", (640, 360)));
    let announced = run.feed(layered);
    let Some(Request::AddTrack(track)) = requests(&announced).first().copied() else {
        panic!("{announced:?}")
    };
    assert_eq!((track.width, track.layers[0].width), (640, 320));
    let actions = run.receive(acknowledged("t0", "TR_v"));
    let Some(Request::Offer(offer)) = requests(&actions).first().copied() else {
        panic!("{actions:?}")
    };
    assert!(!offer.sdp.contains("max-width"), "{}", offer.sdp);
    let update = |track: &str, enabled| {
        let quality = proto::SubscribedQuality {
            quality: proto::VideoQuality::Low.into(),
            enabled,
        };
        let codec = proto::SubscribedCodec {
            codec: "vp8".into(),
            qualities: vec![quality],
        };
        Response::SubscribedQualityUpdate(proto::SubscribedQualityUpdate {
            track_sid: track.into(),
            subscribed_codecs: vec![codec],
            ..Default::default()
        })
    };
    let wanted = |rids: &[&str]| Report::LayersWanted {
        session: "unique".into(),
        mid: "video0".into(),
        rids: rids.iter().map(|rid| (*rid).to_owned()).collect(),
    };
    assert_eq!(reports(&run.receive(update("TR_v", true))), [&wanted(&["q"])]);
    assert_eq!(reports(&run.receive(update("TR_v", false))), [&wanted(&[])]);
    assert_eq!(reports(&run.receive(update("TR_x", true))), [] as [&Report; 0]);
}

fn sized(session: &str, mid: &str, size: (u32, u32)) -> Input {
    Input::PictureSize {
        session: session.into(),
        mid: mid.into(),
        size,
    }
}

/// Width and height that a track is announced with, or has from now on.
fn sizes(actions: &[Action]) -> Vec<(u32, u32)> {
    let size = |request: &Request| match request {
        Request::AddTrack(request) => Some((request.width, request.height)),
        Request::UpdateVideoTrack(request) => Some((request.width, request.height)),
        _ => None,
    };
    requests(actions).into_iter().filter_map(size).collect()
}

#[test]
fn the_server_knows_the_size_of_pictures_and_each_change_of_it() {
    let (mut run, _) = Run::joined(true, Filter::default());
    run.feed(sized("unique", "video0", (640, 360)));
    assert_eq!(sizes(&run.feed(offer("unique"))), [(640, 360), (0, 0)]);
    let too_early = run.feed(sized("unique", "video0", (320, 180)));
    assert_eq!(sizes(&too_early), [], "the track has no id yet");
    let published = run.receive(acknowledged("t0", "TR_v"));
    assert_eq!(sizes(&published), [(320, 180)]);
    assert_eq!(sizes(&run.feed(sized("unique", "video0", (320, 180)))), []);
    assert_eq!(sizes(&run.feed(sized("unique", "video7", (1, 1)))), []);
    assert_eq!(sizes(&run.feed(sized("another", "video0", (1, 1)))), []);
    let changed = run.feed(sized("unique", "video0", (1280, 720)));
    let expected = Request::UpdateVideoTrack(proto::UpdateLocalVideoTrack {
        track_sid: "TR_v".into(),
        width: 1280,
        height: 720,
    });
    assert_eq!(requests(&changed), [&expected]);
}

#[test]
fn muting_works_from_either_end() {
    let mut run = Run::published();
    let muted = |muted| Report::TrackMuted {
        mid: "video0".into(),
        muted,
    };
    let from_server = Response::Mute(proto::MuteTrackRequest {
        sid: "TR_v".into(),
        muted: true,
    });
    assert_eq!(reports(&run.receive(from_server)), [&muted(true)]);
    let actions = run.feed(Input::MuteTrack {
        name: "cam".into(),
        muted: false,
    });
    assert_eq!(reports(&actions), [&muted(false)]);
    let expected = Request::Mute(proto::MuteTrackRequest {
        sid: "TR_v".into(),
        muted: false,
    });
    assert_eq!(requests(&actions), [&expected]);
    let unknown = run.feed(Input::MuteTrack {
        name: "desk".into(),
        muted: true,
    });
    assert!(matches!(reports(&unknown).as_slice(), [Report::Oddity(_)]));
}

// Losing the server: resume, join anew, give up.

#[test]
fn a_lost_publisher_resumes_and_says_what_it_published() {
    let mut run = Run::published();
    let actions = run.feed(Input::Lost("reset".into()));
    assert_eq!(session_ended(&actions), None, "media go on");
    assert!(reports(&actions).contains(&&Report::State(ConnectionState::ServerDisconnected)));
    let attempt = run.reconnecting();
    assert_eq!(
        attempt.purpose,
        Purpose::Resume {
            participant_sid: "PA_me".into()
        }
    );
    assert!(run.feed(found("unique", 0)).is_empty(), "waits for the resume");
    run.feed(Input::Opened);
    let actions = run.receive(Response::Reconnect(proto::ReconnectResponse::default()));
    assert_eq!(kinds(&actions), ["SyncState", "Trickle"]);
    let Request::SyncState(state) = requests(&actions)[0] else {
        panic!()
    };
    let sids: Vec<_> = state
        .publish_tracks
        .iter()
        .map(|track| track.track.as_ref().unwrap().sid.as_str())
        .collect();
    assert_eq!(sids, ["TR_v", "TR_a"]);
    assert!(state.offer.is_some() && state.answer.is_some());
    assert!(reports(&actions).contains(&&Report::State(ConnectionState::Published)));
}

#[test]
fn a_restarted_server_is_joined_anew_with_a_new_session() {
    let mut run = Run::published();
    run.feed(Input::Lost("reset".into()));
    for _ in 0..3 {
        assert!(
            matches!(run.reconnecting().purpose, Purpose::Resume { .. }),
            "perhaps it is only the network"
        );
        run.feed(refusal(None));
    }
    run.reconnecting();
    run.feed(Input::Opened);
    let actions = run.receive(leave(
        LeaveAction::Reconnect,
        proto::DisconnectReason::StateMismatch,
    ));
    assert_eq!(session_ended(&actions), Some("unique"));
    assert_eq!(run.reconnecting().purpose, Purpose::Join);
    run.feed(Input::Opened);
    let actions = run.receive(join("PA_again", vec![]));
    assert!(reports(&actions).contains(&&Report::SessionRequested {
        session: "unique-1".into()
    }));
    assert!(
        run.feed(offer("unique")).is_empty(),
        "the old session has nothing to say any more"
    );
    assert_eq!(kinds(&run.feed(offer("unique-1"))), ["AddTrack", "AddTrack"]);
}

#[test]
fn a_negotiation_cut_off_in_the_middle_is_begun_anew() {
    let (mut run, _) = Run::joined(true, Filter::default());
    run.feed(offer("unique"));
    let actions = run.feed(Input::Lost("reset".into()));
    assert_eq!(session_ended(&actions), Some("unique"));
    assert_eq!(run.reconnecting().purpose, Purpose::Join);
}

#[test]
fn a_server_that_never_comes_back_is_given_up() {
    let mut run = Run::published();
    run.feed(Input::Lost("reset".into()));
    let mut last = Vec::new();
    for _ in 0..100 {
        last = run.tick(10 * S);
        if !attempts(&last).is_empty() {
            last = run.feed(refusal(None));
        }
        if run.machine.is_over() {
            break;
        }
    }
    assert_eq!(
        failure(&last),
        Some(&Failure::Gone {
            seconds: 60,
            text: "refused".into()
        })
    );
    assert_eq!(session_ended(&last), Some("unique"));
}

#[test]
fn a_revoked_token_ends_the_search() {
    let mut run = Run::published();
    run.feed(Input::Lost("reset".into()));
    run.reconnecting();
    assert_eq!(
        failure(&run.feed(refusal(Some(401)))),
        Some(&Failure::Connect("refused".into()))
    );
}

#[test]
fn before_the_first_join_every_failure_is_final() {
    let cases: [fn(&mut Run) -> Vec<Action>; 5] = [
        |run| run.feed(refusal(None)),
        |run| run.feed(refusal(Some(401))),
        |run| {
            run.feed(Input::Opened);
            run.feed(Input::Lost("9 bytes are not a message".into()))
        },
        |run| {
            run.feed(Input::Opened);
            run.receive(update(vec![]))
        },
        |run| {
            run.feed(Input::Opened);
            run.receive(leave(
                LeaveAction::Reconnect,
                proto::DisconnectReason::JoinFailure,
            ))
        },
    ];
    for (index, case) in cases.into_iter().enumerate() {
        let mut run = Run::new(false, Filter::default());
        run.feed(Input::Start);
        let actions = case(&mut run);
        assert!(failure(&actions).is_some(), "case {index}: {actions:?}");
        assert!(run.machine.is_over());
    }
}

#[test]
fn a_join_that_gets_no_answer_ends_in_time() {
    let mut run = Run::new(false, Filter::default());
    run.feed(Input::Start);
    run.feed(Input::Opened);
    let actions = run.tick(60 * S);
    assert!(
        failure(&actions).unwrap().to_string().contains("within 5 s"),
        "{actions:?}"
    );
    assert!(actions.contains(&Action::Disconnect));
}

#[test]
fn the_server_says_why_it_throws_out() {
    let cases = [
        (proto::DisconnectReason::DuplicateIdentity, "same identity"),
        (proto::DisconnectReason::ParticipantRemoved, "removed"),
        (proto::DisconnectReason::RoomDeleted, "deleted"),
        (proto::DisconnectReason::RoomClosed, "closed"),
    ];
    for (reason, expected) in cases {
        let mut run = Run::published();
        let actions = run.receive(leave(LeaveAction::Disconnect, reason));
        let text = failure(&actions).unwrap().to_string();
        assert!(text.contains(expected), "{text}");
        assert_eq!(session_ended(&actions), Some("unique"));
    }
}

#[test]
fn a_migration_goes_to_the_region_the_server_names() {
    let mut run = Run::published();
    let region = proto::RegionInfo {
        url: "wss://elsewhere".into(),
        ..Default::default()
    };
    run.receive(Response::Leave(proto::LeaveRequest {
        action: LeaveAction::Reconnect.into(),
        reason: proto::DisconnectReason::Migration.into(),
        regions: Some(proto::RegionSettings {
            regions: vec![region],
        }),
        ..Default::default()
    }));
    assert_eq!(run.reconnecting().server.as_deref(), Some("wss://elsewhere"));
    run.feed(refusal(None));
    assert_eq!(
        run.reconnecting().server,
        None,
        "the configured one takes its turn"
    );
}

#[test]
fn an_alternative_server_is_followed() {
    let mut run = Run::new(false, Filter::default());
    run.feed(Input::Start);
    run.feed(Input::Opened);
    let join = proto::JoinResponse {
        alternative_url: "wss://elsewhere".into(),
        ..Default::default()
    };
    let attempt = attempts(&run.receive(Response::Join(join))).remove(0);
    assert_eq!(attempt.server.as_deref(), Some("wss://elsewhere"));
}

#[test]
fn servers_that_send_us_round_in_circles_are_left() {
    let mut run = Run::new(false, Filter::default());
    run.feed(Input::Start);
    for _ in 0..100 {
        run.feed(Input::Opened);
        let join = proto::JoinResponse {
            alternative_url: "wss://elsewhere".into(),
            ..Default::default()
        };
        let actions = run.receive(Response::Join(join));
        if let Some(failure) = failure(&actions) {
            assert!(failure.to_string().contains("redirection"), "{failure}");
            return;
        }
    }
    panic!("still going");
}

#[test]
fn a_server_on_its_way_up_may_refuse_for_a_while() {
    let mut run = Run::published();
    run.feed(Input::Lost("reset".into()));
    for status in [429, 503, 408] {
        run.reconnecting();
        assert_eq!(failure(&run.feed(refusal(Some(status)))), None, "{status}");
    }
    run.reconnecting();
    // The older entrance is tried as well, and neither is the end of it.
    run.feed(refusal(Some(404)));
    assert_eq!(failure(&run.feed(refusal(Some(404)))), None);
    run.reconnecting();
    assert!(failure(&run.feed(refusal(Some(401)))).is_some());
}

#[test]
fn a_new_participation_instead_of_a_resumed_one_is_a_new_session() {
    let mut run = Run::published();
    run.feed(Input::Lost("reset".into()));
    assert!(matches!(run.reconnecting().purpose, Purpose::Resume { .. }));
    run.feed(Input::Opened);
    let actions = run.receive(join("PA_new", vec![]));
    assert_eq!(session_ended(&actions), Some("unique"));
    let requested = Report::SessionRequested {
        session: "unique-1".into(),
    };
    assert!(reports(&actions).contains(&&requested), "{actions:?}");
}

#[test]
fn the_newest_token_serves_to_reconnect() {
    let mut run = Run::published();
    run.receive(Response::RefreshToken("newer".into()));
    run.feed(Input::Lost("reset".into()));
    assert_eq!(run.reconnecting().token.as_deref(), Some("newer"));
}

#[test]
fn silence_loses_the_connection() {
    let mut run = Run::published();
    assert_eq!(kinds(&run.tick(5 * S)), ["PingReq"]);
    run.tick(5 * S);
    let actions = run.tick(5 * S);
    assert!(actions.contains(&Action::Disconnect), "{actions:?}");
    assert!(matches!(run.reconnecting().purpose, Purpose::Resume { .. }));
}

// Losing the media.

#[test]
fn a_failed_media_connection_is_made_anew_and_other_ends_are_final() {
    let ended = |kind| Input::Ended {
        session: "unique".into(),
        reason: Some(EndReason::new(kind, "x")),
    };
    for kind in [
        SessionEndReason::IceFailed,
        SessionEndReason::Stalled,
        SessionEndReason::Timeout,
    ] {
        let mut run = Run::published();
        let actions = run.feed(ended(kind));
        assert_eq!(kinds(&actions), ["Leave"]);
        assert_eq!(session_ended(&actions), None, "the element knows");
        assert_eq!(run.reconnecting().purpose, Purpose::Join);
    }
    for kind in [
        SessionEndReason::NoCommonCodec,
        SessionEndReason::BadDescription,
        SessionEndReason::Internal,
    ] {
        let mut run = Run::published();
        assert!(failure(&run.feed(ended(kind))).is_some());
    }
    let mut run = Run::published();
    let actions = run.feed(Input::Ended {
        session: "unique".into(),
        reason: None,
    });
    assert!(failure(&actions).is_none() && run.machine.is_over());
    assert_eq!(kinds(&actions), ["Leave"]);
}

#[test]
fn media_that_fails_again_and_again_is_given_up() {
    let mut run = Run::published();
    for round in 1_u32.. {
        let session = run.machine.session.id();
        let reason = Some(EndReason::new(SessionEndReason::IceFailed, "no pair"));
        let actions = run.feed(Input::Ended { session, reason });
        if failure(&actions).is_some() {
            return;
        }
        assert!(round < 60, "still trying");
        run.reconnecting();
        run.feed(Input::Opened);
        run.receive(join("PA_again", vec![]));
        run.now += 5 * S;
    }
}

#[test]
fn a_stable_connection_makes_the_next_loss_the_first_again() {
    let mut run = Run::published();
    run.feed(Input::Lost("reset".into()));
    run.reconnecting();
    run.feed(Input::Opened);
    run.receive(Response::Reconnect(proto::ReconnectResponse::default()));
    assert!(run.machine.recovery.is_running());
    for _ in 0..4 {
        run.tick(5 * S);
        run.receive(update(vec![]));
    }
    assert!(!run.machine.recovery.is_running());
}

// Subscribing: offers, choices, participants.

#[test]
fn a_subscriber_answers_offers_with_their_numbers() {
    let (mut run, actions) = Run::joined(false, Filter::default());
    assert!(reports(&actions).contains(&&Report::SessionStarted {
        session: "unique".into()
    }));
    let actions = run.receive(Response::Offer(publisher::description("offer", "v=0\r\n", 41)));
    assert!(matches!(
        reports(&actions).as_slice(),
        [Report::Description {
            kind: DescriptionKind::Offer,
            ..
        }]
    ));
    assert!(
        run.feed(found("unique", 0)).is_empty(),
        "before the answer candidates wait"
    );
    let actions = run.feed(answer("unique"));
    assert_eq!(kinds(&actions), ["Answer", "Trickle"]);
    assert!(matches!(requests(&actions)[0], Request::Answer(answer) if answer.id == 41));
    assert_eq!(reports(&actions), [&Report::State(ConnectionState::Subscribed)]);
    assert!(matches!(
        reports(&run.feed(answer("unique"))).as_slice(),
        [Report::Oddity(_)]
    ));
}

#[test]
fn a_subscriber_is_offered_what_the_publisher_sends() {
    let (mut run, _) = Run::joined(false, Filter::default());
    let mut publisher = participant("PA_1", &["TR_1"]);
    publisher.tracks[0].mime_type = "video/H264".into();
    run.receive(update(vec![publisher]));
    let sdp = "v=0\r\nm=video 9 X 96 125\r\na=rtpmap:96 VP8/90000\r\na=rtpmap:125 H264/90000\r\na=msid:PA_1|TR_1 TR_1\r\n";
    let offer = publisher::description("offer", sdp, 1);
    let actions = run.receive(Response::Offer(offer));
    let expected = sdp.replace("96 125", "125 96");
    let heard = reports(&actions).into_iter().find_map(|report| match report {
        Report::Description { sdp, .. } => Some(sdp.as_str()),
        _ => None,
    });
    assert_eq!(heard, Some(expected.as_str()));
}

#[test]
fn the_server_says_which_track_each_line_carries() {
    let (mut run, _) = Run::joined(false, Filter::default());
    let mut offer = publisher::description("offer", "v=0\r\n", 1);
    offer.mid_to_track_id.insert("3".into(), "TR_1".into());
    let actions = run.receive(Response::Offer(offer));
    let tracks = [("3".to_owned(), "TR_1".to_owned())].into();
    assert_eq!(reports(&actions)[0], &Report::Tracks(tracks));
}

#[test]
fn an_offer_that_restarts_ice_is_told_and_gets_the_candidates_again() {
    let sdp = |pwd: &str| format!("v=0\r\na=ice-ufrag:abcd\r\na=ice-pwd:{pwd}\r\n");
    let (mut run, _) = Run::joined(false, Filter::default());
    let offer = |pwd: &str| Response::Offer(publisher::description("offer", &sdp(pwd), 1));
    run.receive(offer("0123456789012345678901"));
    run.feed(found("unique", 0));
    run.feed(answer("unique"));
    let same = run.receive(offer("0123456789012345678901"));
    assert_eq!(reports(&same).len(), 1);
    assert_eq!(kinds(&run.feed(answer("unique"))), ["Answer"]);
    let restarted = run.receive(offer("9999999999999999999999"));
    assert!(
        matches!(reports(&restarted)[0], Report::IceRestarted { .. }),
        "{restarted:?}"
    );
    assert_eq!(kinds(&run.feed(answer("unique"))), ["Answer", "Trickle"]);
}

#[test]
fn without_a_filter_the_server_subscribes_by_itself() {
    let mut run = Run::new(false, Filter::default());
    assert!(attempts(&run.feed(Input::Start))[0].auto_subscribe);
    run.feed(Input::Opened);
    let actions = run.receive(join("PA_me", vec![participant("PA_1", &["TR_1"])]));
    assert!(requests(&actions).is_empty());
    let added = Report::ProducerAdded {
        sid: "PA_1".into(),
        metadata: String::new(),
        is_new: false,
    };
    assert!(reports(&actions).contains(&&added));
}

#[test]
fn a_chosen_producer_is_subscribed_to_and_nobody_else() {
    let only = Filter {
        only: Some("pa_2".into()),
        except: vec![],
    };
    let mut run = Run::new(false, only);
    assert!(!attempts(&run.feed(Input::Start))[0].auto_subscribe);
    run.feed(Input::Opened);
    let others = vec![participant("PA_1", &["TR_1"]), participant("PA_2", &["TR_2"])];
    let actions = run.receive(join("PA_me", others));
    let [Request::Subscription(subscription)] = requests(&actions)[..] else {
        panic!("{actions:?}")
    };
    assert_eq!(
        (subscription.subscribe, subscription.track_sids.as_slice()),
        (true, &["TR_2".to_owned()][..])
    );
    // Another track of the same producer is subscribed to alone.
    let actions = run.receive(update(vec![participant("PA_2", &["TR_2", "TR_3"])]));
    let [Request::Subscription(subscription)] = requests(&actions)[..] else {
        panic!("{actions:?}")
    };
    assert_eq!(subscription.track_sids, ["TR_3"]);
}

#[test]
fn a_filter_set_later_takes_effect_at_once() {
    let (mut run, _) = Run::joined(false, Filter::default());
    run.receive(update(vec![
        participant("PA_1", &["TR_1"]),
        participant("PA_2", &["TR_2"]),
    ]));
    let actions = run.feed(Input::Filter(Filter {
        only: None,
        except: vec!["PA_1".into()],
    }));
    let [Request::Subscription(subscription)] = requests(&actions)[..] else {
        panic!("{actions:?}")
    };
    assert_eq!(
        (subscription.subscribe, subscription.track_sids.as_slice()),
        (false, &["TR_1".to_owned()][..])
    );
    assert!(matches!(reports(&actions)[..], [Report::ProducerRemoved { .. }]));
    let actions = run.feed(Input::Filter(Filter::default()));
    let [Request::Subscription(subscription)] = requests(&actions)[..] else {
        panic!("{actions:?}")
    };
    assert!(subscription.subscribe);
}

#[test]
fn producers_come_and_go_once() {
    let (mut run, _) = Run::joined(false, Filter::default());
    let added = |actions: &[Action]| {
        reports(actions)
            .iter()
            .filter(|report| matches!(report, Report::ProducerAdded { .. }))
            .count()
    };
    assert_eq!(
        added(&run.receive(update(vec![participant("PA_1", &[])]))),
        0,
        "publishes nothing yet"
    );
    assert_eq!(
        added(&run.receive(update(vec![participant("PA_1", &["TR_1"])]))),
        1
    );
    assert_eq!(
        added(&run.receive(update(vec![participant("PA_1", &["TR_1", "TR_2"])]))),
        0
    );
    let mut gone = participant("PA_1", &[]);
    gone.state = proto::participant_info::State::Disconnected.into();
    let actions = run.receive(update(vec![gone]));
    let removed = Report::ProducerRemoved {
        sid: "PA_1".into(),
        metadata: String::new(),
    };
    assert!(reports(&actions).contains(&&removed));
    assert!(reports(&actions).contains(&&Report::ParticipantLeft("PA_1".into())));
}

#[test]
fn we_are_not_one_of_the_others_and_old_news_is_none() {
    let (mut run, _) = Run::joined(false, Filter::default());
    assert!(
        run.receive(update(vec![participant("PA_me", &["TR_1"])]))
            .is_empty()
    );
    let versioned = |version, tracks: &[&str]| {
        let participant = participant("PA_1", tracks);
        update(vec![proto::ParticipantInfo {
            version,
            ..participant
        }])
    };
    run.receive(versioned(5, &["TR_1"]));
    assert!(run.receive(versioned(4, &[])).is_empty());
}

#[test]
fn a_resumed_subscriber_tells_what_differs_from_the_automatic_state() {
    let mut run = Run::subscribed();
    run.receive(update(vec![participant("PA_1", &["TR_1"])]));
    run.feed(Input::Filter(Filter {
        only: Some("nobody".into()),
        except: vec![],
    }));
    run.feed(Input::DisableTrack {
        sid: "TR_1".into(),
        disabled: true,
    });
    run.feed(Input::Lost("reset".into()));
    run.reconnecting();
    run.feed(Input::Opened);
    let actions = run.receive(Response::Reconnect(proto::ReconnectResponse::default()));
    let Request::SyncState(state) = requests(&actions)[0] else {
        panic!()
    };
    let subscription = state.subscription.as_ref().unwrap();
    assert_eq!(
        (subscription.subscribe, subscription.track_sids.as_slice()),
        (false, &["TR_1".to_owned()][..])
    );
    assert_eq!(state.track_sids_disabled, ["TR_1"]);
    assert!(state.offer.is_some() && state.answer.is_some());
}

#[test]
fn the_element_knows_when_to_expect_silence() {
    let mut run = Run::subscribed();
    let told = |actions: &[Action]| {
        let told = reports(actions).into_iter().filter_map(|report| match report {
            Report::SilenceExpected { is_expected, .. } => Some(*is_expected),
            _ => None,
        });
        told.collect::<Vec<_>>()
    };
    let with_muted = |muted| {
        let mut publisher = participant("PA_1", &["TR_1", "TR_2"]);
        publisher.tracks[0].muted = muted;
        update(vec![publisher])
    };
    let paused = |state: proto::StreamState| {
        let stream = proto::StreamStateInfo {
            track_sid: "TR_2".into(),
            state: state.into(),
            ..Default::default()
        };
        Response::StreamStateUpdate(proto::StreamStateUpdate {
            stream_states: vec![stream],
        })
    };
    let disable = |disabled| Input::DisableTrack {
        sid: "TR_2".into(),
        disabled,
    };
    assert_eq!(told(&run.receive(with_muted(false))), [false]);
    let another_is_heard = told(&run.receive(with_muted(true)));
    assert!(another_is_heard.is_empty());
    assert_eq!(told(&run.feed(disable(true))), [true]);
    assert_eq!(told(&run.receive(with_muted(false))), [false]);
    assert_eq!(told(&run.receive(with_muted(true))), [true]);
    assert_eq!(told(&run.feed(disable(false))), [false]);
    assert_eq!(told(&run.receive(paused(proto::StreamState::Paused))), [true]);
    assert_eq!(told(&run.receive(paused(proto::StreamState::Active))), [false]);
    run.receive(paused(proto::StreamState::Paused));
    assert_eq!(
        told(&run.receive(update(vec![participant("PA_2", &["TR_3"])]))),
        [false]
    );
}

#[test]
fn a_track_can_be_disabled_and_enabled() {
    let mut run = Run::subscribed();
    for disabled in [true, false] {
        let actions = run.feed(Input::DisableTrack {
            sid: "TR_1".into(),
            disabled,
        });
        let [Request::TrackSetting(setting)] = requests(&actions)[..] else {
            panic!("{actions:?}")
        };
        assert_eq!(
            (setting.disabled, setting.track_sids.as_slice()),
            (disabled, &["TR_1".to_owned()][..])
        );
    }
}

#[test]
fn a_layer_is_asked_for_and_again_when_the_server_forgot() {
    let quality = |actions: &[Action]| {
        let settings: Vec<_> = requests(actions)
            .into_iter()
            .filter_map(|request| match request {
                Request::TrackSetting(setting) => Some((setting.quality(), setting.disabled)),
                _ => None,
            })
            .collect();
        settings
    };
    let low = proto::VideoQuality::Low;
    let mut run = Run::subscribed();
    run.receive(update(vec![participant("PA_1", &["TR_1"])]));
    let asked = run.feed(Input::TrackQuality {
        sid: "TR_1".into(),
        quality: low,
    });
    assert_eq!(quality(&asked), [(low, false)]);
    assert!(
        quality(&run.feed(Input::DisableTrack {
            sid: "TR_1".into(),
            disabled: true
        }))[0]
            .1
    );
    let enabled = run.feed(Input::DisableTrack {
        sid: "TR_1".into(),
        disabled: false,
    });
    assert_eq!(quality(&enabled), [(low, false)]);
    run.feed(Input::Lost("reset".into()));
    run.reconnecting();
    run.feed(Input::Opened);
    let resumed = run.receive(Response::Reconnect(proto::ReconnectResponse::default()));
    assert_eq!(quality(&resumed), [(low, false)]);
}

// Ends.

#[test]
fn an_empty_room_is_left_in_time() {
    let (mut run, _) = Run::joined(true, Filter::default());
    run.feed(Input::RoomTimeout(Some(3 * S)));
    run.receive(update(vec![participant("PA_1", &[])]));
    run.now += 4 * S;
    assert!(failure(&run.feed(Input::Tick)).is_none(), "somebody is there");
    let mut gone = participant("PA_1", &[]);
    gone.state = proto::participant_info::State::Disconnected.into();
    run.receive(update(vec![gone]));
    run.now += 2 * S;
    assert!(failure(&run.feed(Input::Tick)).is_none());
    assert_eq!(run.machine.deadline(), Some(run.now + S));
    assert_eq!(failure(&run.tick(S)), Some(&Failure::RoomTimeout));
}

#[test]
fn a_moved_participant_meets_other_people() {
    let mut run = Run::subscribed();
    run.receive(update(vec![participant("PA_1", &["TR_1"])]));
    let actions = run.receive(Response::RoomMoved(proto::RoomMovedResponse {
        token: "for the new room".into(),
        participant: Some(participant("PA_moved", &[])),
        other_participants: vec![participant("PA_2", &["TR_2"])],
        ..Default::default()
    }));
    assert!(reports(&actions).contains(&&Report::ParticipantLeft("PA_1".into())));
    assert!(
        reports(&actions)
            .iter()
            .any(|report| matches!(report, Report::ProducerAdded { sid, .. } if sid == "PA_2"))
    );
    run.feed(Input::Lost("reset".into()));
    let attempt = run.reconnecting();
    assert_eq!(
        attempt.purpose,
        Purpose::Resume {
            participant_sid: "PA_moved".into()
        }
    );
    assert_eq!(attempt.token.as_deref(), Some("for the new room"));
}

#[test]
fn stopping_takes_leave_at_once_whatever_goes_on() {
    let mut run = Run::published();
    let actions = run.feed(Input::Stop);
    assert_eq!(kinds(&actions), ["Leave"]);
    assert_eq!(
        actions
            .iter()
            .filter(|action| **action == Action::Disconnect)
            .count(),
        1
    );
    assert!(run.machine.is_over() && run.machine.deadline().is_none());

    let mut waiting = Run::published();
    waiting.feed(Input::Lost("reset".into()));
    assert!(requests(&waiting.feed(Input::Stop)).is_empty());
    let mut opening = Run::new(true, Filter::default());
    opening.feed(Input::Start);
    assert!(opening.feed(Input::Stop).contains(&Action::Disconnect));
}

// Anything at any time.

#[test]
fn no_message_at_any_time_does_harm() {
    let messages = || {
        vec![
            join("PA_x", vec![participant("PA_1", &["TR_1"])]),
            Response::Answer(proto::SessionDescription::default()),
            Response::Offer(proto::SessionDescription::default()),
            Response::Trickle(proto::TrickleRequest::default()),
            update(vec![proto::ParticipantInfo::default()]),
            Response::TrackPublished(proto::TrackPublishedResponse::default()),
            Response::TrackUnpublished(proto::TrackUnpublishedResponse::default()),
            Response::Mute(proto::MuteTrackRequest::default()),
            Response::RequestResponse(proto::RequestResponse::default()),
            Response::RoomMoved(proto::RoomMovedResponse::default()),
            Response::PongResp(proto::Pong {
                last_ping_timestamp: i64::MIN,
                timestamp: i64::MAX,
            }),
            Response::Reconnect(proto::ReconnectResponse::default()),
            Response::SubscriptionResponse(proto::SubscriptionResponse::default()),
            Response::Pong(0),
        ]
    };
    for make in [Run::published as fn() -> Run, Run::subscribed, || {
        Run::new(true, Filter::default())
    }] {
        let mut run = make();
        for message in messages() {
            run.receive(message);
        }
        assert!(!run.machine.is_over());
        run.feed(Input::Lost("reset".into()));
        run.feed(Input::Opened);
        for message in messages() {
            run.receive(message);
        }
    }
}
