// SPDX-License-Identifier: MPL-2.0
//! What a source gives out: raw, encoded or RTP as downstream asks, several streams, none in another's way.

use std::sync::{Arc, Mutex};

use crate::common::producer::{H264, OPUS, Producer, VP8, VP9};
use crate::common::receiver::{Behind, Receiver, attach};
use crate::common::{init, wait_until};
use gst::prelude::*;

#[test]
fn raw_pictures_and_sound_come_out_for_who_asks_for_them() {
    init();
    let receiver = Receiver::new(|name| {
        Some(if name.starts_with("video") {
            "videoconvert"
        } else {
            "audioconvert"
        })
    });
    let producer = Producer::new(&receiver.signaller, "raw", &[VP8, OPUS]);
    producer.offer();
    receiver.wait_buffers("video_0", 30);
    receiver.wait_buffers("audio_0", 30);
    assert_eq!(receiver.caps_name("video_0"), "video/x-raw");
    assert_eq!(receiver.caps_name("audio_0"), "audio/x-raw");
    assert!(receiver.errors().is_empty(), "{:?}", receiver.errors());
}

#[test]
fn decoders_are_chosen_by_rank() {
    init();
    let decoder = gst::ElementFactory::find("avdec_vp9").expect("GStreamer's libav plugin is installed");
    let usual = decoder.rank();
    // As the rank of a decoder on a graphics card; vp9dec is PRIMARY.
    decoder.set_rank(gst::Rank::PRIMARY + 1);
    let receiver = Receiver::new(|_| Some("videoconvert"));
    let producer = Producer::new(&receiver.signaller, "rank", &[VP9]);
    producer.offer();
    receiver.wait_buffers("video_0", 10);
    decoder.set_rank(usual);
    let bin = receiver
        .src
        .downcast_ref::<gst::Bin>()
        .expect("a source is a bin");
    let mut elements = bin.iterate_recurse().into_iter().flatten();
    assert!(elements.any(|element| element.factory().as_ref() == Some(&decoder)));
}

#[test]
fn packets_come_out_for_who_takes_anything() {
    init();
    let receiver = Receiver::new(|_| Some("queue"));
    let producer = Producer::new(&receiver.signaller, "rtp", &[VP8, OPUS]);
    producer.offer();
    receiver.wait_buffers("video_0", 30);
    receiver.wait_buffers("audio_0", 30);
    assert_eq!(receiver.caps_name("video_0"), "application/x-rtp");
}

#[test]
fn frames_come_out_encoded_and_whole() {
    init();
    let receiver =
        Receiver::new(|_| Some("capsfilter caps=video/x-h264,stream-format=byte-stream,alignment=au"));
    let producer = Producer::new(&receiver.signaller, "encoded", &[H264]);
    producer.offer();
    receiver.wait_buffers("video_0", 60);
    let stream = receiver.stream("video_0").expect("the pad is there");
    let caps = stream.caps.lock().unwrap().clone().expect("caps have come");
    let structure = caps.structure(0).expect("one structure");
    assert_eq!(structure.name(), "video/x-h264");
    assert_eq!(structure.get::<&str>("alignment"), Ok("au"));
}

#[test]
fn a_picture_of_several_slices_is_one_buffer() {
    init();
    let times = Arc::new(Mutex::new(Vec::new()));
    let list = times.clone();
    let receiver = Receiver::configured(
        |_| Some("capsfilter caps=video/x-h264"),
        |src| {
            src.connect_pad_added(move |_, pad| {
                let list = list.clone();
                pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
                    list.lock()
                        .unwrap()
                        .extend(info.buffer().map(|buffer| buffer.pts()));
                    gst::PadProbeReturn::Ok
                });
            });
        },
    );
    // Its payloader repeats the parameter sets before every slice of a key frame.
    let producer = Producer::new(&receiver.signaller, "slices", &[H264]);
    producer.offer();
    receiver.wait_buffers("video_0", 60);
    let times = times.lock().unwrap();
    let parts = times.windows(2).filter(|pair| pair[0] == pair[1]).count();
    assert_eq!(parts, 0, "parts of pictures: {times:?}");
}

#[test]
fn an_unlinked_pad_disturbs_nobody_and_may_be_linked_later() {
    init();
    let receiver = Receiver::new(|name| name.starts_with("audio").then_some("audioconvert"));
    let producer = Producer::new(&receiver.signaller, "unlinked", &[VP8, OPUS]);
    producer.offer();
    receiver.wait_buffers("audio_0", 50);
    assert_eq!(receiver.buffers("video_0"), 0);
    let pad = receiver.src.static_pad("video_0").expect("the pad is there");
    attach(&receiver.pipeline, &pad, "videoconvert");
    receiver.wait_buffers("video_0", 10);
    assert_eq!(receiver.caps_name("video_0"), "video/x-raw");
}

