// SPDX-License-Identifier: MPL-2.0
//! The element under test, with a small live picture.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gst::glib;
use gst::prelude::*;
use gstrswebrtc::webrtcsink::{AwsKvsWebRTCSink, BaseWebRTCSink};
use testkit::kvs::{CHANNEL, KEY_ID, Kvs, REGION, SECRET};

use super::common::pipelines::{SMALL, add_source, video};
use super::common::{init, wait_until};

/// A sink in a pipeline that keeps what is posted on its bus.
pub(crate) struct Master {
    pub(crate) pipeline: gst::Pipeline,
    pub(crate) sink: BaseWebRTCSink,
    /// Encoders made for consumers, not for finding out what works.
    pub(crate) encoders: Arc<AtomicUsize>,
    /// Sessions that ended, as viewer and reason.
    pub(crate) ends: Arc<Mutex<Vec<(String, String)>>>,
    errors: Arc<Mutex<Vec<String>>>,
    warnings: Arc<Mutex<Vec<String>>>,
}

impl Master {
    /// Starts one and waits until the channel has it.
    pub(crate) fn connected(kvs: &Kvs) -> Self {
        let master = Self::start(kvs, |_, _| ());
        wait_until("the master is on the channel", || kvs.has_master());
        master
    }

    /// Starts one; `set_up` configures the sink and its signaller before.
    pub(crate) fn start(kvs: &Kvs, set_up: impl FnOnce(&BaseWebRTCSink, &glib::Object)) -> Self {
        init();
        let sink: BaseWebRTCSink = glib::Object::new::<AwsKvsWebRTCSink>().upcast();
        sink.set_property("stun-server", None::<String>);
        sink.set_property("video-caps", gst::Caps::new_empty_simple("video/x-vp8"));
        let signaller = sink.property::<glib::Object>("signaller");
        signaller.set_property("channel-name", CHANNEL);
        signaller.set_property("region", REGION);
        signaller.set_property("endpoint", kvs.url());
        signaller.set_property("access-key", KEY_ID);
        signaller.set_property("secret-access-key", SECRET);
        signaller.set_property("cafile", kvs.cafile().to_str());
        set_up(&sink, &signaller);
        let pipeline = gst::Pipeline::new();
        pipeline.add(&sink).expect("a fresh element");
        add_source(&pipeline, &sink, &video(SMALL));
        let master = Self {
            pipeline,
            sink,
            encoders: Arc::default(),
            ends: Arc::default(),
            errors: Arc::default(),
            warnings: Arc::default(),
        };
        master.watch();
        master
            .pipeline
            .set_state(gst::State::Playing)
            .expect("the master starts");
        master
    }

    /// Waits for an error on the bus.
    pub(crate) fn wait_error(&self) -> String {
        wait_until("an error on the bus", || !self.errors.lock().unwrap().is_empty());
        self.errors.lock().unwrap()[0].clone()
    }

    /// Waits for a warning on the bus that says this.
    pub(crate) fn wait_warning(&self, text: &str) -> String {
        let find = || {
            let warnings = self.warnings.lock().unwrap();
            warnings.iter().find(|warning| warning.contains(text)).cloned()
        };
        wait_until(&format!("a warning on the bus about {text:?}"), || {
            find().is_some()
        });
        find().expect("it was just there")
    }

    /// Fails when there was an error.
    pub(crate) fn assert_no_errors(&self) {
        assert_eq!(*self.errors.lock().unwrap(), Vec::<String>::new());
    }

    /// Which encoding branches feed the sessions.
    pub(crate) fn branches(&self) -> std::collections::BTreeSet<String> {
        let stats = self.sink.property::<gst::Structure>("stats");
        let sessions = stats
            .iter()
            .filter_map(|(_, session)| session.get::<gst::Structure>().ok());
        let streams = sessions.filter_map(|session| {
            let consumer = session.get::<gst::Structure>("consumer-stats").ok()?;
            consumer.get::<gst::Array>("streams").ok()
        });
        streams
            .flat_map(|streams| {
                let branch =
                    |stream: &glib::SendValue| stream.get::<gst::Structure>().ok()?.get("branch").ok();
                streams.iter().filter_map(branch).collect::<Vec<String>>()
            })
            .collect()
    }

    /// Goes to NULL, which must not take longer than 5 s.
    pub(crate) fn stop(self) {
        let start = Instant::now();
        self.pipeline
            .set_state(gst::State::Null)
            .expect("going to NULL succeeds");
        let taken = start.elapsed();
        assert!(taken < Duration::from_secs(5), "NULL took {taken:?}");
    }

    fn watch(&self) {
        let encoders = self.encoders.clone();
        self.sink.connect("encoder-setup", false, move |values| {
            if values[1].get::<&str>() != Ok("discovery") {
                encoders.fetch_add(1, Ordering::SeqCst);
            }
            Some(false.to_value())
        });
        let ends = self.ends.clone();
        self.sink.connect("session-ended", false, move |values| {
            let text = |index: usize| values[index].get::<String>().unwrap_or_default();
            ends.lock().unwrap().push((text(1), text(4)));
            None
        });
        let (errors, warnings) = (self.errors.clone(), self.warnings.clone());
        let bus = self.pipeline.bus().expect("a pipeline has a bus");
        bus.set_sync_handler(move |_, message| {
            match message.view() {
                gst::MessageView::Error(error) => {
                    let text = format!("{} ({})", error.error(), error.debug().unwrap_or_default());
                    errors.lock().unwrap().push(text);
                }
                gst::MessageView::Warning(warning) => {
                    let text = format!("{} ({})", warning.error(), warning.debug().unwrap_or_default());
                    warnings.lock().unwrap().push(text);
                }
                _ => {}
            }
            gst::BusSyncReply::Drop
        });
    }
}

impl Drop for Master {
    fn drop(&mut self) {
        if let Some(bus) = self.pipeline.bus() {
            bus.unset_sync_handler();
        }
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}
