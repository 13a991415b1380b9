// SPDX-License-Identifier: MPL-2.0
//! The elements that bring one stream into the form downstream asks for, inside the session's bin.
//!
//! ```text
//! webrtcbin ─ queue ┬─ [filter] ────────────────────────────────────────────────────┬─ ghost pad of the session's bin
//!                   ├─ depayloader ─ assembler ─ parser ─ [filter] ────────────────┤
//!                   └─ depayloader ─ assembler ─ parser ─ [filter] ─ decodebin3 ───┘
//! ```
//! The queue leaks: a downstream that stalls costs old packets of its own stream, never memory or the other streams. It
//! holds what `latency` keeps waiting as well: jitterbuffers pass packets on at once where none is missing, and it is a
//! synchronised sink that lets them wait.
//! The assembler is there for H.264 and H.265: rtph264depay 1.22 gives single NAL units, after which a parser waits for
//! the next picture to know that one is over, or whole pictures, which it cuts wherever parameter sets are repeated.
//!
//! Built and taken apart by the session's thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gst::prelude::*;

use super::assembler::Assembler;
use super::form::Form;
use super::opening;
use crate::codec::nal::Syntax;
use crate::codec::{Codec, catalogue};
use crate::gst_ext::make::{self, MissingElement};
use crate::runtime;

/// What to build.
pub(crate) struct Plan {
    /// Unique within the session's bin.
    pub(crate) name: String,
    /// The form to bring the stream into.
    pub(crate) form: Form,
    /// The codec it comes in.
    pub(crate) codec: Codec,
    /// How long a synchronised downstream lets data wait, by the source's own `latency`.
    pub(crate) latency: gst::ClockTime,
    /// An element of the application's to put before decoding.
    pub(crate) filter: Option<gst::Element>,
    /// Set whenever the queue had to drop something.
    pub(crate) leaked: Arc<AtomicBool>,
}

/// The elements of one stream.
pub(crate) struct Branch {
    bin: gst::Bin,
    elements: Vec<gst::Element>,
    /// Without a target until a decoder knows its stream.
    exit: gst::GhostPad,
    form: Form,
    codec: Codec,
}

/// Why a stream cannot be brought into its form.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum BranchError {
    /// Something is not installed.
    #[error(transparent)]
    Missing(#[from] MissingElement),
    /// Nothing can take the codec out of its packets.
    #[error("nothing depayloads {0}")]
    NoDepayloader(Codec),
    /// The application's filter has no static pads called sink and src.
    #[error("filter {0} has no pads called sink and src")]
    Filter(String),
    /// GStreamer refused.
    #[error("branch {name} cannot be put together: {reason}")]
    Link {
        /// Name of the branch.
        name: String,
        /// GStreamer's words.
        reason: String,
    },
}

impl Branch {
    /// Builds `plan` inside `bin`, before `outlet`. Nothing flows until [`Branch::entry`] is linked.
    ///
    /// # Errors
    /// [`BranchError`]; nothing of the branch is left then.
    pub(crate) fn build(bin: &gst::Bin, outlet: &gst::Pad, plan: &Plan) -> Result<Self, BranchError> {
        let exit = gst::GhostPad::builder(gst::PadDirection::Src)
            .name(&plan.name)
            .build();
        let mut branch = Self {
            bin: bin.clone(),
            elements: Vec::new(),
            exit,
            form: plan.form,
            codec: plan.codec,
        };
        // Dropping a branch that came only half into being takes away that half.
        branch.assemble(outlet, plan)?;
        Ok(branch)
    }

    /// Where packets go in.
    pub(crate) fn entry(&self) -> Option<gst::Pad> {
        self.elements.first()?.static_pad("sink")
    }

    /// Whether it already does what is asked.
    pub(crate) fn is(&self, form: Form, codec: Codec) -> bool {
        self.form == form && self.codec == codec
    }

    /// Whether `object` is one of its elements or inside of one.
    pub(crate) fn contains(&self, object: &gst::Object) -> bool {
        self.elements
            .iter()
            .any(|element| element.upcast_ref::<gst::Object>() == object || object.has_as_ancestor(element))
    }

