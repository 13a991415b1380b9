// SPDX-License-Identifier: MPL-2.0
//! The last element before a pad: it gives the stream its identity and stands between the peer and downstream.
//!
//! A private element, never registered. Its chain function takes no lock and never lets a failure of downstream back
//! to webrtcbin, where one stream's error would stop every stream of the bundle: what downstream does not want is
//! dropped. End of stream passes only when the session ends the stream, not when an RTCP BYE or a renegotiation makes
//! webrtcbin think so. Streaming threads call the pad functions; the session's task calls the methods.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use gst::glib;
use gst::glib::subclass::prelude::*;
use gst::prelude::*;
use gst::subclass::prelude::*;

use gst_video::ValidVideoTimeCode as TimeCode;

glib::wrapper! {
    /// See the module's documentation.
    pub(crate) struct Outlet(ObjectSubclass<imp::Outlet>) @extends gst::Element, gst::Object;
}

/// Who a stream is and whom to tell about it.
pub(crate) struct Identity {
    /// Of the STREAM_START event.
    pub(crate) stream_id: String,
    /// Shared by all streams of a session.
    pub(crate) group_id: gst::GroupId,
    /// Of RTP: for the latency query while nothing before the outlet can answer it, and for what has to wait so long.
    pub(crate) latency: gst::ClockTime,
    /// Whether lost data makes the rest useless until a key frame.
    pub(crate) needs_key_frames: bool,
    /// Set by whoever had to drop data before the outlet; the outlet then asks for a key frame.
    pub(crate) leaked: Arc<AtomicBool>,
    /// What downstream can link to while nothing has come yet.
    pub(crate) possible_caps: gst::Caps,
    /// Called on streaming threads and by whoever sends events; must return at once.
    pub(crate) listener: Box<dyn Fn(Notice) + Send + Sync>,
}

/// What an outlet reports.
#[derive(Debug)]
pub(crate) enum Notice {
    /// An event came from downstream; it also goes on to webrtcbin.
    Upstream(gst::Event),
    /// End of stream has left the pad.
    Ended,
    /// Downstream refused the stream's format.
    Refused,
}

impl Outlet {
    /// An outlet called `name`.
    pub(crate) fn new(name: &str, identity: Identity) -> Self {
        let outlet: Self = glib::Object::builder().property("name", name).build();
        let is_first = outlet.imp().identity.set(identity).is_ok();
        debug_assert!(is_first, "a new outlet has no identity");
        outlet
    }

    /// Where branches are linked to.
    pub(crate) fn sink_pad(&self) -> &gst::Pad {
        &self.imp().sink_pad
    }

    /// What the element's pad stands for.
    pub(crate) fn src_pad(&self) -> &gst::Pad {
        &self.imp().src_pad
    }

    /// Lets the next end of stream pass.
    pub(crate) fn let_end_pass(&self) {
        self.imp().is_ending.store(true, Ordering::Release);
    }

    /// Ends the stream from here, for one that no branch feeds.
    pub(crate) fn end(&self) {
        let imp = self.imp();
        self.let_end_pass();
        self.begin();
        imp.src_pad.push_event(gst::event::Eos::new());
        imp.tell(Notice::Ended);
    }

    /// Says downstream who the stream is, before anything comes.
    pub(crate) fn begin(&self) {
        let imp = self.imp();
        if !imp.has_started() {
            imp.src_pad.push_event(imp.stream_start(None));
        }
    }

    /// Whether end of stream has passed.
    pub(crate) fn has_ended(&self) -> bool {
        self.imp().src_pad.sticky_event::<gst::event::Eos>(0).is_some()
    }

    /// Attaches `time_code` to the next buffer.
    pub(crate) fn attach(&self, time_code: TimeCode) {
        let imp = self.imp();
        *imp.time_code.lock().unwrap_or_else(PoisonError::into_inner) = Some(time_code);
        imp.has_time_code.store(true, Ordering::Release);
    }

    /// Says by which SSRC the stream comes, for statistics.
    pub(crate) fn set_ssrc(&self, ssrc: u32) {
        self.imp().ssrc.store(ssrc, Ordering::Relaxed);
    }

