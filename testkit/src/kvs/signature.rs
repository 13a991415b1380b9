// SPDX-License-Identifier: MPL-2.0
//! Checks AWS Signature Version 4, in headers and in queries, without any code of the vendor's. Pure.
//!
//! Written from "Create a signed AWS API request" of the IAM user guide: canonical request, string to sign, key chain.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ring::{digest, hmac};

/// A request as it came.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Such as `POST`.
    pub method: &'a str,
    /// Path without query.
    pub path: &'a str,
    /// Query as it was written, without the question mark.
    pub query: &'a str,
    /// Headers in lower case.
    pub headers: &'a [(String, String)],
    /// Body.
    pub body: &'a [u8],
}

/// The credentials that are accepted.
#[derive(Debug, Clone)]
pub struct Keys {
    id: String,
    secret: String,
}

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// Not signed, or a part of the signature is missing.
    Incomplete(&'static str),
    /// A key id nobody has.
    UnknownKey(String),
    /// Signed for another region or service.
    Scope(String),
    /// Too old, or from the future.
    Expired(String),
    /// Signed with another secret, or changed since.
    Mismatch,
}

/// What a signature says about itself.
struct Claim<'a> {
    credential: String,
    date: String,
    signed_headers: String,
    signature: String,
    lifetime: Duration,
    query: &'a str,
    body_hash: String,
}

impl Keys {
    /// The one key that is accepted.
    pub fn new(id: &str, secret: &str) -> Self {
        Self {
            id: id.to_owned(),
            secret: secret.to_owned(),
        }
    }

    /// Checks the `Authorization` header of a call.
    ///
    /// # Errors
    /// [`Refused`] says what is wrong.
    pub fn check_headers(&self, request: Request<'_>, region: &str, now: SystemTime) -> Result<(), Refused> {
        let authorization = request
            .header("authorization")
            .ok_or(Refused::Incomplete("authorization"))?;
        let fields = authorization
            .strip_prefix(ALGORITHM)
            .ok_or(Refused::Incomplete("algorithm"))?;
        let field = |name: &'static str| {
            let mut fields = fields.split(',').map(str::trim);
            fields
                .find_map(|field| field.strip_prefix(name)?.strip_prefix('='))
                .map(str::to_owned)
                .ok_or(Refused::Incomplete(name))
        };
        let claim = Claim {
            credential: field("Credential")?,
            date: request
                .header("x-amz-date")
                .ok_or(Refused::Incomplete("x-amz-date"))?
                .to_owned(),
            signed_headers: field("SignedHeaders")?,
            signature: field("Signature")?,
            lifetime: SKEW,
            query: request.query,
            body_hash: hex(digest::digest(&digest::SHA256, request.body).as_ref()),
        };
        self.check(request, &claim, region, now)
    }

    /// Checks the query of a presigned address.
    ///
    /// # Errors
    /// [`Refused`] says what is wrong.
    pub fn check_query(&self, request: Request<'_>, region: &str, now: SystemTime) -> Result<(), Refused> {
        let field = |name: &'static str| request.parameter(name).ok_or(Refused::Incomplete(name));
        let seconds = field("X-Amz-Expires")?;
        let seconds = seconds.parse().ok().filter(|seconds| (1..=300).contains(seconds));
        let claim = Claim {
            credential: field("X-Amz-Credential")?,
            date: field("X-Amz-Date")?,
            signed_headers: field("X-Amz-SignedHeaders")?,
            signature: field("X-Amz-Signature")?,
            lifetime: Duration::from_secs(seconds.ok_or(Refused::Incomplete("X-Amz-Expires"))?),
            query: request.query,
            body_hash: hex(digest::digest(&digest::SHA256, b"").as_ref()),
        };
        self.check(request, &claim, region, now)
    }

    fn check(
        &self,
        request: Request<'_>,
        claim: &Claim<'_>,
        region: &str,
        now: SystemTime,
    ) -> Result<(), Refused> {
        let (id, scope) = claim
            .credential
            .split_once('/')
            .ok_or(Refused::Incomplete("scope"))?;
        if id != self.id {
            return Err(Refused::UnknownKey(id.to_owned()));
        }
        let day = claim.date.get(..8).ok_or(Refused::Incomplete("date"))?;
        if scope != format!("{day}/{region}/{SERVICE}/aws4_request") {
            return Err(Refused::Scope(scope.to_owned()));
        }
        let string = [
            ALGORITHM,
            &claim.date,
            scope,
            &hash_of(&canonical(request, claim)),
        ]
        .join("\n");
        let key = ["AWS4", &self.secret].concat().into_bytes();
        let key = [day, region, SERVICE, "aws4_request"]
            .iter()
            .fold(key, |key, part| mac(&key, part));
        if hex(&mac(&key, &string)) != claim.signature {
            return Err(Refused::Mismatch);
        }
        is_current(&claim.date, claim.lifetime, now)
    }
}

