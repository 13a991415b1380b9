// SPDX-License-Identifier: MPL-2.0
//! The ICE servers of a join response, given to the session's webrtcbin beside those of the element.
//!
//! Only relays are taken. The element's own STUN server stays as the user set it: a LiveKit server is reached at its
//! public addresses without one. Called on the thread that made webrtcbin. Credentials are never logged.

use gst::prelude::*;
use livekit_protocol as proto;

use crate::webrtcbin::turn;

/// Adds the relays of `servers` to `webrtcbin`, which must not be gathering yet.
pub(super) fn apply(webrtcbin: &gst::Element, servers: &[proto::IceServer], relay_only: bool) {
    for uri in servers.iter().flat_map(relays) {
        // webrtcbin says by itself, in its log, which address it does not take.
        webrtcbin.emit_by_name::<bool>("add-turn-server", &[&uri]);
    }
    if relay_only {
        webrtcbin.set_property_from_str("ice-transport-policy", "relay");
    }
}

/// The relays of `server`, as webrtcbin takes them.
fn relays(server: &proto::IceServer) -> Vec<String> {
    let urls = server.urls.iter().take(MAX_URLS);
    urls.filter_map(|url| turn::address(url, &server.username, &server.credential))
        .collect()
}

/// UDP, TCP and TLS of a few hosts; each one costs an allocation on it.
const MAX_URLS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn server(urls: &[&str]) -> proto::IceServer {
        proto::IceServer {
            urls: urls.iter().map(|url| (*url).to_owned()).collect(),
            username: "PA_1:x/@".into(),
            credential: "p:w".into(),
        }
    }

    #[test]
    fn relays_get_their_login_escaped() {
        let uris = relays(&server(&[
            "turn:example.com:3478?transport=udp",
            "turns:example.com:443?transport=tcp",
        ]));
        assert_eq!(
            uris,
            [
                "turn://PA_1%3Ax%2F%40:p%3Aw@example.com:3478?transport=udp",
                "turns://PA_1%3Ax%2F%40:p%3Aw@example.com:443?transport=tcp"
            ]
        );
    }

    #[test]
    fn other_servers_are_left_out() {
        assert_eq!(
            relays(&server(&["stun:example.com:3478", "example.com", "", "http://x"])),
            [""; 0]
        );
    }

    #[test]
    fn a_webrtcbin_takes_the_relays() {
        gst::init().unwrap();
        let Ok(webrtcbin) = gst::ElementFactory::make("webrtcbin").build() else {
            eprintln!("SKIPPED: webrtcbin is not installed");
            return;
        };
        apply(
            &webrtcbin,
            &[server(&["turn:127.0.0.1:3478?transport=udp"])],
            true,
        );
        let policy = webrtcbin.property_value("ice-transport-policy");
        assert!(
            format!("{policy:?}").to_lowercase().contains("relay"),
            "{policy:?}"
        );
    }
}
