// SPDX-License-Identifier: MPL-2.0
//! The receiving side with real pipelines in one process: against a plain webrtcbin, and against this crate's own sink.

#[path = "../common/mod.rs"]
mod common;

mod channels;
mod chromium;
mod clocks;
mod docs;
mod ends;
mod hostile;
mod latency;
mod output;
mod playback;
mod recovery;
mod renegotiation;
mod repair;
mod requests;
mod session;
mod shown;
