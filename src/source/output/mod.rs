// SPDX-License-Identifier: MPL-2.0
//! From webrtcbin's pad to the element's pad: raw, encoded or RTP, as downstream asks.
//!
//! `form` decides which of the three, `branch` builds the elements for it inside the session's bin, `assembler` among
//! them, which makes whole pictures by what `picture` knows of them; `opening` asks for the first key frame. `outlet` is
//! the element between a branch and the pad: it outlives branches and connections, so the pad stays the same, and it
//! keeps whatever goes wrong downstream away from the others.

mod assembler;
pub(crate) mod branch;
pub(crate) mod form;
mod opening;
pub(crate) mod outlet;
mod picture;
pub(crate) mod stream;
