// SPDX-License-Identifier: MPL-2.0
//! The HTTP request that a connection begins with: address, query and headers. Pure.
//!
//! `/rtc` takes its parameters one by one; `/rtc/v1` takes one, a `WrappedJoinRequest` in base64url. The token goes
//! into a header, where neither proxies nor logs keep it. Owns nothing of the connection, which is `client`'s. Names
//! and values of the query are those of LiveKit's own clients.

use gst::glib;
use livekit_protocol as proto;
use prost::Message as _;
use url::Url;

use super::machine::{Attempt, Purpose, Route};
use super::protocol::{DEVICE_MODEL, PROTOCOL_VERSION};

/// An address that cannot be connected to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum AddressError {
    #[error("{url:?} is not an address")]
    /// It cannot be parsed.
    NotAUrl {
        url: String,
        #[source]
        source: url::ParseError,
    },
    #[error("{url:?} is neither ws:// nor wss://")]
    /// It is the address of something else.
    Scheme { url: String },
}

/// The websocket address for `attempt` at the server `base`, `ws(s)://` or `http(s)://`.
pub(super) fn address(base: &str, attempt: &Attempt) -> Result<Url, AddressError> {
    let not_a_url = |source| AddressError::NotAUrl {
        url: base.to_owned(),
        source,
    };
    let mut url = Url::parse(base).map_err(not_a_url)?;
    let scheme = match url.scheme() {
        "ws" | "http" => "ws",
        "wss" | "https" => "wss",
        _ => return Err(AddressError::Scheme { url: base.to_owned() }),
    };
    let refused = || AddressError::Scheme { url: base.to_owned() };
    if url.scheme() != scheme {
        url.set_scheme(scheme).map_err(|()| refused())?;
    }
    let entrance = match attempt.route {
        Route::Single => "/rtc/v1",
        Route::Dual => "/rtc",
    };
    let path = format!("{}{entrance}", url.path().trim_end_matches('/'));
    url.set_path(&path);
    url.query_pairs_mut().extend_pairs(query(attempt));
    Ok(url)
}

/// The header that carries `token`.
pub(super) fn authorization(token: &str) -> (String, String) {
    ("Authorization".into(), format!("Bearer {token}"))
}

/// What the entrance is told before the websocket opens.
fn query(attempt: &Attempt) -> Vec<(&'static str, String)> {
    if attempt.route == Route::Single {
        return vec![("join_request", join_request(attempt))];
    }
    let flag = |is_set: bool| String::from(if is_set { "1" } else { "0" });
    let mut query = vec![
        ("sdk", "rust".into()),
        ("version", VERSION.into()),
        ("os", std::env::consts::OS.into()),
        ("device_model", DEVICE_MODEL.into()),
        ("protocol", PROTOCOL_VERSION.to_string()),
        ("auto_subscribe", flag(attempt.auto_subscribe)),
        ("adaptive_stream", flag(false)),
    ];
    if let Purpose::Resume { participant_sid } = &attempt.purpose {
        query.push(("reconnect", flag(true)));
        query.push(("sid", participant_sid.clone()));
    }
    query
}

/// The one parameter of `/rtc/v1`, which newer servers may take compressed; plain is always taken.
fn join_request(attempt: &Attempt) -> String {
    let participant_sid = match &attempt.purpose {
        Purpose::Join => None,
        Purpose::Resume { participant_sid } => Some(participant_sid.clone()),
    };
    let request = proto::JoinRequest {
        client_info: Some(proto::ClientInfo {
            sdk: proto::client_info::Sdk::Rust.into(),
            version: VERSION.into(),
            protocol: PROTOCOL_VERSION,
            os: std::env::consts::OS.into(),
            device_model: DEVICE_MODEL.into(),
            ..Default::default()
        }),
        connection_settings: Some(proto::ConnectionSettings {
            auto_subscribe: attempt.auto_subscribe,
            ..Default::default()
        }),
        reconnect: participant_sid.is_some(),
        participant_sid: participant_sid.unwrap_or_default(),
        ..Default::default()
    };
    let wrapped = proto::WrappedJoinRequest {
        join_request: request.encode_to_vec(),
        ..Default::default()
    };
    // The alphabet of RFC 4648, section 5, with padding.
    glib::base64_encode(&wrapped.encode_to_vec())
        .replace('+', "-")
        .replace('/', "_")
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn attempt(route: Route, purpose: Purpose) -> Attempt {
        Attempt {
            purpose,
            route,
            server: None,
            token: None,
            auto_subscribe: true,
        }
    }

    fn resume() -> Purpose {
        Purpose::Resume {
            participant_sid: "PA_x".into(),
        }
    }

    #[test]
    fn every_scheme_becomes_a_websocket() {
        let cases = [
            ("ws://127.0.0.1:7880", "ws://127.0.0.1:7880/rtc"),
            ("http://example.com/", "ws://example.com/rtc"),
            ("https://example.com/livekit/", "wss://example.com/livekit/rtc"),
            ("wss://example.com", "wss://example.com/rtc"),
        ];
        for (base, expected) in cases {
            let mut url = address(base, &attempt(Route::Dual, Purpose::Join)).unwrap();
            url.set_query(None);
            assert_eq!(url.as_str(), expected);
        }
    }

    #[test]
    fn other_addresses_are_refused() {
        let attempt = attempt(Route::Dual, Purpose::Join);
        assert!(matches!(
            address("127.0.0.1", &attempt),
            Err(AddressError::NotAUrl { .. })
        ));
        assert!(matches!(
            address("ftp://example.com", &attempt),
            Err(AddressError::Scheme { .. })
        ));
    }

    #[test]
    fn a_dual_connection_spells_its_parameters_out() {
        let url = address("ws://h", &attempt(Route::Dual, resume())).unwrap();
        let query: BTreeMap<_, _> = url.query_pairs().into_owned().collect();
        for (name, value) in [
            ("reconnect", "1"),
            ("sid", "PA_x"),
            ("auto_subscribe", "1"),
            ("sdk", "rust"),
        ] {
            assert_eq!(query.get(name).map(String::as_str), Some(value), "{name}");
        }
        assert!(!query.contains_key("access_token"));
        let joining = address("ws://h", &attempt(Route::Dual, Purpose::Join)).unwrap();
        assert!(!joining.query().unwrap().contains("reconnect"));
    }

    #[test]
    fn a_single_connection_wraps_its_parameters() {
        let url = address("ws://h", &attempt(Route::Single, resume())).unwrap();
        assert_eq!(url.path(), "/rtc/v1");
        let (name, value) = url.query_pairs().next().unwrap();
        assert_eq!(name, "join_request");
        let bytes = glib::base64_decode(&value.replace('-', "+").replace('_', "/"));
        let wrapped = proto::WrappedJoinRequest::decode(bytes.as_slice()).unwrap();
        let request = proto::JoinRequest::decode(wrapped.join_request.as_slice()).unwrap();
        assert!(request.reconnect);
        assert_eq!(request.participant_sid, "PA_x");
        assert_eq!(request.client_info.unwrap().protocol, PROTOCOL_VERSION);
    }

    #[test]
    fn the_token_goes_into_a_header() {
        assert_eq!(
            authorization("jwt"),
            ("Authorization".into(), "Bearer jwt".into())
        );
    }
}
