// SPDX-License-Identifier: MPL-2.0
//! The streams of a session by their m-lines: their pads, what feeds them, how they come and go.
//!
//! Part of the session's task. Owns which stream belongs to which m-line and what feeds it. The parts live elsewhere:
//! pads are made by `pads` and shown by `exposure`, the way from webrtcbin to the pad is `output`'s. A stream outlives
//! the webrtcbin that feeds it: when the connection is replaced, its pad waits for media of the next one.

use std::collections::BTreeMap;
use std::sync::Arc;

use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_video::ValidVideoTimeCode;

use super::Session;
use super::pads::{self, Pads};
use super::transport::Transport;
use crate::error;
use crate::source::exposure::{self, Label};
use crate::source::negotiate::describe;
use crate::source::negotiate::description::Description;
use crate::source::negotiate::lines::{self, Line};
use crate::source::output::stream::{Input, Stream};
use crate::source::settings::Settings;
use crate::source::{BaseWebRTCSrc, CAT, WebRTCSrcPad, signals};

/// The streams of a session.
pub(crate) struct Streams {
    src: BaseWebRTCSrc,
    session: Arc<Session>,
    pads: Pads,
    /// Streams that are received, by the index of their m-line.
    by_line: BTreeMap<usize, Stream>,
    /// Streams that were taken away but whose end has not left the pad.
    departing: Vec<Stream>,
    /// What could feed the stream of an m-line: it waits for the peer's certificate, or is drained while the m-line is
    /// switched off.
    parked: BTreeMap<usize, Input>,
    /// Whether pads were added that nobody was told the last of.
    has_news: bool,
}

impl Streams {
    /// None yet.
    pub(crate) fn new(src: &BaseWebRTCSrc, session: &Arc<Session>) -> Self {
        Self {
            src: src.clone(),
            session: session.clone(),
            pads: Pads::new(src, session),
            by_line: BTreeMap::new(),
            departing: Vec::new(),
            parked: BTreeMap::new(),
            has_news: false,
        }
    }

    /// The streams by m-line.
    pub(crate) fn by_line(&self) -> &BTreeMap<usize, Stream> {
        &self.by_line
    }

    /// Whether the application requested pads: streams for which there is none are refused then.
    pub(crate) fn is_limited(&self) -> bool {
        self.src.imp().state().has_requests()
    }

    /// Whether any stream had media.
    pub(crate) fn had_media(&self) -> bool {
        self.by_line.values().any(Stream::has_input)
    }

    /// Makes a stream, with its pad, for every m-line that is to be received and has none.
    pub(crate) fn prepare(&mut self, theirs: &Description, settings: &Settings) {
        for (index, media) in theirs.media.iter().enumerate() {
            let offered = pads::offered(media, settings);
            if self.by_line.contains_key(&index) || offered.is_empty() || !lines::sends(theirs, index) {
                continue;
            }
            let label = Label {
                msid: media.msid().map(str::to_owned),
                mid: describe::mid(theirs, index),
            };
            let stream = if self.is_limited() {
                self.pads.claim(index, &offered, &label, settings)
            } else {
                let name = self.pads.name(index, offered[0].media());
                self.leave_now(&name);
                self.pads.expose(index, &name, &offered, &label, settings)
            };
            if let Some(stream) = stream {
                self.by_line.insert(index, stream);
                self.has_news = true;
            }
        }
    }

    /// Takes in what the m-lines have become.
    pub(crate) fn follow(&mut self, lines: &[Line], theirs: &Description, transport: Option<&Transport>) {
        for (index, line) in lines.iter().enumerate() {
            let Some(selection) = line.receiving() else {
                self.depart(index);
                continue;
            };
            let Some(stream) = self.by_line.get_mut(&index) else {
                continue;
            };
            let mid = describe::mid(theirs, index);
            stream.pad.set_stream(theirs.media[index].msid(), Some(&mid));
            if stream.codec != selection.codec {
                stream.codec = selection.codec;
                connect(&self.src, &self.session, stream, transport);
            }
            if transport.is_some() {
                self.unpark(index, transport);
            }
        }
    }

    /// Tells the application that all pads of this description are there, and requested pads without a stream that
    /// none will come.
    pub(crate) fn announce(&mut self) {
        if !std::mem::take(&mut self.has_news) {
            return;
        }
        self.pads.end_unused();
        self.src.no_more_pads();
    }

    /// Media of the m-line at `index` comes by `input`. Without `transport` it waits until [`Streams::open`].
    pub(crate) fn media(&mut self, index: Option<usize>, mut input: Input, transport: Option<&Transport>) {
        match (index, transport) {
            (Some(index), Some(_)) if self.by_line.contains_key(&index) => {
                self.parked.insert(index, input);
                self.unpark(index, transport);
            }
            (Some(index), None) => drop(self.parked.insert(index, input)),
            (Some(index), Some(_)) => {
                input.drain();
                self.parked.insert(index, input);
            }
            (None, _) => input.drain(),
        }
    }

    /// The peer is who it said it is: what waits may flow.
    pub(crate) fn open(&mut self, transport: Option<&Transport>) {
        let waiting: Vec<usize> = self.parked.keys().copied().collect();
        for index in waiting {
            self.unpark(index, transport);
        }
    }