    /// Unlinks the branch and takes it apart elsewhere: its threads may be held up by downstream.
    pub(crate) fn retire(self) {
        if let Some(peer) = self.exit.peer() {
            // They are linked.
            let _ = self.exit.unlink(&peer);
        }
        runtime::run_blocking(move || drop(self));
    }

    fn assemble(&mut self, outlet: &gst::Pad, plan: &Plan) -> Result<(), BranchError> {
        let refused = |error: gst::glib::BoolError| BranchError::Link {
            name: plan.name.clone(),
            reason: error.message.to_string(),
        };
        self.elements.push(queue(plan)?);
        if plan.form != Form::Rtp {
            self.elements.extend(depayloading(plan.codec)?);
        }
        self.elements
            .extend(plan.filter.clone().map(checked_filter).transpose()?);
        let decodes = plan.form == Form::Raw && !plan.codec.is_raw_payload();
        if decodes {
            self.elements
                .push(make::element("decodebin3", None, "to decode a stream")?);
        }
        for element in &self.elements {
            self.bin.add(element).map_err(refused)?;
        }
        gst::Element::link_many(&self.elements).map_err(refused)?;
        let last = self.elements.last().expect("the queue is always there");
        match last.static_pad("src") {
            Some(pad) => self.exit.set_target(Some(&pad)).map_err(refused)?,
            None => follow_decoder(last, &self.exit),
        }
        self.exit.set_active(true).map_err(refused)?;
        self.bin.add_pad(&self.exit).map_err(refused)?;
        self.exit.link(outlet).map_err(|error| BranchError::Link {
            name: plan.name.clone(),
            reason: error.to_string(),
        })?;
        for element in self.elements.iter().rev() {
            element.sync_state_with_parent().map_err(refused)?;
        }
        Ok(())
    }
}

impl Drop for Branch {
    /// Takes the elements away. May wait for a chain function that downstream holds up: flush it first.
    fn drop(&mut self) {
        if let Some(peer) = self.exit.peer() {
            // They are linked.
            let _ = self.exit.unlink(&peer);
        }
        for element in &self.elements {
            element.set_locked_state(true);
            let _ = element.set_state(gst::State::Null);
            let _ = self.bin.remove(element);
        }
        if self.exit.parent().is_some() {
            let _ = self.bin.remove_pad(&self.exit);
        }
    }
}

/// The place where a stalled downstream costs data, and where that is noticed.
fn queue(plan: &Plan) -> Result<gst::Element, MissingElement> {
    let queue = make::element("queue", None, "to keep streams apart")?;
    queue.set_property_from_str("leaky", "downstream");
    queue.set_property("max-size-buffers", 0u32);
    let time = QUEUE_TIME + plan.latency;
    queue.set_property("max-size-bytes", bytes_within(time));
    queue.set_property("max-size-time", time.nseconds());
    let leaked = plan.leaked.clone();
    queue.connect("overrun", false, move |_| {
        leaked.store(true, Ordering::Release);
        None
    });
    Ok(queue)
}

/// As much as a stream may bring within this time.
fn bytes_within(time: gst::ClockTime) -> u32 {
    u32::try_from(time.mseconds().saturating_mul(BYTES_PER_MILLISECOND)).unwrap_or(u32::MAX)
}

fn depayloading(codec: Codec) -> Result<Vec<gst::Element>, BranchError> {
    let factory = catalogue()
        .depayloader(codec)
        .ok_or(BranchError::NoDepayloader(codec))?;
    let depayloader = factory
        .create()
        .build()
        .map_err(|_| make::missing(&factory.name(), "to depayload a stream"))?;
    // A stream may begin between key frames, where a server forwards it or its first packets came too early.
    if depayloader.has_property("request-keyframe") {
        depayloader.set_property("request-keyframe", true);
    }
    opening::watch(&depayloader);
    let mut elements = vec![depayloader];
    // Of these the depayloader gives less than whole pictures.
    if let Some(syntax) = Syntax::of(codec) {
        elements.push(Assembler::new(syntax).upcast());
    }
    if let Some(parser) = codec.parser() {
        elements.push(make::element(parser, None, "to parse a stream")?);
    }
    Ok(elements)
}

