// SPDX-License-Identifier: MPL-2.0
//! Branches of a chosen size, and branches that rest while nobody needs them.

use super::*;

/// A viewer of a layer, whose frames flow.
fn layer(rig: &Rig, name: &str, divisor: u32) -> Viewer {
    let size = PictureSize::Divided(divisor);
    let viewer = rig
        .try_viewer_of(name, Codec::Vp8, 300, gst::Caps::new_any(), size)
        .unwrap();
    viewer.attachment().set_flowing(true);
    viewer
}

fn width(rig: &Rig, viewer: &Viewer) -> Option<u32> {
    rig.branch_of(viewer)?.size.map(|(width, _)| width)
}

#[test]
fn layers_have_their_share_of_the_inputs_size_and_follow_it() {
    let rig =
        Rig::new("videotestsrc is-live=true ! video/x-raw,format=I420,width=642,height=480,framerate=30/1");
    let layers = [4, 2, 1].map(|divisor| layer(&rig, &format!("layer-{divisor}"), divisor));
    let plain = rig.viewer("plain", Codec::Vp8, 300);
    wait_for("three sizes", || {
        let widths = layers.each_ref().map(|layer| width(&rig, layer));
        widths == [Some(160), Some(320), Some(642)]
    });
    assert_eq!(layers[0].attachment().input_size(), Some((642, 480)));
    assert_eq!(rig.grouping().len(), 4, "the full layer is no plain stream");
    assert!(!rig.branch_of(&layers[0]).unwrap().mitigation.downscaled);
    drop(plain);
    rig.play("videotestsrc is-live=true ! video/x-raw,format=I420,width=960,height=540,framerate=30/1");
    wait_for("other sizes", || {
        let widths = layers.each_ref().map(|layer| width(&rig, layer));
        widths == [Some(240), Some(480), Some(960)]
    });
}

#[test]
fn a_branch_that_nobody_needs_rests_and_begins_with_a_key_frame() {
    let rig = Rig::video();
    let (one, two) = (layer(&rig, "one", 2), layer(&rig, "two", 2));
    let frames = || rig.branch_of(&one).map_or(0, |branch| branch.frames);
    let fed = || rig.pool.is_fed(&rig.stream);
    wait_for("frames", || frames() > 5);
    one.attachment().set_needed(false);
    let before = frames();
    wait_for("frames for the other one", || frames() > before + 5);
    two.attachment().set_needed(false);
    wait_for("rest", || !fed());
    let keys = rig.branch_of(&one).unwrap().key_frames;
    one.attachment().set_needed(true);
    wait_for("frames again", || fed() && frames() > before + 10);
    assert!(rig.branch_of(&one).unwrap().key_frames > keys);
}

#[test]
fn what_was_held_before_a_rest_is_not_shown_after_it() {
    let rig = Rig::video();
    let size = PictureSize::Divided(2);
    let viewer = rig
        .try_viewer_of("one", Codec::Vp8, 300, gst::Caps::new_any(), size)
        .unwrap();
    wait_for("a key frame", || {
        rig.branch_of(&viewer).is_some_and(|branch| branch.key_frames > 0)
    });
    viewer.attachment().set_needed(false);
    wait_for("rest", || !rig.pool.is_fed(&rig.stream));
    let count = || rig.pushed.lock().unwrap().len();
    let before = count();
    wait_for("time to pass", || count() > before + 15);
    let resumed = *rig.pushed.lock().unwrap().last().unwrap();
    viewer.attachment().set_needed(true);
    viewer.attachment().set_flowing(true);
    viewer.wait_more(3);
    let seen = viewer.seen();
    assert!(seen[0].is_key && seen[0].pts >= resumed, "{resumed}: {seen:?}");
}

#[test]
fn the_end_of_the_input_is_told_even_by_a_branch_that_rests() {
    let rig = Rig::video();
    let viewer = layer(&rig, "one", 2);
    viewer.attachment().set_needed(false);
    wait_for("rest", || !rig.pool.is_fed(&rig.stream));
    rig.pool.end_of_stream(&rig.stream);
    wait_for("the end", || !rig.host.ended.lock().unwrap().is_empty());
}
