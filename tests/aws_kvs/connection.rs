// SPDX-License-Identifier: MPL-2.0
//! The connection to the channel comes and goes; media stays.

use std::time::Duration;

use gst::prelude::*;
use testkit::kvs::Kvs;
use testkit::kvs::switches::{Call, Refusal};

use super::common::wait_until;
use super::master::Master;
use super::viewer::Viewer;

/// A watched channel, `lose` what happens to its master's connection: the viewer sees nothing, another may join.
fn goes_on_after(lose: impl FnOnce(&Kvs)) {
    let kvs = Kvs::start();
    let master = Master::connected(&kvs);
    let viewer = Viewer::join(&kvs, "first");
    viewer.wait_frames(10);
    lose(&kvs);
    wait_until("the master is back", || kvs.masters() == 2 && kvs.has_master());
    viewer.wait_frames(30);
    let late = Viewer::join(&kvs, "late");
    late.wait_frames(10);
    master.assert_no_errors();
    assert_eq!(*master.ends.lock().unwrap(), []);
    master.stop();
}

#[test]
fn go_away_moves_the_connection_while_the_old_one_stands() {
    goes_on_after(|kvs| kvs.go_away(Duration::from_secs(20)));
}

#[test]
fn a_close_by_the_service_is_survived() {
    goes_on_after(|kvs| kvs.close_master(1001));
}

#[test]
fn a_connection_that_vanishes_is_survived() {
    goes_on_after(Kvs::cut_master);
}

#[test]
fn trouble_of_the_service_passes() {
    goes_on_after(|kvs| {
        let calls = kvs.calls(Call::Connect);
        kvs.switch(|switches| {
            switches.refusals.push(Refusal {
                call: Call::Connect,
                nth: calls + 1..=calls + 2,
                status: 500,
                kind: "InternalFailure",
            });
        });
        kvs.cut_master();
    });
}

#[test]
fn a_connection_that_answers_nothing_is_replaced() {
    let kvs = Kvs::start();
    let master = Master::start(&kvs, |_, signaller| signaller.set_property("ping-timeout", 1));
    wait_until("the master is on the channel", || kvs.has_master());
    let viewer = Viewer::join(&kvs, "v");
    viewer.wait_frames(10);
    kvs.freeze_master();
    master.wait_warning("nothing comes from the service");
    wait_until("the master is back", || kvs.masters() == 2);
    viewer.wait_frames(10);
    master.assert_no_errors();
    master.stop();
}

#[test]
fn the_old_connection_serves_until_the_new_one_stands() {
    let kvs = Kvs::start();
    let master = Master::connected(&kvs);
    // Four calls of so long lie between the old connection and the new one.
    kvs.switch(|switches| switches.delay = Duration::from_secs(15));
    let described = kvs.calls(Call::Describe);
    kvs.go_away(Duration::from_secs(600));
    wait_until("the move begins", || kvs.calls(Call::Describe) > described);
    let viewer = Viewer::join(&kvs, "meanwhile");
    viewer.wait_frames(10);
    assert_eq!(kvs.masters(), 1);
    master.assert_no_errors();
    master.stop();
}

#[test]
fn a_connection_that_cannot_be_replaced_is_used_on() {
    let kvs = Kvs::start();
    let master = Master::connected(&kvs);
    let calls = kvs.calls(Call::Connect);
    kvs.switch(|switches| {
        switches.refusals.push(Refusal {
            call: Call::Connect,
            nth: calls + 1..=calls + 1,
            status: 403,
            kind: "AccessDeniedException",
        });
    });
    kvs.go_away(Duration::from_secs(600));
    master.wait_warning("refused the signature");
    let viewer = Viewer::join(&kvs, "v");
    viewer.wait_frames(10);
    wait_until("the next attempt succeeds", || kvs.masters() == 2);
    viewer.wait_frames(10);
    master.assert_no_errors();
    master.stop();
}

#[test]
fn stopping_does_not_wait_for_a_slow_service() {
    let kvs = Kvs::start();
    kvs.switch(|switches| switches.delay = Duration::from_secs(60));
    let master = Master::start(&kvs, |_, _| ());
    wait_until("the first call is made", || kvs.calls(Call::Describe) == 1);
    master.stop();
}

#[test]
fn a_stopped_master_leaves_the_channel_and_can_start_again() {
    let kvs = Kvs::start();
    let master = Master::connected(&kvs);
    master.pipeline.set_state(gst::State::Null).unwrap();
    wait_until("the channel has no master", || !kvs.has_master());
    // Stopped before it is on the channel, and again.
    for _ in 0..5 {
        master.pipeline.set_state(gst::State::Playing).unwrap();
        master.pipeline.set_state(gst::State::Null).unwrap();
    }
    master.pipeline.set_state(gst::State::Playing).unwrap();
    wait_until("the channel has its master again", || kvs.has_master());
    let viewer = Viewer::join(&kvs, "v");
    viewer.wait_frames(10);
    master.stop();
}