    /// A pad was linked: its stream may have to take another form.
    pub(crate) fn linked(&mut self, pad: &WebRTCSrcPad, transport: Option<&Transport>) {
        if let Some(stream) = self.by_line.values_mut().find(|stream| stream.pad == *pad) {
            connect(&self.src, &self.session, stream, transport);
        }
    }

    /// A requested pad was given back: its stream is drained until the next description refuses it.
    pub(crate) fn released(&mut self, pad: &WebRTCSrcPad) {
        let index = self
            .by_line
            .iter()
            .find(|(_, stream)| stream.pad == *pad)
            .map(|(index, _)| *index);
        if let Some((index, mut stream)) = index.and_then(|index| self.by_line.remove_entry(&index)) {
            self.parked.extend(stream.retire().map(|input| (index, input)));
        }
    }

    /// End of stream has left the pad.
    pub(crate) fn ended(&mut self, name: &str) {
        if let Some(index) = self.departing.iter().position(|stream| stream.pad.name() == name) {
            let mut stream = self.departing.swap_remove(index);
            stream.disconnect();
            exposure::withdraw(&self.src, &stream.pad);
        }
    }

    /// An element inside failed: gives the name of its stream, which is drained from now on.
    pub(crate) fn failed(&mut self, origin: &gst::Object) -> Option<String> {
        let stream = self.by_line.values_mut().find(|stream| stream.contains(origin))?;
        stream.drain();
        Some(stream.pad.name().into())
    }

    /// The m-line's name of the stream at the pad called `name`.
    pub(crate) fn mid(&self, name: &str) -> Option<String> {
        self.by_line
            .values()
            .find(|stream| stream.pad.name() == name)?
            .pad
            .mid()
    }

    /// Attaches a time code to the next buffer of the stream called `mid`.
    pub(crate) fn attach(&self, mid: &str, time_code: ValidVideoTimeCode) {
        if let Some(stream) = self
            .by_line
            .values()
            .find(|stream| stream.pad.mid().as_deref() == Some(mid))
        {
            stream.outlet.attach(time_code);
        }
    }

    /// Asks for a key frame of every stream.
    pub(crate) fn request_key_frames(&self) {
        self.by_line.values().for_each(Stream::request_key_frame);
    }

    /// The connection is gone; pads stay for the next.
    pub(crate) fn disconnect(&mut self) {
        self.parked.clear();
        self.by_line.values_mut().for_each(Stream::disconnect);
    }

    /// Ends every stream; their pads report when it is done.
    pub(crate) fn end_all(&mut self) -> Vec<String> {
        for stream in self.by_line.values_mut() {
            stream.end();
        }
        self.by_line
            .values()
            .map(|stream| stream.pad.name().into())
            .collect()
    }

    /// Lets go of all streams; what they held is the caller's to drop.
    pub(crate) fn take(&mut self) -> Vec<Stream> {
        self.parked.clear();
        let streams = std::mem::take(&mut self.by_line).into_values();
        streams.chain(self.departing.drain(..)).collect()
    }

    /// Takes a stream away: its pad gets end of stream and is removed when that has passed.
    fn depart(&mut self, index: usize) {
        if let Some(mut stream) = self.by_line.remove(&index) {
            gst::debug!(CAT, obj = &stream.pad, "m-line {index} does not send any more");
            if let Some(input) = stream.end() {
                self.parked.insert(index, input);
            }
            self.departing.push(stream);
        }
    }

    /// Feeds the stream of an m-line by what was parked for it.
    fn unpark(&mut self, index: usize, transport: Option<&Transport>) {
        let Some(stream) = self.by_line.get_mut(&index) else {
            return;
        };
        if let Some(input) = self.parked.remove(&index) {
            stream.set_input(input);
            connect(&self.src, &self.session, stream, transport);
        }
    }

    /// The m-line is taken into use again: what departs from it does so at once.
    fn leave_now(&mut self, name: &str) {
        let is_same = |stream: &mut Stream| stream.pad.name() == name;
        for mut stream in self.departing.extract_if(.., is_same) {
            stream.disconnect();
            exposure::withdraw(&self.src, &stream.pad);
        }
    }
}

/// Lets a stream flow as its downstream wants it; what cannot be is said on the bus, and the stream drained.
fn connect(src: &BaseWebRTCSrc, session: &Session, stream: &mut Stream, transport: Option<&Transport>) {
    let Some(transport) = transport else { return };
    let filter = |stream: &Stream| {
        let producer = producer_id(src).or_else(|| stream.pad.msid());
        let pad = stream.pad.upcast_ref();
        signals::emit_request_encoded_filter(
            src,
            producer.as_deref(),
            pad,
            stream.pad.allowed_caps().as_ref(),
        )
    };
    if let Err(error) = stream.connect(&transport.bin, filter) {
        stream.drain();
        gst::warning!(CAT, obj = &stream.pad, "session {}: {error}", session.id);
        error::post_warning(src, &format!("stream {} is dropped: {error}", stream.pad.name()));
    }
}

/// The producer's id as the signaller has it, where it has one as text.
fn producer_id(src: &BaseWebRTCSrc) -> Option<String> {
    let signaller = src.imp().signaller()?;
    let property = signaller.find_property("producer-peer-id")?;
    (property.value_type() == String::static_type()).then(|| signaller.property("producer-peer-id"))?
}
