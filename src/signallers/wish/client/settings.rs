// SPDX-License-Identifier: MPL-2.0
//! What the user chose for an asking signaller. A copy is taken when it starts.
//!
//! Owns what can be wrong with them, found before anything is sent; the texts appear on the bus. Secrets are kept apart
//! from the machine, which never sees a token: `actor` adds them to requests to trusted places.

use std::{path::Path, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, header};
use url::Url;

use super::super::server::Kind;
use super::protocol::Policy;
use crate::net::{http::client::Client, tls};

/// Settings of one asking signaller.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) endpoint: Option<String>,
    pub(crate) use_link_headers: bool,
    /// A bearer token (RFC 6750).
    pub(crate) auth_token: Option<String>,
    /// Seconds a POST may take; 0 waits for ever.
    pub(crate) timeout: u32,
    pub(crate) cafile: Option<String>,
    pub(crate) insecure_tls: bool,
    /// Sent with every request to a trusted place.
    pub(crate) headers: Option<gst::Structure>,
}

impl Settings {
    /// Default of `timeout`, in seconds.
    pub(crate) const TIMEOUT: u32 = 15;

    /// What the machine needs; an endpoint that cannot be used is an error of the user.
    pub(super) fn policy(&self, kind: Kind) -> Result<Policy, String> {
        let name = kind.name().to_uppercase();
        let Some(text) = &self.endpoint else {
            return Err(format!("{name} endpoint URL must be set"));
        };
        let endpoint =
            Url::parse(text).map_err(|error| format!("{name} endpoint `{text}` is no url: {error}"))?;
        if !matches!(endpoint.scheme(), "http" | "https") {
            return Err(format!("{name} endpoint `{text}` is no http or https url"));
        }
        let timeout = (self.timeout > 0).then(|| Duration::from_secs(self.timeout.into()));
        Ok(Policy {
            kind,
            endpoint,
            uses_links: self.use_link_headers,
            timeout,
        })
    }

    /// What goes along to trusted places only.
    pub(super) fn secrets(&self) -> Result<HeaderMap, String> {
        let mut secrets = HeaderMap::new();
        for (name, value) in self.headers.iter().flat_map(|headers| headers.iter()) {
            let text = value
                .get::<String>()
                .map_err(|_| format!("header `{name}` is no string"))?;
            let unusable = |_| format!("header `{name}` cannot be sent");
            let name = HeaderName::from_bytes(name.as_str().as_bytes())
                .map_err(|_| format!("header `{name}` has no valid name"))?;
            secrets.insert(name, HeaderValue::from_str(&text).map_err(unusable)?);
        }
        if let Some(token) = &self.auth_token {
            let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
                .map_err(|_| "auth-token holds characters that no header can".to_owned())?;
            value.set_sensitive(true);
            secrets.insert(header::AUTHORIZATION, value);
        }
        Ok(secrets)
    }

    /// An HTTP client that trusts the system's certificates and those of `cafile`.
    pub(super) fn client(&self) -> Result<Client, String> {
        let tls = tls::client_config(self.cafile.as_deref().map(Path::new), self.insecure_tls);
        let tls = tls.map_err(|error| error.to_string())?;
        Client::new(tls).map_err(|error| error.to_string())
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            endpoint: None,
            use_link_headers: false,
            auth_token: None,
            timeout: Self::TIMEOUT,
            cafile: None,
            insecure_tls: false,
            headers: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(endpoint: Option<&str>) -> Settings {
        gst::init().unwrap();
        Settings {
            endpoint: endpoint.map(str::to_owned),
            ..Settings::default()
        }
    }

    #[test]
    fn an_endpoint_is_required_and_checked() {
        let error = |endpoint| settings(endpoint).policy(Kind::Whip).unwrap_err();
        assert_eq!(error(None), "WHIP endpoint URL must be set");
        assert!(error(Some("not a url")).contains("`not a url` is no url"));
        assert!(error(Some("ftp://a/")).contains("no http or https url"));
        assert_eq!(
            settings(Some("http://a/b")).policy(Kind::Whep).unwrap().timeout,
            Some(Duration::from_secs(15))
        );
    }

    #[test]
    fn zero_waits_for_ever() {
        let settings = Settings {
            timeout: 0,
            ..settings(Some("http://a/"))
        };
        assert_eq!(settings.policy(Kind::Whip).unwrap().timeout, None);
    }

    #[test]
    fn token_and_headers_go_together() {
        let headers = gst::Structure::builder("headers").field("X-Api-Key", "k").build();
        let settings = Settings {
            auth_token: Some("t".into()),
            headers: Some(headers),
            ..settings(None)
        };
        let secrets = settings.secrets().unwrap();
        assert_eq!(secrets["x-api-key"], "k");
        assert_eq!(secrets[header::AUTHORIZATION], "Bearer t");
    }

    #[test]
    fn what_cannot_stand_in_a_header_is_refused() {
        let token = Settings {
            auth_token: Some("a\nb".into()),
            ..settings(None)
        };
        assert!(token.secrets().unwrap_err().contains("auth-token"));
        let headers = || gst::Structure::builder("headers");
        for headers in [
            headers().field("bad", 3).build(),
            headers().field("bad", "a\nb").build(),
        ] {
            assert!(
                Settings {
                    headers: Some(headers),
                    ..settings(None)
                }
                .secrets()
                .is_err()
            );
        }
    }

    #[test]
    fn a_missing_cafile_is_an_error() {
        let settings = Settings {
            cafile: Some("/nonexistent.pem".into()),
            ..settings(None)
        };
        assert!(settings.client().unwrap_err().contains("/nonexistent.pem"));
    }
}
