// SPDX-License-Identifier: MPL-2.0
//! A simulated network in simulated time: media flows that use the crate as a session does, cross traffic, and two
//! links, one for each direction. Everything is seeded; a run of 300 s takes a fraction of a second.

#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    reason = "shared by a test and an example, each using a part"
)]

pub mod encoder;
pub mod figures;
pub mod flow;
pub mod link;
pub mod plans;
pub mod plot;
mod receiver;
pub mod report;
mod rng;
mod tcp;
pub mod world;
