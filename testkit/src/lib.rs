// SPDX-License-Identifier: MPL-2.0
//! What the tests share, without depending on what they test.

pub mod livekit;
pub mod proxy;
