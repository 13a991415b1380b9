// SPDX-License-Identifier: MPL-2.0
//! Everything at once: consumers of several codecs come, go and change their targets while the input changes.

use super::*;
use std::thread;

/// Numbers that look random and are the same at every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

fn come_and_go(rig: &Rig, seed: u64) {
    let mut dice = Dice(seed);
    for round in 0..15 {
        let codec = if dice.roll(2) == 0 {
            Codec::Vp8
        } else {
            Codec::H264
        };
        let viewer = rig.viewer(&format!("{seed}-{round}"), codec, 200 + dice.roll(4000));
        for _ in 0..dice.roll(6) {
            viewer
                .attachment()
                .set_target(Bitrate::from_kbps(200 + dice.roll(4000)));
            viewer.request_key_frame();
            viewer.attachment().set_flowing(dice.roll(4) != 0);
            thread::sleep(Duration::from_millis(dice.roll(40)));
        }
    }
}

fn change_settings(rig: &Rig) {
    let mut dice = Dice(77);
    for _ in 0..40 {
        rig.host
            .max_encoders
            .store(u32::try_from(dice.roll(4)).unwrap(), Ordering::Relaxed);
        rig.pool.clock_changed();
        rig.pool
            .input_latency_changed(&rig.stream, gst::ClockTime::from_mseconds(dice.roll(50)));
        assert!(rig.pool.snapshot().len() < 50);
        thread::sleep(Duration::from_millis(dice.roll(40)));
    }
}

fn change_input(rig: &Rig) {
    for n in 0..6 {
        let (width, rate) = (160 + 32 * (n % 3), [30, 0, 15][n % 3]);
        rig.play(&format!(
            "videotestsrc is-live=true ! video/x-raw,width={width},height=120,framerate=30/1 \
             ! capssetter caps=video/x-raw,framerate={rate}/1"
        ));
        thread::sleep(Duration::from_millis(150));
    }
}

#[test]
fn a_crowd_leaves_no_trace() {
    let rig = Rig::video();
    thread::scope(|scope| {
        for seed in 1..=4 {
            let rig = &rig;
            scope.spawn(move || come_and_go(rig, seed));
        }
        scope.spawn(|| change_settings(&rig));
        scope.spawn(|| change_input(&rig));
    });
    wait_for("all branches to stop", || {
        rig.running_pipelines() == 0 && rig.pool.snapshot().is_empty()
    });
    assert!(
        rig.host.failures.lock().unwrap().is_empty(),
        "{:?}",
        rig.host.failures.lock().unwrap()
    );
    rig.host.max_encoders.store(3, Ordering::Relaxed);
    rig.play(VIDEO);
    let last = rig.viewer("last", Codec::Vp8, 1000);
    last.wait_more(10);
    last.assert_complete(&rig);
}

#[test]
fn shutting_down_among_newcomers_neither_hangs_nor_leaks() {
    for seed in 0..5 {
        let rig = Rig::video();
        thread::scope(|scope| {
            for n in 0..3 {
                let rig = &rig;
                scope.spawn(move || {
                    for round in 0..10 {
                        let name = format!("{n}-{round}");
                        if let Ok(viewer) = rig.try_viewer(&name, Codec::Vp8, 1000) {
                            viewer.attachment().set_flowing(true);
                        }
                    }
                });
            }
            scope.spawn(|| {
                thread::sleep(Duration::from_millis(10 * seed));
                rig.pool.shutdown();
            });
        });
        assert_eq!(rig.running_pipelines(), 0);
    }
}
