// SPDX-License-Identifier: MPL-2.0
//! Encoders that do not start, break at once, or break later.

use super::*;
use crate::codec::catalogue;
use std::sync::Once;

/// Bins that pass video through `vp8enc` and break, each in its own way. A factory needs a type of its own.
macro_rules! breaking_encoder {
    ($module:ident, $name:literal, $breaks:expr) => {
        mod $module {
            use super::*;
            use gst::glib;
            use gst::subclass::prelude::*;

            #[derive(Default)]
            pub(super) struct Imp;

            #[glib::object_subclass]
            impl ObjectSubclass for Imp {
                const NAME: &'static str = $name;
                type Type = Encoder;
                type ParentType = gst::Bin;
            }

            impl ObjectImpl for Imp {
                fn constructed(&self) {
                    self.parent_constructed();
                    fill(self.obj().upcast_ref());
                }
            }

            impl GstObjectImpl for Imp {}

            impl ElementImpl for Imp {
                fn pad_templates() -> &'static [gst::PadTemplate] {
                    static TEMPLATES: std::sync::LazyLock<Vec<gst::PadTemplate>> =
                        std::sync::LazyLock::new(templates);
                    &TEMPLATES
                }

                fn change_state(
                    &self,
                    change: gst::StateChange,
                ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
                    let breaks: fn(&gst::Element, gst::StateChange) -> Result<(), gst::StateChangeError> =
                        $breaks;
                    breaks(&self.obj().by_name("breaker").unwrap(), change)?;
                    self.parent_change_state(change)
                }
            }

            impl BinImpl for Imp {}

            glib::wrapper! {
                pub(super) struct Encoder(ObjectSubclass<Imp>) @extends gst::Bin, gst::Element, gst::Object;
            }
        }
    };
}

breaking_encoder!(never_starts, "TestNeverStarts", |_, change| match change {
    gst::StateChange::ReadyToPaused => Err(gst::StateChangeError),
    _ => Ok(()),
});
breaking_encoder!(breaks_at_once, "TestBreaksAtOnce", |breaker, _| {
    breaker.set_property("error-after", 1);
    Ok(())
});
breaking_encoder!(breaks_later, "TestBreaksLater", |breaker, _| {
    breaker.set_property("error-after", 20);
    Ok(())
});

breaking_encoder!(only_one, "TestOnlyOne", |_, change| {
    use std::sync::atomic::AtomicBool;
    static IS_TAKEN: AtomicBool = AtomicBool::new(false);
    match change {
        gst::StateChange::ReadyToPaused if IS_TAKEN.swap(true, Ordering::SeqCst) => {
            return Err(gst::StateChangeError);
        }
        gst::StateChange::PausedToReady => IS_TAKEN.store(false, Ordering::SeqCst),
        _ => {}
    }
    Ok(())
});

fn fill(bin: &gst::Bin) {
    let breaker = gst::ElementFactory::make("identity")
        .name("breaker")
        .build()
        .unwrap();
    let encoder = gst::ElementFactory::make("vp8enc")
        .property("deadline", 1_i64)
        .build()
        .unwrap();
    bin.add_many([&breaker, &encoder]).unwrap();
    breaker.link(&encoder).unwrap();
    for (name, element) in [("sink", &breaker), ("src", &encoder)] {
        let template = bin.pad_template(name).unwrap();
        let target = element.static_pad(name).unwrap();
        let pad = gst::GhostPad::builder_from_template_with_target(&template, &target)
            .unwrap()
            .build();
        bin.add_pad(&pad).unwrap();
    }
}

fn templates() -> Vec<gst::PadTemplate> {
    let template = |name, direction, text| {
        gst::PadTemplate::new(name, direction, gst::PadPresence::Always, &caps(text)).unwrap()
    };
    vec![
        template("sink", gst::PadDirection::Sink, "video/x-raw, format=I420"),
        template("src", gst::PadDirection::Src, "video/x-vp8"),
    ]
}

/// A catalogue whose VP8 encoders are these. They have no rank, so that no other test sees them.
fn with_encoders(names: &[&str]) -> Catalogue {
    static REGISTER: Once = Once::new();
    gst::init().unwrap();
    REGISTER.call_once(|| {
        for (name, of_type) in [
            ("testneverstarts", never_starts::Encoder::static_type()),
            ("testbreaksatonce", breaks_at_once::Encoder::static_type()),
            ("testonlyone", only_one::Encoder::static_type()),
            ("testbreakslater", breaks_later::Encoder::static_type()),
        ] {
            gst::Element::register(None, name, gst::Rank::NONE, of_type).unwrap();
        }
    });
    let factories = names
        .iter()
        .map(|name| gst::ElementFactory::find(name).unwrap())
        .collect();
    Catalogue::scan().with_encoders(Codec::Vp8, factories)
}

fn encoder_of(rig: &Rig) -> Option<String> {
    rig.pool
        .snapshot()
        .first()
        .and_then(|branch| branch.encoder.clone())
}

