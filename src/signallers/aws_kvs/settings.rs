// SPDX-License-Identifier: MPL-2.0
//! What the user chose for a channel's master, and when it is enough to look the channel up. Pure.

use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::channel::{Access, Keys};
use crate::gst_ext::property::non_empty;

/// Settings of one master.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    /// Kept for the sake of launch lines that set it.
    pub(super) address: Option<String>,
    pub(super) channel_name: Option<String>,
    /// `None` asks the SDK's default chain.
    pub(super) region: Option<String>,
    /// Base address of the control plane instead of the region's own.
    pub(super) endpoint: Option<String>,
    /// With the next two: credentials, where the SDK's default chain is not to be asked.
    pub(super) access_key: Option<String>,
    pub(super) secret_access_key: Option<String>,
    pub(super) session_token: Option<String>,
    /// Certificates to trust beside the system's.
    pub(super) cafile: Option<String>,
    /// Seconds.
    pub(super) ping_timeout: i32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            address: Some(Self::ADDRESS.to_owned()),
            channel_name: None,
            region: None,
            endpoint: None,
            access_key: None,
            secret_access_key: None,
            session_token: None,
            cafile: None,
            ping_timeout: Self::PING_TIMEOUT,
        }
    }
}

/// Settings that do not suffice.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum SettingsError {
    /// There is no `channel-name`.
    #[error("Channel name cannot be None!")]
    NoChannel,
    /// The SDK would try for ever to resolve a host with it.
    #[error("{0:?} is not the name of a region, such as eu-west-1")]
    Region(String),
    /// As [`SettingsError::Region`].
    #[error("endpoint {0:?} is not an address of the form https://host")]
    Endpoint(String),
    /// One is set, the other is not.
    #[error("access-key and secret-access-key have to be set together, or neither of them")]
    HalfAKey,
    /// The default chain brings its own token.
    #[error("session-token is set without access-key and secret-access-key, whose credentials it belongs to")]
    TokenWithoutKey,
}

impl Settings {
    /// What launch lines of old set.
    pub(super) const ADDRESS: &str = "ws://127.0.0.1:8443";
    /// Far within the ten minutes after which the service closes an idle connection (Kinesis Video Streams with WebRTC,
    /// service quotas).
    pub(super) const PING_TIMEOUT: i32 = 30;

    /// How to reach the channel.
    ///
    /// # Errors
    /// [`SettingsError`] names what is missing.
    pub(super) fn access(&self) -> Result<Access, SettingsError> {
        let channel_name = non_empty(self.channel_name.clone()).ok_or(SettingsError::NoChannel)?;
        Ok(Access {
            channel_name,
            region: self.region()?,
            endpoint: self.endpoint()?,
            cafile: non_empty(self.cafile.clone()).map(PathBuf::from),
            keys: self.keys()?,
        })
    }

    /// How long nothing may be sent before a ping is.
    pub(super) fn ping_after(&self) -> Duration {
        Duration::from_secs(self.ping_timeout.unsigned_abs().into())
    }

    fn region(&self) -> Result<Option<String>, SettingsError> {
        let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        match non_empty(self.region.clone()) {
            Some(region) if !region.bytes().all(is_allowed) => Err(SettingsError::Region(region)),
            region => Ok(region),
        }
    }

    fn endpoint(&self) -> Result<Option<String>, SettingsError> {
        let is_address = |text: &str| {
            Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        };
        match non_empty(self.endpoint.clone()) {
            Some(endpoint) if !is_address(&endpoint) => Err(SettingsError::Endpoint(endpoint)),
            endpoint => Ok(endpoint),
        }
    }

    /// Half of them is a mistake, not a wish for the default chain.
    fn keys(&self) -> Result<Option<Keys>, SettingsError> {
        let token = non_empty(self.session_token.clone());
        match (
            non_empty(self.access_key.clone()),
            non_empty(self.secret_access_key.clone()),
        ) {
            (Some(id), Some(secret)) => Ok(Some(Keys { id, secret, token })),
            (None, None) if token.is_some() => Err(SettingsError::TokenWithoutKey),
            (None, None) => Ok(None),
            // Whose credentials the default chain would find instead, nobody could tell.
            _ => Err(SettingsError::HalfAKey),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(channel: &str, key: &str, secret: &str, token: &str) -> Settings {
        let text = |text: &str| Some(text.to_owned());
        Settings {
            channel_name: text(channel),
            access_key: text(key),
            secret_access_key: text(secret),
            session_token: text(token),
            ..Settings::default()
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let cases = [
            (("", "", "", ""), SettingsError::NoChannel),
            (("demo", "key", "", ""), SettingsError::HalfAKey),
            (("demo", "", "secret", "token"), SettingsError::HalfAKey),
            (("demo", "", "", "token"), SettingsError::TokenWithoutKey),
        ];
        for ((channel, key, secret, token), expected) in cases {
            let error = settings(channel, key, secret, token).access().err();
            assert_eq!(error, Some(expected), "{channel} {key} {secret} {token}");
        }
    }

    #[test]
    fn addresses_that_lead_nowhere_are_named() {
        for region in ["eu west", "EU", "x.evil.example", "a/b"] {
            let settings = Settings {
                region: Some(region.to_owned()),
                ..settings("demo", "", "", "")
            };
            let error = settings.access().err();
            assert_eq!(error, Some(SettingsError::Region(region.to_owned())));
        }
        for endpoint in ["nonsense", "https://", "ftp://localhost", "localhost:80"] {
            let settings = Settings {
                endpoint: Some(endpoint.to_owned()),
                ..settings("demo", "", "", "")
            };
            let error = settings.access().err();
            assert_eq!(error, Some(SettingsError::Endpoint(endpoint.to_owned())));
        }
        let settings = Settings {
            region: Some("us-gov-west-1".to_owned()),
            endpoint: Some("http://127.0.0.1:1/x".to_owned()),
            ..settings("demo", "", "", "")
        };
        assert!(settings.access().is_ok());
    }

    #[test]
    fn keys_are_optional_and_empty_text_is_none() {
        let access = settings("demo", "", "", "").access().unwrap();
        assert!(access.keys.is_none() && access.region.is_none() && access.cafile.is_none());
        let access = settings("demo", "key", "secret", "").access().unwrap();
        let keys = access.keys.unwrap();
        assert_eq!(
            (keys.id.as_str(), keys.secret.as_str(), keys.token),
            ("key", "secret", None)
        );
    }

    #[test]
    fn secrets_stay_out_of_logs() {
        let access = settings("demo", "key", "secret", "token").access().unwrap();
        let printed = format!("{access:?}");
        assert!(
            !printed.contains("secret") && !printed.contains("token"),
            "{printed}"
        );
    }
}