impl Request<'_> {
    fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(header, _)| header == name)
            .map(|(_, value)| value.trim())
    }

    /// A parameter of the query, decoded.
    pub fn parameter(&self, name: &str) -> Option<String> {
        let mut pairs = self.query.split('&').filter_map(|pair| pair.split_once('='));
        let (_, value) = pairs.find(|(parameter, _)| *parameter == name)?;
        Some(
            percent_encoding::percent_decode_str(value)
                .decode_utf8_lossy()
                .into_owned(),
        )
    }
}

fn canonical(request: Request<'_>, claim: &Claim<'_>) -> String {
    let mut query: Vec<_> = claim
        .query
        .split('&')
        .filter(|pair| !pair.is_empty() && !pair.starts_with("X-Amz-Signature="))
        .collect();
    query.sort_unstable();
    let headers: String = claim
        .signed_headers
        .split(';')
        .map(|name| format!("{name}:{}\n", request.header(name).unwrap_or_default()))
        .collect();
    let query = query.join("&");
    let lines: [&str; 6] = [
        request.method,
        request.path,
        &query,
        &headers,
        &claim.signed_headers,
        &claim.body_hash,
    ];
    lines.join("\n")
}

fn is_current(date: &str, lifetime: Duration, now: SystemTime) -> Result<(), Refused> {
    let signed = seconds(date).ok_or(Refused::Incomplete("date"))?;
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    if signed > now + SKEW.as_secs() {
        return Err(Refused::Expired(format!(
            "Signature not yet current: {date} is still to come"
        )));
    }
    if signed + lifetime.as_secs() < now {
        return Err(Refused::Expired(format!(
            "Signature expired: {date} is too long ago"
        )));
    }
    Ok(())
}

/// `yyyymmddThhmmssZ` as seconds since 1970.
fn seconds(date: &str) -> Option<u64> {
    let part = |range: std::ops::Range<usize>| date.get(range)?.parse::<u64>().ok();
    if date.len() != 16 || date.get(8..9) != Some("T") || date.get(15..) != Some("Z") {
        return None;
    }
    let (year, month, day) = (part(0..4)?, part(4..6)?, part(6..8)?);
    let (hour, minute, second) = (part(9..11)?, part(11..13)?, part(13..15)?);
    if year < 1970 || !(1..=12).contains(&month) {
        return None;
    }
    // The year begins in March here, so that the odd day is its last ("days from civil", H. Hinnant).
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    Some((days - DAYS_TO_1970) * 86_400 + hour * 3600 + minute * 60 + second)
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes())
        .as_ref()
        .to_vec()
}

