// SPDX-License-Identifier: MPL-2.0
//! The double, checked by what the vendor wrote: botocore, SignalingClient and SigV4RequestSigner.

use std::process::Command;

use testkit::kvs::{CHANNEL, KEY_ID, Kvs, REGION, SECRET};

use super::browser::{INTEROP, channel, has, has_package};

#[track_caller]
fn assert_succeeds(command: &mut Command) {
    let output = command.current_dir(INTEROP).output().expect("the program starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
}

#[test]
fn botocore_finds_the_channel() {
    let mut import = Command::new("python3");
    let has_botocore = import.args(["-c", "import botocore"]).output();
    if !has(
        "botocore",
        has_botocore.is_ok_and(|output| output.status.success()),
    ) {
        return;
    }
    let kvs = Kvs::start();
    let mut command = Command::new("python3");
    command
        .arg("kvs/control.py")
        .args([&kvs.url(), REGION, CHANNEL, kvs.arn(), KEY_ID, SECRET])
        .arg(kvs.cafile());
    assert_succeeds(&mut command);
}

#[test]
fn the_vendors_clients_talk_over_the_double() {
    if !(has_package("amazon-kinesis-video-streams-webrtc") && has_package("ws")) {
        return;
    }
    let kvs = Kvs::start();
    let mut command = Command::new("node");
    command
        .args(["kvs/pair.mjs", &channel(&kvs)])
        .env("NODE_EXTRA_CA_CERTS", kvs.cafile());
    assert_succeeds(&mut command);
}

#[test]
fn the_golden_signatures_are_the_librarys() {
    if has_package("amazon-kinesis-video-streams-webrtc") {
        assert_succeeds(Command::new("node").args(["kvs/signatures.mjs", "--check"]));
    }
}
