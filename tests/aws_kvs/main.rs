// SPDX-License-Identifier: MPL-2.0
//! `awskvswebrtcsink` as the master of a channel, at a local double of the service (`testkit::kvs`).
//!
//! The double itself is checked by what the vendor wrote (`vendor.rs`): botocore, the browser library and its signer.
#![cfg(feature = "aws")]

mod browser;
#[path = "../common/mod.rs"]
mod common;
mod connection;
mod master;
mod media;
mod refusals;
mod turn;
mod vendor;
mod viewer;