/// Looked at before it is added, as an element of the application's may be of any shape.
fn checked_filter(filter: gst::Element) -> Result<gst::Element, BranchError> {
    let has_pads = ["sink", "src"]
        .into_iter()
        .all(|name| filter.static_pad(name).is_some());
    if has_pads {
        Ok(filter)
    } else {
        Err(BranchError::Filter(filter.name().into()))
    }
}

/// decodebin3 shows its pad when it knows the stream, and may replace it when the codec changes.
fn follow_decoder(decoder: &gst::Element, exit: &gst::GhostPad) {
    let exit = exit.downgrade();
    decoder.connect_pad_added(move |_, pad| {
        if let Some(exit) = exit
            .upgrade()
            .filter(|_| pad.direction() == gst::PadDirection::Src)
            && exit.target().is_none_or(|target| target.parent().is_none())
        {
            // Fails only when the branch is being taken apart.
            let _ = exit.set_target(Some(pad));
        }
    });
}

/// Whether a stream in `codec` can be given out in `form` with what is installed.
pub(crate) fn is_possible(codec: Codec, form: Form) -> bool {
    match form {
        Form::Rtp => true,
        Form::Encoded => catalogue().depayloader(codec).is_some(),
        Form::Raw => catalogue().can_decode(codec),
    }
}

