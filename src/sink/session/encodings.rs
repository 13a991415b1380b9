// SPDX-License-Identifier: MPL-2.0
//! One stream's places at encoders in one session: one place, or one for each of its layers.
//!
//! Owns how what the consumer may be sent of the stream is spread over them, and which of them flow: a layer that does
//! not fit, or that nobody receives, is not sent, and its encoder rests. The spreading itself is the crate `congestion`'s
//! (`layers`). Called from the controller's thread, the signaller's and the session's task; whoever comes while another
//! one acts leaves the acting to it, so that the last decision is the last one carried out.

use std::sync::{Mutex, MutexGuard, PoisonError};

use congestion::layers::{LayerRates, Layers};
use congestion::units::Bitrate;

use crate::sink::encode::{Attachment, PictureSize};

/// Where an encoder's samples are to go.
pub(super) struct Feed {
    /// The layer, if it is one of several.
    pub(super) rid: Option<&'static str>,
    /// Of what size.
    pub(super) size: PictureSize,
    /// Not started yet.
    pub(super) appsrc: gst_app::AppSrc,
}

/// A place at an encoder; given back when dropped.
pub(in crate::sink) struct Encoding {
    rid: Option<&'static str>,
    size: PictureSize,
    attachment: Attachment,
}

impl Encoding {
    pub(super) const fn new(rid: Option<&'static str>, size: PictureSize, attachment: Attachment) -> Self {
        Self {
            rid,
            size,
            attachment,
        }
    }

    /// The layer, if it is one of several.
    pub(in crate::sink) const fn rid(&self) -> Option<&'static str> {
        self.rid
    }

    pub(in crate::sink) const fn attachment(&self) -> &Attachment {
        &self.attachment
    }

    /// What its pictures are worth; for a stream that comes in one size that is never asked.
    fn rates(&self) -> LayerRates {
        let divisor = u64::from(self.size.divisor());
        let (width, height) = self.attachment.input_size().unwrap_or_default();
        LayerRates::of_pixels(u64::from(width) / divisor * (u64::from(height) / divisor))
    }

    /// Whether it flows, and how much of it.
    fn apply(&self, rate: Option<Bitrate>, is_flowing: bool) {
        if let Some(rate) = rate {
            self.attachment.set_target(rate);
        }
        self.attachment.set_needed(rate.is_some());
        self.attachment.set_flowing(is_flowing && rate.is_some());
    }
}

/// See the module's documentation.
pub(in crate::sink) struct Encodings {
    /// Smallest first.
    encodings: Vec<Encoding>,
    state: Mutex<State>,
}

struct State {
    layers: Layers,
    /// What the consumer may be sent of the stream.
    target: Bitrate,
    /// Layers somebody receives; `None` while nothing is known, and all are sent.
    wanted: Option<Vec<String>>,
    is_flowing: bool,
    /// Whether something changed that is not carried out.
    is_outdated: bool,
    /// Whether some thread carries out changes.
    is_acting: bool,
}

impl Encodings {
    /// Nothing flows yet, and nothing is known of what may.
    pub(super) fn new(encodings: Vec<Encoding>) -> Self {
        let state = State {
            layers: Layers::default(),
            target: Bitrate::ZERO,
            wanted: None,
            is_flowing: false,
            is_outdated: false,
            is_acting: false,
        };
        Self {
            encodings,
            state: Mutex::new(state),
        }
    }

    pub(in crate::sink) fn iter(&self) -> impl Iterator<Item = &Encoding> {
        self.encodings.iter()
    }

    /// Lets media pass, beginning with a key frame.
    pub(super) fn start(&self) {
        self.change(|state| state.is_flowing = true);
    }

    /// What the consumer may be sent of the stream.
    pub(super) fn set_target(&self, target: Bitrate) {
        self.change(|state| state.target = target);
    }

    /// Which layers somebody receives, by rid. A stream in one size is always sent.
    pub(super) fn set_wanted(&self, rids: Vec<String>) {
        self.change(|state| state.wanted = Some(rids));
    }

    /// The input comes in another size, and with it what each layer is worth.
    pub(super) fn reshaped(&self) {
        self.change(|_| ());
    }

    /// Changes the state and carries out what follows, unless another thread does.
    fn change(&self, change: impl FnOnce(&mut State)) {
        {
            let mut state = self.state();
            change(&mut state);
            state.is_outdated = true;
            if std::mem::replace(&mut state.is_acting, true) {
                return;
            }
        }
        loop {
            let rates = self.encodings.iter().map(Encoding::rates).collect::<Vec<_>>();
            let Some((plan, is_flowing)) = self.state().next_plan(&self.encodings, &rates) else {
                return;
            };
            for (encoding, rate) in self.encodings.iter().zip(plan) {
                encoding.apply(rate, is_flowing);
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// What is to be carried out next; nothing ends the acting.
    fn next_plan(
        &mut self,
        encodings: &[Encoding],
        rates: &[LayerRates],
    ) -> Option<(Vec<Option<Bitrate>>, bool)> {
        self.is_acting = std::mem::take(&mut self.is_outdated);
        if !self.is_acting {
            return None;
        }
        let wanted = encodings
            .iter()
            .zip(rates)
            .map(|(encoding, rates)| self.is_wanted(encoding.rid).then_some(*rates));
        let wanted: Vec<_> = wanted.collect();
        Some((self.layers.spread(self.target, &wanted), self.is_flowing))
    }

    fn is_wanted(&self, rid: Option<&str>) -> bool {
        match (rid, &self.wanted) {
            (Some(rid), Some(wanted)) => wanted.iter().any(|it| it == rid),
            _ => true,
        }
    }
}
