// SPDX-License-Identifier: MPL-2.0
//! One stream: its pad, its two elements, its caps.
//!
//! The streaming thread calls the appsink's callbacks; start, stop and dismantling come from the application's thread.
//! Owns the stream's lock, which covers two values and is held to copy them. Buffers go to the pool (`encode`), events
//! are handled in `events`, and which caps may come is judged in `caps`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gst::glib;
use gst::prelude::*;

use super::caps::{self, Change};
use super::events;
use crate::codec::MediaKind;
use crate::codec::caps::is_raw;
use crate::gst_ext::make::{self, MissingElement};
use crate::sink::encode::{BranchPool, PictureSize, StreamId, square_size};
use crate::sink::imp::CAT;
use crate::sink::{BaseWebRTCSink, WebRTCSinkPad};

/// See the module's documentation.
pub(in crate::sink) struct InputStream {
    id: StreamId,
    kind: MediaKind,
    pad: WebRTCSinkPad,
    /// `clocksync`, which holds a buffer until its time, and the appsink behind it.
    elements: [gst::Element; 2],
    flow: Arc<Mutex<Flow>>,
}

/// What the streaming thread needs per buffer.
#[derive(Default)]
struct Flow {
    /// Where input goes; nothing while the element is stopped.
    pool: Option<BranchPool>,
    /// What arrives, once that is known.
    caps: Option<gst::Caps>,
}

impl InputStream {
    /// Builds the chain inside of `sink`; its pad is not added yet.
    pub(super) fn new(
        sink: &BaseWebRTCSink,
        template: &gst::PadTemplate,
        kind: MediaKind,
        number: u32,
    ) -> Result<Self, MissingElement> {
        let id = StreamId::new(&format!("{kind}_{number}"));
        let clocksync = make::element("clocksync", None, "to pace input")?;
        let appsink = make::element("appsink", None, "to take in input")?;
        let flow = Arc::new(Mutex::new(Flow::default()));
        let target = clocksync.static_pad("sink").expect("clocksync has a sink pad");
        let elements = [clocksync, appsink];
        connect(sink, &id, &elements, &flow);
        let weak = sink.downgrade();
        let pad = gst::PadBuilder::<WebRTCSinkPad>::from_template(template)
            .name(id.as_str())
            .flags(gst::PadFlags::FIXED_CAPS)
            .event_function(move |pad, parent, event| events::handle(weak.upgrade(), pad, parent, event))
            .with_target(&target)
            .expect("a fresh pad of the right direction")
            .build();
        watch_latency(&pad, &elements[0], &id, &flow);
        Ok(Self {
            id,
            kind,
            pad,
            elements,
            flow,
        })
    }

    pub(in crate::sink) fn id(&self) -> &StreamId {
        &self.id
    }

    pub(in crate::sink) fn kind(&self) -> MediaKind {
        self.kind
    }

    pub(in crate::sink) fn is_video(&self) -> bool {
        self.kind == MediaKind::Video
    }

    pub(in crate::sink) fn pad(&self) -> &WebRTCSinkPad {
        &self.pad
    }

    /// Size that the pictures leave in if nothing lowers it, in square pixels, once it is known.
    pub(in crate::sink) fn size(&self) -> Option<(u32, u32)> {
        let caps = self.caps()?;
        let (width, height) = square_size(&caps)?;
        if !is_raw(&caps) {
            return Some((width, height));
        }
        let whole = PictureSize::Adaptive;
        Some((whole.side(width), whole.side(height)))
    }

    /// What arrives, once that is known.
    pub(in crate::sink) fn caps(&self) -> Option<gst::Caps> {
        lock(&self.flow).caps.clone()
    }

    /// Input goes to this pool from now on.
    pub(in crate::sink) fn start(&self, pool: BranchPool) {
        lock(&self.flow).pool = Some(pool);
    }

    /// The element is stopped; the next run brings caps of its own.
    pub(in crate::sink) fn stop(&self) {
        *lock(&self.flow) = Flow::default();
    }

    /// Takes in new caps and says what that means for those who know the old ones.
    pub(super) fn take_caps(&self, new: &gst::Caps, allowed: &gst::Caps) -> Change {
        let new = caps::without_limits(new);
        let (change, pool) = {
            let mut flow = lock(&self.flow);
            let change = caps::judge(flow.caps.as_ref(), &new, allowed);
            if matches!(change, Change::First | Change::Accepted) {
                flow.caps = Some(new.clone());
            }
            (change, flow.pool.clone())
        };
        if let (Change::First | Change::Accepted, Some(pool)) = (&change, pool) {
            pool.input_caps_changed(&self.id, &new);
        }
        change
    }

