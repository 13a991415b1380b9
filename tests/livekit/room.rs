// SPDX-License-Identifier: MPL-2.0
//! What the tests do with a room: tokens for it, pipelines in it, questions about it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gst::prelude::*;
use livekit_api::access_token::{AccessToken, VideoGrants};
use testkit::livekit::{KEY, LiveKit, SECRET};

use crate::common;

pub(crate) const ROOM: &str = "room";

/// A token for everything a participant may do.
pub(crate) fn token(identity: &str) -> String {
    signed(
        identity,
        VideoGrants {
            room_join: true,
            room: ROOM.into(),
            ..VideoGrants::default()
        },
    )
}

pub(crate) fn signed(identity: &str, grants: VideoGrants) -> String {
    let token = AccessToken::with_api_key(KEY, SECRET)
        .with_identity(identity)
        .with_grants(grants);
    token.to_jwt().unwrap()
}

/// Calls `method` of the server's API for the room; gives its answer.
pub(crate) fn administer(server: &LiveKit, method: &str, body: &str) -> serde_json::Value {
    let admin = signed(
        "admin",
        VideoGrants {
            room_admin: true,
            room: ROOM.into(),
            ..VideoGrants::default()
        },
    );
    let (_, body) = server.call(method, &admin, body);
    serde_json::from_str(&body).unwrap_or_default()
}

