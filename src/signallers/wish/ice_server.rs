// SPDX-License-Identifier: MPL-2.0
//! STUN and TURN servers as WHIP and WHEP announce them (RFC 9725, section 4.6): `Link` entries with
//! `rel="ice-server"` on one side, the URLs that webrtcbin and our properties take on the other.
//!
//! Fields are read and written by [`super::link_header`]. Pure; called from any thread.

use std::{borrow::Cow, fmt};

use percent_encoding::percent_decode_str;

use super::link_header::Link;
use crate::net::percent;

/// Servers taken from one answer at most.
const MAX_SERVERS: usize = 16;

/// A URL that names no STUN or TURN server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the url of a stun or turn server")]
pub(crate) struct NotAnIceServer(String);

/// One STUN or TURN server.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct IceServer {
    scheme: Scheme,
    /// Host with its port, if one was given.
    authority: String,
    /// What follows the question mark, such as `transport=tcp`.
    query: Option<String>,
    credentials: Option<(String, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Stun,
    Stuns,
    Turn,
    Turns,
}

impl Scheme {
    fn parse(name: &str) -> Option<Self> {
        [Self::Stun, Self::Stuns, Self::Turn, Self::Turns]
            .into_iter()
            .find(|s| name.eq_ignore_ascii_case(s.name()))
    }

    fn name(self) -> &'static str {
        match self {
            Self::Stun => "stun",
            Self::Stuns => "stuns",
            Self::Turn => "turn",
            Self::Turns => "turns",
        }
    }

    fn is_turn(self) -> bool {
        matches!(self, Self::Turn | Self::Turns)
    }

    /// RFC 7064 and RFC 7065, section 3.2 each.
    fn default_port(self) -> u16 {
        match self {
            Self::Stun | Self::Turn => 3478,
            Self::Stuns | Self::Turns => 5349,
        }
    }
}

impl IceServer {
    /// Reads a URL of a property (`turn://user:password@host:port?transport=tcp`, percent-encoded user part) or the
    /// form of RFC 7064 and RFC 7065 (`turn:host:port?transport=tcp`).
    pub(crate) fn parse(url: &str) -> Result<Self, NotAnIceServer> {
        let unreadable = || NotAnIceServer(redacted(url).into_owned());
        let (scheme, rest) = url.trim().split_once(':').ok_or_else(unreadable)?;
        let scheme = Scheme::parse(scheme).ok_or_else(unreadable)?;
        let rest = rest.strip_prefix("//").unwrap_or(rest);
        let (rest, query) = match rest.split_once('?') {
            Some((rest, query)) => (rest, Some(query.to_owned())),
            None => (rest, None),
        };
        let (userinfo, authority) = match rest.rsplit_once('@') {
            Some((userinfo, authority)) => (Some(userinfo), authority),
            None => (None, rest),
        };
        let authority = authority.trim_end_matches('/');
        if authority.is_empty()
            || authority
                .chars()
                .any(|c| c.is_whitespace() || c.is_control() || "<>\"/".contains(c))
        {
            return Err(unreadable());
        }
        let credentials = userinfo.map(|userinfo| {
            let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
            (decoded(user), decoded(password))
        });
        Ok(Self {
            scheme,
            authority: authority.to_owned(),
            query,
            credentials,
        })
    }

    /// The server a link announces; `None` when it announces something else.
    ///
    /// A link to a STUN or TURN URL without any relation is taken too: some servers leave `rel` out.
    pub(crate) fn from_link(link: &Link) -> Option<Self> {
        let is_ice_server = |rel: &str| {
            rel.split_ascii_whitespace()
                .any(|r| r.eq_ignore_ascii_case("ice-server"))
        };
        if !link.param("rel").is_none_or(is_ice_server) {
            return None;
        }
        let mut server = Self::parse(link.target()).ok()?;
        if let (Some(user), Some(password)) = (link.param("username"), link.param("credential")) {
            server.credentials = Some((user.to_owned(), password.to_owned()));
        }
        // Without credentials a TURN server is of no use, and webrtcbin refuses its URL.
        (server.credentials.is_some() || !server.scheme.is_turn()).then_some(server)
    }

    /// The link that announces this server.
    pub(crate) fn to_link(&self) -> Link {
        let query = self.query.as_ref().map(|q| format!("?{q}")).unwrap_or_default();
        let link =
            Link::new(format!("{}:{}{query}", self.scheme.name(), self.authority)).with("rel", "ice-server");
        match &self.credentials {
            Some((user, password)) if self.scheme.is_turn() => link
                .with("username", user.as_str())
                .with("credential", password.as_str())
                .with("credential-type", "password"),
            _ => link,
        }
    }