    /// The SSRC by which the stream comes; `None` while nothing came.
    pub(crate) fn ssrc(&self) -> Option<u32> {
        Some(self.imp().ssrc.load(Ordering::Relaxed)).filter(|ssrc| *ssrc != 0)
    }

    /// The latency of RTP that it tells of.
    pub(crate) fn latency(&self) -> gst::ClockTime {
        let identity = self.imp().identity.get();
        identity.map_or(gst::ClockTime::ZERO, |identity| identity.latency)
    }

    /// Buffers that downstream did not take.
    pub(crate) fn dropped(&self) -> u64 {
        self.imp().dropped.load(Ordering::Relaxed)
    }
}

mod imp {
    use super::*;

    pub(crate) struct Outlet {
        pub(super) sink_pad: gst::Pad,
        pub(super) src_pad: gst::Pad,
        pub(super) identity: OnceLock<Identity>,
        /// Set by the session when an end of stream is its own.
        pub(super) is_ending: AtomicBool,
        /// Whether downstream's refusal was told; new caps are a new chance.
        pub(super) is_refused: AtomicBool,
        pub(super) dropped: AtomicU64,
        /// 0 for none: RTP allows it as an SSRC, and nobody draws it.
        pub(super) ssrc: AtomicU32,
        /// Spares the lock for all buffers but the one after a notice.
        pub(super) has_time_code: AtomicBool,
        /// Taken only when the flag above says that there is something.
        pub(super) time_code: Mutex<Option<TimeCode>>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for Outlet {
        const NAME: &'static str = "GstWebRTCSrcOutlet";
        type Type = super::Outlet;
        type ParentType = gst::Element;

        fn with_class(klass: &Self::Class) -> Self {
            let template = |name| {
                klass
                    .pad_template(name)
                    .expect("the class declares both of its pads")
            };
            let sink_pad = gst::Pad::builder_from_template(&template("sink"))
                .chain_function(|_, parent, buffer| {
                    Self::of(parent, Ok(gst::FlowSuccess::Ok), |outlet| outlet.chain(buffer))
                })
                .chain_list_function(|_, parent, list| {
                    Self::of(parent, Ok(gst::FlowSuccess::Ok), |outlet| outlet.chain_list(list))
                })
                .event_function(|_, parent, event| Self::of(parent, false, |outlet| outlet.sink_event(event)))
                .flags(gst::PadFlags::PROXY_ALLOCATION | gst::PadFlags::PROXY_SCHEDULING)
                .build();
            let src_pad = gst::Pad::builder_from_template(&template("src"))
                .event_function(|_, parent, event| Self::of(parent, false, |outlet| outlet.src_event(event)))
                .query_function(|_, parent, query| Self::of(parent, false, |outlet| outlet.src_query(query)))
                .build();
            Self {
                sink_pad,
                src_pad,
                identity: OnceLock::new(),
                is_ending: AtomicBool::new(false),
                is_refused: AtomicBool::new(false),
                dropped: AtomicU64::new(0),
                ssrc: AtomicU32::new(0),
                has_time_code: AtomicBool::new(false),
                time_code: Mutex::new(None),
            }
        }
    }

    impl ObjectImpl for Outlet {
        fn constructed(&self) {
            self.parent_constructed();
            for pad in [&self.sink_pad, &self.src_pad] {
                self.obj().add_pad(pad).expect("a new element has no pads yet");
            }
        }
    }

    impl GstObjectImpl for Outlet {}

