// SPDX-License-Identifier: MPL-2.0
//! The receiving side of offer and answer (RFC 3264, RFC 8829), as pure functions and machines.
//!
//! `description` reads what a peer sent, `select` chooses codec, repair and extensions of an m-line, `lines` keeps
//! what every m-line has become over renegotiation, `describe` writes descriptions, `propose` says what to offer when
//! this side begins, and `machine` decides what an incoming description means for the connection.
//!
//! webrtcbin is never shown the peer's own text. It gets a description that holds exactly what was chosen, on every
//! m-line, and its own answer serves only for transport parameters: version 1.22 would answer codecs it cannot receive
//! (RED for audio), forgets header extensions and feedback, refuses an m-line that comes back from `inactive`, and
//! stops the process when an m-line has no mid.

pub(crate) mod describe;
pub(crate) mod description;
pub(crate) mod lines;
pub(crate) mod machine;
pub(crate) mod propose;
pub(crate) mod select;
