// SPDX-License-Identifier: MPL-2.0
//! WHIP (RFC 9725): publishing by HTTP. The GObjects; what they do is in [`super::wish`].

pub(crate) mod client;
pub(crate) mod server;
