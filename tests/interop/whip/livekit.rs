// SPDX-License-Identifier: MPL-2.0
//! `whipclientsink` publishes to LiveKit's own WHIP endpoint: relative session URLs, tags without quotes, strict tokens.

use std::process::Command;

use testkit::livekit::{KEY, LiveKit, SECRET};

use super::{PICTURE, Pipeline, TONE, wait_for};

/// A token as the server wants it, for room `room`.
fn token(grants: &str) -> String {
    let script = format!(
        "const {{createHmac}}=require('crypto');const b=(o)=>Buffer.from(JSON.stringify(o)).toString('base64url');\
         const t=b({{alg:'HS256',typ:'JWT'}})+'.'+b({{iss:'{KEY}',sub:'publisher',exp:Math.floor(Date.now()/1000)+3600,\
         video:{grants}}});\
         console.log(t+'.'+createHmac('sha256','{SECRET}').update(t).digest('base64url'))"
    );
    let made = Command::new("node").args(["-e", &script]).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    String::from_utf8(made.stdout).unwrap().trim().to_owned()
}

/// Tracks published in the room, by their kind.
fn tracks(server: &LiveKit, admin: &str) -> Vec<String> {
    let (status, body) = server.call("ListParticipants", admin, r#"{"room":"room"}"#);
    if status != 200 {
        return vec![];
    }
    let answer: serde_json::Value = serde_json::from_str(&body).unwrap_or_default();
    let participants = answer["participants"].as_array().cloned().unwrap_or_default();
    let tracks = participants
        .iter()
        .flat_map(|p| p["tracks"].as_array().cloned().unwrap_or_default());
    // A track is listed with its codec only once its media has arrived.
    tracks
        .filter_map(|track| track["mime_type"].as_str().map(str::to_owned))
        .filter(|mime| !mime.is_empty())
        .collect()
}

#[test]
fn livekit_receives_what_whipclientsink_publishes() {
    let Some(server) = LiveKit::start("") else { return };
    let admin = token("{roomAdmin:true,roomList:true,room:'room'}");
    let join = token("{roomJoin:true,canPublish:true,room:'room'}");
    let endpoint = server.url().replace("ws://", "http://") + "/whip/v1";
    let pipeline = Pipeline::start(&format!(
        "whipclientsink name=sink stun-server=\"\" signaller::whip-endpoint={endpoint} signaller::auth-token={join} \
         {PICTURE} ! sink. {TONE} ! sink."
    ));
    let published = wait_for("both tracks in LiveKit", || {
        pipeline.assert_no_error();
        let tracks = tracks(&server, &admin);
        (tracks.len() == 2).then_some(tracks)
    });
    assert!(
        published
            .iter()
            .any(|mime| mime.eq_ignore_ascii_case("audio/opus")),
        "{published:?}"
    );
    pipeline.stop();
    wait_for("the DELETE", || tracks(&server, &admin).is_empty().then_some(()));
}
