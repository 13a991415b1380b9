// SPDX-License-Identifier: MPL-2.0
//! What to offer for a stream, what a peer's description means, and whose turn it is (RFC 3264, RFC 8829).
//!
//! - `payloads`: the codecs a stream can leave as, found out ahead of the first consumer.
//! - `bundle`: answers that refuse the section whose transport all share; pure.
//! - `describe`: RTP caps as they stand in a description and in front of a payloader; pure.
//! - `select`: which section of an answer, or of a remote offer, goes with which stream and codec; pure.
//! - `simulcast`: one stream in several sizes; pure.
//! - `machine`: offer and answer take turns; pure.

pub(super) mod bundle;
pub(super) mod describe;
pub(super) mod machine;
pub(super) mod payloads;
pub(super) mod select;
pub(super) mod simulcast;

pub(super) use payloads::look_ahead;
