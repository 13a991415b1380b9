// SPDX-License-Identifier: MPL-2.0
//! HTTP beneath WHIP, WHEP and the embedded web server: a client and a server, both on existing stacks (reqwest, hyper),
//! both bounded in time and size.
//!
//! Nothing here knows what is said; the protocols are in `signallers::wish`. Everything runs on the process's runtime.

#[cfg(feature = "wish")]
pub(crate) mod body;
#[cfg(feature = "wish")]
pub(crate) mod client;
mod reader;
pub(crate) mod server;

/// Largest body taken in either direction. Chromium's largest descriptions are 20 KiB.
#[cfg(feature = "wish")]
const MAX_BODY: usize = 256 * 1024;
