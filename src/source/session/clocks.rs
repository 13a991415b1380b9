// SPDX-License-Identifier: MPL-2.0
//! The reference clocks a producer names (RFC 7273), on their way to the jitterbuffers that can follow them.
//!
//! webrtcbin 1.22 leaves them out of the caps it gives to jitterbuffers, which would understand them. They are put
//! back in where the application wants them, which it says by setting `rfc7273-sync` or `add-reference-timestamp-meta`
//! on the rtpbin inside of webrtcbin; to others a producer must not be able to name hosts that are then asked for
//! the time. The session's thread sets them, streaming threads read them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gst::glib;
use gst::prelude::*;

use crate::source::negotiate::description::Description;

/// Reference clocks by payload type.
#[derive(Debug, Default)]
pub(super) struct Clocks(Mutex<BTreeMap<u32, Clock>>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Clock {
    /// Value of `a=ts-refclk` (section 4.8).
    reference: String,
    /// Value of `a=mediaclk` (section 5).
    media: Option<String>,
}

impl Clocks {
    /// Takes in what the producer described last.
    pub(super) fn follow(&self, theirs: &Description) {
        let mut clocks = BTreeMap::new();
        for (index, media) in theirs.media.iter().enumerate() {
            let Some(reference) = theirs.inherited(index, "ts-refclk") else {
                continue;
            };
            let clock = Clock {
                reference: reference.to_owned(),
                media: theirs.inherited(index, "mediaclk").map(str::to_owned),
            };
            let payload_types = media.formats.iter().filter_map(|word| word.parse().ok());
            clocks.extend(payload_types.map(|payload_type| (payload_type, clock.clone())));
        }
        *self.clocks() = clocks;
    }

    /// Has every jitterbuffer of `rtpbin` ask here for the caps of a payload type. Its signal takes the word of the
    /// handler that was connected last.
    pub(super) fn serve(self: &Arc<Self>, rtpbin: &gst::Element) {
        let clocks = self.clone();
        rtpbin.connect("new-jitterbuffer", false, move |values| {
            let rtpbin = values.first()?.get::<gst::Element>().ok()?.downgrade();
            let jitterbuffer = values.get(1)?.get::<gst::Element>().ok()?;
            let session = values.get(2)?.get::<u32>().ok()?;
            let clocks = clocks.clone();
            jitterbuffer.connect("request-pt-map", false, move |values| {
                let payload_type = values.get(1).and_then(|value| value.get::<u32>().ok());
                let caps = rtpbin
                    .upgrade()
                    .zip(payload_type)
                    .and_then(|(rtpbin, payload_type)| clocks.caps(&rtpbin, session, payload_type));
                Some(caps.to_value())
            });
            None
        });
    }

    fn caps(&self, rtpbin: &gst::Element, session: u32, payload_type: u32) -> Option<gst::Caps> {
        let caps = rtpbin.emit_by_name::<Option<gst::Caps>>("request-pt-map", &[&session, &payload_type])?;
        let is_wanted = ["rfc7273-sync", "add-reference-timestamp-meta"]
            .into_iter()
            .any(|name| is_set(rtpbin, name));
        Some(if is_wanted {
            self.named(payload_type, caps)
        } else {
            caps
        })
    }

    /// `caps` with the clock of their payload type.
    fn named(&self, payload_type: u32, mut caps: gst::Caps) -> gst::Caps {
        if let Some(clock) = self.clocks().get(&payload_type).cloned() {
            for structure in caps.make_mut().iter_mut() {
                structure.set("a-ts-refclk", &clock.reference);
                structure.set_if_some("a-mediaclk", clock.media.as_ref());
            }
        }
        caps
    }

    fn clocks(&self) -> MutexGuard<'_, BTreeMap<u32, Clock>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_set(object: &impl IsA<glib::Object>, name: &str) -> bool {
    object.has_property_with_type(name, bool::static_type()) && object.property(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=ts-refclk:local\r\na=mediaclk:sender\r\n\
        m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\na=ts-refclk:ntp=192.0.2.1:1234\r\na=mediaclk:direct=77\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n";

    fn rtpbin() -> gst::Element {
        gst::init().expect("GStreamer initialises");
        let rtpbin = gst::ElementFactory::make("rtpbin")
            .build()
            .expect("it is installed");
        rtpbin.connect("request-pt-map", false, |values| {
            let payload_type = values[2].get::<u32>().expect("a number");
            let caps = gst::Caps::builder("application/x-rtp")
                .field("payload", i32::try_from(payload_type).expect("a small number"))
                .build();
            Some((payload_type != 5).then_some(caps).to_value())
        });
        rtpbin
    }

    fn clocks() -> Clocks {
        let clocks = Clocks::default();
        clocks.follow(&Description::parse(OFFER).expect("a description"));
        clocks
    }

    #[test]
    fn clocks_are_named_by_payload_type_where_they_are_wanted() {
        let (clocks, rtpbin) = (clocks(), rtpbin());
        let named = |payload_type| {
            let caps = clocks.caps(&rtpbin, 0, payload_type)?;
            let structure = caps.structure(0)?;
            let field = |name: &str| structure.get::<String>(name).unwrap_or_default();
            Some((field("a-ts-refclk"), field("a-mediaclk")))
        };
        let pair = |reference: &str, media: &str| Some((reference.to_owned(), media.to_owned()));
        assert_eq!(named(96), pair("", ""), "nobody asked for it");
        for wish in ["rfc7273-sync", "add-reference-timestamp-meta"] {
            rtpbin.set_property(wish, true);
            assert_eq!(named(96), pair("ntp=192.0.2.1:1234", "direct=77"), "{wish}");
            assert_eq!(named(97), named(96));
            assert_eq!(named(111), pair("local", "sender"));
            assert_eq!(named(98), pair("", ""), "it is not described");
            assert_eq!(named(5), None, "nobody knows it");
            rtpbin.set_property(wish, false);
        }
    }

    #[test]
    fn a_clock_that_is_named_no_more_is_forgotten() {
        let clocks = clocks();
        let silent = OFFER.replace("a=ts-refclk", "a=x");
        clocks.follow(&Description::parse(&silent).expect("a description"));
        assert!(clocks.clocks().is_empty());
    }
}
