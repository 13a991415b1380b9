// SPDX-License-Identifier: MPL-2.0
//! What the service refuses, and what the element says about it: words that tell what to do.

use std::time::Duration;

use gst::glib;
use gst::prelude::*;
use testkit::kvs::Kvs;
use testkit::kvs::switches::{Call, Refusal};

use super::common::wait_until;
use super::master::Master;

/// The error a master ends with when it is set up like this.
fn error_of(kvs: &Kvs, set_up: impl FnOnce(&glib::Object)) -> String {
    let master = Master::start(kvs, |_, signaller| set_up(signaller));
    let error = master.wait_error();
    master.stop();
    error
}

fn refuse(kvs: &Kvs, call: Call, nth: std::ops::RangeInclusive<usize>, status: u16, kind: &'static str) {
    kvs.switch(|switches| {
        switches.refusals.push(Refusal {
            call,
            nth,
            status,
            kind,
        })
    });
}

#[track_caller]
fn assert_says(error: &str, words: &[&str]) {
    for word in words {
        assert!(error.contains(word), "{word:?} is not in: {error}");
    }
}

#[test]
fn a_wrong_secret_is_named() {
    let kvs = Kvs::start();
    let error = error_of(&kvs, |signaller| {
        signaller.set_property("secret-access-key", "wrong")
    });
    assert_says(&error, &["check the secret key", "InvalidSignatureException"]);
}

#[test]
fn an_unknown_key_is_named() {
    let kvs = Kvs::start();
    let error = error_of(&kvs, |signaller| {
        signaller.set_property("access-key", "AKIDUNKNOWN")
    });
    assert_says(&error, &["check the keys", "UnrecognizedClientException"]);
}

#[test]
fn missing_permissions_are_named_for_every_call() {
    for call in [Call::Describe, Call::Endpoint, Call::Ice] {
        let kvs = Kvs::start();
        refuse(&kvs, call, 1..=9, 403, "AccessDeniedException");
        assert_says(&error_of(&kvs, |_| ()), &["allow kinesisvideo on demo"]);
    }
}

#[test]
fn a_missing_channel_is_named_with_its_region() {
    let kvs = Kvs::start();
    let error = error_of(&kvs, |signaller| signaller.set_property("channel-name", "other"));
    assert_says(
        &error,
        &[
            "the channel other does not exist in eu-west-1",
            "signaller::region",
        ],
    );
    let error = error_of(&kvs, |signaller| {
        signaller.set_property("channel-name", None::<String>)
    });
    assert_says(&error, &["Channel name cannot be None!"]);
}

#[test]
fn half_a_key_is_named() {
    let kvs = Kvs::start();
    let error = error_of(&kvs, |signaller| signaller.set_property("secret-access-key", ""));
    assert_says(
        &error,
        &["access-key and secret-access-key have to be set together"],
    );
}

#[test]
fn addresses_that_lead_nowhere_are_named() {
    let kvs = Kvs::start();
    for (property, value) in [("endpoint", "nonsense"), ("region", "eu west 1")] {
        let error = error_of(&kvs, |signaller| signaller.set_property(property, value));
        assert_says(&error, &[value, property]);
    }
}

#[test]
fn certificates_that_are_none_are_named() {
    let kvs = Kvs::start();
    let error = error_of(&kvs, |signaller| {
        signaller.set_property("cafile", "/proc/self/exe")
    });
    assert_says(&error, &["/proc/self/exe"]);
}

#[test]
fn without_a_region_the_default_is_looked_for() {
    let kvs = Kvs::start();
    let error = error_of(&kvs, |signaller| signaller.set_property("region", None::<String>));
    // Whatever it is on this machine, it is none of the double's.
    assert_says(&error, &["is not the scope"]);
}

#[test]
fn a_wrong_clock_is_named() {
    let kvs = Kvs::start();
    kvs.switch(|switches| switches.clock_ahead = Duration::from_secs(3600));
    assert_says(&error_of(&kvs, |_| ()), &["this machine's clock"]);
}

#[test]
fn a_refused_upgrade_is_named() {
    for (status, words) in [(403, "check the credentials"), (404, "does not know the channel")] {
        let kvs = Kvs::start();
        refuse(&kvs, Call::Connect, 1..=1, status, "AccessDeniedException");
        assert_says(&error_of(&kvs, |_| ()), &[words]);
    }
}

#[test]
fn a_certificate_nobody_trusts_is_named() {
    let kvs = Kvs::start();
    let master = Master::start(&kvs, |_, signaller| {
        signaller.set_property("cafile", None::<String>)
    });
    // The SDK does not tell this from a service that cannot be reached, so it is tried again.
    master.wait_warning("certificate");
    master.stop();
}

#[test]
fn throttling_is_waited_out() {
    let kvs = Kvs::start();
    // The SDK itself tries three times.
    refuse(&kvs, Call::Describe, 1..=3, 400, "ClientLimitExceededException");
    let master = Master::start(&kvs, |_, _| ());
    master.wait_warning("the service asks to slow down");
    wait_until("the master is on the channel", || kvs.has_master());
    master.assert_no_errors();
    master.stop();
}

#[test]
fn a_service_in_trouble_is_waited_out() {
    let kvs = Kvs::start();
    refuse(&kvs, Call::Ice, 1..=3, 500, "InternalFailure");
    let master = Master::start(&kvs, |_, _| ());
    master.wait_warning("GetIceServerConfig failed");
    wait_until("the master is on the channel", || kvs.has_master());
    master.assert_no_errors();
    master.stop();
}
