// SPDX-License-Identifier: MPL-2.0
//! Makes the pads of a session's streams: names, stream ids, requested pads found for what the producer sends.
//!
//! Part of the session's task. Owns which pad a stream gets, and asks downstream which codecs it can use; adding and
//! removing pads is `exposure`'s. Queries go through elements of the application, so they are made on the session's
//! thread with no lock held.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use gst::prelude::*;
use gst::subclass::prelude::*;
use sha2::{Digest, Sha256};

use super::{Op, Session};
use crate::codec::{Codec, MediaKind};
use crate::source::exposure::{self, Label};
use crate::source::negotiate::description::Media;
use crate::source::negotiate::propose::Wish;
use crate::source::output::branch;
use crate::source::output::form::{self, Form};
use crate::source::output::outlet::{Identity, Outlet};
use crate::source::output::stream::Stream;
use crate::source::settings::Settings;
use crate::source::{BaseWebRTCSrc, WebRTCSrcPad};

/// Makes pads for one session.
pub(crate) struct Pads {
    src: BaseWebRTCSrc,
    session: Arc<Session>,
    /// Shared by all streams of the session: they belong together in playback.
    group_id: gst::GroupId,
    /// Of stream ids; the same for a producer that keeps its id.
    prefix: String,
    /// Kinds and numbers in pad names, fixed for an m-line once it has one.
    numbers: BTreeMap<usize, (MediaKind, u32)>,
}

impl Pads {
    /// For the streams of `session`.
    pub(crate) fn new(src: &BaseWebRTCSrc, session: &Arc<Session>) -> Self {
        Self {
            src: src.clone(),
            session: session.clone(),
            group_id: gst::GroupId::next(),
            prefix: prefix(src, session),
            numbers: BTreeMap::new(),
        }
    }

    /// Name of the pad for the m-line at `index`: numbered by kind in the order of first appearance, and kept.
    pub(crate) fn name(&mut self, index: usize, kind: MediaKind) -> String {
        let known = self
            .numbers
            .get(&index)
            .filter(|(known, _)| *known == kind)
            .map(|(_, number)| *number);
        let number = known.unwrap_or_else(|| {
            let of_kind = self.numbers.values().filter(|(other, _)| *other == kind);
            of_kind.map(|(_, number)| number + 1).max().unwrap_or_default()
        });
        self.numbers.insert(index, (kind, number));
        format!("{kind}_{number}")
    }

    /// A stream with a sometimes pad of its own.
    pub(crate) fn expose(
        &self,
        index: usize,
        name: &str,
        offered: &[Codec],
        label: &Label,
        settings: &Settings,
    ) -> Option<Stream> {
        let codec = *offered.first()?;
        let (outlet, leaked) = self.outlet(name, index, offered, settings);
        let pad = exposure::expose(&self.src, name, codec.media(), &outlet, label)?;
        Some(Stream::new(pad, outlet, leaked, codec))
    }

    /// A stream for the first free requested pad of its kind whose downstream takes one of the `offered` codecs.
    pub(crate) fn claim(
        &self,
        index: usize,
        offered: &[Codec],
        label: &Label,
        settings: &Settings,
    ) -> Option<Stream> {
        let kind = offered.first()?.media();
        let pads = self.src.imp().state().pads();
        for exposed in pads
            .iter()
            .filter(|exposed| exposed.is_requested && exposed.kind == kind)
        {
            let has_ended = exposed.outlet.as_ref().is_some_and(Outlet::has_ended);
            let is_free = exposed.outlet.is_none() || has_ended;
            let Some(codec) = usable(&exposed.pad, kind, offered)
                .first()
                .copied()
                .filter(|_| is_free)
            else {
                continue;
            };
            if has_ended {
                exposure::withdraw(&self.src, &exposed.pad);
            }
            let (outlet, leaked) = self.outlet(&exposed.pad.name(), index, offered, settings);
            if exposure::occupy(&self.src, &exposed.pad, &outlet, label) {
                return Some(Stream::new(exposed.pad.clone(), outlet, leaked, codec));
            }
        }
        None
    }

    /// Ends the requested pads for which there is no stream, so that whatever is behind them need not wait.
    pub(crate) fn end_unused(&self) {
        let pads = self.src.imp().state().pads();
        for exposed in pads
            .iter()
            .filter(|exposed| exposed.is_requested && exposed.outlet.is_none())
        {
            let (outlet, _) = self.outlet(&exposed.pad.name(), usize::MAX, &[], &Settings::default());
            let label = Label {
                msid: None,
                mid: String::new(),
            };
            if exposure::occupy(&self.src, &exposed.pad, &outlet, &label) {
                exposed.pad.set_stream(None, None);
                outlet.end();
            }
        }
    }

