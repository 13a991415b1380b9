// SPDX-License-Identifier: MPL-2.0
//! What the user chose for the default signaller, and the rules of its `uri`. Pure.
//!
//! Owns the query parameters by which one address says everything about a consumer: who is played, or that anybody will
//! do. Properties and addresses meet here only. The lock around it is `imp`'s; the client gets what it needs when it
//! starts.

use url::Url;

use super::WebRTCSignallerRole;
use super::machine::Target;

/// Settings of one signaller.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    /// Server address; its query is read by [`Settings::set_uri`] and never sent.
    pub(super) uri: Url,
    pub(super) producer_peer_id: Option<String>,
    pub(super) cafile: Option<String>,
    pub(super) role: WebRTCSignallerRole,
    /// Extra HTTP headers of the websocket handshake.
    pub(super) headers: Option<gst::Structure>,
    pub(super) insecure_tls: bool,
    /// An address that was set and could not be taken; reported when the element starts.
    pub(super) refused_uri: Option<UriError>,
    /// A consumer without a producer id plays the first producer there is, or the first to come.
    pub(super) connect_to_first_producer: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            uri: Url::parse(DEFAULT_URI).expect("the default address is a URL"),
            producer_peer_id: None,
            cafile: None,
            role: WebRTCSignallerRole::default(),
            headers: None,
            insecure_tls: false,
            refused_uri: None,
            connect_to_first_producer: false,
        }
    }
}

/// Why an address was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum UriError {
    #[error("{uri:?} is not an address")]
    NotAUrl {
        uri: String,
        #[source]
        source: url::ParseError,
    },
    #[error("{uri:?} is neither ws:// nor wss://")]
    Scheme { uri: String },
}

/// Something worth a warning that does not keep the address from being taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum UriNotice {
    /// `peer-id` or `connect-to-first-producer` means nothing to this role.
    OnlyForConsumers { parameter: &'static str },
}

impl Settings {
    /// Takes a new server address and what its query says.
    ///
    /// `peer-id` chooses the producer, `connect-to-first-producer` (`true`, `1` or nothing) asks for any.
    ///
    /// # Errors
    /// [`UriError`] when the text is no websocket address; the old one stays.
    pub(super) fn set_uri(&mut self, text: &str) -> Result<Vec<UriNotice>, UriError> {
        let uri = websocket_address(text).inspect_err(|error| self.refused_uri = Some(error.clone()))?;
        self.refused_uri = None;
        let notices = self.take_query(&uri);
        self.uri = uri;
        self.rewrite_query();
        Ok(notices)
    }

    /// The address to connect to: without query or fragment.
    pub(super) fn server(&self) -> Url {
        let mut server = self.uri.clone();
        server.set_query(None);
        server.set_fragment(None);
        server
    }

    /// Whom a consumer wants.
    pub(super) fn target(&self) -> Target {
        match &self.producer_peer_id {
            Some(id) => Target::Producer(id.clone()),
            None if self.connect_to_first_producer => Target::First,
            None => Target::None,
        }
    }

    fn take_query(&mut self, uri: &Url) -> Vec<UriNotice> {
        let mut notices = Vec::new();
        for (name, value) in uri.query_pairs() {
            let parameter = match name.as_ref() {
                PEER_ID => PEER_ID,
                CONNECT_TO_FIRST => CONNECT_TO_FIRST,
                _ => continue,
            };
            if self.role != WebRTCSignallerRole::Consumer {
                notices.push(UriNotice::OnlyForConsumers { parameter });
            } else if parameter == PEER_ID {
                self.producer_peer_id = Some(value.into_owned()).filter(|id| !id.is_empty());
            } else {
                self.connect_to_first_producer =
                    value.is_empty() || value == "1" || value.eq_ignore_ascii_case("true");
            }
        }
        notices
    }

    /// The stored address says who is played, and nothing else.
    fn rewrite_query(&mut self) {
        if self.role != WebRTCSignallerRole::Consumer {
            return;
        }
        if let Some(id) = &self.producer_peer_id {
            let id = id.clone();
            self.uri.query_pairs_mut().clear().append_pair(PEER_ID, &id);
        } else if self.connect_to_first_producer {
            self.uri.set_query(Some("connect-to-first-producer=true"));
        }
    }
}

fn websocket_address(text: &str) -> Result<Url, UriError> {
    let uri = Url::parse(text).map_err(|source| UriError::NotAUrl {
        uri: text.to_owned(),
        source,
    })?;
    if !matches!(uri.scheme(), "ws" | "wss") || uri.host().is_none() {
        return Err(UriError::Scheme { uri: text.to_owned() });
    }
    Ok(uri)
}

/// Where a signalling server listens unless told otherwise.
const DEFAULT_URI: &str = "ws://127.0.0.1:8443";
const PEER_ID: &str = "peer-id";
const CONNECT_TO_FIRST: &str = "connect-to-first-producer";

#[cfg(test)]
mod tests {
    use super::*;

    fn with_uri(role: WebRTCSignallerRole, uri: &str) -> (Settings, Vec<UriNotice>) {
        let mut settings = Settings {
            role,
            ..Settings::default()
        };
        let notices = settings.set_uri(uri).unwrap();
        (settings, notices)
    }

    #[test]
    fn the_default_address_reads_with_a_slash() {
        assert_eq!(Settings::default().uri.as_str(), "ws://127.0.0.1:8443/");
    }

    #[test]
    fn the_query_chooses_the_producer_and_never_reaches_the_server() {
        let (settings, notices) = with_uri(
            WebRTCSignallerRole::Consumer,
            "ws://h:1/path?peer-id=abc&token=secret#x",
        );
        assert_eq!(notices, []);
        assert_eq!(settings.producer_peer_id.as_deref(), Some("abc"));
        assert_eq!(settings.uri.query(), Some("peer-id=abc"));
        assert_eq!(settings.server().as_str(), "ws://h:1/path");
    }

    #[test]
    fn any_producer_can_be_asked_for() {
        let cases = [
            ("", true),
            ("=", true),
            ("=1", true),
            ("=TRUE", true),
            ("=no", false),
            ("=0", false),
        ];
        for (value, expected) in cases {
            let uri = format!("ws://h/?connect-to-first-producer{value}");
            let (settings, _) = with_uri(WebRTCSignallerRole::Consumer, &uri);
            assert_eq!(settings.connect_to_first_producer, expected, "{uri}");
        }
        let (settings, _) = with_uri(
            WebRTCSignallerRole::Consumer,
            "ws://h/?connect-to-first-producer=1&a=b",
        );
        assert_eq!(settings.uri.query(), Some("connect-to-first-producer=true"));
    }

    #[test]
    fn producers_are_told_that_the_query_means_nothing_to_them() {
        let (settings, notices) = with_uri(WebRTCSignallerRole::Producer, "ws://h/?peer-id=abc");
        assert_eq!(notices, [UriNotice::OnlyForConsumers { parameter: PEER_ID }]);
        assert_eq!(settings.producer_peer_id, None);
    }

    #[test]
    fn a_bad_address_leaves_the_old_one() {
        let mut settings = Settings::default();
        for bad in ["", "::", "http://h/", "ws://", "file:///etc/passwd"] {
            settings.set_uri(bad).unwrap_err();
            assert_eq!(settings.uri.as_str(), "ws://127.0.0.1:8443/");
            assert!(settings.refused_uri.is_some(), "{bad}");
        }
        settings.set_uri("ws://good/").unwrap();
        assert_eq!(settings.refused_uri, None);
    }
}
