// SPDX-License-Identifier: MPL-2.0
//! Fuzzes the ICE fragments of WHIP and WHEP.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../checks/sdpfrag.rs"]
mod check;
// The parser is one pure file; taking it alone keeps GStreamer out of the fuzzer.
#[allow(dead_code, reason = "the file is there for more than its parser")]
#[path = "../../src/signallers/wish/sdpfrag.rs"]
mod sdpfrag;

fuzz_target!(|data: &[u8]| check::check(data));
