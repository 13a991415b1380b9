// SPDX-License-Identifier: MPL-2.0
//! Small extensions of the bindings: elements by name, promises to await, properties' values, structures as JSON, names
//! let in from peers.
//!
//! Nothing here knows of sessions or signalling. What the bindings lack and more than one module needs goes here, one
//! subject a file. Any thread.

pub mod make;
pub(crate) mod names;
pub mod promise;
pub mod property;
pub mod structure;
