// SPDX-License-Identifier: MPL-2.0
//! What the user chose for a LiveKit participant, and when it is enough to join. Pure.
//!
//! Owns the checks that need no server, whose texts appear as they are on the bus, and which participants are wanted
//! (`Filter`). Tokens are made by `token`. Copied when the element starts; only the filter and the room's timeout reach
//! a running machine.

use std::time::Duration;

use livekit_protocol as proto;

use super::protocol;
use super::token::Credentials;
use crate::gst_ext::property;
use crate::signaller::WebRTCSignallerRole;

/// Settings of one participant.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    /// Address of the server, `ws(s)://` or `http(s)://`.
    pub(super) ws_url: Option<String>,
    /// With the next five: what a token is made of, unless one is given.
    pub(super) api_key: Option<String>,
    pub(super) secret_key: Option<String>,
    pub(super) participant_name: Option<String>,
    pub(super) identity: Option<String>,
    /// A ready token; goes before the keys.
    pub(super) auth_token: Option<String>,
    pub(super) room_name: Option<String>,
    /// Seconds to wait for the server's word on an announced track.
    pub(super) timeout: u32,
    /// Producer publishes, consumer subscribes.
    pub(super) role: WebRTCSignallerRole,
    /// The one participant to receive, by session id or identity.
    pub(super) producer_peer_id: Option<String>,
    /// Participants not to receive; counts only while nobody is chosen.
    pub(super) excluded_producer_peer_ids: Vec<String>,
    /// Milliseconds alone in the room before giving up; 0 is for ever.
    pub(super) room_timeout: u32,
    /// Seconds of trying to get back to a lost server; 0 is for ever.
    pub(super) reconnect_timeout: u32,
    /// Stream name (the `msid` of a sink pad) to the name of its source.
    pub(super) track_sources: Option<gst::Structure>,
    /// Certificates to trust beside the system's.
    pub(super) cafile: Option<String>,
    /// Whether any certificate will do.
    pub(super) insecure_tls: bool,
    /// Extra headers of the handshake, for proxies in between.
    pub(super) headers: Option<gst::Structure>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            ws_url: Some(Self::WS_URL.into()),
            api_key: None,
            secret_key: None,
            participant_name: Some(Self::PARTICIPANT_NAME.into()),
            identity: Some(Self::IDENTITY.into()),
            auth_token: None,
            room_name: None,
            timeout: Self::TIMEOUT,
            role: WebRTCSignallerRole::default(),
            producer_peer_id: None,
            excluded_producer_peer_ids: Vec::new(),
            room_timeout: 0,
            reconnect_timeout: Self::RECONNECT_TIMEOUT,
            track_sources: None,
            cafile: None,
            insecure_tls: false,
            headers: None,
        }
    }
}

/// Settings that do not suffice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum SettingsError {
    /// `ws-url` is empty.
    #[error("WebSocket URL must be set")]
    NoUrl,
    /// There is neither a token nor all that one is made of.
    #[error("Either auth-token or (api-key and secret-key and identity and room-name) must be set")]
    NoCredentials,
    /// A participant publishes or subscribes.
    #[error("role listener is not supported")]
    Listener,
}

impl Settings {
    pub(super) const WS_URL: &str = "ws://127.0.0.1:7880";
    pub(super) const PARTICIPANT_NAME: &str = "GStreamer";
    pub(super) const IDENTITY: &str = "gstreamer";
    /// As long as LiveKit's own clients wait (`addTrack` of client-sdk-js).
    pub(super) const TIMEOUT: u32 = 10;
    /// About as long as LiveKit's own clients try (ten attempts, at most 7 s apart), rounded up.
    pub(super) const RECONNECT_TIMEOUT: u32 = 60;

    /// The server's address.
    pub(super) fn url(&self) -> Result<String, SettingsError> {
        self.ws_url
            .clone()
            .filter(|url| !url.is_empty())
            .ok_or(SettingsError::NoUrl)
    }

    /// The token, or all that one is made of.
    pub(super) fn credentials(&self) -> Result<Credentials, SettingsError> {
        if let Some(token) = text(&self.auth_token) {
            return Ok(Credentials::Token(token));
        }
        let keys = || {
            Some(Credentials::Keys {
                api_key: text(&self.api_key)?,
                secret_key: text(&self.secret_key)?,
                identity: text(&self.identity)?,
                name: text(&self.participant_name)?,
                room: text(&self.room_name)?,
                role: self.role,
            })
        };
        keys().ok_or(SettingsError::NoCredentials)
    }

    /// Whom to subscribe to.
    pub(super) fn filter(&self) -> Filter {
        Filter {
            only: text(&self.producer_peer_id),
            except: self.excluded_producer_peer_ids.clone(),
        }
    }

    /// How long an empty room is waited in.
    pub(super) fn room_timeout(&self) -> Option<Duration> {
        (self.room_timeout > 0).then(|| Duration::from_millis(self.room_timeout.into()))
    }

