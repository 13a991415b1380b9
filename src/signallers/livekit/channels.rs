// SPDX-License-Identifier: MPL-2.0
//! The data channels of LiveKit on a session's webrtcbin: `_reliable`, and `_lossy` which never retransmits.
//!
//! A publisher makes them; a subscriber gets them from the server, on the thread of webrtcbin's data channels. Owns
//! their names and options, as LiveKit's clients have them; what goes through them is the application's.

use gst::prelude::*;
use gst_webrtc::WebRTCDataChannel;

/// The two channels of a participant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Channel {
    /// Ordered, and repeated until it arrives.
    Reliable,
    /// Neither: late data is of no use.
    Lossy,
}

impl Channel {
    pub(super) const ALL: [Self; 2] = [Self::Reliable, Self::Lossy];

    /// The name by which server and clients know it.
    fn label(self) -> &'static str {
        match self {
            Self::Reliable => "_reliable",
            Self::Lossy => "_lossy",
        }
    }

    fn from_label(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| channel.label() == label)
    }
}

/// Opens `channel` on `webrtcbin`, which has not offered yet. `None` without SCTP support.
pub(super) fn create(webrtcbin: &gst::Element, channel: Channel) -> Option<WebRTCDataChannel> {
    let options = gst::Structure::builder("options").field("ordered", channel == Channel::Reliable);
    let options = match channel {
        Channel::Reliable => options.build(),
        Channel::Lossy => options.field("max-retransmits", 0_i32).build(),
    };
    webrtcbin.emit_by_name("create-data-channel", &[&channel.label(), &options])
}

/// Calls `found` for each of the channels the server opens on `webrtcbin`.
pub(super) fn watch(
    webrtcbin: &gst::Element,
    found: impl Fn(Channel, WebRTCDataChannel) + Send + Sync + 'static,
) {
    webrtcbin.connect("on-data-channel", false, move |values| {
        let channel = values.get(1)?.get::<WebRTCDataChannel>().ok()?;
        let label = channel.label()?;
        if let Some(known) = Channel::from_label(&label) {
            found(known, channel);
        }
        None
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_known_by_their_labels() {
        for channel in Channel::ALL {
            assert_eq!(Channel::from_label(channel.label()), Some(channel));
        }
        assert_eq!(Channel::from_label("_data_track"), None);
    }

    #[test]
    fn a_publisher_opens_both() {
        gst::init().unwrap();
        let Ok(webrtcbin) = gst::ElementFactory::make("webrtcbin").build() else {
            eprintln!("SKIPPED: webrtcbin is not installed");
            return;
        };
        webrtcbin.set_state(gst::State::Ready).unwrap();
        let reliable = create(&webrtcbin, Channel::Reliable).unwrap();
        let lossy = create(&webrtcbin, Channel::Lossy).unwrap();
        assert!(reliable.is_ordered() && !lossy.is_ordered());
        assert_eq!((reliable.max_retransmits(), lossy.max_retransmits()), (-1, 0));
        webrtcbin.set_state(gst::State::Null).unwrap();
    }
}
