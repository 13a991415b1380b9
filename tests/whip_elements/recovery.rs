// SPDX-License-Identifier: MPL-2.0
//! A network that goes and comes back between our clients and our servers, while HTTP goes on: media goes on in the same
//! session.

use std::sync::Arc;

use testkit::link::Plan;
use testkit::relay::Link;

use super::front::Front;
use super::*;

/// A sending and a receiving pipeline whose media passes a link, and the HTTP between them a [`Front`].
struct Joined {
    server: gst::Pipeline,
    client: gst::Pipeline,
    link: Arc<Link>,
    front: Front,
    frames: Frames,
}

impl Joined {
    /// `client` ends where the address of the front has to follow.
    fn new(server: &str, name: &str, client: impl FnOnce(&str) -> String) -> Self {
        let clear = Plan::clear(Duration::from_millis(5));
        let link = Arc::new(Link::new(clear.clone(), clear));
        let server = pipeline(server);
        server.set_state(gst::State::Playing).unwrap();
        let front = Front::new(address(&server, name), link.clone());
        let client = pipeline(&client(&front.address().to_string()));
        let receiving = if server.by_name("seen").is_some() {
            &server
        } else {
            &client
        };
        let frames = Frames::of(receiving);
        client.set_state(gst::State::Playing).unwrap();
        frames.wait_more(30);
        Self {
            server,
            client,
            link,
            front,
            frames,
        }
    }

    /// Lets nothing pass until `enough` says so, then everything again.
    fn cut_until(&self, what: &str, mut enough: impl FnMut() -> bool) {
        let lossy = Plan::clear(Duration::ZERO).losing(1.0);
        self.link.restart(lossy.clone(), lossy);
        wait_for(what, || enough().then_some(()));
        let clear = Plan::clear(Duration::from_millis(5));
        self.link.restart(clear.clone(), clear);
    }

    /// Media came back, and nobody was told of any end.
    fn assert_goes_on(&self) {
        self.frames.wait_more(60);
        assert_eq!(self.front.exchanges("POST").len(), 1);
        assert_eq!(self.front.exchanges("DELETE").len(), 0);
        for pipeline in [&self.client, &self.server] {
            let error = pipeline.bus().unwrap().pop_filtered(&[gst::MessageType::Error]);
            assert!(error.is_none(), "{error:?}");
        }
        to_null(&self.client);
        to_null(&self.server);
    }
}

#[test]
fn whip_restarts_ice_and_media_goes_on() {
    let joined = Joined::new(
        &format!("{WHIP} ! videoconvert ! identity name=seen ! fakesink sync=false"),
        "src",
        |front| {
            format!(
                "{PICTURE} ! whipclientsink stun-server=\"\" signaller::whip-endpoint=http://{front}/whip/endpoint"
            )
        },
    );
    let tags = |joined: &Joined| joined.front.exchanges("PATCH");
    joined.cut_until("an ICE restart", || {
        tags(&joined)
            .iter()
            .any(|patch| patch.if_match.contains('*') && patch.status == "200")
    });
    joined.assert_goes_on();
}

#[test]
fn whep_waits_for_the_network_and_media_goes_on() {
    let joined = Joined::new(WHEP, "sink", |front| {
        format!(
            "whepclientsrc stun-server=\"\" signaller::whep-endpoint=http://{front}/whep/endpoint \
            ! videoconvert ! identity name=seen ! fakesink sync=false"
        )
    });
    // Long enough for a sink that may restart ICE to have done so, which no player would learn of.
    let end = Instant::now() + Duration::from_secs(13);
    joined.cut_until("the network's return", || Instant::now() >= end);
    joined.assert_goes_on();
}