fn hash_of(text: &str) -> String {
    hex(digest::digest(&digest::SHA256, text.as_bytes()).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const SERVICE: &str = "kinesisvideo";
/// Five minutes either way, as the general reference gives it.
const SKEW: Duration = Duration::from_secs(300);
/// From 1 March of the year 0 to 1 January 1970.
const DAYS_TO_1970: u64 = 719_468;

#[cfg(test)]
mod tests {
    use super::*;

    /// Addresses that the vendor's browser library signed; the test of the signaller compares its own with them.
    const SIGNED: &str = include_str!("../../../tests/interop/kvs/signatures.json");

    fn check(url: &str, case: &serde_json::Value, secret: &str, late: Duration) -> Result<(), Refused> {
        let text = |name: &str| case[name].as_str().unwrap();
        let (authority, rest) = url.strip_prefix("wss://").unwrap().split_once('/').unwrap();
        let (path, query) = rest.split_once('?').unwrap();
        let headers = [("host".to_owned(), authority.to_owned())];
        let request = Request {
            method: "GET",
            path: &format!("/{path}"),
            query,
            headers: &headers,
            body: b"",
        };
        let now = UNIX_EPOCH + Duration::from_secs(case["time"].as_u64().unwrap()) + late;
        Keys::new(text("keyId"), secret).check_query(request, text("region"), now)
    }

    #[test]
    fn addresses_signed_by_the_vendors_library_are_accepted() {
        let cases: Vec<serde_json::Value> = serde_json::from_str(SIGNED).unwrap();
        assert!(cases.len() >= 20);
        for case in &cases {
            let (url, secret) = (case["url"].as_str().unwrap(), case["secret"].as_str().unwrap());
            assert_eq!(check(url, case, secret, Duration::ZERO), Ok(()), "{url}");
            assert_eq!(
                check(url, case, "other", Duration::ZERO),
                Err(Refused::Mismatch),
                "{url}"
            );
            let late = check(url, case, secret, Duration::from_secs(301));
            assert!(matches!(late, Err(Refused::Expired(_))), "{url}: {late:?}");
            let altered = url.replace("channel%2F", "channel%2Fx");
            assert_eq!(
                check(&altered, case, secret, Duration::ZERO),
                Err(Refused::Mismatch),
                "{url}"
            );
        }
    }

    #[test]
    fn the_published_example_of_a_signed_call_is_accepted() {
        // "GET ListUsers" of the AWS documentation, for another service: only the hash of its canonical request.
        let headers = [
            ("content-type", "application/x-www-form-urlencoded; charset=utf-8"),
            ("host", "iam.amazonaws.com"),
            ("x-amz-date", "20150830T123600Z"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let request = Request {
            method: "GET",
            path: "/",
            query: "Action=ListUsers&Version=2010-05-08",
            headers: &headers,
            body: b"",
        };
        let claim = Claim {
            credential: String::new(),
            date: String::new(),
            signed_headers: "content-type;host;x-amz-date".to_owned(),
            signature: String::new(),
            lifetime: SKEW,
            query: request.query,
            body_hash: hash_of(""),
        };
        assert_eq!(
            hash_of(&canonical(request, &claim)),
            "f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59"
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        let request = Request {
            method: "POST",
            path: "/",
            query: "",
            headers: &[],
            body: b"",
        };
        let keys = Keys::new("A", "S");
        let now = SystemTime::now();
        assert_eq!(
            keys.check_headers(request, "r", now),
            Err(Refused::Incomplete("authorization"))
        );
        assert_eq!(
            keys.check_query(request, "r", now),
            Err(Refused::Incomplete("X-Amz-Expires"))
        );
    }

    #[test]
    fn dates_are_read() {
        let cases = [
            ("19700101T000000Z", Some(0)),
            ("20260102T030405Z", Some(1_767_323_045)),
            ("20240229T235959Z", Some(1_709_251_199)),
            ("20241301T000000Z", None),
            ("2024", None),
            ("20240229 235959Z", None),
            ("20240229T2359xxZ", None),
        ];
        for (date, expected) in cases {
            assert_eq!(seconds(date), expected, "{date}");
        }
    }
}
