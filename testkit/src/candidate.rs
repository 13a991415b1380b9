// SPDX-License-Identifier: MPL-2.0
//! ICE candidates and descriptions rewritten to lead through a relay (RFC 8839, section 5.1).

use std::net::{IpAddr, SocketAddr};

/// The candidate with the address that `relay` gives for its own. `None` for candidates that would pass it by: TCP, and
/// names (mDNS). Works on `candidate:…` and on whole `a=candidate:…` lines.
pub fn rewrite(candidate: &str, relay: impl FnOnce(SocketAddr) -> SocketAddr) -> Option<String> {
    let mut words: Vec<String> = candidate.split_whitespace().map(str::to_owned).collect();
    let [_, _, protocol, _, ip, port, ..] = words.as_slice() else {
        return None;
    };
    if !protocol.eq_ignore_ascii_case("udp") {
        return None;
    }
    let address = SocketAddr::new(ip.parse::<IpAddr>().ok()?, port.parse().ok()?);
    let relayed = relay(address);
    words[4] = relayed.ip().to_string();
    words[5] = relayed.port().to_string();
    // A related address tells where the candidate really is.
    if let Some(related) = words.iter().position(|word| word == "raddr") {
        words.drain(related..(related + 4).min(words.len()));
    }
    Some(words.join(" "))
}

/// A description whose candidates lead through a relay; those that would not are left out.
pub fn rewrite_description(sdp: &str, relay: impl Fn(SocketAddr) -> SocketAddr) -> String {
    let line = |line: &str| {
        if line.starts_with("a=candidate:") {
            rewrite(line, &relay)
        } else {
            Some(line.to_owned())
        }
    };
    sdp.lines().filter_map(line).map(|line| line + "\r\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relay(_: SocketAddr) -> SocketAddr {
        "127.0.0.1:9".parse().unwrap()
    }

    #[test]
    fn the_address_is_replaced_and_the_rest_kept() {
        let candidate = "candidate:1 1 UDP 2015363327 192.168.1.2 40000 typ host generation 0";
        let expected = "candidate:1 1 UDP 2015363327 127.0.0.1 9 typ host generation 0";
        assert_eq!(rewrite(candidate, relay).as_deref(), Some(expected));
    }

    #[test]
    fn a_related_address_is_dropped() {
        let candidate = "candidate:1 1 udp 1 8.8.8.8 4 typ srflx raddr 10.0.0.1 rport 5 ufrag x";
        let expected = "candidate:1 1 udp 1 127.0.0.1 9 typ srflx ufrag x";
        assert_eq!(rewrite(candidate, relay).as_deref(), Some(expected));
    }

    #[test]
    fn what_would_pass_the_relay_by_is_dropped() {
        for candidate in [
            "candidate:1 1 TCP 1 192.168.1.2 9 typ host tcptype active",
            "candidate:1 1 udp 1 4f6e.local 40000 typ host",
            "candidate:1 1 udp",
            "",
        ] {
            assert_eq!(rewrite(candidate, relay), None, "{candidate}");
        }
    }

    #[test]
    fn descriptions_lose_only_such_candidates() {
        let sdp = "v=0\r\na=candidate:1 1 udp 1 ::1 4 typ host\r\na=candidate:2 1 tcp 1 ::1 9 typ host\r\na=mid:0\r\n";
        let expected = "v=0\r\na=candidate:1 1 udp 1 127.0.0.1 9 typ host\r\na=mid:0\r\n";
        assert_eq!(rewrite_description(sdp, relay), expected);
    }
}