    /// The URL that webrtcbin takes: always with a port, user and password percent-encoded.
    pub(crate) fn to_url(&self) -> String {
        let mut url = format!("{}://", self.scheme.name());
        if let Some((user, password)) = &self.credentials {
            url += &format!("{}:{}@", percent::encoded(user), percent::encoded(password));
        }
        url += &self.authority;
        if !has_port(&self.authority) {
            url += &format!(":{}", self.scheme.default_port());
        }
        if let Some(query) = &self.query {
            url += &format!("?{query}");
        }
        url
    }

    /// Whether this is a relay rather than a mirror.
    pub(crate) fn is_turn(&self) -> bool {
        self.scheme.is_turn()
    }
}

/// Leaves the credentials out: these values end up in logs.
impl fmt::Debug for IceServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.scheme.name(), self.authority)
    }
}

/// The servers announced by the `Link` fields of an answer.
pub(crate) fn from_fields<'a>(fields: impl IntoIterator<Item = &'a str>) -> Vec<IceServer> {
    let links = fields.into_iter().flat_map(super::link_header::parse);
    links
        .filter_map(|link| IceServer::from_link(&link))
        .take(MAX_SERVERS)
        .collect()
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// Whether a port was given; webrtcbin wants one.
fn has_port(authority: &str) -> bool {
    // The colons inside an IPv6 address stand before its closing bracket.
    let tail = authority.rsplit_once(']').map_or(authority, |(_, tail)| tail);
    tail.contains(':')
}

/// For errors and logs: a password that is part of an address is not shown.
fn redacted(url: &str) -> Cow<'_, str> {
    match url.rsplit_once('@') {
        Some((_, host)) => Cow::Owned(format!("…@{host}")),
        None => Cow::Borrowed(url),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_become_valid_links() {
        let cases = [
            (
                "stun://stun.example.net:19302",
                "<stun:stun.example.net:19302>; rel=\"ice-server\"",
            ),
            (
                "turn://us%40er:p%3Aw@turn.example.net:3478?transport=tcp",
                "<turn:turn.example.net:3478?transport=tcp>; rel=\"ice-server\"; username=\"us@er\"; \
                 credential=\"p:w\"; credential-type=\"password\"",
            ),
            (
                "turns://u:p@[2001:db8::1]",
                "<turns:[2001:db8::1]>; rel=\"ice-server\"; username=\"u\"; credential=\"p\"; credential-type=\"password\"",
            ),
        ];
        for (url, link) in cases {
            assert_eq!(IceServer::parse(url).unwrap().to_link().to_string(), link);
        }
    }

    #[test]
    fn links_become_urls_webrtcbin_takes() {
        let cases = [
            (
                "<stun:stun.example.net>; rel=\"ice-server\"",
                "stun://stun.example.net:3478",
            ),
            (
                "<turn:turn.example.net?transport=udp>; rel=\"ice-server\"; username=\"a@b\"; credential=\"c d\"; credential-type=\"password\"",
                "turn://a%40b:c%20d@turn.example.net:3478?transport=udp",
            ),
            (
                "<turns:h:443?transport=tcp>; rel=ice-server; username=u; credential=p",
                "turns://u:p@h:443?transport=tcp",
            ),
            (
                "<turns:[::1]>; rel=ice-server; username=u; credential=p",
                "turns://u:p@[::1]:5349",
            ),
            // As some servers write it: no relation, or an authority with its slashes and the user inside.
            ("<stun:h:1>", "stun://h:1"),
            (
                "<turn://u:p@h:1?transport=udp>; rel=\"ice-server\"",
                "turn://u:p@h:1?transport=udp",
            ),
        ];
        for (field, url) in cases {
            let servers = from_fields([field]);
            assert_eq!(
                servers.iter().map(IceServer::to_url).collect::<Vec<_>>(),
                [url],
                "{field}"
            );
        }
    }

    #[test]
    fn what_our_server_sends_our_client_understands() {
        let url = "turn://user%22x:p%5Cw@turn.example.net:3478?transport=tcp";
        let field = IceServer::parse(url).unwrap().to_link().to_string();
        assert_eq!(from_fields([field.as_str()])[0].to_url(), url);
    }

    #[test]
    fn other_links_are_not_ice_servers() {
        for field in [
            "<https://a/b>; rel=\"ice-server\"",
            "<stun:a>; rel=next",
            "<turn:a>; rel=ice-server",
            "<turn:>; rel=ice-server; username=u; credential=p",
        ] {
            assert!(from_fields([field]).is_empty(), "{field}");
        }
    }

    #[test]
    fn no_credential_is_shown() {
        let server = IceServer::parse("turn://user:secret@h:1").unwrap();
        assert!(!format!("{server:?}").contains("secret"));
        let error = IceServer::parse("http://user:secret@h").unwrap_err();
        assert_eq!(error.to_string(), "`…@h` is not the url of a stun or turn server");
    }

    #[test]
    fn the_number_of_servers_is_bounded() {
        let fields = vec!["<stun:a>; rel=ice-server, <stun:b>; rel=ice-server"; 50];
        assert_eq!(from_fields(fields).len(), MAX_SERVERS);
    }
}
