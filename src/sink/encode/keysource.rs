// SPDX-License-Identifier: MPL-2.0
//! Where key frames of one branch come from: its encoder, or for encoded input whoever makes it.
//!
//! Called from consumers' and branches' streaming threads. The lock covers the decision of [`KeyFrames`] only. Owns the
//! way of a request; when one is due is `keyframes`'s to say. Events and signals are sent with no lock held.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use gst::prelude::*;

use super::keyframes::KeyFrames;
use super::{BranchHost, StreamId};

/// Merges requests and passes on what is left of them.
pub(super) struct KeySource {
    requests: Mutex<KeyFrames>,
    outlet: Mutex<Outlet>,
}

/// Where requests go.
#[derive(Clone)]
pub(super) enum Outlet {
    /// Every frame is a key frame, or nothing is running.
    Nowhere,
    /// Into the branch from its end.
    Encoder(gst::glib::WeakRef<gst::Pad>),
    /// To the producer of the encoded stream.
    Producer(Arc<dyn BranchHost>, StreamId),
}

impl KeySource {
    /// Requests that go nowhere until [`KeySource::set_outlet`].
    pub(super) fn new() -> Self {
        Self {
            requests: Mutex::new(KeyFrames::new(Instant::now())),
            outlet: Mutex::new(Outlet::Nowhere),
        }
    }

    /// An encoder starts, with a key frame.
    pub(super) fn set_outlet(&self, outlet: Outlet) {
        *self.outlet.lock().unwrap_or_else(PoisonError::into_inner) = outlet;
        *self.lock() = KeyFrames::new(Instant::now());
    }

    /// A key frame is needed as soon as possible.
    pub(super) fn request(&self) {
        let tells = self.lock().request(Instant::now());
        if tells {
            self.send(None);
        }
    }

    /// A key frame is needed at that running time or the first frame after it.
    pub(super) fn request_at(&self, time: gst::ClockTime) {
        let tells = self.lock().request_at(time);
        if tells {
            self.send(Some(time));
        }
    }

    /// A frame left the branch.
    pub(super) fn on_frame(&self, time: gst::ClockTime, is_key: bool) {
        let tells = self.lock().on_frame(Instant::now(), time, is_key);
        if tells {
            self.send(None);
        }
    }

    fn send(&self, time: Option<gst::ClockTime>) {
        let outlet = self.outlet.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match outlet {
            Outlet::Nowhere => {}
            Outlet::Producer(host, stream) => host.request_upstream_key_frame(&stream, time),
            Outlet::Encoder(pad) => {
                let event = gst_video::UpstreamForceKeyUnitEvent::builder()
                    .running_time(time)
                    .all_headers(true)
                    .build();
                // An encoder that does not answer is asked again when its frames show that it did not.
                pad.upgrade().map(|pad| pad.push_event(event));
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, KeyFrames> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
