// SPDX-License-Identifier: MPL-2.0
//! Two webrtcbins in one process: the certificate's verdict, and ICE restarted beneath a live connection.

use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use gst::prelude::*;
use gst_webrtc::{WebRTCDataChannel, WebRTCPeerConnectionState, WebRTCSDPType};

use super::fingerprint::{self, Verdict};
use super::{Config, ice, make};
use crate::gst_ext::promise;
use crate::runtime;

const DEADLINE: Duration = Duration::from_secs(30);

/// Two peers with a data channel between them, described but perhaps not connected yet.
struct Pair {
    offerer: gst::Element,
    answerer: gst::Element,
    verdicts: mpsc::Receiver<Verdict>,
    pipeline: gst::Pipeline,
    candidates: Arc<Mutex<Vec<(bool, u32, String)>>>,
}

impl Drop for Pair {
    fn drop(&mut self) {
        self.pipeline.set_state(gst::State::Null).unwrap();
    }
}

fn pair(alter_answer: fn(String) -> String) -> Pair {
    gst::init().unwrap();
    let pipeline = gst::Pipeline::new();
    let offerer = make("offerer", &Config::default()).unwrap();
    let answerer = make("answerer", &Config::default()).unwrap();
    pipeline.add_many([&offerer, &answerer]).unwrap();
    let (tx, verdicts) = mpsc::channel();
    fingerprint::watch(&offerer, move |verdict| drop(tx.send(verdict)));
    pipeline.set_state(gst::State::Playing).unwrap();
    let candidates = Arc::new(Mutex::new(Vec::new()));
    exchange_candidates(&offerer, &answerer, true, &candidates);
    exchange_candidates(&answerer, &offerer, false, &candidates);
    let channel =
        offerer.emit_by_name::<WebRTCDataChannel>("create-data-channel", &[&"test", &None::<gst::Structure>]);
    runtime::block_on(describe(&offerer, &answerer, alter_answer));
    drop(channel);
    Pair {
        offerer,
        answerer,
        verdicts,
        pipeline,
        candidates,
    }
}

fn exchange_candidates(
    from: &gst::Element,
    to: &gst::Element,
    is_offerer: bool,
    log: &Arc<Mutex<Vec<(bool, u32, String)>>>,
) {
    let (to, log) = (to.downgrade(), log.clone());
    from.connect("on-ice-candidate", false, move |values| {
        let (index, candidate) = (
            values[1].get::<u32>().unwrap(),
            values[2].get::<String>().unwrap(),
        );
        log.lock().unwrap().push((is_offerer, index, candidate.clone()));
        to.upgrade()?
            .emit_by_name::<()>("add-ice-candidate", &[&index, &candidate]);
        None
    });
}

async fn describe(offerer: &gst::Element, answerer: &gst::Element, alter_answer: fn(String) -> String) {
    let offer = promise::create_offer(offerer).await.unwrap();
    promise::set_local_description(offerer, &offer).await.unwrap();
    promise::set_remote_description(answerer, &offer).await.unwrap();
    let answer = promise::create_answer(answerer).await.unwrap();
    promise::set_local_description(answerer, &answer).await.unwrap();
    let text = alter_answer(answer.sdp().as_text().unwrap());
    let answer = promise::parsed(WebRTCSDPType::Answer, &text).unwrap();
    promise::set_remote_description(offerer, &answer).await.unwrap();
}

fn wait_connected(webrtcbin: &gst::Element) {
    let is_connected = || {
        webrtcbin.property::<WebRTCPeerConnectionState>("connection-state")
            == WebRTCPeerConnectionState::Connected
    };
    let deadline = std::time::Instant::now() + DEADLINE;
    while !is_connected() {
        assert!(std::time::Instant::now() < deadline, "not connected in time");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn the_promised_certificate_is_let_in() {
    let pair = pair(|answer| answer);
    assert_eq!(pair.verdicts.recv_timeout(DEADLINE), Ok(Verdict::Matches));
    wait_connected(&pair.offerer);
}

#[test]
fn another_certificate_is_refused() {
    let pair = pair(|answer| {
        let at = answer.find("a=fingerprint:sha-256 ").unwrap() + "a=fingerprint:sha-256 ".len();
        let digit = if answer.as_bytes()[at] == b'0' { "1" } else { "0" };
        format!("{}{digit}{}", &answer[..at], &answer[at + 1..])
    });
    let verdict = pair.verdicts.recv_timeout(DEADLINE).unwrap();
    assert!(matches!(verdict, Verdict::Refused(_)), "{verdict:?}");
}

#[test]
fn ice_restarts_beneath_a_live_connection() {
    let pair = pair(|answer| answer);
    wait_connected(&pair.offerer);
    wait_connected(&pair.answerer);
    let before = pair.candidates.lock().unwrap().clone();
    let offered = ice::restart(&pair.offerer).expect("libnice is at work");
    let answered = ice::restart(&pair.answerer).expect("libnice is at work");
    assert!(ice::set_remote_credentials(&pair.answerer, &offered));
    assert!(ice::set_remote_credentials(&pair.offerer, &answered));
    for (is_offerer, index, candidate) in before {
        let to = if is_offerer { &pair.answerer } else { &pair.offerer };
        to.emit_by_name::<()>("add-ice-candidate", &[&index, &candidate]);
    }
    wait_connected(&pair.offerer);
    wait_connected(&pair.answerer);
    let local = pair
        .offerer
        .property::<gst_webrtc::WebRTCSessionDescription>("local-description");
    let described = ice::credentials_of(&local.sdp().as_text().unwrap()).unwrap();
    assert_ne!(described, offered, "webrtcbin knows nothing of the restart");
}
