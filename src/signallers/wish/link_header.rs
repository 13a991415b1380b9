// SPDX-License-Identifier: MPL-2.0
//! The `Link` header field (RFC 8288, section 3): reading and writing, and nothing about what a link means.
//!
//! Reading is forgiving where deployed servers are wrong: a parameter may be written `name:"value"` and a stray
//! semicolon may end a link. What cannot be read is skipped, so that one bad link does not hide a good one.
//! Pure; called from any thread.

use std::fmt;

/// Links read from one field at most; the rest is ignored.
const MAX_LINKS: usize = 32;

/// One link: what it points to, and its parameters in the order they were written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Link {
    target: String,
    params: Vec<(String, String)>,
}

impl Link {
    /// A link to `target` without parameters.
    pub(crate) fn new(target: impl Into<String>) -> Self {
        Self {
            target: target.into(),
            params: Vec::new(),
        }
    }

    /// The link with one more parameter.
    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.params.push((name.to_ascii_lowercase(), value.into()));
        self
    }

    /// What stands between the angle brackets.
    pub(crate) fn target(&self) -> &str {
        &self.target
    }

    /// The first value of parameter `name` (lower case); of a repeated one only the first counts (RFC 8288, section 3).
    pub(crate) fn param(&self, name: &str) -> Option<&str> {
        self.params
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>", self.target)?;
        for (name, value) in &self.params {
            write!(f, "; {name}=\"")?;
            for c in value.chars() {
                match c {
                    '"' | '\\' => write!(f, "\\{c}")?,
                    // A control character cannot stand in a header field.
                    c if c.is_control() => {}
                    c => write!(f, "{c}")?,
                }
            }
            f.write_str("\"")?;
        }
        Ok(())
    }
}

/// The links of one header field, which may hold several, separated by commas.
pub(crate) fn parse(field: &str) -> Vec<Link> {
    let mut reader = Reader { rest: field };
    let mut links = Vec::new();
    while links.len() < MAX_LINKS && reader.seek_target() {
        if let Some(link) = reader.link() {
            links.push(link);
        }
    }
    links
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    /// Goes behind the next `<`; false when there is none.
    fn seek_target(&mut self) -> bool {
        match self.rest.split_once('<') {
            Some((_, rest)) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn link(&mut self) -> Option<Link> {
        let (target, rest) = self.rest.split_once('>')?;
        self.rest = rest;
        let mut link = Link::new(target.trim());
        while self.eat(';') {
            let name = self.token().to_ascii_lowercase();
            let value = if self.eat('=') || self.eat(':') {
                self.value()
            } else {
                String::new()
            };
            if !name.is_empty() {
                link.params.push((name, value));
            }
        }
        Some(link)
    }

    fn eat(&mut self, wanted: char) -> bool {
        let trimmed = self.rest.trim_start();
        match trimmed.strip_prefix(wanted) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn token(&mut self) -> &'a str {
        let trimmed = self.rest.trim_start();
        let end = trimmed
            .find(|c: char| c.is_whitespace() || ";,=:<>\"".contains(c))
            .unwrap_or(trimmed.len());
        let (token, rest) = trimmed.split_at(end);
        self.rest = rest;
        token
    }

    fn value(&mut self) -> String {
        if !self.eat('"') {
            let trimmed = self.rest.trim_start();
            let end = trimmed
                .find(|c: char| c.is_whitespace() || ";,".contains(c))
                .unwrap_or(trimmed.len());
            let (value, rest) = trimmed.split_at(end);
            self.rest = rest;
            return value.to_owned();
        }
        let mut value = String::new();
        let mut chars = self.rest.chars();
        while let Some(c) = chars.next() {
            match c {
                '"' => break,
                '\\' => value.extend(chars.next()),
                c => value.push(c),
            }
        }
        self.rest = chars.as_str();
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_specification_is_read() {
        // RFC 9725, section 4.6, figure 4.
        let links = parse(
            "<turn:turn.example.net?transport=udp>; rel=\"ice-server\"; username=\"user\"; \
             credential=\"myPassword\"; credential-type=\"password\"",
        );
        assert_eq!(links.len(), 1);
        assert_eq!(links[0].target(), "turn:turn.example.net?transport=udp");
        assert_eq!(links[0].param("rel"), Some("ice-server"));
        assert_eq!(links[0].param("credential"), Some("myPassword"));
        assert_eq!(links[0].param("absent"), None);
    }

    #[test]
    fn folded_links_are_told_apart() {
        let links =
            parse("<stun:a>; rel=ice-server, <stun:b>;rel=\"ice-server\" ,<turn:c>; credential=\"x,<y>;\"");
        let targets: Vec<_> = links.iter().map(Link::target).collect();
        assert_eq!(targets, ["stun:a", "stun:b", "turn:c"]);
        assert_eq!(links[2].param("credential"), Some("x,<y>;"));
    }

    #[test]
    fn deployed_mistakes_are_understood() {
        let links = parse(
            "<turn:h:1?transport=tcp>; rel=\"ice-server\"; username=\"u\"; credential:\"p\"; credential-type:\"password\";",
        );
        assert_eq!(links[0].param("username"), Some("u"));
        assert_eq!(links[0].param("credential"), Some("p"));
        assert_eq!(links[0].param("credential-type"), Some("password"));
    }

    #[test]
    fn what_was_written_is_read_back() {
        for password in [
            "plain",
            "with \"quotes\"",
            "back\\slash",
            "semi;colon,comma",
            "ünïcode",
            "",
        ] {
            let link = Link::new("turn:h")
                .with("rel", "ice-server")
                .with("credential", password);
            assert_eq!(parse(&link.to_string()), [link]);
        }
    }

    #[test]
    fn a_control_character_never_reaches_a_header() {
        assert_eq!(
            Link::new("turn:h")
                .with("username", "a\r\nSet-Cookie: b")
                .to_string(),
            "<turn:h>; username=\"aSet-Cookie: b\""
        );
    }

    #[test]
    fn a_repeated_parameter_counts_once() {
        assert_eq!(parse("<a>; rel=one; rel=two")[0].param("rel"), Some("one"));
    }

    #[test]
    fn garbage_gives_nothing_and_hides_nothing() {
        for garbage in ["", ";;;", "rel=x", "<unclosed", ">", "\"<\"", "<"] {
            assert!(parse(garbage).is_empty(), "{garbage}");
        }
        assert_eq!(
            parse("oops, <stun:a>; =; rel=ice-server; =\"")[0].target(),
            "stun:a"
        );
        assert_eq!(parse(&"<a>,".repeat(1000)).len(), MAX_LINKS);
    }

    proptest::proptest! {
        #[test]
        fn no_input_panics(text in ".{0,200}") {
            for link in parse(&text) {
                let _ = link.to_string();
            }
        }
    }
}
