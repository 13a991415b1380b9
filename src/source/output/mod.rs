// SPDX-License-Identifier: MPL-2.0
//! From webrtcbin's pad to the element's pad: raw, encoded or RTP, as downstream asks.
//!
//! `form` decides which of the three, `branch` builds the elements for it inside the session's bin, and `outlet` is the
//! element between a branch and the pad: it outlives branches and connections, so the pad stays the same, and it keeps
//! whatever goes wrong downstream away from the others.

pub(crate) mod branch;
pub(crate) mod form;
pub(crate) mod outlet;
pub(crate) mod stream;
