// SPDX-License-Identifier: MPL-2.0
//! Input that changes, ends or goes away.

use super::*;

#[test]
fn viewers_survive_ten_changes_of_resolution() {
    let rig = Rig::video();
    let viewers = ["a", "b", "c"].map(|name| rig.viewer(name, Codec::Vp8, 1000));
    for n in 0..10 {
        let (width, height) = if n % 2 == 0 { (320, 240) } else { (160, 120) };
        rig.play(&format!(
            "videotestsrc is-live=true ! video/x-raw,width={width},height={height},framerate=30/1"
        ));
        for viewer in &viewers {
            wait_for("the new size", || {
                viewer
                    .seen()
                    .last()
                    .is_some_and(|seen| seen.caps.structure(0).unwrap().get("width") == Ok(width))
            });
        }
    }
    for viewer in &viewers {
        let seen = viewer.seen();
        for pair in seen.windows(2).filter(|pair| pair[0].caps != pair[1].caps) {
            assert!(pair[1].is_key, "a new size begins with a key frame");
        }
    }
    assert_eq!(rig.pool.snapshot().len(), 1);
    assert!(rig.host.failures.lock().unwrap().is_empty());
}

#[test]
fn another_frame_rate_or_none_is_followed() {
    let rig = Rig::video();
    let viewer = rig.viewer("a", Codec::Vp8, 1000);
    viewer.wait_more(5);
    for rate in ["15/1", "0/1", "30/1"] {
        rig.play(&format!(
            "videotestsrc is-live=true ! video/x-raw,width=160,height=120,framerate=25/1 \
             ! capssetter caps=video/x-raw,framerate={rate}"
        ));
        viewer.wait_more(20);
    }
    assert!(rig.host.failures.lock().unwrap().is_empty());
}

#[test]
fn input_that_outgrows_its_first_level_goes_on() {
    let rig = Rig::video();
    let rtp = caps("application/x-rtp, profile-level-id=(string)42c00b, level-asymmetry-allowed=(string)1");
    let side = crate::codec::caps::encoder_side(Codec::H264, rtp.structure(0).unwrap(), None);
    let viewer = rig.try_viewer_with("a", Codec::H264, 1000, side).unwrap();
    viewer.attachment().set_flowing(true);
    viewer.wait_more(5);
    rig.play("videotestsrc is-live=true ! video/x-raw,width=1920,height=1080,framerate=5/1");
    wait_for("the new size", || {
        viewer
            .seen()
            .last()
            .is_some_and(|seen| seen.caps.structure(0).unwrap().get("width") == Ok(1920))
    });
    assert!(rig.host.failures.lock().unwrap().is_empty());
}

#[test]
fn odd_sizes_are_encoded_by_everyone() {
    let rig = Rig::new("videotestsrc is-live=true ! video/x-raw,width=161,height=121,framerate=30/1");
    for codec in [Codec::Vp8, Codec::H264, Codec::Vp9] {
        let viewer = rig.viewer("a", codec, 1000);
        viewer.wait_more(5);
        let seen = viewer.seen();
        let structure = seen[0].caps.structure(0).unwrap();
        assert_eq!(structure.get::<i32>("width"), Ok(160), "{codec}");
    }
}

#[test]
fn the_end_of_the_input_reaches_viewers_and_host() {
    let rig = Rig::new(
        "videotestsrc is-live=true num-buffers=20 ! video/x-raw,width=160,height=120,framerate=30/1",
    );
    let viewer = rig.viewer("a", Codec::H264, 1000);
    wait_for("EOS at the viewer", || viewer.ended.load(Ordering::Relaxed) == 1);
    wait_for("EOS at the host", || *rig.host.ended.lock().unwrap() == [["a"]]);
    assert_eq!(
        viewer.seen().last().map(|seen| seen.pts),
        rig.pushed.lock().unwrap().last().copied()
    );
}

#[test]
fn one_who_comes_after_the_end_is_told_so() {
    let rig =
        Rig::new("videotestsrc is-live=true num-buffers=3 ! video/x-raw,width=160,height=120,framerate=30/1");
    wait_for("the end", || rig.pushed.lock().unwrap().len() == 3);
    rig.pool.end_of_stream(&rig.stream);
    let viewer = rig.viewer("a", Codec::Vp8, 1000);
    wait_for("EOS", || viewer.ended.load(Ordering::Relaxed) == 1);
}

#[test]
fn a_removed_stream_stops_its_branches() {
    let rig = Rig::video();
    let viewer = rig.viewer("a", Codec::Vp8, 1000);
    viewer.wait_more(5);
    rig.stop_source();
    rig.pool.remove_stream(&rig.stream);
    wait_for("the branch to stop", || rig.running_pipelines() == 0);
    assert_eq!(viewer.attachment().branch_id(), None);
    assert_eq!(rig.bitrate_of(&viewer), None);
    viewer.request_key_frame();
    viewer.attachment().set_target(Bitrate::from_kbps(1));
}

#[test]
fn unknown_streams_and_wrong_codecs_are_refused() {
    let rig = Rig::video();
    let audio = rig.try_viewer("a", Codec::Opus, 1000).err();
    assert!(matches!(audio, Some(BranchError::WrongCodec { .. })), "{audio:?}");
    let host = TestHost::new();
    let request = AttachRequest {
        stream: StreamId::new("video_7"),
        codec: Codec::Vp8,
        encoder_caps: gst::Caps::new_any(),
        size: PictureSize::Adaptive,
        consumer_id: "peer".to_owned(),
        session_id: "session".to_owned(),
        appsrc: gst_app::AppSrc::builder().build(),
        target: Bitrate::ZERO,
    };
    let unknown = BranchPool::new(host).attach(request).err();
    assert!(
        matches!(unknown, Some(BranchError::UnknownStream(_))),
        "{unknown:?}"
    );
}

#[test]
fn latency_of_input_and_encoder_reaches_viewers() {
    let rig = Rig::new("audiotestsrc is-live=true ! audio/x-raw,rate=48000,channels=2");
    let latency = gst::ClockTime::from_mseconds(40);
    rig.pool.input_latency_changed(&rig.stream, latency);
    let viewer = rig.viewer("a", Codec::Opus, 64);
    viewer.wait_more(5);
    // Opus adds a frame of 20 ms.
    wait_for("both latencies", || {
        viewer
            .appsrc
            .latency()
            .0
            .is_some_and(|told| told >= latency + gst::ClockTime::from_mseconds(20))
    });
    assert_eq!(Some(rig.pool.snapshot()[0].latency), viewer.appsrc.latency().0);
}

#[test]
fn a_new_base_time_disturbs_nobody() {
    let rig = Rig::video();
    let viewer = rig.viewer("a", Codec::Vp8, 1000);
    viewer.wait_more(5);
    rig.pool.clock_changed();
    viewer.wait_more(10);
    viewer.assert_complete(&rig);
}
