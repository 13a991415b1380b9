// SPDX-License-Identifier: MPL-2.0
//! What travels on the data channels between a sink and its consumers.
//!
//! [`navigation`] and [`control`] are pure codecs between JSON and GStreamer's structures, [`json`] turns custom
//! structures into JSON and back, [`sending`] bounds what waits for a peer that does not read. What a message does to a pipeline is left to the elements. Everything a peer sends
//! passes here first: malformed input is an error value, sizes and depth are bounded.

pub(crate) mod control;
pub(crate) mod json;
pub(crate) mod navigation;
pub(crate) mod sending;

/// Label of the channel that carries navigation events without replies.
pub(crate) const INPUT_LABEL: &str = "input";

/// Label of the channel that carries control requests, their replies, and notices of the sink.
pub(crate) const CONTROL_LABEL: &str = "control";

/// Messages larger than this are refused unread. The largest sensible one is a key press or a small structure.
pub(crate) const MAX_MESSAGE_BYTES: usize = 64 * 1024;

/// Why a message of a peer was not understood.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MessageError {
    /// The message is too large to be read.
    #[error("message of {0} bytes is too large")]
    TooLarge(usize),
    /// The message is not the JSON it should be.
    #[error("malformed message: {0}")]
    Json(#[from] serde_json::Error),
    /// A value of it has no counterpart in GStreamer.
    #[error("cannot be used: {0}")]
    Value(#[from] json::JsonError),
    /// A modifier that GStreamer does not know.
    #[error("unknown modifier {0}")]
    Modifier(String),
    /// A command that GStreamer does not know.
    #[error("unknown command {0}")]
    Command(String),
}
