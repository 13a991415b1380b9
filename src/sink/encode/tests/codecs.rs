// SPDX-License-Identifier: MPL-2.0
//! Every codec that is installed, raw and encoded, and what its frames look like.

use super::*;
use crate::codec::catalogue;

#[test]
fn every_installed_codec_is_encoded_to_what_browsers_decode() {
    // Unconstrained, the test source chooses 4:4:4.
    let rig =
        Rig::new("videotestsrc is-live=true ! video/x-raw,format=AYUV,width=320,height=240,framerate=15/1");
    let cases = [
        (Codec::Vp8, "video/x-vp8, width=320, height=240"),
        (
            Codec::Vp9,
            "video/x-vp9, profile=(string)0, chroma-format=(string)4:2:0, bit-depth-luma=(uint)8",
        ),
        (
            Codec::H264,
            "video/x-h264, profile=(string)constrained-baseline, stream-format=(string)avc",
        ),
        (Codec::H265, "video/x-h265, profile=(string)main"),
        (Codec::Av1, "video/x-av1, profile=(string)main"),
    ];
    for (codec, expected) in cases {
        if !catalogue().can_encode(codec) && catalogue().encoders(codec).is_empty() {
            eprintln!("no encoder for {codec} is installed: not tried");
            continue;
        }
        let viewer = rig.viewer("a", codec, 1000);
        viewer.wait_more(3);
        let seen = viewer.seen();
        assert!(
            seen[0].is_key && seen[0].caps.is_subset(&caps(expected)),
            "{codec}: {}",
            seen[0].caps
        );
        viewer.assert_complete(&rig);
    }
}

#[test]
fn timestamps_are_running_times_whatever_the_encoder_does() {
    let rig = Rig::video();
    for codec in [Codec::Vp8, Codec::H264] {
        let viewer = rig.viewer("a", codec, 1000);
        viewer.wait_more(5);
        viewer.assert_complete(&rig);
    }
}

#[test]
fn opus_is_shared_and_kept_in_order() {
    let rig = Rig::new("audiotestsrc is-live=true ! audio/x-raw,rate=44100,channels=2");
    let viewers = ["a", "b"].map(|name| rig.viewer(name, Codec::Opus, 64));
    for viewer in &viewers {
        viewer.wait_more(20);
        let pts: Vec<_> = viewer.seen().iter().map(|seen| seen.pts).collect();
        assert!(pts.is_sorted_by(|a, b| a < b), "{pts:?}");
    }
    assert_eq!(rig.running_pipelines(), 1);
    viewers[0].attachment().set_target(Bitrate::from_kbps(6));
    viewers[0].wait_more(5);
    assert_eq!(rig.running_pipelines(), 1, "audio does not depend on targets");
}

#[test]
fn raw_audio_is_passed_to_its_payloader_format() {
    let rig = Rig::new("audiotestsrc is-live=true ! audio/x-raw,format=F32LE,rate=48000,channels=2");
    let viewer = rig.viewer("a", Codec::L16, 1000);
    viewer.wait_more(5);
    assert_eq!(
        viewer.seen()[0].caps.structure(0).unwrap().get::<&str>("format"),
        Ok("S16BE")
    );
    assert!(rig.encoder_of(&viewer).is_none());
}

#[test]
fn more_channels_than_two_are_multiopus() {
    let rig =
        Rig::new("audiotestsrc is-live=true ! audio/x-raw,rate=48000,channels=6,channel-mask=(bitmask)0x3f");
    let viewer = rig.viewer("a", Codec::MultiOpus, 256);
    viewer.wait_more(5);
    assert!(
        viewer.seen()[0]
            .caps
            .is_subset(&caps("audio/x-opus, channels=6, channel-mapping-family=1"))
    );
    let stereo = rig.viewer("b", Codec::Opus, 64);
    stereo.wait_more(5);
    assert!(
        stereo.seen()[0].caps.is_subset(&caps("audio/x-opus, channels=2")),
        "or are mixed down"
    );
}

#[test]
fn encoded_input_passes_without_an_encoder() {
    let cases = [
        (
            Codec::H264,
            "x264enc tune=zerolatency key-int-max=15 ! video/x-h264,stream-format=byte-stream,profile=main",
        ),
        (Codec::Vp8, "vp8enc deadline=1 keyframe-max-dist=15"),
        (Codec::Vp9, "vp9enc deadline=1 cpu-used=8 keyframe-max-dist=15"),
    ];
    for (codec, encoder) in cases {
        let rig = Rig::new(&format!("{VIDEO},format=I420 ! {encoder}"));
        let viewers = ["a", "b"].map(|name| rig.viewer(name, codec, 1000));
        for viewer in &viewers {
            viewer.wait_more(20);
            assert!(viewer.seen()[0].is_key, "{codec}");
            viewer.assert_complete(&rig);
        }
        viewers[0].attachment().set_target(Bitrate::from_kbps(10));
        viewers[0].wait_more(5);
        let branches = rig.pool.snapshot();
        assert_eq!(
            (
                branches.len(),
                branches[0].encoder.as_deref(),
                branches[0].bitrate
            ),
            (1, None, None)
        );
        assert!(
            rig.host.upstream_requests.load(Ordering::Relaxed) >= 1,
            "{codec}: the producer was asked"
        );
        assert!(rig.host.setups.lock().unwrap().is_empty());
        let other = if codec == Codec::H264 {
            Codec::Vp8
        } else {
            Codec::H264
        };
        let refused = rig.try_viewer("c", other, 1000).err();
        assert!(
            matches!(refused, Some(BranchError::WrongCodec { .. })),
            "{refused:?}"
        );
    }
}

#[test]
fn encoded_audio_passes_too() {
    let rig = Rig::new("audiotestsrc is-live=true ! audio/x-raw,rate=48000,channels=2 ! opusenc");
    let viewer = rig.viewer("a", Codec::Opus, 64);
    viewer.wait_more(10);
    assert!(rig.encoder_of(&viewer).is_none());
    assert_eq!(rig.host.upstream_requests.load(Ordering::Relaxed), 0);
}

#[test]
fn negotiated_profiles_are_made() {
    let rig = Rig::video();
    for profile in ["main", "high", "constrained-baseline"] {
        let wanted = caps(&format!("video/x-h264, profile={profile}"));
        let viewer = rig
            .try_viewer_with("a", Codec::H264, 1000, wanted.clone())
            .unwrap();
        viewer.attachment().set_flowing(true);
        viewer.wait_more(3);
        assert!(
            viewer.seen()[0].caps.is_subset(&wanted),
            "{profile}: {}",
            viewer.seen()[0].caps
        );
    }
}

#[test]
fn negotiated_limits_of_a_browser_are_kept() {
    let rig = Rig::video();
    let rtp = caps("application/x-rtp, profile-level-id=(string)42e01f, packetization-mode=(string)1");
    let side = crate::codec::caps::encoder_side(Codec::H264, rtp.structure(0).unwrap(), None);
    let viewer = rig.try_viewer_with("a", Codec::H264, 1000, side.clone()).unwrap();
    viewer.attachment().set_flowing(true);
    viewer.wait_more(3);
    assert!(
        viewer.seen()[0].caps.can_intersect(&side),
        "{}",
        viewer.seen()[0].caps
    );
}
