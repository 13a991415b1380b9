// SPDX-License-Identifier: MPL-2.0
//! What must hold for any text given to the parser of `Link` headers; shared by the fuzz target and by the test that
//! replays its corpus.

use super::link_header::parse;

/// Reads `data` as a header field. Nothing may panic, and what was read without control characters, which a header cannot
/// hold, must survive being written and read again.
pub(crate) fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let is_plain = !text.chars().any(char::is_control);
    for link in parse(text) {
        let written = link.to_string();
        if is_plain {
            assert_eq!(parse(&written), [link], "{written}");
        }
    }
}
