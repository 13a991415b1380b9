// SPDX-License-Identifier: MPL-2.0
//! `livekitwebrtcsink` and `livekitwebrtcsrc` in rooms of a real LiveKit server, with LiveKit's own client as a third
//! participant. Each test has a server of its own.
#![cfg(feature = "livekit")]

#[path = "../common/mod.rs"]
mod common;

mod cluster;
mod docs;
mod failures;
mod hardship;
mod participant;
mod publishing;
mod relays;
mod room;
mod simulcast;
mod subscribing;
