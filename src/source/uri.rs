// SPDX-License-Identifier: MPL-2.0
//! The addresses `gstwebrtc://` and `gstwebrtcs://`: the websocket address of a signalling server in a form that
//! playback elements can tell apart. Pure.
//!
//! Owns the scheme and the check of the host only; the query is the signaller's to read, as it is for `ws://`
//! addresses. The URI handler interface of `elements/webrtcsrc` calls this on the application's thread.

use url::Url;

/// The schemes an element registers, plain and secure.
pub(crate) const PROTOCOLS: &[&str] = &["gstwebrtc", "gstwebrtcs"];

/// Why an address was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UriError {
    /// Not an address at all.
    #[error("{uri:?} is not an address")]
    NotAUrl {
        /// What was given.
        uri: String,
        /// What is wrong with it.
        #[source]
        source: url::ParseError,
    },
    /// An address of something else.
    #[error("{uri:?} has another scheme than gstwebrtc or gstwebrtcs")]
    Scheme {
        /// What was given.
        uri: String,
    },
    /// No server is named.
    #[error("{uri:?} names no host")]
    NoHost {
        /// What was given.
        uri: String,
    },
}

/// The websocket address behind `uri`, query included: the signaller reads `peer-id` and
/// `connect-to-first-producer` from it.
///
/// # Errors
/// [`UriError`] when `uri` is no `gstwebrtc` address.
pub(crate) fn to_websocket(uri: &str) -> Result<String, UriError> {
    let url = Url::parse(uri).map_err(|source| UriError::NotAUrl {
        uri: uri.to_owned(),
        source,
    })?;
    let scheme = match url.scheme() {
        "gstwebrtc" => "ws",
        "gstwebrtcs" => "wss",
        _ => return Err(UriError::Scheme { uri: uri.to_owned() }),
    };
    if url.host_str().is_none_or(str::is_empty) {
        return Err(UriError::NoHost { uri: uri.to_owned() });
    }
    // `Url::set_scheme` refuses to go from an unknown scheme to one with rules of its own.
    let rest = &url.as_str()[url.scheme().len()..];
    Ok(format!("{scheme}{rest}"))
}

/// The `gstwebrtc` address of a websocket address; `None` when it is none.
pub(crate) fn from_websocket(uri: &str) -> Option<String> {
    let (scheme, rest) = uri.split_once(':')?;
    let scheme = match scheme {
        "ws" => "gstwebrtc",
        "wss" => "gstwebrtcs",
        _ => return None,
    };
    Some(format!("{scheme}:{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_scheme_changes() {
        let cases = [
            ("gstwebrtc://127.0.0.1:8443", "ws://127.0.0.1:8443"),
            (
                "gstwebrtcs://h/path?peer-id=a%20b&x=1",
                "wss://h/path?peer-id=a%20b&x=1",
            ),
            (
                "gstwebrtc://[::1]:8443/?connect-to-first-producer",
                "ws://[::1]:8443/?connect-to-first-producer",
            ),
        ];
        for (uri, expected) in cases {
            assert_eq!(to_websocket(uri).as_deref(), Ok(expected));
            assert_eq!(from_websocket(expected).as_deref(), Some(uri), "and back");
        }
    }

    #[test]
    fn other_schemes_are_refused() {
        for uri in ["ws://h/", "http://h/", "gstwebrtcx://h"] {
            assert_eq!(to_websocket(uri), Err(UriError::Scheme { uri: uri.into() }));
        }
        assert_eq!(from_websocket("http://h/"), None);
        assert_eq!(from_websocket("nonsense"), None);
    }

    #[test]
    fn text_without_a_server_is_refused() {
        assert!(matches!(to_websocket("gstwebrtc"), Err(UriError::NotAUrl { .. })));
        assert!(to_websocket("gstwebrtc:").is_err());
        assert!(to_websocket("gstwebrtc:///path").is_err());
    }
}
