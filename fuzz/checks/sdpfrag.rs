// SPDX-License-Identifier: MPL-2.0
//! What must hold for any text given to the parser of ICE fragments; shared by the fuzz target and by the test that replays
//! its corpus.

use super::sdpfrag::Fragment;

/// Reads `data` as a fragment. Nothing may panic, and a fragment whose sections all have an m-line must survive being
/// written and read again.
pub(crate) fn check(data: &[u8]) {
    let Some(fragment) = std::str::from_utf8(data)
        .ok()
        .and_then(|text| Fragment::parse(text).ok())
    else {
        return;
    };
    let written = fragment.to_string();
    if fragment.media.iter().all(|media| !media.line.is_empty()) {
        assert_eq!(Fragment::parse(&written).as_ref(), Ok(&fragment), "{written}");
    }
}
