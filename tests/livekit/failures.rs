// SPDX-License-Identifier: MPL-2.0
//! Whatever keeps an element from the room ends on the bus, in words.

use livekit_api::access_token::VideoGrants;
use testkit::livekit::{LiveKit, SECRET};
use testkit::tokens;

use crate::common::wait_until;
use crate::room::{ROOM, Running, Viewer, administer, by_key, publisher, signed, track_names};

fn sink(properties: &str) -> Running {
    Running::launch(&format!(
        "livekitwebrtcsink name=sink {properties} videotestsrc is-live=true ! sink."
    ))
}

#[test]
fn a_wrong_token_a_wrong_address_and_none_at_all_are_told_apart() {
    let Some(server) = LiveKit::start("") else { return };
    let url = server.url();
    let expired = tokens::expired(ROOM);
    let cases = [
        (
            format!("signaller::ws-url={url} signaller::auth-token=nonsense"),
            "401 Unauthorized",
        ),
        (
            format!("signaller::ws-url={url} signaller::auth-token={expired}"),
            "401 Unauthorized: invalid token: …, error: token has invalid claims: token is expired",
        ),
        (
            by_key(&url, "p").replace(SECRET, "wrong"),
            "401 Unauthorized: invalid token",
        ),
        (format!("signaller::ws-url={url}"), "Either auth-token or"),
        (by_key("ws://127.0.0.1:1", "p"), "127.0.0.1:1 cannot be reached"),
        (by_key("\"\"", "p"), "WebSocket URL must be set"),
    ];
    for (properties, expected) in cases {
        eprintln!("{properties}");
        let viewer = Viewer::launch(&properties);
        for error in [sink(&properties).error(), viewer.running.error()] {
            assert!(
                error.contains("Signalling error: ") && error.contains(expected),
                "{properties}: {error}"
            );
        }
    }
}

#[test]
fn a_room_that_does_not_exist_is_told() {
    let Some(server) = LiveKit::start("room:\n  auto_create: false") else {
        return;
    };
    let error = sink(&by_key(&server.url(), "p")).error();
    assert!(error.contains("requested room does not exist"), "{error}");
}

#[test]
fn a_token_without_the_right_to_publish_is_told_at_once() {
    let Some(server) = LiveKit::start("") else { return };
    let grants = VideoGrants {
        room_join: true,
        room: ROOM.into(),
        can_publish: Some(false),
        ..VideoGrants::default()
    };
    let token = signed("p", grants);
    let error = sink(&format!(
        "signaller::ws-url={} signaller::auth-token={token}",
        server.url()
    ))
    .error();
    assert!(error.contains("refused to publish track"), "{error}");
}

#[test]
fn a_right_that_is_taken_away_is_told_as_a_warning() {
    let Some(server) = LiveKit::start("") else { return };
    let publisher = publisher(&server.url(), "publisher");
    wait_until("the tracks", || track_names(&server, "publisher").len() == 2);
    let body = format!(
        r#"{{"room":"{ROOM}","identity":"publisher","permission":{{"canPublish":false,"canSubscribe":true}}}}"#
    );
    administer(&server, "UpdateParticipant", &body);
    let warning = publisher.message(gst::MessageType::Warning);
    assert!(warning.contains("the server unpublished track"), "{warning}");
    publisher.assert_no_error();
}

#[test]
fn whoever_is_removed_is_told() {
    let Some(server) = LiveKit::start("") else { return };
    let publisher = publisher(&server.url(), "publisher");
    wait_until("the tracks", || track_names(&server, "publisher").len() == 2);
    let body = format!(r#"{{"room":"{ROOM}","identity":"publisher"}}"#);
    administer(&server, "RemoveParticipant", &body);
    let error = publisher.error();
    assert!(
        error.contains("this participant was removed from the room"),
        "{error}"
    );
}

#[test]
fn a_server_that_does_not_come_back_is_told() {
    let Some(mut server) = LiveKit::start("") else {
        return;
    };
    let publisher = sink(&format!(
        "{} signaller::reconnect-timeout=2",
        by_key(&server.url(), "publisher")
    ));
    wait_until("the track", || track_names(&server, "publisher").len() == 1);
    server.kill();
    let error = publisher.error();
    assert!(
        error.contains("Server disconnected and not reached again within 2 s"),
        "{error}"
    );
}

#[test]
fn a_second_participant_of_the_same_identity_takes_the_place() {
    let Some(server) = LiveKit::start("") else { return };
    let first = publisher(&server.url(), "publisher");
    wait_until("the tracks", || track_names(&server, "publisher").len() == 2);
    let second = publisher(&server.url(), "publisher");
    let error = first.error();
    assert!(
        error.contains("another participant joined with the same identity"),
        "{error}"
    );
    wait_until("the tracks", || track_names(&server, "publisher").len() == 2);
    second.assert_no_error();
}

#[test]
fn an_empty_room_is_left_when_asked() {
    let Some(server) = LiveKit::start("") else { return };
    let error = sink(&format!(
        "{} signaller::room-timeout=500",
        by_key(&server.url(), "p")
    ))
    .error();
    assert!(
        error.contains("Room timeout reached with no other participants"),
        "{error}"
    );
}