    impl ElementImpl for Outlet {
        fn pad_templates() -> &'static [gst::PadTemplate] {
            static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
                [("sink", gst::PadDirection::Sink), ("src", gst::PadDirection::Src)]
                    .into_iter()
                    .map(|(name, direction)| {
                        gst::PadTemplate::new(
                            name,
                            direction,
                            gst::PadPresence::Always,
                            &gst::Caps::new_any(),
                        )
                        .expect("a template for any caps is valid")
                    })
                    .collect()
            });
            &TEMPLATES
        }
    }

    impl Outlet {
        /// Runs `call` on the outlet a pad belongs to.
        fn of<T>(parent: Option<&gst::Object>, orphaned: T, call: impl FnOnce(&Self) -> T) -> T {
            match parent.and_then(|parent| parent.downcast_ref::<super::Outlet>()) {
                Some(outlet) => call(outlet.imp()),
                None => orphaned,
            }
        }

        pub(super) fn tell(&self, notice: Notice) {
            if let Some(identity) = self.identity.get() {
                (identity.listener)(notice);
            }
        }

        fn chain(&self, mut buffer: gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
            if self.has_time_code.swap(false, Ordering::AcqRel) {
                self.attach_time_code(&mut buffer);
            }
            let flow = self.src_pad.push(buffer);
            self.settle(1, flow)
        }

        fn chain_list(&self, list: gst::BufferList) -> Result<gst::FlowSuccess, gst::FlowError> {
            let count = list.len() as u64;
            let flow = self.src_pad.push_list(list);
            self.settle(count, flow)
        }

        /// What upstream hears is always that all went well: a pad that is being shut down refuses data before it gets
        /// here, and anything else is downstream's own affair.
        fn settle(
            &self,
            count: u64,
            flow: Result<gst::FlowSuccess, gst::FlowError>,
        ) -> Result<gst::FlowSuccess, gst::FlowError> {
            match flow {
                Ok(_) => self.ask_for_key_frame_after_leak(),
                Err(error) => {
                    self.dropped.fetch_add(count, Ordering::Relaxed);
                    if error == gst::FlowError::NotNegotiated
                        && !self.is_refused.swap(true, Ordering::Relaxed)
                    {
                        self.tell(Notice::Refused);
                    }
                }
            }
            Ok(gst::FlowSuccess::Ok)
        }

        /// Asked once data passes again: a request while downstream stalls would be answered into the leak.
        fn ask_for_key_frame_after_leak(&self) {
            let Some(identity) = self.identity.get() else {
                return;
            };
            if identity.leaked.swap(false, Ordering::AcqRel) && identity.needs_key_frames {
                self.sink_pad.push_event(key_frame_request());
            }
        }

        fn attach_time_code(&self, buffer: &mut gst::Buffer) {
            let pending = self
                .time_code
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
            if let Some(time_code) = pending {
                gst_video::VideoTimeCodeMeta::add(buffer.make_mut(), &time_code);
            }
        }

        pub(super) fn has_started(&self) -> bool {
            self.src_pad.sticky_event::<gst::event::StreamStart>(0).is_some()
        }

        pub(super) fn stream_start(&self, original: Option<&gst::event::StreamStart>) -> gst::Event {
            let Some(identity) = self.identity.get() else {
                return gst::event::StreamStart::new("");
            };
            let builder = gst::event::StreamStart::builder(&identity.stream_id).group_id(identity.group_id);
            match original {
                Some(original) => builder
                    .seqnum(original.seqnum())
                    .flags(original.stream_flags())
                    .build(),
                None => builder.build(),
            }
        }

        /// Events of a branch reach downstream as those of one stream, whichever branch they come from.
        fn sink_event(&self, event: gst::Event) -> bool {
            match event.view() {
                // Downstream knows already who this is; another branch behind the outlet does not change it.
                gst::EventView::StreamStart(_) if self.has_started() => true,
                gst::EventView::StreamStart(start) => self.src_pad.push_event(self.stream_start(Some(start))),
                gst::EventView::Eos(_) if !self.is_ending.load(Ordering::Acquire) => {
                    gst::debug!(
                        super::super::super::CAT,
                        imp = self,
                        "end of stream by the peer alone is kept back"
                    );
                    true
                }
                gst::EventView::Eos(_) => {
                    let is_pushed = self.src_pad.push_event(event);
                    self.tell(Notice::Ended);
                    is_pushed
                }
                gst::EventView::Caps(_) => {
                    self.is_refused.store(false, Ordering::Relaxed);
                    self.src_pad.push_event(event);
                    true
                }
                _ => gst::Pad::event_default(&self.sink_pad, Some(&*self.obj()), event),
            }
        }

        /// Input of a user goes to the producer by the session's data channels, and upstream as ever.
        fn src_event(&self, event: gst::Event) -> bool {
            if matches!(
                event.view(),
                gst::EventView::Navigation(_) | gst::EventView::CustomUpstream(_)
            ) {
                self.tell(Notice::Upstream(event.clone()));
            }
            gst::Pad::event_default(&self.src_pad, Some(&*self.obj()), event)
        }

        /// While nothing feeds the outlet it answers itself, so that downstream can be linked and knows its latency
        /// before media comes.
        fn src_query(&self, query: &mut gst::QueryRef) -> bool {
            let is_fed = self.sink_pad.is_linked();
            if let gst::QueryViewMut::Caps(caps) = query.view_mut()
                && let Some(identity) = self.identity.get()
                && !is_fed
            {
                let possible = &identity.possible_caps;
                let result = caps
                    .filter_owned()
                    .map(|filter| filter.intersect_with_mode(possible, gst::CapsIntersectMode::First));
                caps.set_result(&result.unwrap_or_else(|| possible.clone()));
                return true;
            }
            if let (gst::QueryViewMut::Latency(latency), Some(identity)) =
                (query.view_mut(), self.identity.get())
            {
                let mut inner = gst::query::Latency::new();
                let is_live = self.sink_pad.peer_query(&mut inner) && inner.result().0;
                let (_, min, max) = inner.result();
                match is_live {
                    true => latency.set(true, min, max),
                    false => latency.set(true, identity.latency, gst::ClockTime::NONE),
                }
                return true;
            }
            gst::Pad::query_default(&self.src_pad, Some(&*self.obj()), query)
        }
    }
}

