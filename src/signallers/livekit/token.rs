// SPDX-License-Identifier: MPL-2.0
//! The access token a participant joins with: given, or made of an API key and its secret (JWT, RFC 7519, HS256).
//!
//! Signing is `livekit_api`'s. A secret or a token never reaches a log: [`Credentials`] prints without them. Pure but
//! for the time of day that a token carries. A token is made for each attempt: one made at the start may have expired
//! by the time a lost server is found again.

use livekit_api::access_token::{AccessToken, AccessTokenError, VideoGrants};

use crate::signaller::WebRTCSignallerRole;

/// What proves to the server who joins which room.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Credentials {
    /// A ready token; room, identity and rights are in it.
    Token(String),
    /// What tokens are made of.
    Keys {
        api_key: String,
        secret_key: String,
        identity: String,
        name: String,
        room: String,
        role: WebRTCSignallerRole,
    },
}

/// The library refused to make a token.
#[derive(Debug, thiserror::Error)]
#[error("Could not create auth token {0}")]
pub(super) struct TokenError(#[from] AccessTokenError);

impl Credentials {
    /// A token to connect with now: `newest`, the one the server sent last, serves when none can be made.
    pub(super) fn token(&self, newest: Option<String>) -> Result<String, TokenError> {
        match self {
            Self::Token(given) => Ok(newest.unwrap_or_else(|| given.clone())),
            Self::Keys {
                api_key,
                secret_key,
                identity,
                name,
                room,
                role,
            } => {
                let token = AccessToken::with_api_key(api_key, secret_key)
                    .with_identity(identity)
                    .with_name(name)
                    .with_grants(grants(room, *role));
                Ok(token.to_jwt()?)
            }
        }
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Token(_) => f.write_str("Token(…)"),
            Self::Keys { identity, room, .. } => write!(f, "Keys({identity} in {room}, …)"),
        }
    }
}

/// Publish-only participants must not be allowed to subscribe: the server would wait for them to take its offer.
fn grants(room: &str, role: WebRTCSignallerRole) -> VideoGrants {
    VideoGrants {
        room_join: true,
        room: room.to_owned(),
        can_publish: Some(true),
        can_subscribe: Some(role == WebRTCSignallerRole::Consumer),
        can_publish_data: Some(true),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use livekit_api::access_token::{Claims, TokenVerifier};

    fn keys(role: WebRTCSignallerRole) -> Credentials {
        Credentials::Keys {
            api_key: "devkey".into(),
            secret_key: "secret".into(),
            identity: "gstreamer".into(),
            name: "GStreamer".into(),
            room: "r".into(),
            role,
        }
    }

    fn claims(role: WebRTCSignallerRole) -> Claims {
        let token = keys(role).token(None).unwrap();
        TokenVerifier::with_api_key("devkey", "secret")
            .verify(&token)
            .unwrap()
    }

    #[test]
    fn a_made_token_carries_identity_room_and_rights() {
        let claims = claims(WebRTCSignallerRole::Producer);
        assert_eq!(
            (claims.iss.as_str(), claims.sub.as_str(), claims.name.as_str()),
            ("devkey", "gstreamer", "GStreamer")
        );
        assert_eq!(claims.exp - claims.nbf, 6 * 3600);
        assert_eq!(claims.video.room, "r");
        assert!(claims.video.room_join && claims.video.can_publish() && claims.video.can_publish_data());
        assert!(!claims.video.room_admin && !claims.video.hidden);
    }

    #[test]
    fn only_a_consumer_may_subscribe() {
        assert_eq!(
            claims(WebRTCSignallerRole::Producer).video.can_subscribe,
            Some(false)
        );
        assert_eq!(
            claims(WebRTCSignallerRole::Consumer).video.can_subscribe,
            Some(true)
        );
    }

    #[test]
    fn a_given_token_serves_until_the_server_sends_a_newer_one() {
        let given = Credentials::Token("first".into());
        assert_eq!(given.token(None).unwrap(), "first");
        assert_eq!(given.token(Some("second".into())).unwrap(), "second");
    }

    #[test]
    fn keys_make_a_fresh_token_each_time() {
        let token = keys(WebRTCSignallerRole::Producer)
            .token(Some("from the server".into()))
            .unwrap();
        assert_ne!(token, "from the server");
    }

    #[test]
    fn an_empty_identity_is_refused() {
        let mut keys = keys(WebRTCSignallerRole::Producer);
        if let Credentials::Keys { identity, .. } = &mut keys {
            identity.clear();
        }
        assert!(
            keys.token(None)
                .unwrap_err()
                .to_string()
                .starts_with("Could not create auth token")
        );
    }

    #[test]
    fn secrets_stay_out_of_logs() {
        let printed = format!(
            "{:?} {:?}",
            keys(WebRTCSignallerRole::Producer),
            Credentials::Token("jwt".into())
        );
        assert!(
            !printed.contains("secret") && !printed.contains("jwt"),
            "{printed}"
        );
    }
}
