// SPDX-License-Identifier: MPL-2.0
//! Servers that the user named and that cannot be any: said on the bus when the element starts, and when one is set
//! after that. The element goes on without them.
//!
//! Names that do not resolve are none of this: without a network the default STUN server has no address either, and
//! local consumers need none.

use gst::subclass::prelude::*;

use super::BaseWebRTCSink;
use crate::error;
use crate::webrtcbin::{stun, without_user};

/// Looks at every server the properties name.
pub(super) fn warn_of_unusable(sink: &BaseWebRTCSink) {
    let (stun_server, turn_servers) = {
        let settings = sink.imp().settings();
        let turn_servers: Vec<String> = settings.turn_servers().collect();
        (settings.stun_server.clone(), turn_servers)
    };
    warn_of_stun_server(sink, stun_server.as_deref());
    for server in turn_servers.iter().filter(|server| !is_turn_server(server)) {
        let text = format!(
            "turn-servers: {:?} is no address of the form turn://user:password@host:port",
            without_user(server)
        );
        error::post_warning(sink, &text);
    }
}

/// Looks at the STUN server.
pub(super) fn warn_of_stun_server(sink: &BaseWebRTCSink, uri: Option<&str>) {
    if let Some(uri) = uri.filter(|uri| !stun::is_address(uri)) {
        error::post_warning(
            sink,
            &format!("stun-server: {uri:?} is no address of the form stun://host:port"),
        );
    }
}

/// What webrtcbin takes: RFC 7065 with two slashes, and credentials (RFC 8656, section 5) in front of the host.
fn is_turn_server(uri: &str) -> bool {
    url::Url::parse(uri).is_ok_and(|url| {
        let has_host = url.host_str().is_some_and(|host| !host.is_empty());
        let has_password = url.password().is_some_and(|password| !password.is_empty());
        matches!(url.scheme(), "turn" | "turns") && has_host && !url.username().is_empty() && has_password
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turn_servers_have_a_host_and_credentials() {
        let cases = [
            ("turn://user:password@turn.example.org:3478", true),
            ("turns://user:password@[2001:db8::1]:5349?transport=tcp", true),
            ("turn://user:password@turn.example.org", true),
            ("turn://turn.example.org", false),
            ("turn://user@turn.example.org", false),
            ("turn:user:password@turn.example.org", false),
            ("turn://user:password@", false),
            ("turn://user:password@host:port", false),
            ("stun://user:password@host", false),
            ("nonsense", false),
            ("", false),
        ];
        for (uri, expected) in cases {
            assert_eq!(is_turn_server(uri), expected, "{uri}");
        }
    }
}