/// Asks whoever encodes for a key frame with all headers.
pub(crate) fn key_frame_request() -> gst::Event {
    gst_video::UpstreamForceKeyUnitEvent::builder()
        .all_headers(true)
        .build()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    struct Rig {
        outlet: Outlet,
        source: gst::Pad,
        notices: mpsc::Receiver<Notice>,
        leaked: Arc<AtomicBool>,
    }

    /// An outlet that runs, fed by a pad, with nothing behind it.
    fn rig() -> Rig {
        gst::init().expect("GStreamer initialises");
        let (sender, notices) = mpsc::channel();
        let leaked = Arc::new(AtomicBool::new(false));
        let outlet = Outlet::new(
            "out",
            Identity {
                stream_id: "mine".into(),
                group_id: gst::GroupId::next(),
                latency: gst::ClockTime::from_mseconds(150),
                needs_key_frames: true,
                leaked: leaked.clone(),
                possible_caps: gst::Caps::new_empty_simple("video/x-vp8"),
                listener: Box::new(move |notice| drop(sender.send(notice))),
            },
        );
        outlet.set_state(gst::State::Playing).expect("it plays");
        let source = gst::Pad::builder(gst::PadDirection::Src).name("source").build();
        source.set_active(true).expect("a pad becomes active");
        Rig {
            outlet,
            source,
            notices,
            leaked,
        }
    }

    impl Rig {
        fn feed(&self) {
            self.source.link(self.outlet.sink_pad()).expect("pads link");
            self.source.push_event(gst::event::StreamStart::new("theirs"));
            self.source
                .push_event(gst::event::Caps::new(&gst::Caps::new_empty_simple("video/x-vp8")));
            self.source.push_event(gst::event::Segment::new(
                &gst::FormattedSegment::<gst::ClockTime>::new(),
            ));
        }

        /// A pad behind the outlet that answers each buffer by `flow`.
        fn downstream(
            &self,
            flow: Result<gst::FlowSuccess, gst::FlowError>,
        ) -> (gst::Pad, mpsc::Receiver<gst::Buffer>) {
            let (sender, buffers) = mpsc::channel();
            let sender = Mutex::new(sender);
            let sink = gst::Pad::builder(gst::PadDirection::Sink)
                .chain_function(move |_, _, buffer| {
                    sender.lock().unwrap().send(buffer).expect("the test lives");
                    flow
                })
                .build();
            sink.set_active(true).expect("a pad becomes active");
            self.outlet.src_pad().link(&sink).expect("pads link");
            (sink, buffers)
        }
    }

    impl Drop for Rig {
        fn drop(&mut self) {
            self.outlet.set_state(gst::State::Null).expect("it stops");
        }
    }

    #[test]
    fn nothing_downstream_does_reaches_the_peer() {
        use gst::FlowError::*;
        let rig = rig();
        rig.feed();
        assert_eq!(
            rig.source.push(gst::Buffer::new()),
            Ok(gst::FlowSuccess::Ok),
            "not linked"
        );
        for (count, error) in [NotNegotiated, Error, Eos, Flushing].into_iter().enumerate() {
            let (sink, _buffers) = rig.downstream(Err(error));
            assert_eq!(
                rig.source.push(gst::Buffer::new()),
                Ok(gst::FlowSuccess::Ok),
                "{error:?}"
            );
            assert_eq!(rig.outlet.dropped(), count as u64 + 2);
            rig.outlet.src_pad().unlink(&sink).expect("pads unlink");
        }
        assert!(matches!(rig.notices.try_recv(), Ok(Notice::Refused)));
    }

    #[test]
    fn the_stream_keeps_its_own_identity() {
        let rig = rig();
        rig.feed();
        let start = rig.outlet.src_pad().sticky_event::<gst::event::StreamStart>(0);
        let start = start.expect("stream start has passed");
        assert_eq!(start.stream_id(), "mine");
        assert!(start.group_id().is_some());
    }

    #[test]
    fn only_the_sessions_end_of_stream_passes() {
        let rig = rig();
        rig.feed();
        rig.source.push_event(gst::event::Eos::new());
        assert!(rig.outlet.src_pad().sticky_event::<gst::event::Eos>(0).is_none());
        rig.source.push_event(gst::event::FlushStop::new(false));
        rig.outlet.let_end_pass();
        rig.source.push_event(gst::event::Eos::new());
        assert!(rig.outlet.src_pad().sticky_event::<gst::event::Eos>(0).is_some());
        assert!(matches!(rig.notices.try_recv(), Ok(Notice::Ended)));
    }

    #[test]
    fn a_stream_without_a_branch_ends_properly() {
        let rig = rig();
        rig.outlet.end();
        let pad = rig.outlet.src_pad();
        assert_eq!(pad.stream_id().as_deref(), Some("mine"));
        assert!(pad.sticky_event::<gst::event::Eos>(0).is_some());
    }

    #[test]
    fn queries_are_answered_before_anything_is_known() {
        let rig = rig();
        let mut latency = gst::query::Latency::new();
        assert!(rig.outlet.src_pad().query(&mut latency));
        assert_eq!(latency.result(), (true, gst::ClockTime::from_mseconds(150), None));
        let caps = rig.outlet.src_pad().query_caps(None);
        assert_eq!(caps, gst::Caps::new_empty_simple("video/x-vp8"));
    }

    #[test]
    fn a_leak_asks_for_a_key_frame_once_data_flows_again() {
        let rig = rig();
        let (sender, requests) = mpsc::channel();
        let sender = Mutex::new(sender);
        rig.source
            .add_probe(gst::PadProbeType::EVENT_UPSTREAM, move |_, info| {
                if info
                    .event()
                    .is_some_and(|event| gst_video::UpstreamForceKeyUnitEvent::parse(event).is_ok())
                {
                    sender.lock().unwrap().send(()).expect("the test lives");
                }
                gst::PadProbeReturn::Ok
            });
        rig.feed();
        let (_sink, _buffers) = rig.downstream(Ok(gst::FlowSuccess::Ok));
        rig.source.push(gst::Buffer::new()).expect("it flows");
        assert!(requests.try_recv().is_err());
        rig.leaked.store(true, Ordering::Release);
        rig.source.push(gst::Buffer::new()).expect("it flows");
        rig.source.push(gst::Buffer::new()).expect("it flows");
        assert_eq!(requests.try_iter().count(), 1);
    }

    #[test]
    fn events_for_the_peer_are_reported_and_go_on() {
        let rig = rig();
        let (sink, _buffers) = rig.downstream(Ok(gst::FlowSuccess::Ok));
        let event = gst::event::CustomUpstream::new(gst::Structure::new_empty("app/ask"));
        sink.push_event(event);
        let reported = rig.notices.try_recv().expect("it is reported");
        assert!(matches!(reported, Notice::Upstream(event) if event.has_name("app/ask")));
    }
}
