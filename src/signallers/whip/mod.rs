// SPDX-License-Identifier: MPL-2.0
//! WHIP (RFC 9725): publishing by HTTP. The GObjects; what they do is in [`super::wish`].
//!
//! The client publishes for a sink, the server receives for a source; classes and property names are what applications
//! depend on, and what else differs from WHEP follows from `Kind` in `wish/server`.

pub(crate) mod client;
pub(crate) mod server;