/// A decoder that starts slowly, such as one on a graphics card, takes several hundred milliseconds.
const QUEUE_TIME: gst::ClockTime = gst::ClockTime::from_seconds(1);
/// 64 Mbit/s, well above what cameras and encoders send.
const BYTES_PER_MILLISECOND: u64 = 8_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(form: Form, codec: Codec, filter: Option<gst::Element>) -> Plan {
        Plan {
            name: "stream".into(),
            form,
            codec,
            latency: gst::ClockTime::from_mseconds(500),
            filter,
            leaked: Arc::default(),
        }
    }

    struct Rig {
        bin: gst::Bin,
        outlet: gst::Element,
    }

    fn rig() -> Rig {
        gst::init().expect("GStreamer initialises");
        let parent = gst::Bin::new();
        let bin = gst::Bin::new();
        let outlet = make::element("identity", None, "to test").expect("identity is a core element");
        parent
            .add_many([bin.upcast_ref(), &outlet])
            .expect("elements go in");
        // The outlet keeps its parent alive for the test.
        Box::leak(Box::new(parent));
        Rig { bin, outlet }
    }

    impl Rig {
        fn build(&self, plan: &Plan) -> Result<Branch, BranchError> {
            Branch::build(
                &self.bin,
                &self.outlet.static_pad("sink").expect("identity has one"),
                plan,
            )
        }

        fn factories(&self) -> Vec<String> {
            let mut names: Vec<String> = self
                .bin
                .iterate_elements()
                .into_iter()
                .flatten()
                .map(|element| match element.factory() {
                    Some(factory) => factory.name().into(),
                    None => element.type_().name().to_owned(),
                })
                .collect();
            names.reverse();
            names
        }
    }

    const ASSEMBLER: &str = "GstWebRTCSrcAssembler";

    #[test]
    fn each_form_has_its_elements() {
        let cases: [(Form, Codec, &[&str]); 6] = [
            (Form::Rtp, Codec::H264, &["queue"]),
            (Form::Encoded, Codec::Vp8, &["queue", "rtpvp8depay"]),
            (
                Form::Encoded,
                Codec::H264,
                &["queue", "rtph264depay", ASSEMBLER, "h264parse"],
            ),
            (
                Form::Raw,
                Codec::H264,
                &["queue", "rtph264depay", ASSEMBLER, "h264parse", "decodebin3"],
            ),
            (Form::Raw, Codec::Opus, &["queue", "rtpopusdepay", "decodebin3"]),
            (Form::Raw, Codec::L16, &["queue", "rtpL16depay"]),
        ];
        for (form, codec, expected) in cases {
            let rig = rig();
            let branch = rig.build(&plan(form, codec, None)).expect("it is built");
            let mut found = rig.factories();
            let mut expected = expected.to_vec();
            found.sort();
            expected.sort_unstable();
            assert_eq!(found, expected, "{form:?} {codec}");
            assert!(branch.is(form, codec) && branch.entry().is_some());
        }
    }

    #[test]
    fn a_dropped_branch_leaves_nothing_behind() {
        let rig = rig();
        let branch = rig
            .build(&plan(Form::Raw, Codec::Vp8, None))
            .expect("it is built");
        let decoder = rig
            .bin
            .iterate_elements()
            .into_iter()
            .flatten()
            .next()
            .expect("there are elements");
        assert!(branch.contains(decoder.upcast_ref()));
        assert!(!branch.contains(rig.outlet.upcast_ref()));
        drop(branch);
        assert!(rig.factories().is_empty());
        assert_eq!(rig.bin.num_src_pads(), 0);
    }

    #[test]
    fn minutes_of_stall_keep_a_second_more_than_the_latency() {
        let rig = rig();
        let plan = plan(Form::Rtp, Codec::Vp8, None);
        let branch = rig.build(&plan).expect("it is built");
        let sink = rig.outlet.static_pad("sink").expect("identity has one");
        sink.add_probe(gst::PadProbeType::BLOCK | gst::PadProbeType::BUFFER, |_, _| {
            gst::PadProbeReturn::Ok
        });
        for element in [&rig.outlet, rig.bin.upcast_ref()] {
            element.set_state(gst::State::Playing).expect("it plays");
        }
        let source = gst::Pad::builder(gst::PadDirection::Src).name("source").build();
        source.set_active(true).expect("a pad becomes active");
        source
            .link(&branch.entry().expect("a branch begins with a queue"))
            .expect("pads link");
        source.push_event(gst::event::StreamStart::new("stalled"));
        source.push_event(gst::event::Segment::new(
            &gst::FormattedSegment::<gst::ClockTime>::new(),
        ));
        let interval = gst::ClockTime::from_mseconds(10);
        // Five minutes of packets.
        for number in 0..30_000 {
            let mut packet = gst::Buffer::with_size(1200).expect("there is memory");
            packet.make_mut().set_pts(interval * number);
            assert_eq!(source.push(packet), Ok(gst::FlowSuccess::Ok));
        }
        let queue = &branch.elements[0];
        let kept = queue.property::<u32>("current-level-buffers");
        assert!((140..=151).contains(&kept), "{kept}");
        assert!(queue.property::<u32>("current-level-bytes") <= 12_000_000);
        assert!(
            plan.leaked.load(Ordering::Acquire),
            "the outlet asks for a key frame"
        );
        rig.outlet.set_state(gst::State::Null).expect("it stops");
    }

    #[test]
    fn a_filter_needs_its_pads() {
        let rig = rig();
        let bad = make::element("fakesink", Some("bad"), "to test").expect("a core element");
        let error = rig.build(&plan(Form::Encoded, Codec::Vp8, Some(bad))).map(drop);
        assert!(matches!(error, Err(BranchError::Filter(name)) if name == "bad"));
        assert!(rig.factories().is_empty());
        let good = make::element("identity", None, "to test").expect("a core element");
        rig.build(&plan(Form::Encoded, Codec::Vp8, Some(good)))
            .expect("identity is a filter");
    }

    #[test]
    fn what_cannot_be_depayloaded_can_still_be_given_as_rtp() {
        gst::init().expect("GStreamer initialises");
        for codec in Codec::ALL {
            assert!(is_possible(codec, Form::Rtp));
            let depayloads = catalogue().depayloader(codec).is_some();
            assert_eq!(is_possible(codec, Form::Encoded), depayloads, "{codec}");
        }
    }
}