    /// The elements behind a pad, reporting to the session by its queue, and the flag they raise when packets leaked.
    fn outlet(
        &self,
        name: &str,
        index: usize,
        offered: &[Codec],
        settings: &Settings,
    ) -> (Outlet, Arc<AtomicBool>) {
        let leaked = Arc::new(AtomicBool::new(false));
        let kind = offered.first().map(|codec| codec.media());
        let (queue, pad_name) = (self.session.queue.clone(), name.to_owned());
        let identity = Identity {
            stream_id: format!("{}:{index}", self.prefix),
            group_id: self.group_id,
            latency: settings.latency(),
            needs_key_frames: kind == Some(MediaKind::Video),
            leaked: leaked.clone(),
            possible_caps: kind.map_or_else(gst::Caps::new_any, |kind| form::possible(kind, offered)),
            listener: Box::new(move |notice| {
                // Nobody listens any more when the session is gone.
                let _ = queue.send(Op::Outlet(pad_name.clone(), notice));
            }),
        };
        (Outlet::new(&format!("{name}_outlet"), identity), leaked)
    }
}

/// What to ask for when this side offers: each linked requested pad, or one stream of each kind.
pub(crate) fn wishes(src: &BaseWebRTCSrc, settings: &Settings) -> Vec<Wish> {
    let pads = src.imp().state().pads();
    if !pads.iter().any(|exposed| exposed.is_requested) {
        let wish = |kind| Wish {
            kind,
            codecs: settings.codecs(kind).to_vec(),
        };
        return vec![wish(MediaKind::Video), wish(MediaKind::Audio)];
    }
    let linked = pads
        .iter()
        .filter(|exposed| exposed.is_requested && exposed.pad.is_linked());
    linked
        .map(|exposed| Wish {
            kind: exposed.kind,
            codecs: usable(&exposed.pad, exposed.kind, settings.codecs(exposed.kind)),
        })
        .collect()
}

/// Codecs of `accepted` for a stream, in groups of falling suitability: what downstream takes and can be decoded, what
/// it takes, all.
pub(crate) fn tiers(stream: Option<&Stream>, accepted: &[Codec]) -> Vec<Vec<Codec>> {
    let decodable = |codecs: &[Codec]| {
        let can_decode = |codec: &Codec| branch::is_possible(*codec, Form::Raw);
        codecs.iter().copied().filter(can_decode).collect::<Vec<_>>()
    };
    let Some(stream) = stream.filter(|stream| stream.pad.is_linked()) else {
        return vec![decodable(accepted), accepted.to_vec()];
    };
    let usable = usable(&stream.pad, stream.kind, accepted);
    vec![decodable(&usable), usable, accepted.to_vec()]
}

/// The codecs an m-line lists that are accepted, in its order.
pub(crate) fn offered(media: &Media, settings: &Settings) -> Vec<Codec> {
    if media.is_rejected() {
        return Vec::new();
    }
    let mut codecs = Vec::new();
    for format in media.rtp_formats() {
        let codec = Codec::from_encoding_name(&format.encoding).filter(|codec| {
            codec.media().as_str() == media.kind && settings.codecs(codec.media()).contains(codec)
        });
        codecs.extend(codec.filter(|codec| !codecs.contains(codec)));
    }
    codecs
}

/// Those of `codecs` that what is behind the pad can use; none while nothing is linked.
fn usable(pad: &WebRTCSrcPad, kind: MediaKind, codecs: &[Codec]) -> Vec<Codec> {
    if !pad.is_linked() {
        return Vec::new();
    }
    let downstream = pad.peer_query_caps(Some(&form::possible(kind, codecs)));
    form::fitting(&downstream, codecs, branch::is_possible)
}

/// What the ids of a producer's streams begin with: a digest of where it was found and what it is called there.
fn prefix(src: &BaseWebRTCSrc, session: &Session) -> String {
    let signaller = src.imp().signaller();
    let uri = signaller
        .filter(|signaller| {
            signaller
                .find_property("uri")
                .is_some_and(|uri| uri.value_type() == String::static_type())
        })
        .and_then(|signaller| signaller.property::<Option<String>>("uri"));
    let mut digest = Sha256::new();
    digest.update(uri.unwrap_or_default());
    digest.update([0]);
    digest.update(&session.peer);
    digest
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
