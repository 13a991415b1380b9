// SPDX-License-Identifier: MPL-2.0
//! Consumers that part and come together again as their targets change.

use super::*;

#[test]
fn a_slow_viewer_gets_its_own_encoder_and_comes_back() {
    let rig = Rig::video();
    let [a, b, c] = ["a", "b", "c"].map(|name| rig.viewer(name, Codec::Vp8, 3000));
    for viewer in [&a, &b, &c] {
        viewer.wait_more(15);
    }
    b.attachment().set_target(Bitrate::from_kbps(2900));
    c.attachment().set_target(Bitrate::from_kbps(500));
    wait_for("two branches", || rig.grouping() == [vec!["a", "b"], vec!["c"]]);
    wait_for("the slow encoder", || {
        rig.bitrate_of(&c) == Some(Bitrate::from_kbps(500))
    });
    assert_eq!(rig.bitrate_of(&a), Some(Bitrate::from_kbps(2900)));
    c.wait_more(30);

    c.attachment().set_target(Bitrate::from_kbps(2950));
    wait_for("one branch", || {
        rig.grouping() == [["a", "b", "c"]] && rig.running_pipelines() == 1
    });
    c.wait_more(30);
    for viewer in [&a, &b, &c] {
        viewer.assert_complete(&rig);
    }
    assert_eq!(a.attachment().branch_id(), c.attachment().branch_id());
}

#[test]
fn one_encoder_follows_the_lowest() {
    let rig = Rig::video();
    rig.host.max_encoders.store(1, Ordering::Relaxed);
    let fast = rig.viewer("a", Codec::Vp8, 3000);
    let slow = rig.viewer("b", Codec::Vp8, 400);
    wait_for("the lower rate", || {
        rig.bitrate_of(&fast) == Some(Bitrate::from_kbps(400))
    });
    assert_eq!(rig.grouping(), [["a", "b"]]);
    drop(slow);
    wait_for("the higher rate", || {
        rig.bitrate_of(&fast) == Some(Bitrate::from_kbps(3000))
    });
}

#[test]
fn without_a_limit_each_has_an_encoder() {
    let rig = Rig::video();
    rig.host.max_encoders.store(0, Ordering::Relaxed);
    let viewers = ["a", "b", "c"].map(|name| rig.viewer(name, Codec::Vp8, 1000));
    for viewer in &viewers {
        viewer.wait_more(5);
    }
    assert_eq!(rig.pool.snapshot().len(), 3);
    assert_eq!(rig.running_pipelines(), 3);
}

#[test]
fn a_limit_set_later_brings_them_together() {
    let rig = Rig::video();
    rig.host.max_encoders.store(0, Ordering::Relaxed);
    let viewers = ["a", "b", "c"].map(|name| rig.viewer(name, Codec::Vp8, 1000));
    for viewer in &viewers {
        viewer.wait_more(10);
    }
    rig.host.max_encoders.store(1, Ordering::Relaxed);
    wait_for("one branch", || rig.running_pipelines() == 1);
    for viewer in &viewers {
        viewer.wait_more(10);
        viewer.assert_complete(&rig);
    }
}

#[test]
fn one_viewer_follows_its_own_target() {
    let rig = Rig::video();
    let viewer = rig.viewer("a", Codec::Vp8, 1000);
    for kbps in [900, 500, 3000] {
        viewer.attachment().set_target(Bitrate::from_kbps(kbps));
        wait_for("the encoder to follow", || {
            rig.bitrate_of(&viewer) == Some(Bitrate::from_kbps(kbps))
        });
    }
    assert_eq!(
        rig.host.setups.lock().unwrap().len(),
        1,
        "with one encoder all along"
    );
}

#[test]
fn a_viewer_that_leaves_while_moving_leaves_nothing_behind() {
    let rig = Rig::video();
    let stays = rig.viewer("a", Codec::Vp8, 3000);
    for n in 0..5 {
        let leaves = rig.viewer(&format!("b{n}"), Codec::Vp8, 3000);
        leaves.wait_more(5);
        leaves.attachment().set_target(Bitrate::from_kbps(300));
        wait_for("the move to begin", || rig.pool.snapshot().len() == 2);
    }
    wait_for("one branch", || rig.running_pipelines() == 1);
    stays.wait_more(5);
    stays.assert_complete(&rig);
}

#[test]
fn pictures_shrink_with_the_bitrate_and_grow_again() {
    let rig = Rig::new("videotestsrc is-live=true ! video/x-raw,width=960,height=720,framerate=20/1");
    *rig.host.mitigation.lock().unwrap() = Mitigation {
        downscaled: true,
        downsampled: true,
    };
    let viewer = rig.viewer("a", Codec::Vp8, 4000);
    let size = || rig.pool.snapshot().first().and_then(|branch| branch.size);
    wait_for("the full size", || size() == Some((960, 720)));
    viewer.attachment().set_target(Bitrate::from_kbps(400));
    wait_for("a smaller picture", || size() == Some((480, 360)));
    let both = Mitigation {
        downscaled: true,
        downsampled: true,
    };
    wait_for("the report", || rig.pool.snapshot()[0].mitigation == both);
    viewer.attachment().set_target(Bitrate::from_kbps(4000));
    wait_for("the full size again", || size() == Some((960, 720)));
    wait_for("the report", || {
        rig.pool.snapshot()[0].mitigation == Mitigation::default()
    });
}

#[test]
fn an_application_chooses_the_size() {
    let rig = Rig::video();
    *rig.host.chosen_caps.lock().unwrap() = Some(caps("video/x-raw, width=80, height=60"));
    let _viewer = rig.viewer("a", Codec::Vp8, 4000);
    wait_for("the chosen size", || {
        rig.pool.snapshot()[0].size == Some((80, 60))
    });
}
