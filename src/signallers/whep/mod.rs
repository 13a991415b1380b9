// SPDX-License-Identifier: MPL-2.0
//! WHEP (draft-ietf-wish-whep-03): playing by HTTP. The GObjects; what they do is in [`super::wish`].

pub(crate) mod client;
pub(crate) mod server;
