// SPDX-License-Identifier: MPL-2.0
//! Names and passwords of a TURN server with a shared secret, as coturn's `use-auth-secret` takes them
//! (draft-uberti-behave-turn-rest-00, section 2.2).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

/// A user `name` that the server takes until `ttl` from `now`, and its password.
pub fn credentials(secret: &str, name: &str, now: SystemTime, ttl: Duration) -> (String, String) {
    let until = now.duration_since(UNIX_EPOCH).unwrap_or_default() + ttl;
    let user = format!("{}:{name}", until.as_secs());
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.as_bytes());
    let password = STANDARD.encode(hmac::sign(&key, user.as_bytes()));
    (user, password)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_the_hash_of_the_user() {
        let (user, password) = credentials("secret", "demo", UNIX_EPOCH, Duration::from_secs(300));
        assert_eq!(user, "300:demo");
        // printf 300:demo | openssl dgst -sha1 -hmac secret -binary | base64
        assert_eq!(password, "SPYy/+LQDzpKhu4hkmqjaf+tFhE=");
    }
}
