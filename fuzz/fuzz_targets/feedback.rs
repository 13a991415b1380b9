// SPDX-License-Identifier: MPL-2.0
//! Fuzzes what the congestion controllers are told.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../checks/feedback.rs"]
mod feedback;

fuzz_target!(|data: &[u8]| feedback::check(data));
