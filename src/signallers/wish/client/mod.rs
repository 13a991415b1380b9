// SPDX-License-Identifier: MPL-2.0
//! The asking side of WHIP and WHEP (RFC 9725; draft-ietf-wish-whep-03).
//!
//! [`protocol`] has the words, [`machine`] decides what to send and what to tell the element, [`running`] does so for a session that exists,
//! [`local`] keeps what the element said, [`actor`] is the thread around it and [`host`] its way to element and webrtcbin.

mod actor;
mod asking;
mod host;
mod local;
mod machine;
mod properties;
mod protocol;
mod running;
mod settings;

pub(crate) use asking::Asking;
pub(crate) use properties::declare;
