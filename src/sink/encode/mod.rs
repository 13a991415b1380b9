// SPDX-License-Identifier: MPL-2.0
//! Encoding branches: one encoder that feeds every consumer able to use its output.
//!
//! A branch is a pipeline of its own, keyed by input stream, codec and the encoder-relevant part of the negotiated
//! caps. [`BranchPool`] is the whole surface: input goes in by [`BranchPool::push_input`], a consumer comes in by
//! [`BranchPool::attach`] and leaves by dropping its [`Attachment`]. Nothing is encoded while nobody is attached.
//!
//! - [`sharing`]: pure; who shares an encoder, and at which bitrate.
//! - `switch`: pure; how a consumer changes branches without a frame lost or doubled.
//! - `keyframes`: pure; how requests of many consumers become few key frames.
//! - `mitigation`: pure; size and frame rate that suit a bitrate.
//! - `tap`, `branch`, `chain`, `convert`: the pipelines that carry these decisions out.
//! - `worker`: the one thread per pool that makes, moves and stops branches.
//!
//! Payloading, header extensions and everything else that differs per consumer belong to the session.

mod host;
mod pool;
mod request;
mod snapshot;

pub(crate) use host::{BranchFailure, BranchHost, EncodeSettings, Mitigation};
pub(crate) use pool::{Attachment, BranchPool};
pub(crate) use request::{AttachRequest, BranchError, BranchId, StreamId};
pub(crate) use snapshot::{BranchSnapshot, ConsumerSnapshot};