/// What the server's API says of the participants, as JSON.
pub(crate) fn participants(server: &LiveKit) -> serde_json::Value {
    administer(server, "ListParticipants", &format!(r#"{{"room":"{ROOM}"}}"#))["participants"].clone()
}

/// What the server's API says of the first track of the participant `identity`, as JSON.
pub(crate) fn track(server: &LiveKit, identity: &str) -> serde_json::Value {
    let participants = participants(server);
    let mut participants = participants.as_array().into_iter().flatten();
    let of = participants.find(|participant| participant["identity"] == identity);
    of.map(|participant| participant["tracks"][0].clone())
        .unwrap_or_default()
}

/// The names of the tracks of the participant `identity`, as the server's API has them.
pub(crate) fn track_names(server: &LiveKit, identity: &str) -> Vec<String> {
    let participants = participants(server);
    let of = participants
        .as_array()
        .into_iter()
        .flatten()
        .find(|participant| participant["identity"] == identity);
    let tracks = of
        .and_then(|participant| participant["tracks"].as_array().cloned())
        .unwrap_or_default();
    let mut names: Vec<_> = tracks
        .iter()
        .map(|track| track["name"].as_str().unwrap_or_default().to_owned())
        .collect();
    names.sort();
    names
}

/// What no test of these may cause ends its process: criticals are misuse of GStreamer that goes on by luck.
fn init() {
    common::init();
    gst::glib::log_set_always_fatal(gst::glib::LogLevels::LEVEL_CRITICAL | gst::glib::LogLevels::LEVEL_ERROR);
}

/// A running pipeline; goes to NULL with the value.
pub(crate) struct Running {
    pub(crate) pipeline: gst::Pipeline,
}

impl Running {
    /// Starts a launch line.
    pub(crate) fn launch(line: &str) -> Self {
        let running = Self::prepare(line);
        running.play();
        running
    }

    /// Makes a launch line, to be started by [`Running::play`].
    pub(crate) fn prepare(line: &str) -> Self {
        init();
        let pipeline = gst::parse::launch(line)
            .unwrap()
            .downcast::<gst::Pipeline>()
            .unwrap();
        Self { pipeline }
    }

    pub(crate) fn play(&self) {
        self.pipeline.set_state(gst::State::Playing).unwrap();
    }

    pub(crate) fn element(&self, name: &str) -> gst::Element {
        self.pipeline.by_name(name).unwrap()
    }

    /// Has the element `sink` mute one of its tracks, or unmute it.
    pub(crate) fn set_muted(&self, track: &str, muted: bool) {
        let sink = self.element("sink");
        let signaller = sink.property::<gst::glib::Object>("signaller");
        signaller.emit_by_name::<()>("set-track-muted", &[&track, &muted]);
    }

    /// The first error on the bus; panics when there is none in time.
    pub(crate) fn error(&self) -> String {
        self.message(gst::MessageType::Error)
    }

    /// The text of the first error or warning on the bus; panics when there is none in time.
    pub(crate) fn message(&self, kind: gst::MessageType) -> String {
        let deadline = gst::ClockTime::from_seconds(common::DEADLINE.as_secs());
        let bus = self.pipeline.bus().unwrap();
        let message = bus.timed_pop_filtered(deadline, &[kind]).expect("a message");
        let (error, debug) = match message.view() {
            gst::MessageView::Error(message) => (message.error(), message.debug()),
            gst::MessageView::Warning(message) => (message.error(), message.debug()),
            other => panic!("{other:?}"),
        };
        format!("{error} ({})", debug.unwrap_or_default())
    }

    /// Panics when an error came so far.
    pub(crate) fn assert_no_error(&self) {
        let bus = self.pipeline.bus().unwrap();
        let message = bus.pop_filtered(&[gst::MessageType::Error]);
        assert!(message.is_none(), "{message:?}");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

/// The properties that every line needs: where to join, and by key and secret.
pub(crate) fn by_key(url: &str, identity: &str) -> String {
    format!(
        "signaller::ws-url={url} signaller::api-key={KEY} signaller::secret-key=\"{SECRET}\" \
         signaller::room-name={ROOM} signaller::identity={identity}"
    )
}

/// A publisher of colour bars and a tone.
pub(crate) fn publisher(url: &str, identity: &str) -> Running {
    Running::launch(&format!(
        "livekitwebrtcsink name=sink {} videotestsrc is-live=true pattern=smpte75 \
         ! video/x-raw,width=320,height=240,framerate=15/1 ! sink. audiotestsrc is-live=true ! sink.",
        by_key(url, identity)
    ))
}

/// Counts what comes out of a `livekitwebrtcsrc`, of whatever pads it has.
pub(crate) struct Viewer {
    pub(crate) running: Running,
    pub(crate) source: gst::Element,
    frames: Arc<AtomicUsize>,
    sounds: Arc<AtomicUsize>,
    width: Arc<AtomicUsize>,
}

impl Viewer {
    /// Subscribes with these properties.
    pub(crate) fn launch(properties: &str) -> Self {
        let viewer = Self::prepare(properties);
        viewer.running.play();
        viewer
    }

    /// As [`Viewer::launch`], to be started by [`Running::play`].
    pub(crate) fn prepare(properties: &str) -> Self {
        init();
        let line = format!("livekitwebrtcsrc name=src {properties}");
        let source = gst::parse::launch(&line).unwrap();
        let pipeline = gst::Pipeline::new();
        pipeline.add(&source).unwrap();
        let (frames, sounds, width) = (Arc::default(), Arc::default(), Arc::default());
        let counters = (Arc::clone(&frames), Arc::clone(&sounds));
        let size = Arc::clone(&width);
        source.connect_pad_added(move |source, pad| {
            let counter = if pad.name().contains("video") {
                &counters.0
            } else {
                &counters.1
            };
            consume(source, pad, Arc::clone(counter), &size);
        });
        Self {
            running: Running { pipeline },
            source,
            frames,
            sounds,
            width,
        }
    }

    /// Waits for that many more decoded frames and audio buffers.
    pub(crate) fn wait_for(&self, count: usize) {
        let target = (self.frames() + count, self.sounds() + count);
        common::wait_until("frames and audio", || {
            self.frames() >= target.0 && self.sounds() >= target.1
        });
    }

    pub(crate) fn frames(&self) -> usize {
        self.frames.load(Ordering::Relaxed)
    }

    /// Of the last frame, in pixels.
    pub(crate) fn width(&self) -> usize {
        self.width.load(Ordering::Relaxed)
    }

    pub(crate) fn sounds(&self) -> usize {
        self.sounds.load(Ordering::Relaxed)
    }
}

fn consume(source: &gst::Element, pad: &gst::Pad, counter: Arc<AtomicUsize>, width: &Arc<AtomicUsize>) {
    let pipeline = source.parent().and_downcast::<gst::Bin>().unwrap();
    // The raw form is asked for, so what is counted was decoded.
    let caps = if pad.name().contains("video") {
        "video/x-raw"
    } else {
        "audio/x-raw"
    };
    let line =
        format!("capsfilter caps={caps} ! fakesink name=sink sync=false async=false signal-handoffs=true");
    let bin = gst::parse::bin_from_description(&line, true).unwrap();
    let width = Arc::clone(width);
    bin.by_name("sink")
        .unwrap()
        .connect("handoff", false, move |values| {
            counter.fetch_add(1, Ordering::Relaxed);
            let pad = values[2].get::<gst::Pad>().ok()?;
            let caps = pad.current_caps()?;
            let info = gst_video::VideoInfo::from_caps(&caps).ok()?;
            width.store(info.width().try_into().ok()?, Ordering::Relaxed);
            None
        });
    pipeline.add(&bin).unwrap();
    bin.sync_state_with_parent().unwrap();
    pad.link(&bin.static_pad("sink").unwrap()).unwrap();
    let bin = bin.downgrade();
    pad.connect_unlinked(move |_, _| {
        if let Some(bin) = bin.upgrade() {
            bin.call_async(|bin| {
                let _ = bin.set_state(gst::State::Null);
            });
        }
    });
}
