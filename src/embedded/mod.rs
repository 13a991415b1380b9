// SPDX-License-Identifier: MPL-2.0
//! The servers a sink can run itself, so that one pipeline serves a browser.
//!
//! Both listen before the element's state change returns, so that a port in use is an error of that change, and both
//! are gone when the change that stops them returns.

pub(crate) mod signalling;
#[cfg(feature = "web_server")]
pub(crate) mod web;
