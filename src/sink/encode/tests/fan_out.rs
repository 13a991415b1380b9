// SPDX-License-Identifier: MPL-2.0
//! One encoder for many, none for nobody, and key frames for those who need them.

use super::*;

#[test]
fn four_viewers_are_fed_by_one_encoder() {
    let rig = Rig::video();
    let viewers: Vec<_> = ["a", "b", "c", "d"]
        .map(|name| rig.viewer(name, Codec::Vp8, 1000))
        .into();
    for viewer in &viewers {
        viewer.wait_more(30);
        assert!(viewer.seen()[0].is_key);
        viewer.assert_complete(&rig);
    }
    let branches = rig.pool.snapshot();
    assert_eq!(branches.len(), 1);
    assert_eq!(branches[0].consumers.len(), 4);
    assert_eq!(branches[0].encoder.as_deref(), Some("vp8enc"));
    assert_eq!(branches[0].size, Some((160, 120)));
    assert!(branches[0].sent > Bitrate::ZERO && branches[0].key_frames >= 1);
    let ids: Vec<_> = viewers
        .iter()
        .map(|viewer| viewer.attachment().branch_id())
        .collect();
    assert!(ids.iter().all(|id| *id == Some(branches[0].branch)), "{ids:?}");
    assert_eq!(
        *rig.host.setups.lock().unwrap(),
        [("peer-a".to_owned(), "video_0".to_owned())]
    );
}

#[test]
fn nothing_is_encoded_for_nobody() {
    let rig = Rig::video();
    assert!(rig.pool.snapshot().is_empty());
    assert_eq!(rig.running_pipelines(), 0);
    let (first, second) = (
        rig.viewer("a", Codec::Vp8, 1000),
        rig.viewer("b", Codec::Vp8, 1000),
    );
    first.wait_more(3);
    drop(first);
    second.wait_more(3);
    assert_eq!(rig.grouping(), [["b"]]);
    drop(second);
    wait_for("the branch to stop", || rig.running_pipelines() == 0);
    assert!(rig.pool.snapshot().is_empty());
}

#[test]
fn payload_memory_is_shared_by_all_viewers() {
    let rig = Rig::video();
    let viewers = [
        rig.viewer("a", Codec::Vp8, 1000),
        rig.viewer("b", Codec::Vp8, 1000),
    ];
    let places: [Arc<Mutex<Vec<(u64, usize)>>>; 2] = Default::default();
    for (viewer, places) in viewers.iter().zip(&places) {
        let places = places.clone();
        let pad = viewer.appsrc.static_pad("src").unwrap();
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            let buffer = info.buffer().unwrap();
            let place = buffer.peek_memory(0).map_readable().unwrap().as_ptr() as usize;
            places
                .lock()
                .unwrap()
                .push((buffer.pts().unwrap().nseconds(), place));
            gst::PadProbeReturn::Ok
        });
    }
    viewers[1].wait_more(20);
    let first = places[0].lock().unwrap().clone();
    let shared = places[1]
        .lock()
        .unwrap()
        .iter()
        .filter(|entry| first.contains(entry))
        .count();
    assert!(shared >= 5, "only {shared} frames were the same memory");
}

#[test]
fn nothing_flows_before_it_may() {
    let rig = Rig::video();
    let early = rig.viewer("a", Codec::Vp8, 1000);
    let late = rig.try_viewer("b", Codec::Vp8, 1000).unwrap();
    early.wait_more(20);
    assert_eq!(late.count(), 0);
    let before = early.key_count();
    late.attachment().set_flowing(true);
    late.wait_more(10);
    assert!(late.seen()[0].is_key);
    assert!(early.key_count() > before, "it began with a key frame of its own");
    late.attachment().set_flowing(false);
    early.wait_more(5);
    let count = late.count();
    early.wait_more(10);
    assert_eq!(late.count(), count);
    early.assert_complete(&rig);
}

#[test]
fn many_requests_make_few_key_frames() {
    let rig = Rig::video();
    let viewers: Vec<_> = ["a", "b", "c"]
        .map(|name| rig.viewer(name, Codec::Vp8, 1000))
        .into();
    viewers[2].wait_more(10);
    let before = viewers[0].key_count();
    for _ in 0..20 {
        for viewer in &viewers {
            viewer.request_key_frame();
        }
        viewers[0].wait_more(1);
    }
    viewers[0].wait_more(20);
    let made = viewers[0].key_count() - before;
    assert!(
        (1..=6).contains(&made),
        "{made} key frames for 60 requests in 40 frames"
    );
}

#[test]
fn requests_from_the_network_reach_the_encoder() {
    let rig = Rig::video();
    let viewer = rig.viewer("a", Codec::Vp8, 1000);
    viewer.wait_more(10);
    let before = viewer.key_count();
    viewer.request_key_frame();
    wait_for("a key frame", || viewer.key_count() > before);
}

#[test]
fn a_hundred_viewers_in_turn_leave_nothing_behind() {
    let rig = Rig::video();
    drop(rig.viewer("warm", Codec::Vp8, 1000));
    wait_for("a quiet start", || rig.running_pipelines() == 0);
    let before = (threads(), files());
    for n in 0..100 {
        let viewer = rig.viewer(&n.to_string(), Codec::Vp8, 1000);
        if n % 10 == 0 {
            viewer.wait_more(2);
        }
    }
    wait_for("the last branch to stop", || {
        rig.running_pipelines() == 0 && rig.pool.snapshot().is_empty()
    });
    // Other tests of this process come and go meanwhile: what this one leaves behind would be a hundred of each.
    let after = (threads(), files());
    assert!(
        after.0 < before.0 + 60 && after.1 < before.1 + 60,
        "threads and files: {before:?}, then {after:?}"
    );
}

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

fn files() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
fn codecs_have_branches_of_their_own() {
    let rig = Rig::video();
    let vp8 = rig.viewer("a", Codec::Vp8, 1000);
    let h264 = rig.viewer("b", Codec::H264, 1000);
    vp8.wait_more(5);
    h264.wait_more(5);
    assert_eq!(rig.pool.snapshot().len(), 2);
    assert_ne!(vp8.attachment().branch_id(), h264.attachment().branch_id());
}

#[test]
fn a_stricter_branch_serves_a_wider_wish_too() {
    let rig = Rig::video();
    let strict = caps("video/x-h264, profile=constrained-baseline");
    let wide = caps("video/x-h264, profile={ (string)main, (string)baseline, (string)constrained-baseline }");
    let _first = rig.try_viewer_with("a", Codec::H264, 1000, strict).unwrap();
    let _second = rig.try_viewer_with("b", Codec::H264, 1000, wide).unwrap();
    assert_eq!(rig.grouping(), [["a", "b"]]);
}

#[test]
fn after_shutdown_nobody_gets_in() {
    let rig = Rig::video();
    let viewer = rig.viewer("a", Codec::Vp8, 1000);
    viewer.wait_more(3);
    rig.pool.shutdown();
    assert_eq!(rig.running_pipelines(), 0);
    let refused = rig.try_viewer("b", Codec::Vp8, 1000).err();
    assert!(matches!(refused, Some(BranchError::ShutDown)), "{refused:?}");
    assert_eq!(viewer.attachment().branch_id(), None);
    rig.pool.shutdown();
}
