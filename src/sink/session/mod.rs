// SPDX-License-Identifier: MPL-2.0
//! One consumer: a pipeline of its own, driven by one operation queue and one pure machine.
//!
//! [`Session`] is what the rest of the element sees: others post inputs and ask for its end. Behind it runs one task:
//! `operations` does what needs webrtcbin, one thing at a time (`offering`, `answering`, `linking`, `recovery` are its
//! parts); `machine` judges deadlines and silence; `release` is
//! the only way out, whatever the reason. Callbacks of webrtcbin only enqueue. A session never touches another one.
//!
//! - `pipeline`: makes webrtcbin and its surroundings. `outlet`: one stream's way into it, from encoded samples on, made
//!   of `chain`s of elements (`layering`: one for each size it is sent in) and `encodings`, its places at encoders.
//! - `slots`: which stream has which media section. `traffic`: when the peer was last heard.

mod answering;
mod blocking;
mod chain;
mod driver;
mod encodings;
mod handle;
mod layering;
mod linking;
mod machine;
mod offering;
mod operations;
mod outlet;
mod pipeline;
mod recovery;
mod release;
mod retransmission;
mod slots;
mod traffic;

pub(super) use encodings::Encoding;
pub(super) use handle::Session;
pub(super) use outlet::Outlet;

use gst_webrtc::WebRTCSessionDescription;

use crate::sink::encode::StreamId;

/// What happens to a session and has to wait for its turn.
#[derive(Debug)]
pub(super) enum Input {
    /// The peer's description came.
    Description(WebRTCSessionDescription),
    /// A candidate of the peer came.
    RemoteCandidate {
        /// Media section it belongs to.
        media_index: u32,
        /// As the peer wrote it.
        candidate: String,
    },
    /// webrtcbin found a candidate of ours.
    LocalCandidate {
        /// Media section it belongs to.
        media_index: u32,
        /// In the form `candidate:…`.
        candidate: String,
    },
    /// The element's streams are others than before.
    StreamsChanged,
    /// A stream goes on with other caps.
    StreamReshaped(StreamId),
    /// The connection broke down and is to be brought back.
    Recover,
}