#[test]
fn a_pad_that_is_refused_disturbs_nobody() {
    init();
    // An element that fails at the first buffer, and one that takes no caps that come.
    for line in [
        "identity error-after=1",
        "capsfilter caps=application/x-rtp,encoding-name=NOTHING",
    ] {
        let behind: Behind = match line.starts_with("identity") {
            true => |name| {
                Some(if name.starts_with("video") {
                    "identity error-after=1"
                } else {
                    "audioconvert"
                })
            },
            false => |name| name.starts_with("audio").then_some("audioconvert"),
        };
        let receiver = Receiver::new(behind);
        let producer = Producer::new(&receiver.signaller, "refused", &[VP8, OPUS]);
        producer.offer();
        receiver.wait_buffers("audio_0", 100);
    }
}

#[test]
fn several_streams_of_a_kind_keep_their_order_names_and_ids() {
    init();
    let receiver = Receiver::new(|_| Some("queue"));
    let producer = Producer::new(&receiver.signaller, "several", &[VP8, OPUS, VP8, VP8, OPUS]);
    producer.offer();
    let names = ["video_0", "video_1", "video_2", "audio_0", "audio_1"];
    for name in names {
        receiver.wait_buffers(name, 10);
    }
    let added = receiver.seen.pads_added.lock().unwrap().clone();
    assert_eq!(added, ["video_0", "audio_0", "video_1", "video_2", "audio_1"]);
    let mut ids: Vec<String> = names
        .iter()
        .map(|name| receiver.stream(name).unwrap().stream_id.lock().unwrap().clone())
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), names.len(), "stream ids are unique");
    wait_until("no-more-pads is told", || {
        receiver
            .seen
            .no_more_pads
            .load(std::sync::atomic::Ordering::SeqCst)
            == 1
    });
    let pad = receiver.src.static_pad("video_1").expect("the pad is there");
    assert!(pad.property::<Option<String>>("mid").is_some());
}

#[test]
fn payload_types_that_clash_cost_repair_not_media() {
    init();
    let receiver = Receiver::new(|_| Some("queue"));
    // webrtcbin numbers RED of the first stream as the second stream's codec.
    let producer = Producer::with_payload_types(&receiver.signaller, "clash", &[VP8, OPUS], &[96, 97]);
    producer.offer();
    receiver.wait_buffers("video_0", 30);
    receiver.wait_buffers("audio_0", 30);
}

#[test]
fn what_downstream_takes_decides_the_codec() {
    init();
    let receiver = Receiver::new(|_| Some("capsfilter caps=video/x-h264 ! h264parse"));
    let producer = Producer::new(&receiver.signaller, "choice", &[H264]);
    // The producer would rather send VP8, and says so first.
    producer.offer_altered(|text| {
        let text = text.replace("SAVPF 96", "SAVPF 80 96");
        text.replace("a=rtpmap:96 ", "a=rtpmap:80 VP8/90000\r\na=rtpmap:96 ")
    });
    receiver.wait_buffers("video_0", 30);
    assert_eq!(receiver.caps_name("video_0"), "video/x-h264");
}

#[test]
fn requested_pads_get_the_streams_that_fit_in_any_order() {
    init();
    let receiver = Receiver::configured(
        |_| None,
        |src| {
            // Audio first, though the producer has video first; a second video pad that nothing comes for.
            for template in ["req_audio_%u", "req_video_%u", "req_video_%u"] {
                src.request_pad_simple(template).expect("the template exists");
            }
        },
    );
    for (name, line) in [
        ("req_audio_0", "audioconvert"),
        ("req_video_0", "videoconvert"),
        ("req_video_1", "videoconvert"),
    ] {
        let pad = receiver.src.static_pad(name).expect("it was requested");
        receiver.count(&pad);
        attach(&receiver.pipeline, &pad, line);
    }
    let producer = Producer::new(&receiver.signaller, "requested", &[VP8, OPUS]);
    producer.offer();
    receiver.wait_buffers("req_video_0", 30);
    receiver.wait_buffers("req_audio_0", 30);
    receiver.wait_end("req_video_1");
    assert_eq!(receiver.src.num_src_pads(), 3, "no other pads are made");
}