    /// Asks whatever makes this stream for a key frame.
    pub(in crate::sink) fn request_key_frame(&self, running_time: Option<gst::ClockTime>) {
        let event = gst_video::UpstreamForceKeyUnitEvent::builder()
            .all_headers(true)
            .running_time(running_time)
            .build();
        // Raw input has no key frames, and nobody upstream answers then.
        let _ = self.pad.push_event(event);
    }

    /// Takes the chain out of `sink` again.
    pub(super) fn dismantle(&self, sink: &BaseWebRTCSink) {
        let pool = lock(&self.flow).pool.take();
        for element in &self.elements {
            // Going to NULL never fails. A sink that is being disposed has let go of its children already.
            let _ = element.set_state(gst::State::Null);
            if element
                .parent()
                .is_some_and(|parent| parent == *sink.upcast_ref::<gst::Object>())
            {
                let _ = sink.remove(element);
            }
        }
        if let Some(pool) = pool {
            pool.remove_stream(&self.id);
        }
    }
}

fn lock(flow: &Mutex<Flow>) -> MutexGuard<'_, Flow> {
    flow.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Adds, links and starts the two elements, and points the appsink's callbacks at the stream.
fn connect(sink: &BaseWebRTCSink, id: &StreamId, elements: &[gst::Element; 2], flow: &Arc<Mutex<Flow>>) {
    let appsink = elements[1]
        .downcast_ref::<gst_app::AppSink>()
        .expect("made by the factory appsink");
    appsink.set_sync(false);
    // Without preroll: nothing has to arrive before the element is up.
    appsink.set_async(false);
    appsink.set_property("enable-last-sample", false);
    appsink.set_callbacks(callbacks(sink.downgrade(), id.clone(), flow.clone()));
    sink.add_many(elements)
        .expect("fresh elements with names of their own");
    gst::Element::link_many(elements).expect("both take anything");
    for element in elements {
        // It fails only if the bin is on its way down, and then takes the element along.
        let _ = element.sync_state_with_parent();
    }
}

/// A stream without a pool, before PAUSED or after, drops what comes.
fn callbacks(
    sink: glib::WeakRef<BaseWebRTCSink>,
    id: StreamId,
    flow: Arc<Mutex<Flow>>,
) -> gst_app::AppSinkCallbacks {
    let (eos_id, eos_flow) = (id.clone(), flow.clone());
    gst_app::AppSinkCallbacks::builder()
        .new_sample(move |appsink| {
            let sample = appsink.pull_sample().map_err(|_| gst::FlowError::Flushing)?;
            let pool = lock(&flow).pool.clone();
            if let Some(pool) = pool {
                pool.push_input(&id, &sample);
            }
            if let Some(sink) = sink.upgrade() {
                events::forward_metas(&sink, &id, &sample);
            }
            Ok(gst::FlowSuccess::Ok)
        })
        .eos(move |_| {
            gst::debug!(CAT, "stream {eos_id} ended");
            let pool = lock(&eos_flow).pool.clone();
            if let Some(pool) = pool {
                pool.end_of_stream(&eos_id);
            }
        })
        .build()
}

/// Asks how late input comes whenever the pipeline has found that out, and with each segment, as pads also come to
/// pipelines that play.
fn watch_latency(pad: &WebRTCSinkPad, clocksync: &gst::Element, id: &StreamId, flow: &Arc<Mutex<Flow>>) {
    let (id, flow, clocksync) = (id.clone(), flow.clone(), clocksync.downgrade());
    pad.add_probe(gst::PadProbeType::EVENT_BOTH, move |pad, info| {
        let is_news = info
            .event()
            .is_some_and(|event| matches!(event.type_(), gst::EventType::Latency | gst::EventType::Segment));
        let mut query = gst::query::Latency::new();
        if is_news && pad.peer_query(&mut query) {
            let (is_live, latency, _) = query.result();
            if let Some(clocksync) = clocksync.upgrade() {
                let_pass(&clocksync, if is_live { latency } else { gst::ClockTime::ZERO });
            }
            let pool = lock(&flow).pool.clone();
            if let Some(pool) = pool {
                pool.input_latency_changed(&id, latency);
            }
        }
        gst::PadProbeReturn::Ok
    });
}

/// Live input is due when it comes: `clocksync` would hold every buffer for the latency upstream, a whole frame for most
/// sources, which only what is shown or heard together needs. What is ahead of its time is still paced.
fn let_pass(clocksync: &gst::Element, latency: gst::ClockTime) {
    let offset = i64::try_from(latency.nseconds()).map_or(0, |latency| -latency);
    clocksync.set_property("ts-offset", offset);
}
