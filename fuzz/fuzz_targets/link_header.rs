// SPDX-License-Identifier: MPL-2.0
//! Fuzzes the Link header of WHIP and WHEP.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../checks/link_header.rs"]
mod check;
// The parser is one pure file; taking it alone keeps GStreamer out of the fuzzer.
#[allow(dead_code, reason = "the file is there for more than its parser")]
#[path = "../../src/signallers/wish/link_header.rs"]
mod link_header;

fuzz_target!(|data: &[u8]| check::check(data));
