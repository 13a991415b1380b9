// SPDX-License-Identifier: MPL-2.0
//! Access tokens for a LiveKit server that LiveKit's library does not make, because no client should.
//!
//! JWT (RFC 7519) signed by HMAC with SHA-256, as [`crate::livekit`]'s servers want it.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::hmac;

use crate::livekit::{KEY, SECRET};

/// A token for everything in `room` that was good until an hour ago: servers allow clocks that differ by a minute.
pub fn expired(room: &str) -> String {
    const HOUR: u64 = 3600;
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = since.as_secs();
    let claims = format!(
        r#"{{"iss":"{KEY}","sub":"late","nbf":{},"exp":{},"video":{{"roomJoin":true,"room":"{room}"}}}}"#,
        now - 2 * HOUR,
        now - HOUR
    );
    signed(&claims)
}

/// Header, claims and signature.
fn signed(claims: &str) -> String {
    const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;
    let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    let signed = format!("{}.{}", encode(HEADER.as_bytes()), encode(claims.as_bytes()));
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let signature = hmac::sign(&key, signed.as_bytes());
    format!("{signed}.{}", encode(signature.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_signed_with_the_secret_of_the_servers() {
        let token = expired("room");
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap();
        assert!(hmac::verify(&key, signed.as_bytes(), &signature).is_ok());
        let claims = BASE64_URL_SAFE_NO_PAD.decode(signed.split('.').nth(1).unwrap());
        let claims = String::from_utf8(claims.unwrap()).unwrap();
        assert!(claims.contains(r#""room":"room""#), "{claims}");
    }
}
