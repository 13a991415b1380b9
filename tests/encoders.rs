// SPDX-License-Identifier: MPL-2.0
//! Encoders that nobody knows or that do not work: the next by rank is tried, what was tried is named, and one outside
//! of the table is controlled all the same. In a program of its own, for ranks are the whole process's.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod common;

use std::str::FromStr;
use std::sync::Once;

use common::consumer::{Consumer, Options};
use common::pipelines::{Producer, SMALL, video};
use common::wait_until;
use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

/// A video encoder by its pads and class that refuses to start.
macro_rules! broken_encoder {
    ($module:ident, $name:literal, $inner:literal, $caps:literal) => {
        mod $module {
            use super::*;

            #[derive(Default)]
            pub struct Imp;

            #[glib::object_subclass]
            impl ObjectSubclass for Imp {
                const NAME: &'static str = $name;
                type Type = Encoder;
                type ParentType = gst::Bin;
            }

            impl ObjectImpl for Imp {
                fn constructed(&self) {
                    self.parent_constructed();
                    wrap($inner, self.obj().upcast_ref());
                }
            }

            impl GstObjectImpl for Imp {}

            impl ElementImpl for Imp {
                fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
                    Some(&ENCODER)
                }

                fn pad_templates() -> &'static [gst::PadTemplate] {
                    static TEMPLATES: std::sync::LazyLock<Vec<gst::PadTemplate>> =
                        std::sync::LazyLock::new(|| templates($caps));
                    &TEMPLATES
                }

                fn change_state(
                    &self,
                    change: gst::StateChange,
                ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
                    if change == gst::StateChange::ReadyToPaused {
                        gst::element_imp_error!(self, gst::LibraryError::Init, ("no licence"));
                        return Err(gst::StateChangeError);
                    }
                    self.parent_change_state(change)
                }
            }

            impl BinImpl for Imp {}

            glib::wrapper! {
                pub struct Encoder(ObjectSubclass<Imp>) @extends gst::Bin, gst::Element, gst::Object;
            }
        }
    };
}

broken_encoder!(broken_vp8, "TestBrokenVp8", "vp8enc", "video/x-vp8");
broken_encoder!(broken_h264, "TestBrokenH264", "x264enc", "video/x-h264");
broken_encoder!(broken_h264_too, "TestBrokenH264Too", "x264enc", "video/x-h264");

/// `vp9enc` under another name, with a bitrate in kbit/s, as an encoder that no table lists.
mod unknown {
    use super::*;

    #[derive(Default)]
    pub struct Imp;

    #[glib::object_subclass]
    impl ObjectSubclass for Imp {
        const NAME: &'static str = "TestUnknownVp9";
        type Type = Encoder;
        type ParentType = gst::Bin;
    }

    impl ObjectImpl for Imp {
        fn properties() -> &'static [glib::ParamSpec] {
            static PROPERTIES: std::sync::LazyLock<Vec<glib::ParamSpec>> = std::sync::LazyLock::new(|| {
                vec![
                    glib::ParamSpecUInt::builder("bitrate")
                        .nick("Bitrate")
                        .blurb("Bitrate in kbit/sec")
                        .default_value(256)
                        .mutable_playing()
                        .build(),
                ]
            });
            &PROPERTIES
        }

        fn set_property(&self, _: usize, value: &glib::Value, _: &glib::ParamSpec) {
            let bps = value.get::<u32>().unwrap() * 1000;
            self.inner().set_property("target-bitrate", bps as i32);
        }

        fn property(&self, _: usize, _: &glib::ParamSpec) -> glib::Value {
            (self.inner().property::<i32>("target-bitrate") as u32 / 1000).to_value()
        }

        fn constructed(&self) {
            self.parent_constructed();
            wrap(
                "vp9enc deadline=1 cpu-used=8 lag-in-frames=0",
                self.obj().upcast_ref(),
            );
        }
    }

    impl Imp {
        fn inner(&self) -> gst::Element {
            self.obj().by_name("inner").unwrap()
        }
    }

    impl GstObjectImpl for Imp {}

    impl ElementImpl for Imp {
        fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
            Some(&ENCODER)
        }

        fn pad_templates() -> &'static [gst::PadTemplate] {
            static TEMPLATES: std::sync::LazyLock<Vec<gst::PadTemplate>> =
                std::sync::LazyLock::new(|| templates("video/x-vp9"));
            &TEMPLATES
        }
    }

    impl BinImpl for Imp {}

    glib::wrapper! {
        pub struct Encoder(ObjectSubclass<Imp>) @extends gst::Bin, gst::Element, gst::Object;
    }
}

static ENCODER: std::sync::LazyLock<gst::subclass::ElementMetadata> = std::sync::LazyLock::new(|| {
    gst::subclass::ElementMetadata::new("Test encoder", "Codec/Encoder/Video", "For tests", "The tests")
});

fn templates(caps: &str) -> Vec<gst::PadTemplate> {
    let template = |name, direction, caps: &str| {
        let caps = gst::Caps::from_str(caps).unwrap();
        gst::PadTemplate::new(name, direction, gst::PadPresence::Always, &caps).unwrap()
    };
    vec![
        template("sink", gst::PadDirection::Sink, "video/x-raw, format=I420"),
        template("src", gst::PadDirection::Src, caps),
    ]
}

