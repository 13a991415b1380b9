// SPDX-License-Identifier: MPL-2.0
//! Every property of every element and signaller gets absurd values, in every state: no panic, no critical of GLib, and
//! the way down takes no longer than promised.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gst::glib;
use gst::prelude::*;

use super::common::consumer::Consumer;
use super::common::pipelines::{Producer, SMALL, video};
use super::common::{init, wait_until};

/// What GLib says at critical level goes here instead of to stderr.
fn criticals() -> Arc<Mutex<Vec<String>>> {
    static SAID: std::sync::OnceLock<Arc<Mutex<Vec<String>>>> = std::sync::OnceLock::new();
    let said = SAID.get_or_init(|| {
        let said = Arc::new(Mutex::new(Vec::new()));
        let log = said.clone();
        glib::log_set_default_handler(move |domain, level, text| match level {
            glib::LogLevel::Critical | glib::LogLevel::Error => {
                log.lock()
                    .unwrap()
                    .push(format!("{}: {text}", domain.unwrap_or_default()));
            }
            _ => eprintln!("{}: {text}", domain.unwrap_or_default()),
        });
        said
    });
    said.clone()
}

/// What is said is said by the whole process, and one of the tests has GStreamer complain: one at a time.
fn take_turns() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What was said since the last look. GLib's own way of printing a value may say more, so `context` comes after.
fn assert_no_criticals(context: impl FnOnce() -> String) {
    let said = std::mem::take(&mut *criticals().lock().unwrap());
    assert!(said.is_empty(), "{}: {said:#?}", context());
}

/// The elements of this plugin.
fn factories() -> Vec<gst::ElementFactory> {
    init();
    let features = gst::Registry::get().features_by_plugin("rswebrtc");
    features
        .into_iter()
        .filter_map(|feature| feature.downcast().ok())
        .collect()
}

fn texts() -> Vec<glib::Value> {
    let long = "x".repeat(100_000);
    let texts = [
        None,
        Some(""),
        Some("nonsense"),
        Some("://"),
        Some("ws://[::"),
        Some("ws://nowhere.invalid:99999/"),
        Some("turn://@:0"),
        Some("/nonexistent/file.pem"),
        Some("🦀\n\t\u{7f}"),
        Some(long.as_str()),
    ];
    texts.iter().map(|text| text.to_value()).collect()
}

fn numbers(pspec: &glib::ParamSpec) -> Option<Vec<glib::Value>> {
    if let Some(it) = pspec.downcast_ref::<glib::ParamSpecUInt>() {
        return Some(vec![it.minimum().to_value(), it.maximum().to_value()]);
    }
    if let Some(it) = pspec.downcast_ref::<glib::ParamSpecInt>() {
        return Some(vec![it.minimum().to_value(), it.maximum().to_value()]);
    }
    if let Some(it) = pspec.downcast_ref::<glib::ParamSpecUInt64>() {
        return Some(vec![it.minimum().to_value(), it.maximum().to_value()]);
    }
    if let Some(it) = pspec.downcast_ref::<glib::ParamSpecDouble>() {
        return Some(vec![it.minimum().to_value(), it.maximum().to_value()]);
    }
    None
}

fn choices(pspec: &glib::ParamSpec) -> Option<Vec<glib::Value>> {
    if let Some(class) = glib::EnumClass::with_type(pspec.value_type()) {
        return Some(
            class
                .values()
                .iter()
                .filter_map(|it| class.to_value(it.value()))
                .collect(),
        );
    }
    let class = glib::FlagsClass::with_type(pspec.value_type())?;
    let all = class.values().iter().filter(|it| it.value() != 0);
    let builder = all.fold(class.builder(), |builder, it| builder.set(it.value()));
    Some(
        [class.builder().build(), builder.build()]
            .into_iter()
            .flatten()
            .collect(),
    )
}

/// Values of the property's type that nobody means.
fn absurd(pspec: &glib::ParamSpec) -> Vec<glib::Value> {
    let kind = pspec.value_type();
    if let Some(values) = numbers(pspec).or_else(|| choices(pspec)) {
        return values;
    }
    if kind == bool::static_type() {
        return vec![true.to_value(), false.to_value()];
    }
    if kind == String::static_type() {
        return texts();
    }
    if kind == gst::Caps::static_type() {
        let nonsense = gst::Caps::builder("nonsense/nonsense").field("width", -1).build();
        let caps = [
            None,
            Some(gst::Caps::new_any()),
            Some(gst::Caps::new_empty()),
            Some(nonsense),
        ];
        return caps.iter().map(|caps| caps.to_value()).collect();
    }
    if kind == gst::Structure::static_type() {
        let deep = (0..100).fold(gst::Structure::new_empty("a"), |inner, _| {
            gst::Structure::builder("a").field("a", inner).build()
        });
        let odd = gst::Structure::builder("odd\u{1F980}".trim_end_matches('\u{1F980}'))
            .field("caps", gst::Caps::new_any())
            .field("number", f64::NAN)
            .build();
        return [None, Some(deep), Some(odd)]
            .iter()
            .map(|it| it.to_value())
            .collect();
    }
    if kind == gst::Array::static_type() {
        let arrays = [
            gst::Array::default(),
            gst::Array::new(["", "nonsense", "turn://", "turn://a:b@:99999"]),
        ];
        return arrays.iter().map(|array| array.to_value()).collect();
    }
    // Nothing where an object is expected; other types have no absurd values that are known here.
    if kind.is_a(glib::Type::OBJECT) || kind.is_a(glib::Type::INTERFACE) {
        return vec![glib::Value::from_type(kind)];
    }
    Vec::new()
}