    /// How long a lost server is looked for.
    pub(super) fn reconnect_timeout(&self) -> Option<Duration> {
        (self.reconnect_timeout > 0).then(|| Duration::from_secs(self.reconnect_timeout.into()))
    }

    /// Extra headers of the websocket's handshake.
    pub(super) fn headers(&self) -> Vec<(String, String)> {
        property::texts(self.headers.as_deref())
    }

    /// The sources of named streams; names of no source are left out.
    pub(super) fn sources(&self) -> Vec<(String, proto::TrackSource)> {
        let Some(structure) = &self.track_sources else {
            return Vec::new();
        };
        let fields = structure.iter().filter_map(|(stream, value)| {
            let source = protocol::source_from_name(&value.get::<String>().ok()?)?;
            Some((stream.to_string(), source))
        });
        fields.collect()
    }
}

/// Whose tracks a subscriber takes: participants go by session id (`PA_…`) or identity.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Filter {
    /// Nobody else, when set.
    pub(super) only: Option<String>,
    /// Counts only when nobody is named by `only`.
    pub(super) except: Vec<String>,
}

impl Filter {
    /// Whether everybody's tracks are taken, which the server does by itself.
    pub(super) fn takes_all(&self) -> bool {
        self.only.is_none() && self.except.is_empty()
    }

    /// Whether the tracks of this participant are taken.
    pub(super) fn takes(&self, participant: &proto::ParticipantInfo) -> bool {
        let is = |id: &String| *id == participant.sid || *id == participant.identity;
        match &self.only {
            Some(only) => is(only),
            None => !self.except.iter().any(is),
        }
    }
}

/// An empty string stands for NULL, which a launch line cannot pass.
fn text(setting: &Option<String>) -> Option<String> {
    setting.clone().filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keyed() -> Settings {
        Settings {
            api_key: Some("devkey".into()),
            secret_key: Some("secret".into()),
            room_name: Some("room".into()),
            ..Settings::default()
        }
    }

    #[test]
    fn keys_or_a_token_suffice() {
        assert!(matches!(keyed().credentials(), Ok(Credentials::Keys { .. })));
        let with_token = Settings {
            auth_token: Some("jwt".into()),
            ..Settings::default()
        };
        assert!(matches!(with_token.credentials(), Ok(Credentials::Token(token)) if token == "jwt"));
    }

    #[test]
    fn every_key_counts_and_an_empty_one_is_none() {
        let cases: [fn(&mut Settings); 6] = [
            |settings| settings.api_key = None,
            |settings| settings.secret_key = None,
            |settings| settings.identity = None,
            |settings| settings.participant_name = None,
            |settings| settings.room_name = None,
            |settings| settings.room_name = Some(String::new()),
        ];
        for forget in cases {
            let mut settings = keyed();
            forget(&mut settings);
            assert_eq!(
                settings.credentials().err(),
                Some(SettingsError::NoCredentials),
                "{settings:?}"
            );
        }
    }

    #[test]
    fn the_address_is_required() {
        for ws_url in [None, Some(String::new())] {
            assert_eq!(
                Settings {
                    ws_url,
                    ..Settings::default()
                }
                .url(),
                Err(SettingsError::NoUrl)
            );
        }
    }

    #[test]
    fn a_filter_goes_by_session_or_identity() {
        let alice = proto::ParticipantInfo {
            sid: "PA_1".into(),
            identity: "alice".into(),
            ..Default::default()
        };
        let filter = |only: Option<&str>, except: &[&str]| Filter {
            only: only.map(str::to_owned),
            except: except.iter().map(|id| (*id).to_owned()).collect(),
        };
        assert!(filter(None, &[]).takes_all() && filter(None, &[]).takes(&alice));
        assert!(filter(Some("alice"), &["alice"]).takes(&alice));
        assert!(filter(Some("PA_1"), &[]).takes(&alice));
        assert!(!filter(Some("bob"), &[]).takes(&alice));
        assert!(!filter(None, &["PA_1"]).takes(&alice));
        assert!(filter(None, &["bob"]).takes(&alice));
    }

    #[test]
    fn zero_means_for_ever() {
        let settings = Settings {
            reconnect_timeout: 0,
            ..Settings::default()
        };
        assert_eq!(
            (settings.room_timeout(), settings.reconnect_timeout()),
            (None, None)
        );
        let settings = Settings {
            room_timeout: 1500,
            ..Settings::default()
        };
        assert_eq!(settings.room_timeout(), Some(Duration::from_millis(1500)));
    }

    #[test]
    fn unknown_sources_are_left_out() {
        gst::init().unwrap();
        let structure = gst::Structure::builder("sources")
            .field("desk", "screen_share")
            .field("cam", "fridge")
            .build();
        let settings = Settings {
            track_sources: Some(structure),
            ..Settings::default()
        };
        assert_eq!(
            settings.sources(),
            [("desk".to_owned(), proto::TrackSource::ScreenShare)]
        );
    }
}
