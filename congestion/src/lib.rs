// SPDX-License-Identifier: MPL-2.0
//! Congestion control for real-time media as plain Rust: values and a time go in, values come out.

pub mod units;
