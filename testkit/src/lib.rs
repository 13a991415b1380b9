// SPDX-License-Identifier: MPL-2.0
//! What the tests share, without depending on what they test.

pub mod candidate;
pub mod coturn;
#[cfg(feature = "kvs")]
pub mod kvs;
pub mod link;
pub mod livekit;
pub mod network;
pub mod ntp;
pub mod plot;
pub mod proxy;
pub mod relay;
#[cfg(feature = "tokens")]
pub mod tokens;
pub mod wait;