#[test]
fn a_stalled_stream_keeps_neither_memory_nor_the_others() {
    init();
    let receiver = Receiver::new(|name| {
        Some(if name.starts_with("video") {
            "queue max-size-buffers=1"
        } else {
            "audioconvert"
        })
    });
    let producer = Producer::new(&receiver.signaller, "stall", &[VP8, OPUS]);
    let stalled = Arc::new(Mutex::new(None));
    let slot = stalled.clone();
    receiver.src.connect_pad_added(move |_, pad| {
        if pad.name() == "video_0" {
            let probe = pad.add_probe(gst::PadProbeType::BLOCK | gst::PadProbeType::BUFFER, |_, _| {
                gst::PadProbeReturn::Ok
            });
            *slot.lock().unwrap() = Some((pad.clone(), probe.expect("a blocking probe has an id")));
        }
    });
    producer.offer();
    // Three seconds are more than the queue of a stream holds.
    receiver.wait_buffers("audio_0", 150);
    let (pad, probe) = stalled.lock().unwrap().take().expect("the pad was added");
    let before = receiver.buffers("video_0");
    assert!(before <= 1, "{before} packets passed a blocked pad");
    pad.remove_probe(probe);
    receiver.wait_buffers("video_0", 60);
    assert!(receiver.errors().is_empty());
}

#[test]
fn latency_is_what_was_asked_for() {
    init();
    let receiver = Receiver::configured(|_| Some("queue"), |src| src.set_property("latency", 350u32));
    let asked = |query: &mut gst::query::Latency| receiver.src.query(query).then(|| query.result());
    assert_eq!(
        asked(&mut gst::query::Latency::new()),
        Some((true, gst::ClockTime::from_mseconds(350), None))
    );
    let producer = Producer::new(&receiver.signaller, "latency", &[VP8]);
    producer.offer();
    receiver.wait_buffers("video_0", 10);
    let mut query = gst::query::Latency::new();
    let pad = receiver.src.static_pad("video_0").expect("the pad is there");
    assert!(pad.query(&mut query));
    assert!(query.result().0, "it is live");
    assert_eq!(query.result().1, gst::ClockTime::from_mseconds(350));
}

#[test]
fn the_applications_filter_sees_frames() {
    init();
    let seen = Arc::new(Mutex::new(None));
    let slot = seen.clone();
    let receiver = Receiver::configured(
        |_| Some("videoconvert"),
        |src| {
            src.connect("request-encoded-filter", false, move |values| {
                let filter = gst::ElementFactory::make("identity")
                    .build()
                    .expect("a core element");
                let slot = slot.clone();
                filter.static_pad("sink").expect("it has one").add_probe(
                    gst::PadProbeType::BUFFER,
                    move |pad, _| {
                        *slot.lock().unwrap() = pad.current_caps();
                        gst::PadProbeReturn::Ok
                    },
                );
                assert_eq!(values[2].get::<&str>(), Ok("video_0"));
                Some(filter.to_value())
            });
        },
    );
    let producer = Producer::new(&receiver.signaller, "filter", &[H264]);
    producer.offer();
    receiver.wait_buffers("video_0", 10);
    let caps = seen.lock().unwrap().clone().expect("frames passed the filter");
    assert_eq!(
        caps.structure(0).map(|structure| structure.name().as_str()),
        Some("video/x-h264")
    );
}

#[test]
fn pads_tell_which_codec_their_stream_came_in() {
    init();
    // A parser says so, and a decoder of the stream that it got.
    for (behind, caps) in [
        (
            (|_| Some("capsfilter caps=video/x-h264")) as Behind,
            "video/x-h264",
        ),
        (|_| Some("videoconvert"), "video/x-raw"),
    ] {
        let receiver = Receiver::new(behind);
        let producer = Producer::new(&receiver.signaller, "tags", &[H264]);
        producer.offer();
        receiver.wait_buffers("video_0", 10);
        assert_eq!(receiver.caps_name("video_0"), caps);
        let pad = receiver.src.static_pad("video_0").expect("the pad is there");
        wait_until("the pad has the codec's tag", || codec_of(&pad).is_some());
        let codec = codec_of(&pad).expect("it was just there");
        assert!(codec.contains("H.264"), "{codec}");
    }
}

/// What the tags that have passed `pad` say of its codec.
fn codec_of(pad: &gst::Pad) -> Option<String> {
    let tags = (0..).map_while(|index| pad.sticky_event::<gst::event::Tag>(index));
    let codec = |event: gst::event::Tag<gst::Event>| {
        let codec = event.tag().get::<gst::tags::VideoCodec>()?;
        Some(codec.get().to_owned())
    };
    tags.filter_map(codec).last()
}
