// SPDX-License-Identifier: MPL-2.0
//! Relays as signalling protocols announce them (RFC 7065, credentials apart), in the form that webrtcbin takes. Pure.

use crate::net::percent;

/// `turn(s)://user:password@host:port?transport=…` for the address `uri`; `None` when that names no relay.
///
/// webrtcbin refuses addresses without a port, so the default one is written out.
pub(crate) fn address(uri: &str, user: &str, password: &str) -> Option<String> {
    let (scheme, rest) = uri.split_once(':')?;
    let default_port = match scheme {
        "turn" => 3478,
        "turns" => 5349,
        _ => return None,
    };
    let rest = rest.trim_start_matches("//");
    let (host, query) = rest.split_once('?').unwrap_or((rest, ""));
    if host.is_empty() || host.contains(['@', '/']) {
        return None;
    }
    let login = format!("{}:{}", percent::encoded(user), percent::encoded(password));
    // The colons of an IPv6 address are inside brackets.
    let port = match host.rsplit(']').next().is_some_and(|end| end.contains(':')) {
        true => String::new(),
        false => format!(":{default_port}"),
    };
    let query = match query {
        "" => String::new(),
        query => format!("?{query}"),
    };
    Some(format!("{scheme}://{login}@{host}{port}{query}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relays_get_their_login_and_port() {
        let cases = [
            (
                "turn:1.2.3.4:443?transport=udp",
                Some("turn://170%3AZGV%3D:p%2Fw@1.2.3.4:443?transport=udp"),
            ),
            (
                "turns:h:443?transport=tcp",
                Some("turns://170%3AZGV%3D:p%2Fw@h:443?transport=tcp"),
            ),
            ("turn://h:1", Some("turn://170%3AZGV%3D:p%2Fw@h:1")),
            ("turn:h", Some("turn://170%3AZGV%3D:p%2Fw@h:3478")),
            (
                "turns:[2001:db8::1]?transport=tcp",
                Some("turns://170%3AZGV%3D:p%2Fw@[2001:db8::1]:5349?transport=tcp"),
            ),
            (
                "turn:[2001:db8::1]:9",
                Some("turn://170%3AZGV%3D:p%2Fw@[2001:db8::1]:9"),
            ),
            ("stun:h:443", None),
            ("turn:", None),
            ("turn:?transport=udp", None),
            ("turn:other@h:1", None),
            ("http://x", None),
            ("nonsense", None),
            ("", None),
        ];
        for (uri, expected) in cases {
            assert_eq!(address(uri, "170:ZGV=", "p/w").as_deref(), expected, "{uri}");
        }
    }
}
