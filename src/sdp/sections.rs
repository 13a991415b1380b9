// SPDX-License-Identifier: MPL-2.0
//! The text of a description cut into its session part and its media sections (RFC 8866, section 5). Pure.
//!
//! For changes to a text that is not to be written anew: together the parts are the whole of it, to the byte.

/// Cuts before every line that begins with `m=`: the session part, and the sections with the ends of their lines.
pub(crate) fn cut(text: &str) -> (&str, Vec<&str>) {
    let is_line = |at: &usize| *at == 0 || text[..*at].ends_with('\n');
    let mut bounds: Vec<usize> = text
        .match_indices("m=")
        .map(|(at, _)| at)
        .filter(is_line)
        .collect();
    bounds.push(text.len());
    let media = bounds.windows(2).map(|bounds| &text[bounds[0]..bounds[1]]);
    (&text[..bounds[0]], media.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_begin_with_their_line() {
        let cases: [(&str, &str, &[&str]); 5] = [
            ("", "", &[]),
            ("v=0\r\n", "v=0\r\n", &[]),
            (
                "v=0\r\nm=a\r\na=x:m=1\r\nm=b",
                "v=0\r\n",
                &["m=a\r\na=x:m=1\r\n", "m=b"],
            ),
            ("m=a\nm=\n", "", &["m=a\n", "m=\n"]),
            ("s=m=\u{e4}\r\n", "s=m=\u{e4}\r\n", &[]),
        ];
        for (text, session, media) in cases {
            assert_eq!(cut(text), (session, media.to_vec()), "{text:?}");
        }
    }
}
