// SPDX-License-Identifier: MPL-2.0
//! The presigned address of a signalling channel's websocket (AWS Signature Version 4, query parameters). Pure.
//!
//! The signature itself comes from the vendor's `aws-sigv4`; here it is decided what is signed and how the query is
//! written, so that the result equals that of the vendor's browser client byte for byte.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign};
use aws_sigv4::sign::v4;
use url::Url;

use crate::net::percent;

/// How long an address can be used. The vendor's browser client asks for one second less than five minutes.
pub(super) const EXPIRY: Duration = Duration::from_secs(299);

/// Why an address cannot be signed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(super) enum PresignError {
    #[error("{0:?} is not the address of a websocket endpoint")]
    Endpoint(String),
    #[error("the address cannot be signed: {0}")]
    Signature(String),
}

/// Who connects to which channel.
#[derive(Debug, Clone, Copy)]
pub(super) struct Channel<'a> {
    pub(super) arn: &'a str,
    pub(super) region: &'a str,
    /// Present for a viewer, absent for the master.
    pub(super) client_id: Option<&'a str>,
}

/// Signs the address of `endpoint`, `wss://host[:port]`, for `channel`, valid from `now` for `expiry`.
///
/// # Errors
/// [`PresignError`] when the endpoint is no websocket address or the credentials cannot sign.
pub(super) fn presigned(
    endpoint: &str,
    channel: Channel<'_>,
    credentials: &Credentials,
    now: SystemTime,
    expiry: Duration,
) -> Result<Url, PresignError> {
    let bad_endpoint = || PresignError::Endpoint(endpoint.to_owned());
    let url = Url::parse(endpoint).map_err(|_| bad_endpoint())?;
    let host = url
        .host_str()
        .filter(|_| matches!(url.scheme(), "ws" | "wss"))
        .ok_or_else(bad_endpoint)?;
    let authority = url
        .port()
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));

    let mut query = vec![("X-Amz-ChannelARN", channel.arn.to_owned())];
    query.extend(channel.client_id.map(|id| ("X-Amz-ClientId", id.to_owned())));
    // Host and query are what is signed; the scheme is not.
    let unsigned = format!("https://{authority}/?{}", written(&query));
    let signature = signature(&unsigned, &authority, channel.region, credentials, now, expiry)?;
    query.extend(signature);
    // Sorted by name as the vendor's client does it, the signature among them.
    query.sort_by_key(|(name, _)| *name);
    let signed = format!("{}://{authority}/?{}", url.scheme(), written(&query));
    Url::parse(&signed).map_err(|_| bad_endpoint())
}

/// The parameters that the signature adds to the query of `unsigned`, itself among them. The payload is empty and only the
/// host is signed beside the query, as the service wants it.
fn signature(
    unsigned: &str,
    authority: &str,
    region: &str,
    credentials: &Credentials,
    now: SystemTime,
    expiry: Duration,
) -> Result<Vec<(&'static str, String)>, PresignError> {
    let failed = |error: String| PresignError::Signature(error);
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(expiry);
    let identity = credentials.clone().into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("kinesisvideo")
        .time(now)
        .settings(settings)
        .build()
        .map_err(|error| failed(error.to_string()))?;
    let headers = [("host", authority)].into_iter();
    let request = SignableRequest::new("GET", unsigned, headers, SignableBody::Bytes(&[]))
        .map_err(|error| failed(error.to_string()))?;
    let (instructions, _) = sign(request, &params.into())
        .map_err(|error| failed(error.to_string()))?
        .into_parts();
    let (_, params) = instructions.into_parts();
    Ok(params
        .into_iter()
        .map(|(name, value)| (name, value.into_owned()))
        .collect())
}