/// Makes a bin look like the one element in it.
fn wrap(line: &str, bin: &gst::Bin) {
    let inner = gst::parse::launch(line).unwrap();
    inner.set_property("name", "inner");
    bin.add(&inner).unwrap();
    for name in ["sink", "src"] {
        let template = bin.pad_template(name).unwrap();
        let target = inner.static_pad(name).unwrap();
        let pad = gst::GhostPad::builder_from_template_with_target(&template, &target).unwrap();
        bin.add_pad(&pad.build()).unwrap();
    }
}

/// The test encoders come before all that are installed, and no other encoder makes H.264.
fn register() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        gst::init().unwrap();
        let first = gst::Rank::PRIMARY + 100;
        for (name, rank, of_type) in [
            ("testbrokenvp8", first, broken_vp8::Encoder::static_type()),
            ("testunknownvp9", first, unknown::Encoder::static_type()),
            ("testbrokenh264", first, broken_h264::Encoder::static_type()),
            (
                "testbrokenh264too",
                gst::Rank::MARGINAL,
                broken_h264_too::Encoder::static_type(),
            ),
        ] {
            gst::Element::register(None, name, rank, of_type).unwrap();
        }
        let h264 = gst::Caps::new_empty_simple("video/x-h264");
        for factory in
            gst::ElementFactory::factories_with_type(gst::ElementFactoryType::ENCODER, gst::Rank::MARGINAL)
        {
            if factory.can_src_any_caps(&h264) && !factory.name().starts_with("test") {
                factory.set_rank(gst::Rank::NONE);
            }
        }
    });
}

fn start(video_caps: &str) -> Producer {
    register();
    Producer::start(&[video(SMALL)], |sink| {
        sink.set_property("video-caps", gst::Caps::from_str(video_caps).unwrap());
    })
}

/// Factory and bitrate of a session's encoder, by the statistics.
fn encoder(producer: &Producer, session: &str) -> Option<(String, i32)> {
    let stats = producer.sink.property::<gst::Structure>("stats");
    let session = stats.get::<gst::Structure>(session).ok()?;
    let consumer = session.get::<gst::Structure>("consumer-stats").ok()?;
    let first = |name: &str| {
        consumer
            .get::<gst::Array>(name)
            .ok()?
            .first()?
            .get::<gst::Structure>()
            .ok()
    };
    Some((
        first("streams")?.get("encoder").ok()?,
        first("video-encoders")?.get("bitrate").ok()?,
    ))
}

#[test]
fn one_that_does_not_start_gives_way_to_the_next_by_rank() {
    let producer = start("video/x-vp8");
    let consumer = Consumer::join_with(&producer.signaller, "one", Options::DECODING);
    consumer.wait_frames(0, 20);
    assert_eq!(encoder(&producer, "one").unwrap().0, "vp8enc");
    producer.assert_no_errors();
}

#[test]
fn a_codec_none_of_whose_encoders_work_is_given_up_and_each_is_named() {
    let producer = start("video/x-h264");
    let warnings = || producer.warnings.lock().unwrap().join("\n");
    wait_until("the bus is warned", || !warnings().is_empty());
    let consumer = Consumer::join(&producer.signaller, "one");
    let (nick, text) = producer.wait_end("one");
    assert_eq!(nick, "no-common-codec");
    for words in [&warnings(), &text] {
        for name in ["testbrokenh264: ", "testbrokenh264too: ", "no licence"] {
            assert!(words.contains(name), "{name} is not in: {words}");
        }
    }
    assert!(
        consumer
            .wait_end()
            .is_some_and(|told| told.contains("testbrokenh264"))
    );
    producer.assert_no_errors();
}

#[test]
fn a_codec_that_was_given_up_leaves_the_others() {
    let producer = start("video/x-h264; video/x-vp8");
    let consumer = Consumer::join_with(&producer.signaller, "one", Options::DECODING);
    consumer.wait_frames(0, 20);
    let offer = consumer.seen.descriptions.lock().unwrap()[0].clone();
    assert!(
        offer.contains("VP8/90000") && !offer.contains("H264/90000"),
        "{offer}"
    );
    producer.assert_no_errors();
}

#[test]
fn one_that_no_table_lists_is_controlled_by_the_bitrate_it_has() {
    let producer = start("video/x-vp9");
    producer.sink.connect("define-encoder-bitrates", false, |values| {
        let mut bitrates = values[3].get::<gst::Structure>().unwrap();
        bitrates.set("video_0", 321_000);
        Some(bitrates.to_value())
    });
    let options = Options {
        video_codec: Some("VP9"),
        ..Options::DECODING
    };
    let consumer = Consumer::join_with(&producer.signaller, "one", options);
    wait_until("it is decoded", || {
        consumer
            .stream(0)
            .is_some_and(|stream| stream.decoded.load(std::sync::atomic::Ordering::SeqCst) > 10)
    });
    wait_until("its bitrate is the one that was chosen", || {
        encoder(&producer, "one") == Some(("testunknownvp9".to_owned(), 321_000))
    });
    producer.assert_no_errors();
}
