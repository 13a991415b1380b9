// SPDX-License-Identifier: MPL-2.0
//! WHEP (draft-ietf-wish-whep-03): playing by HTTP. The GObjects; what they do is in [`super::wish`].
//!
//! The client plays for a source, the server sends for a sink; classes and property names are what applications depend
//! on, and what else differs from WHIP follows from `Kind` in `wish/server`.

pub(crate) mod client;
pub(crate) mod server;
