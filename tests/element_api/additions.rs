// SPDX-License-Identifier: MPL-2.0
//! What the elements have beyond the contract, each with its reason.

/// On every sink.
const SINKS: &[(&str, &str)] = &[
    (
        "max-encoders",
        "how many encoders consumers of one stream may be spread over",
    ),
    ("session-timeout", "how long a session may take to get connected"),
    (
        "max-playout-delay",
        "how long pictures may be held so that repairs are in time",
    ),
    (
        "simulcast-layers",
        "for a LiveKit room: how many sizes a picture is sent in",
    ),
    ("rtx-percentage", "ceiling of the bandwidth for retransmissions"),
];

/// On every source.
const SOURCES: &[(&str, &str)] = &[
    ("latency", "size of the jitterbuffers"),
    (
        "on-session-end",
        "what the end of a session means to the pipeline",
    ),
    ("session-timeout", "how long a session may take to get connected"),
    ("stats", "statistics of the session"),
];

/// Signals every sink and source has beside those of the contract.
pub(crate) const SIGNALS: &[&str] = &["session-ended", "get-stats"];

/// Whether a property or pad template of `element` is a known addition.
pub(crate) fn is_listed(element: &str, name: &str) -> bool {
    let list = if element.ends_with("sink") { SINKS } else { SOURCES };
    list.iter().any(|(listed, _)| *listed == name)
}