/// What moves the test's own ground, or the machine's, is left alone.
const SPARED: [&str; 4] = ["name", "parent", "run-signalling-server", "run-web-server"];

fn sweep(object: &glib::Object, context: &str) {
    for pspec in object.list_properties() {
        let is_settable = pspec.flags().contains(glib::ParamFlags::WRITABLE)
            && !pspec.flags().contains(glib::ParamFlags::CONSTRUCT_ONLY);
        if !is_settable || SPARED.contains(&pspec.name()) {
            continue;
        }
        for value in absurd(&pspec) {
            object.set_property_from_value(pspec.name(), &value);
            if pspec.flags().contains(glib::ParamFlags::READABLE) {
                let _ = object.property_value(pspec.name());
            }
            assert_no_criticals(|| format!("{context}: {} = {value:.80?}", pspec.name()));
        }
    }
}

fn sweep_all(element: &gst::Element, context: &str) {
    sweep(element.upcast_ref(), context);
    for pad in element.pads() {
        sweep(pad.upcast_ref(), context);
    }
    if element.has_property("signaller") {
        let signaller = element.property::<Option<glib::Object>>("signaller");
        signaller
            .iter()
            .for_each(|signaller| sweep(signaller, &format!("{context}: signaller")));
    }
}

#[test]
fn absurd_values_are_taken_or_refused_in_every_state() {
    let _turn = take_turns();
    let _ = criticals();
    for factory in factories() {
        let element = factory.create().build().unwrap();
        let name = factory.name();
        if name.ends_with("sink") {
            element
                .request_pad_simple("video_%u")
                .expect("sinks have pads to request");
        }
        let pipeline = gst::Pipeline::new();
        pipeline.add(&element).unwrap();
        sweep_all(&element, &format!("{name} in NULL"));
        for state in [gst::State::Ready, gst::State::Paused, gst::State::Playing] {
            // With values like these it may well not get there, and says why.
            let outcome = pipeline.set_state(state);
            if outcome.is_err() {
                let error = pipeline.bus().unwrap().pop_filtered(&[gst::MessageType::Error]);
                assert!(
                    error.is_some(),
                    "{name} does not say why it does not reach {state:?}"
                );
                break;
            }
            sweep_all(&element, &format!("{name} in {state:?}"));
        }
        let began = Instant::now();
        pipeline.set_state(gst::State::Null).unwrap();
        assert!(
            began.elapsed() < Duration::from_secs(5),
            "{name}: {:?} to NULL",
            began.elapsed()
        );
        assert_no_criticals(|| format!("{name} back in NULL"));
    }
}

/// What a launch line can set: the element's own properties, and its signaller's.
fn settable(element: &gst::Element) -> Vec<String> {
    let names = |object: &glib::Object, prefix: &str| -> Vec<String> {
        let all = object.list_properties().to_vec();
        let settable = all.iter().filter(|pspec| {
            pspec.flags().contains(glib::ParamFlags::WRITABLE)
                && !pspec.flags().contains(glib::ParamFlags::CONSTRUCT_ONLY)
                && !["name", "parent"].contains(&pspec.name())
        });
        settable
            .map(|pspec| format!("{prefix}{}", pspec.name()))
            .collect()
    };
    let signaller = element
        .has_property("signaller")
        .then(|| element.property::<Option<glib::Object>>("signaller"))
        .flatten();
    let mut all = names(element.upcast_ref(), "");
    all.extend(signaller.iter().flat_map(|it| names(it, "signaller::")));
    all
}

#[test]
fn launch_lines_with_absurd_values_are_refused_or_run() {
    let _turn = take_turns();
    let _ = criticals();
    let values = [
        "-1",
        "99999999999999999999",
        "nonsense",
        "\"\"",
        "<>",
        "1/0",
        "NULL",
        "\"a, b=(int)[1,\"",
    ];
    for factory in factories() {
        let element = factory.create().build().unwrap();
        for name in settable(&element) {
            for value in values {
                let line = format!("{} {name}={value}", factory.name());
                match gst::parse::launch(&line) {
                    Ok(element) => drop(element),
                    Err(error) => assert!(!error.message().is_empty(), "{line}"),
                }
                // GStreamer's reader of values has complaints of its own about some of these.
                criticals()
                    .lock()
                    .unwrap()
                    .retain(|said| !said.starts_with("GStreamer: "));
                assert_no_criticals(|| line);
            }
        }
    }
}

#[test]
fn absurd_bitrates_end_no_session_and_hold_nothing_up() {
    let cases = [
        (1, 1, 1),
        (u32::MAX, u32::MAX, u32::MAX),
        (8_000_000, 1, 1_000),
        (1, u32::MAX, 1),
    ];
    for (min, start, max) in cases {
        let producer = Producer::start(&[video(SMALL)], |sink| {
            sink.set_property("min-bitrate", min);
            sink.set_property("start-bitrate", start);
            sink.set_property("max-bitrate", max);
        });
        let consumer = Consumer::join(&producer.signaller, "one");
        wait_until(&format!("connected at {min}/{start}/{max}"), || {
            consumer.is_connected()
        });
        producer.assert_no_errors();
        let began = Instant::now();
        producer.pipeline.set_state(gst::State::Null).unwrap();
        assert!(
            began.elapsed() < TO_NULL,
            "{min}/{start}/{max}: {:?} to NULL",
            began.elapsed()
        );
    }
}

/// What every element promises.
const TO_NULL: Duration = Duration::from_secs(5);
