// SPDX-License-Identifier: MPL-2.0
//! Percent encoding (RFC 3986, section 2.1) of texts that stand inside addresses. Pure.

use std::fmt::Write;

/// Everything but the unreserved characters of RFC 3986 (section 2.3) as `%XX`.
pub(crate) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("a string takes everything");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unreserved_characters_stay_plain() {
        assert_eq!(encoded("aZ09-_.~ /:+=é"), "aZ09-_.~%20%2F%3A%2B%3D%C3%A9");
    }
}
