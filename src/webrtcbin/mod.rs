// SPDX-License-Identifier: MPL-2.0
//! What both ends do to a webrtcbin: make it, tune its ICE agent, check its peer's certificate, restart its ICE.
//!
//! Nothing here negotiates: sessions of sink and source do. Functions may be called from any thread; callbacks say on
//! which thread they come.

mod ffi;
pub(crate) mod fingerprint;
pub(crate) mod ice;
pub(crate) mod stun;
#[cfg(test)]
mod tests;
#[cfg(any(feature = "aws", feature = "livekit"))]
pub(crate) mod turn;
pub(crate) mod warmup;

use gst::prelude::*;

use crate::gst_ext::make::{self, MissingElement};

/// What a new webrtcbin is told.
#[derive(Debug, Clone, Default)]
pub(crate) struct Config {
    /// Address of a STUN server, `stun://host:port`, whose host is known to resolve (see [`stun`]).
    pub(crate) stun_server: Option<String>,
    /// TURN servers, `turn(s)://user:password@host:port`.
    pub(crate) turn_servers: Vec<String>,
    /// Whether only relayed candidates may be used.
    pub(crate) relay_only: bool,
    /// Jitterbuffer latency of received streams in milliseconds; `None` keeps webrtcbin's own 200.
    pub(crate) latency_ms: Option<u32>,
}

/// Why a webrtcbin could not be made as asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum MakeError {
    /// webrtcbin, or the ICE transport it cannot do without, isn't installed.
    #[error(transparent)]
    Missing(#[from] MissingElement),
}

/// Whether what every session needs is installed; `purpose` completes the sentence "no element x, needed …".
///
/// # Errors
/// [`MissingElement`] names the first that is missing.
pub(crate) fn require(purpose: &str) -> Result<(), MissingElement> {
    let missing = REQUIRED
        .iter()
        .find(|factory| gst::ElementFactory::find(factory).is_none());
    missing.map_or(Ok(()), |factory| Err(make::missing(factory, purpose)))
}

/// webrtcbin is made of the others, and fails without a word when they are missing.
const REQUIRED: [&str; 7] = [
    "webrtcbin",
    "nicesrc",
    "dtlssrtpenc",
    "dtlssrtpdec",
    "srtpenc",
    "srtpdec",
    "rtpbin",
];

/// Makes a webrtcbin called `name` that bundles everything, and tunes its ICE agent.
///
/// A TURN server that webrtcbin does not accept is reported as a warning in the log, by host only.
///
/// # Errors
/// [`MakeError::Missing`] when webrtcbin or nicesrc isn't installed.
pub(crate) fn make(name: &str, config: &Config) -> Result<gst::Element, MakeError> {
    if gst::ElementFactory::find("nicesrc").is_none() {
        return Err(make::missing("nicesrc", "for ICE").into());
    }
    let webrtcbin = make::element("webrtcbin", Some(name), "for WebRTC")?;
    webrtcbin.set_property_from_str("bundle-policy", "max-bundle");
    webrtcbin.set_property_from_str(
        "ice-transport-policy",
        if config.relay_only { "relay" } else { "all" },
    );
    if let Some(latency_ms) = config.latency_ms {
        webrtcbin.set_property("latency", latency_ms);
    }
    if let Some(server) = &config.stun_server {
        webrtcbin.set_property("stun-server", server);
    }
    for server in &config.turn_servers {
        if !webrtcbin.emit_by_name::<bool>("add-turn-server", &[server]) {
            gst::warning!(
                crate::signaller::CAT,
                obj = &webrtcbin,
                "TURN server {} is not accepted",
                without_user(server)
            );
        }
    }
    ice::tune(&webrtcbin);
    ask_only_for_what_is_lost(&webrtcbin);
    Ok(webrtcbin)
}

/// Has `webrtcbin` send through `element`, after retransmission and FEC, once it has a transport.
///
/// The element is held weakly: it is given only while it lives and belongs to nothing else.
pub(crate) fn send_through(webrtcbin: &gst::Element, element: &gst::Element) {
    let weak = element.downgrade();
    webrtcbin.connect("request-aux-sender", false, move |_| {
        // Streams are bundled: there is one transport, and one element for it.
        let free = weak.upgrade().filter(|element| element.parent().is_none())?;
        ffi::float(&free);
        Some(free.to_value())
    });
}

/// Has jitterbuffers ask for a packet when a later one came, not when it merely did not come at the time expected.
///
/// Senders pace and encoders vary, so that a guessed time asks for packets that are not sent yet: 1520 requests in ten
/// seconds over a loopback interface that lost nothing.
fn ask_only_for_what_is_lost(webrtcbin: &gst::Element) {
    for_each_inside(webrtcbin, "rtpjitterbuffer", |buffer| {
        buffer.set_property("rtx-next-seqnum", false);
    });
}

/// Does something to each element of `factory` inside of `webrtcbin`: to those that are there, and to those to come, on
/// the thread that adds them.
pub(crate) fn for_each_inside(
    webrtcbin: &gst::Element,
    factory: &'static str,
    act: impl Fn(&gst::Element) + Send + Sync + 'static,
) {
    let Some(bin) = webrtcbin.dynamic_cast_ref::<gst::Bin>() else {
        return;
    };
    elements_inside(webrtcbin, factory).iter().for_each(&act);
    bin.connect_deep_element_added(move |_, _, element| {
        if is_made_by(element, factory) {
            act(element);
        }
    });
}

/// The elements of `factory` that are inside of `webrtcbin` now.
pub(crate) fn elements_inside(webrtcbin: &gst::Element, factory: &str) -> Vec<gst::Element> {
    let bin = webrtcbin.dynamic_cast_ref::<gst::Bin>().into_iter();
    let inside = bin.flat_map(|bin| bin.iterate_recurse().into_iter().flatten());
    inside.filter(|element| is_made_by(element, factory)).collect()
}

fn is_made_by(element: &gst::Element, factory: &str) -> bool {
    element.factory().is_some_and(|made_by| made_by.name() == factory)
}

/// A server's address without its credentials, fit for a log.
pub(crate) fn without_user(server: &str) -> String {
    match server.split_once("://") {
        Some((scheme, rest)) => format!("{scheme}://{}", rest.rsplit('@').next().unwrap_or_default()),
        None => "(not an address)".to_owned(),
    }
}