/// The query as it is signed and sent. The form encoding of URL libraries writes a space as `+`, which is signed
/// otherwise.
fn written(query: &[(&str, String)]) -> String {
    let pairs = query
        .iter()
        .map(|(name, value)| format!("{name}={}", percent::encoded(value)));
    pairs.collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:kinesisvideo:eu-west-1:123456789012:channel/demo/1700000000000";
    /// 2026-01-02T03:04:05Z.
    const DATE: Duration = Duration::from_secs(1_767_323_045);

    fn url(client_id: Option<&str>, token: Option<&str>, expiry: Duration) -> Url {
        let credentials = Credentials::new(
            "AKIDEXAMPLE",
            "SECRETEXAMPLE",
            token.map(str::to_owned),
            None,
            "test",
        );
        let channel = Channel {
            arn: ARN,
            region: "eu-west-1",
            client_id,
        };
        let now = SystemTime::UNIX_EPOCH + DATE;
        presigned("wss://localhost:8443", channel, &credentials, now, expiry).unwrap()
    }

    #[test]
    fn signatures_are_those_of_an_independent_implementation() {
        let token = Some("TOKEN/+==");
        let cases = [
            (
                None,
                None,
                "2b495b9e9ee23ebde06d13593c5e8a8d001c8b6fc235e1440798e81e280f3e2c",
            ),
            (
                Some("viewer-1"),
                None,
                "a60a5daeb0aa7d9145150ac62a7075becd10e129b654352ee28b107dd7505e67",
            ),
            (
                None,
                token,
                "30e267e15ac479b2257a74f67f1cb55d44a00dfd49e86a26b9e698dd58ca9b7a",
            ),
            (
                Some("viewer-1"),
                token,
                "f27a68d2599fb4e5441422e603f16b58e1413e0f3b33ff287a52b5a885c0e6b6",
            ),
        ];
        for (client_id, token, expected) in cases {
            let url = url(client_id, token, Duration::from_secs(300));
            let signature = url
                .query_pairs()
                .find(|(name, _)| name == "X-Amz-Signature")
                .unwrap()
                .1;
            assert_eq!(signature, expected, "{client_id:?} {token:?}");
        }
    }

    #[test]
    fn the_query_is_that_of_the_vendors_client() {
        let url = url(Some("viewer-1"), Some("TOKEN/+=="), EXPIRY);
        let names: Vec<_> = url.query_pairs().map(|(name, _)| name.into_owned()).collect();
        assert_eq!(
            names,
            [
                "X-Amz-Algorithm",
                "X-Amz-ChannelARN",
                "X-Amz-ClientId",
                "X-Amz-Credential",
                "X-Amz-Date",
                "X-Amz-Expires",
                "X-Amz-Security-Token",
                "X-Amz-Signature",
                "X-Amz-SignedHeaders",
            ]
        );
        let query = url.query().unwrap();
        assert!(
            query.contains(
                "X-Amz-Credential=AKIDEXAMPLE%2F20260102%2Feu-west-1%2Fkinesisvideo%2Faws4_request"
            )
        );
        assert!(query.contains("X-Amz-Date=20260102T030405Z&X-Amz-Expires=299&"));
        assert!(query.contains("X-Amz-Security-Token=TOKEN%2F%2B%3D%3D&X-Amz-Signature="));
        assert!(query.ends_with("&X-Amz-SignedHeaders=host"));
    }

    /// What the vendor's SigV4RequestSigner makes of generated inputs; `tests/interop/kvs/signatures.mjs` writes the file,
    /// `tests/aws_kvs` has it compared with the library itself.
    #[test]
    fn addresses_equal_those_of_the_vendors_signer_byte_for_byte() {
        let golden = include_str!("../../../tests/interop/kvs/signatures.json");
        let cases: Vec<serde_json::Value> = serde_json::from_str(golden).unwrap();
        assert!(cases.len() >= 20);
        for case in cases {
            let text = |name: &str| case[name].as_str();
            let (id, secret) = (text("keyId").unwrap(), text("secret").unwrap());
            let credentials = Credentials::new(id, secret, text("token").map(str::to_owned), None, "test");
            let channel = Channel {
                arn: text("arn").unwrap(),
                region: text("region").unwrap(),
                client_id: text("clientId"),
            };
            let now = SystemTime::UNIX_EPOCH + Duration::from_secs(case["time"].as_u64().unwrap());
            let endpoint = format!("wss://{}", text("authority").unwrap());
            let url = presigned(&endpoint, channel, &credentials, now, EXPIRY).unwrap();
            assert_eq!(url.as_str(), text("url").unwrap());
        }
    }

    #[test]
    fn a_default_port_is_no_part_of_the_host() {
        let credentials = Credentials::new("A", "S", None, None, "test");
        let channel = Channel {
            arn: ARN,
            region: "eu-west-1",
            client_id: None,
        };
        let now = SystemTime::UNIX_EPOCH + DATE;
        let with = presigned("wss://m-1.example.com:443", channel, &credentials, now, EXPIRY).unwrap();
        let without = presigned("wss://m-1.example.com", channel, &credentials, now, EXPIRY).unwrap();
        assert_eq!(with, without);
        assert_eq!(with.port(), None);
    }

    #[test]
    fn only_websocket_endpoints_are_signed() {
        let credentials = Credentials::new("A", "S", None, None, "test");
        let channel = Channel {
            arn: ARN,
            region: "eu-west-1",
            client_id: None,
        };
        for endpoint in ["", "https://host", "wss://", "host:443"] {
            let error =
                presigned(endpoint, channel, &credentials, SystemTime::UNIX_EPOCH, EXPIRY).unwrap_err();
            assert!(error.to_string().contains(&format!("{endpoint:?}")), "{error}");
        }
    }
}
