// SPDX-License-Identifier: MPL-2.0
//! What must hold for any bytes given to the protocol's parsers; shared by the fuzz target and by the test
//! that replays its corpus.

use std::fmt::Debug;

use gst_plugin_webrtc_signalling_protocol::{IncomingMessage, OutgoingMessage};
use serde::{Serialize, de::DeserializeOwned};

/// Parses `data` as a message of either direction. Nothing may panic, and what was understood must survive
/// being written and read again.
pub(crate) fn check(data: &[u8]) {
    round_trip::<IncomingMessage>(data);
    round_trip::<OutgoingMessage>(data);
}

fn round_trip<T: DeserializeOwned + Serialize + PartialEq + Debug>(data: &[u8]) {
    let Ok(message) = serde_json::from_slice::<T>(data) else {
        return;
    };
    let text = serde_json::to_string(&message).expect("every message has a JSON form");
    let again = serde_json::from_str::<T>(&text).expect("what we write can be read");
    assert_eq!(message, again, "{text}");
}
