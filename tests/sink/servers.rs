// SPDX-License-Identifier: MPL-2.0
//! The servers that a sink runs itself: what keeps them from running is an error on the bus that names it, the element
//! does not reach PAUSED, and does once it is mended.

use std::net::TcpListener;

use gst::prelude::*;

use super::common::init;

/// A pipeline with a sink that runs servers of its own.
fn launch(properties: &str) -> gst::Pipeline {
    init();
    let line = format!("videotestsrc is-live=true ! webrtcsink name=ws stun-server=\"\" {properties}");
    gst::parse::launch(&line).unwrap().downcast().unwrap()
}

/// What the bus says when the pipeline is to run and cannot.
fn failure(properties: &str) -> String {
    let pipeline = launch(properties);
    assert!(pipeline.set_state(gst::State::Playing).is_err(), "{properties}");
    let bus = pipeline.bus().unwrap();
    let message = bus
        .pop_filtered(&[gst::MessageType::Error])
        .expect("the bus says why");
    pipeline.set_state(gst::State::Null).unwrap();
    match message.view() {
        gst::MessageView::Error(error) => {
            assert!(error.error().matches(gst::StreamError::Failed), "{error:?}");
            error.error().message().to_owned()
        }
        _ => unreachable!("only errors were asked for"),
    }
}

const SIGNALLING: &str = "run-signalling-server=true signalling-server-host=127.0.0.1";
const WEB: &str = "run-web-server=true web-server-directory=/tmp signaller::uri=ws://127.0.0.1:1";

#[test]
fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    for properties in [
        format!("{SIGNALLING} signalling-server-port={port}"),
        format!("{WEB} web-server-host-addr=http://127.0.0.1:{port}"),
    ] {
        let error = failure(&properties);
        assert!(error.contains(&format!("127.0.0.1:{port}")), "{error}");
        assert!(error.contains("in use"), "{error}");
    }
    drop(taken);
    let pipeline = launch(&format!("{SIGNALLING} signalling-server-port={port}"));
    pipeline.set_state(gst::State::Playing).unwrap();
    pipeline.set_state(gst::State::Null).unwrap();
}

#[test]
fn certificates_that_are_none_are_named() {
    let (text, absent) = (
        concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"),
        "/nonexistent/cert.pem",
    );
    for (file, server) in [text, absent].iter().flat_map(|file| {
        [
            (
                file,
                format!("{SIGNALLING} signalling-server-port=1 signalling-server-cert={file} signalling-server-key={file}"),
            ),
            (
                file,
                format!(
                    "{WEB} web-server-host-addr=https://127.0.0.1:0 web-server-cert={file} web-server-key={file}"
                ),
            ),
        ]
    }) {
        let error = failure(&server);
        assert!(error.contains(file), "{server}: {error}");
    }
    for half in ["signalling-server-cert", "signalling-server-key"] {
        let error = failure(&format!("{SIGNALLING} signalling-server-port=1 {half}={text}"));
        assert!(error.contains("a certificate and a key are needed"), "{error}");
    }
}

#[test]
fn a_folder_that_is_none_is_named() {
    let error = failure(
        "run-web-server=true web-server-directory=/nonexistent web-server-host-addr=http://127.0.0.1:0 \
         signaller::uri=ws://127.0.0.1:1",
    );
    assert!(error.contains("/nonexistent"), "{error}");
}
