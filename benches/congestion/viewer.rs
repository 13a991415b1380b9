// SPDX-License-Identifier: MPL-2.0
//! Chromium as a consumer behind the link, driven by `tests/interop/link/viewer.mjs` in lines of JSON.

use std::fmt;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result};
use gst_webrtc::{WebRTCSDPType, WebRTCSessionDescription};
use serde_json::{Value, json};
use testkit::candidate;
use testkit::relay::{Link, Side};

use super::common::loopback::{Loopback, Sent};

const INTEROP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop");

/// Whether there is a Chromium and what drives it.
pub(crate) fn is_installed() -> bool {
    let chromium = std::env::var("CHROMIUM").unwrap_or_else(|_| "/usr/bin/chromium".to_owned());
    Path::new(&chromium).exists() && Path::new(INTEROP).join("node_modules/playwright-core").exists()
}

/// What the browser's own statistics say of the picture.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) frames: u64,
    pub(crate) freezes: u64,
    /// `totalFreezesDuration` of the W3C.
    pub(crate) frozen: Duration,
    pub(crate) lost: i64,
    pub(crate) repaired: u64,
    pub(crate) key_frames: u64,
}

impl Seen {
    fn of(report: &Value) -> Self {
        let count = |field: &str| report[field].as_u64().unwrap_or_default();
        Self {
            frames: count("framesDecoded"),
            freezes: count("freezeCount"),
            frozen: Duration::from_secs_f64(report["totalFreezesDuration"].as_f64().unwrap_or_default()),
            lost: report["packetsLost"].as_i64().unwrap_or_default(),
            repaired: count("retransmittedPacketsReceived"),
            key_frames: count("keyFramesDecoded"),
        }
    }

    /// What came since an earlier time.
    pub(crate) fn since(&self, before: &Self) -> Self {
        Self {
            frames: self.frames - before.frames,
            freezes: self.freezes - before.freezes,
            frozen: self.frozen.saturating_sub(before.frozen),
            lost: self.lost - before.lost,
            repaired: self.repaired - before.repaired,
            key_frames: self.key_frames - before.key_frames,
        }
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            frames,
            freezes,
            lost,
            repaired,
            key_frames,
            ..
        } = self;
        write!(
            f,
            "{frames} pictures ({key_frames} key), {lost} packets lost at first, {repaired} sent again, "
        )?;
        write!(
            f,
            "{freezes} freezes of {:.2} s in all",
            self.frozen.as_secs_f64()
        )
    }
}

/// A page that watches. Its browser ends with it.
pub(crate) struct Viewer {
    child: Child,
    seen: Arc<Mutex<Seen>>,
    signaller: Loopback,
    id: String,
}

impl Viewer {
    /// Opens a browser and asks for a session, all of whose candidates lead through `link`, the browser at its right.
    pub(crate) fn join(signaller: &Loopback, id: &str, link: &'static Link) -> Result<Self> {
        let mut child = Command::new("node")
            .arg("link/viewer.mjs")
            .current_dir(INTEROP)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("node starts")?;
        let input = Arc::new(Mutex::new(child.stdin.take().context("it is piped")?));
        let output = BufReader::new(child.stdout.take().context("it is piped")?);
        let seen = Arc::default();
        let viewer = Self {
            child,
            seen: Arc::clone(&seen),
            signaller: signaller.clone(),
            id: id.to_owned(),
        };
        signaller.route(id, move |sent| forward(&input, sent, link));
        let (answering, session) = (signaller.clone(), id.to_owned());
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let news = serde_json::from_str(&line).expect("the program prints JSON");
                hear(&news, &answering, &session, &seen, link);
            }
        });
        signaller.request(id, &format!("peer-{id}"), None);
        Ok(viewer)
    }

    pub(crate) fn seen(&self) -> Seen {
        *self.seen.lock().expect("no holder panics")
    }

    /// Ends the session as a consumer that says so.
    pub(crate) fn leave(self) {
        self.signaller.receive(&self.id, Sent::End(None));
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        // With its route the program's input goes, at whose end it closes its browser.
        self.signaller.forget(&self.id);
        let _ = self.child.wait();
    }
}

/// Tells the page what the sink sends.
fn forward(input: &Mutex<ChildStdin>, sent: Sent, link: &Link) {
    let news = match sent {
        Sent::Description(offer) => {
            let sdp = offer.sdp().as_text().expect("a description prints");
            json!({ "offer": candidate::rewrite_description(&sdp, |address| link.relay(Side::Left, address)) })
        }
        Sent::Candidate(index, candidate) => {
            let relayed = candidate::rewrite(&candidate, |address| link.relay(Side::Left, address));
            let Some(candidate) = relayed else { return };
            json!({ "candidate": candidate, "index": index })
        }
        Sent::End(_) => return,
    };
    let mut input = input.lock().expect("no holder panics");
    // A browser that crashed shows in what is measured.
    let _ = writeln!(input, "{news}");
}

/// Tells the sink what the page sends, and keeps its statistics.
fn hear(news: &Value, signaller: &Loopback, id: &str, seen: &Mutex<Seen>, link: &Link) {
    if let Some(sdp) = news["answer"].as_str() {
        let relayed = candidate::rewrite_description(sdp, |address| link.relay(Side::Right, address));
        let sdp = gst_sdp::SDPMessage::parse_buffer(relayed.as_bytes()).expect("browsers answer with SDP");
        let answer = WebRTCSessionDescription::new(WebRTCSDPType::Answer, sdp);
        signaller.receive(id, Sent::Description(answer));
    } else if let Some(candidate) = news["candidate"].as_str() {
        let index = news["index"].as_u64().unwrap_or_default() as u32;
        if let Some(relayed) = candidate::rewrite(candidate, |address| link.relay(Side::Right, address)) {
            signaller.receive(id, Sent::Candidate(index, relayed));
        }
    } else if news["stats"].is_object() {
        *seen.lock().expect("no holder panics") = Seen::of(&news["stats"]);
    }
}
