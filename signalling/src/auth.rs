// SPDX-License-Identifier: MPL-2.0
//! The shared token that lets clients in, where one is configured.
//!
//! Clients present it as bearer token (RFC 6750, section 2.1) or, because browsers can't set headers on a
//! websocket, as `token` in the query of the request. It never reaches a log: neither by `Debug` nor with a URI.

use std::{fmt, hint::black_box};

use async_tungstenite::tungstenite::http::{Request, header};
use url::form_urlencoded;

/// A secret that clients must present.
#[derive(Clone)]
pub struct AuthToken(String);

impl AuthToken {
    /// Takes the token as clients write it. An empty one admits nobody, because nothing can present it.
    pub fn new(token: impl Into<String>) -> Self {
        Self(token.into())
    }

    /// Whether the request presents this token.
    pub(crate) fn admits<T>(&self, request: &Request<T>) -> bool {
        let bearer = request
            .headers()
            .get(header::AUTHORIZATION)
            .and_then(|value| bearer_token(value.as_bytes()));
        if let Some(token) = bearer {
            return self.equals(token);
        }
        let query = request.uri().query().unwrap_or_default();
        form_urlencoded::parse(query.as_bytes())
            .any(|(name, value)| name == "token" && self.equals(value.as_bytes()))
    }

    /// Compares in a time that depends on nothing but the lengths.
    fn equals(&self, presented: &[u8]) -> bool {
        let secret = self.0.as_bytes();
        let difference = secret
            .iter()
            .zip(presented)
            .fold(0, |seen, (a, b)| black_box(seen | (a ^ b)));
        !secret.is_empty() && secret.len() == presented.len() && difference == 0
    }
}

impl fmt::Debug for AuthToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("AuthToken(..)")
    }
}

/// The token of an `Authorization` header of the scheme Bearer, whose name has no case (RFC 9110, section 11.1).
fn bearer_token(header: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = header.split_at_checked("Bearer ".len())?;
    scheme
        .eq_ignore_ascii_case(b"Bearer ")
        .then(|| token.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(uri: &str, authorization: Option<&str>) -> Request<()> {
        let builder = Request::builder().uri(uri);
        let builder = match authorization {
            Some(value) => builder.header(header::AUTHORIZATION, value),
            None => builder,
        };
        builder.body(()).unwrap()
    }

    #[test]
    fn requests_are_admitted_by_the_token_only() {
        let token = AuthToken::new("s3cr&t");
        for (uri, authorization, expected) in [
            ("/", Some("Bearer s3cr&t"), true),
            ("/", Some("bearer   s3cr&t "), true),
            ("/?token=s3cr%26t", None, true),
            ("/room?a=b&token=s3cr%26t&c", None, true),
            ("/", None, false),
            ("/", Some("Bearer s3cr&"), false),
            ("/", Some("Bearer s3cr&tt"), false),
            ("/", Some("Basic s3cr&t"), false),
            ("/", Some("Bearer"), false),
            ("/", Some("Bearer "), false),
            ("/?token=", None, false),
            ("/?Token=s3cr%26t", None, false),
            ("/?token=wrong", None, false),
            ("/?token=s3cr%26t", Some("Bearer wrong"), false),
        ] {
            assert_eq!(
                token.admits(&request(uri, authorization)),
                expected,
                "{uri} {authorization:?}"
            );
        }
    }

    #[test]
    fn an_empty_token_admits_nobody() {
        let token = AuthToken::new("");
        for (uri, authorization) in [("/", None), ("/?token=", None), ("/", Some("Bearer "))] {
            assert!(
                !token.admits(&request(uri, authorization)),
                "{uri} {authorization:?}"
            );
        }
    }

    #[test]
    fn a_token_does_not_show_itself() {
        assert_eq!(format!("{:?}", AuthToken::new("secret")), "AuthToken(..)");
    }
}
