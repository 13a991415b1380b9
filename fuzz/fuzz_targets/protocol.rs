// SPDX-License-Identifier: MPL-2.0
//! Fuzzes the messages of the default signalling protocol, both directions.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../checks/protocol.rs"]
mod protocol;

fuzz_target!(|data: &[u8]| protocol::check(data));
