// SPDX-License-Identifier: MPL-2.0
//! Two LiveKit nodes behave as one through Redis: signalling enters anywhere, a room's media are on one node.

use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use testkit::livekit::LiveKit;

use crate::common::wait_until;
use crate::room::{Viewer, by_key, publisher, track_names};

struct Redis {
    child: Child,
    port: u16,
}

impl Redis {
    fn start() -> Option<Self> {
        let port = testkit::network::free_port();
        let child = Command::new("redis-server")
            .args([
                "--port",
                &port.to_string(),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--appendonly",
                "no",
            ])
            .stdout(Stdio::null())
            .spawn();
        let Ok(child) = child else {
            assert!(
                std::env::var_os("REQUIRE_ALL").is_none_or(|value| value != "1"),
                "redis-server is missing"
            );
            eprintln!("NOT RUN: redis-server is not installed (scripts/setup test)");
            return None;
        };
        let redis = Self { child, port };
        wait_until("redis", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        Some(redis)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_publisher_on_one_node_is_received_through_the_other() {
    let Some(redis) = Redis::start() else { return };
    let shared = format!("redis:\n  address: 127.0.0.1:{}", redis.port);
    let (Some(one), Some(two)) = (LiveKit::start(&shared), LiveKit::start(&shared)) else {
        return;
    };
    let publisher = publisher(&one.url(), "publisher");
    wait_until("the tracks", || track_names(&one, "publisher").len() == 2);
    let viewer = Viewer::launch(&by_key(&two.url(), "viewer"));
    viewer.wait_for(50);
    assert_eq!(
        track_names(&two, "publisher").len(),
        2,
        "either node's API knows the room"
    );
    // Both participants' media are where the room is, whichever node that is.
    let sessions = |node: &LiveKit| node.log().matches("starting RTC session").count();
    let mut sessions = [sessions(&one), sessions(&two)];
    sessions.sort();
    assert_eq!(sessions, [0, 2]);
    publisher.assert_no_error();
    viewer.running.assert_no_error();
}
