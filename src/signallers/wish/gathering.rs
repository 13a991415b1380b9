// SPDX-License-Identifier: MPL-2.0
//! Waiting for the end of gathering at a webrtcbin, which is what a description without trickle waits for.
//!
//! The element's own candidates come through its queue, and the end of gathering may overtake them; so the candidates are read
//! from the description at that moment. Notifications come on webrtcbin's thread.

use gst::prelude::*;
use gst_webrtc::{WebRTCICEGatheringState, WebRTCSessionDescription};

use super::edit::{self, LocalCandidate};

/// Calls `done` with all candidates whenever gathering has ended.
pub(super) fn watch(webrtcbin: &gst::Element, done: impl Fn(Vec<LocalCandidate>) + Send + Sync + 'static) {
    webrtcbin.connect_notify(Some("ice-gathering-state"), move |webrtcbin, _| {
        let state: WebRTCICEGatheringState = webrtcbin.property("ice-gathering-state");
        if state == WebRTCICEGatheringState::Complete {
            let local: Option<WebRTCSessionDescription> = webrtcbin.property("local-description");
            let text = local
                .and_then(|local| local.sdp().as_text().ok())
                .unwrap_or_default();
            done(edit::candidates(&text));
        }
    });
}
