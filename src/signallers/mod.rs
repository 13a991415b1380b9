// SPDX-License-Identifier: MPL-2.0
//! The signalling protocols, one folder each, all behind [`Signallable`](crate::signaller::Signallable).
//!
//! Every folder is split alike: `protocol.rs` parses and builds messages, `machine.rs` decides, `client.rs` talks,
//! `imp.rs` is the GObject. `mailbox.rs` starts and stops the task in which a client talks. Only `elements` joins a
//! signaller to a sink or a source.

#[cfg(feature = "aws")]
pub(crate) mod aws_kvs;
pub(crate) mod default;
#[cfg(feature = "livekit")]
pub(crate) mod livekit;
mod mailbox;
#[cfg(feature = "whep")]
pub(crate) mod whep;
#[cfg(feature = "whip")]
pub(crate) mod whip;
#[cfg(feature = "wish")]
pub(crate) mod wish;
