// SPDX-License-Identifier: MPL-2.0
//! Encoding branches: one encoder that feeds every consumer able to use its output.
//!
//! A branch is a pipeline of its own, keyed by input stream, codec and the encoder-relevant part of the negotiated
//! caps. [`BranchPool`] is the whole surface: input goes in by [`BranchPool::push_input`], a consumer comes in by
//! [`BranchPool::attach`] and leaves by dropping its [`Attachment`]. Nothing is encoded while nobody is attached.
//!
//! - `sharing`: pure; who shares an encoder, and at which bitrate.
//! - `switch`, `moving`, `joining`: pure; how a consumer changes branches without a frame lost or doubled. `ahead`: pure;
//!   the key frame that is ready when a consumer is connected.
//! - `keyframes`: pure; how requests of many consumers become few key frames. `lastkey`, `parameters`: pure; the newest
//!   key frame of encoded input, and what others lack.
//! - `candidates`, `meter`, `mitigation`: pure; which encoder next, what left it, size and rate that suit a bitrate.
//! - `chain`, `convert`, `colours`: the elements, and the caps between them. `pipeline`, `branch`: one running branch.
//!   `tap`: one consumer's end of it.
//! - `worker`: the one thread of a pool. `registry`, `grouping`, `lifecycle`: what it does. `state`: what all threads share.
//!
//! A frame crosses two threads: the one that pushes input, and the branch's own, which encodes and hands the result
//! to every consumer's appsrc.
//!
//! Payloading, header extensions and everything else that differs per consumer belong to the session.

mod ahead;
mod branch;
mod candidates;
pub(super) mod chain;
mod colours;
mod convert;
mod grouping;
mod host;
mod joining;
mod keyframes;
mod keysource;
mod lastkey;
mod lifecycle;
mod meter;
mod mitigation;
mod moving;
mod parameters;
mod pipeline;
mod pool;
mod registry;
mod request;
mod sharing;
mod snapshot;
mod state;
mod switch;
mod tap;
mod timeline;
mod worker;

#[cfg(test)]
mod tests;

pub(crate) use convert::square_size;
pub(crate) use host::{BranchFailure, BranchHost, EncodeSettings, Mitigation};
pub(crate) use pool::{Attachment, BranchPool};
pub(crate) use request::{AttachRequest, BranchError, BranchId, PictureSize, StreamId};
pub(crate) use snapshot::{BranchSnapshot, ConsumerSnapshot};