#[test]
fn one_that_does_not_start_gives_way_to_the_next() {
    let rig = Rig::with_catalogue(with_encoders(&["testneverstarts", "vp8enc"]), VIDEO);
    let viewer = rig.viewer("a", Codec::Vp8, 1000);
    viewer.wait_more(5);
    assert_eq!(encoder_of(&rig).as_deref(), Some("vp8enc"));
    assert!(rig.host.failures.lock().unwrap().is_empty());
}

#[test]
fn one_that_breaks_at_once_gives_way_to_the_next() {
    let rig = Rig::with_catalogue(with_encoders(&["testbreaksatonce", "vp8enc"]), VIDEO);
    let viewer = rig.viewer("a", Codec::Vp8, 1000);
    viewer.wait_more(5);
    assert_eq!(encoder_of(&rig).as_deref(), Some("vp8enc"));
}

#[test]
fn one_that_breaks_later_is_tried_again_and_then_replaced() {
    let rig = Rig::with_catalogue(with_encoders(&["testbreakslater", "vp8enc"]), VIDEO);
    let viewers = ["a", "b"].map(|name| rig.viewer(name, Codec::Vp8, 1000));
    wait_for("the replacement", || {
        encoder_of(&rig).as_deref() == Some("vp8enc")
    });
    assert_eq!(
        rig.host.pipelines.lock().unwrap().len(),
        5,
        "four lives of the first, one of the second"
    );
    for viewer in &viewers {
        viewer.wait_more(10);
        let pts: Vec<_> = viewer.seen().iter().map(|seen| seen.pts).collect();
        assert!(pts.is_sorted_by(|a, b| a < b), "{pts:?}");
    }
    assert!(rig.host.failures.lock().unwrap().is_empty());
}

#[test]
fn when_none_is_left_the_error_names_them_all() {
    let rig = Rig::with_catalogue(with_encoders(&["testneverstarts"]), VIDEO);
    let error = rig.try_viewer("a", Codec::Vp8, 1000).err().unwrap();
    assert!(error.to_string().contains("testneverstarts"), "{error}");
    assert!(rig.pool.snapshot().is_empty());
    assert_eq!(rig.running_pipelines(), 0);
}

#[test]
fn when_all_break_later_sessions_are_named_to_the_host() {
    let rig = Rig::with_catalogue(with_encoders(&["testbreaksatonce"]), VIDEO);
    let viewers = ["a", "b"].map(|name| rig.try_viewer(name, Codec::Vp8, 1000));
    wait_for("the failure", || !rig.host.failures.lock().unwrap().is_empty());
    let failures = rig.host.failures.lock().unwrap();
    assert!(failures[0].sessions.contains(&"a".to_owned()), "{failures:?}");
    assert!(
        failures[0].error.to_string().contains("testbreaksatonce"),
        "{failures:?}"
    );
    assert_eq!(failures[0].stream, rig.stream);
    drop(viewers);
}

#[test]
fn without_any_encoder_the_codec_is_named() {
    let rig = Rig::with_catalogue(with_encoders(&[]), VIDEO);
    let error = rig.try_viewer("a", Codec::Vp8, 1000).err().unwrap();
    assert_eq!(error.to_string(), "no encoder for VP8 is installed");
}

#[test]
fn a_failure_of_one_codec_leaves_others_alone() {
    let rig = Rig::with_catalogue(with_encoders(&["testbreaksatonce"]), VIDEO);
    let healthy = rig.viewer("a", Codec::H264, 1000);
    let _broken = rig.try_viewer("b", Codec::Vp8, 1000);
    wait_for("the failure", || !rig.host.failures.lock().unwrap().is_empty());
    healthy.wait_more(20);
    healthy.assert_complete(&rig);
}

#[test]
fn garbage_for_encoded_input_ends_in_a_failure_not_a_panic() {
    let rig = Rig::new(
        "fakesrc is-live=true sizetype=fixed sizemax=100 filltype=random format=time datarate=3000 \
         ! capsfilter caps=video/x-h264,stream-format=byte-stream,alignment=au,width=64,height=64",
    );
    let viewer = rig.try_viewer("a", Codec::H264, 1000).unwrap();
    viewer.attachment().set_flowing(true);
    let start = rig.pushed.lock().unwrap().len();
    wait_for("some garbage", || rig.pushed.lock().unwrap().len() > start + 20);
    assert_eq!(viewer.key_count(), 0);
    assert!(catalogue().can_pay(Codec::H264));
}

#[test]
fn where_one_encoder_is_all_there_is_everyone_shares_it() {
    let rig = Rig::with_catalogue(with_encoders(&["testonlyone"]), VIDEO);
    let fast = rig.viewer("a", Codec::Vp8, 3000);
    let slow = rig.viewer("b", Codec::Vp8, 300);
    for viewer in [&fast, &slow] {
        viewer.wait_more(10);
        viewer.assert_complete(&rig);
    }
    assert_eq!(rig.grouping(), [["a", "b"]]);
    fast.attachment().set_target(Bitrate::from_kbps(9000));
    fast.wait_more(10);
    assert_eq!(rig.grouping(), [["a", "b"]]);
    assert!(rig.host.failures.lock().unwrap().is_empty());
}
