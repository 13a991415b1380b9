// SPDX-License-Identifier: MPL-2.0
//! The codecs a stream can leave as, in the order they are offered.
//!
//! Finding out runs encoders, so it is done when a stream's caps are known and not when somebody wants to watch. Owns
//! which codecs are tried and their order; trying is `discovery`'s, which remembers what it found. Blocks, so it runs
//! on the runtime's blocking threads, with one thread more for each codec while they are asked.

use std::sync::Arc;

use gst::prelude::*;
use gst::subclass::prelude::*;

use crate::codec::proposals::{Proposal, proposals, wanted};
use crate::codec::{Catalogue, Codec, MediaKind, caps::is_raw, catalogue};
use crate::error;
use crate::gst_ext::make;
use crate::runtime;
use crate::sink::BaseWebRTCSink;
use crate::sink::discovery::{DiscoveryError, DiscoveryRequest};
use crate::sink::encode::BranchError;
use crate::sink::input::InputStream;
use crate::sink::settings::Settings;

/// A codec a stream can leave as, with the RTP caps it leaves in.
#[derive(Debug, Clone)]
pub(in crate::sink) struct Payload {
    /// Codec and number.
    pub(in crate::sink) proposal: Proposal,
    /// As a payloader makes them.
    pub(in crate::sink) rtp_caps: gst::Caps,
}

/// Starts finding out what a stream can leave as, so that the first consumer does not wait for it. Encoded input
/// shows that when its first key frame is there. When nothing that the user asks for is installed, no consumer can ever
/// be served, which is an error of the element; when nothing works now it is warned of, for an encoder that is taken by
/// somebody else may be free for the first consumer.
pub(in crate::sink) fn look_ahead(sink: &BaseWebRTCSink, stream: &Arc<InputStream>) {
    let Some(caps) = stream.caps() else { return };
    let (stream, settings) = (stream.clone(), sink.imp().settings().clone());
    if let Some(lacking) = lacking(catalogue(), &settings, &caps) {
        let text = format!(
            "stream {} cannot leave as what is asked for: {lacking}",
            stream.id()
        );
        return error::post_codec_not_found(sink, &text);
    }
    let may_leave = !candidates(&settings, &caps).is_empty();
    if !is_raw(&caps) && may_leave {
        return;
    }
    let weak = sink.downgrade();
    let work = runtime::spawn_blocking(move || {
        let Some(sink) = weak.upgrade() else { return };
        if let Err(nothing) = find(&sink, &settings, &stream) {
            error::post_warning(&sink, &nothing);
        }
    });
    // A panic was reported by the thread it happened on.
    let task = runtime::spawn(async { drop(work.await) });
    sink.imp().state().add_look_ahead(task);
}

/// What a stream with these caps can leave as. Blocks until everything is found out, which it mostly is by then.
///
/// # Errors
/// When there is nothing, a text that says what was tried.
pub(in crate::sink) fn find(
    sink: &BaseWebRTCSink,
    settings: &Settings,
    stream: &InputStream,
) -> Result<Vec<Payload>, String> {
    let Some(caps) = stream.caps() else {
        return Ok(Vec::new());
    };
    let (discovery, pool) = {
        let state = sink.imp().state();
        (state.discovery.clone(), state.pool.clone())
    };
    let (Some(discovery), Some(pool)) = (discovery, pool) else {
        return Err("the element is stopping".to_owned());
    };
    let candidates = candidates(settings, &caps);
    let needs_data = !is_raw(&caps) && candidates.iter().any(|it| it.codec.parser().is_some());
    let key_frame = if needs_data {
        pool.key_frame(stream.id())
    } else {
        None
    };
    let ask = |proposal: Proposal| {
        let request = DiscoveryRequest {
            stream: stream.id().clone(),
            input: caps.clone(),
            codec: proposal.codec,
            encoder_caps: gst::Caps::new_any(),
            key_frame: key_frame.clone(),
        };
        discovery
            .discover(&request)
            .map(|rtp_caps| Payload { proposal, rtp_caps })
    };
    let (found, failures) = ask_all(candidates, ask);
    if found.is_empty() {
        let tried = match lacking(catalogue(), settings, &caps) {
            Some(lacking) => lacking,
            None if failures.is_empty() => "no codec of that kind is allowed".to_owned(),
            None => failures.join("; "),
        };
        return Err(format!(
            "stream {} with {caps} can leave as nothing: {tried}",
            stream.id()
        ));
    }
    Ok(found)
}

/// Asks for every candidate at once, and keeps their order.
fn ask_all(
    candidates: Vec<Proposal>,
    ask: impl Fn(Proposal) -> Result<Payload, DiscoveryError> + Sync,
) -> (Vec<Payload>, Vec<String>) {
    let ask = &ask;
    let answers: Vec<_> = std::thread::scope(|scope| {
        let asked: Vec<_> = candidates
            .into_iter()
            .map(|proposal| scope.spawn(move || ask(proposal)))
            .collect();
        asked.into_iter().filter_map(|asked| asked.join().ok()).collect()
    });
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for answer in answers {
        match answer {
            Ok(payload) => found.push(payload),
            Err(error) => failures.push(error.to_string()),
        }
    }
    (found, failures)
}

/// The codecs worth trying for a stream: all of its kind for raw input, its own for encoded input.
fn candidates(settings: &Settings, caps: &gst::Caps) -> Vec<Proposal> {
    let all = proposals(catalogue(), &settings.video_caps, &settings.audio_caps);
    let kind = MediaKind::of_caps(caps);
    let is_candidate = |codec: Codec| {
        if is_raw(caps) {
            catalogue().can_encode(codec)
        } else {
            Codec::of_encoded_caps(caps) == Some(codec)
        }
    };
    all.into_iter()
        .filter(|it| Some(it.codec.media()) == kind && is_candidate(it.codec))
        .collect()
}

/// What has to be installed for a stream to leave as any of the codecs the user allows; nothing when one can be used,
/// or none is allowed at all.
fn lacking(catalogue: &Catalogue, settings: &Settings, caps: &gst::Caps) -> Option<String> {
    let allowed = match MediaKind::of_caps(caps)? {
        MediaKind::Video => &settings.video_caps,
        MediaKind::Audio => &settings.audio_caps,
    };
    let encoded = Codec::of_encoded_caps(caps);
    let wanted: Vec<Codec> = wanted(allowed)
        .into_iter()
        .filter(|codec| is_raw(caps) || encoded == Some(*codec))
        .collect();
    let is_usable = |codec: &Codec| match is_raw(caps) {
        true => catalogue.can_encode(*codec),
        false => catalogue.can_pay(*codec),
    };
    if wanted.is_empty() || wanted.iter().any(is_usable) {
        return None;
    }
    let reason = |codec: Codec| match catalogue.can_pay(codec) {
        true => BranchError::NoEncoder(codec).to_string(),
        false => {
            let usual = format!("rtp{}pay", codec.encoding_name().to_lowercase());
            make::missing(&usual, &format!("to send {codec}")).to_string()
        }
    };
    Some(wanted.into_iter().map(reason).collect::<Vec<_>>().join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::str::FromStr;

    fn codecs(input: &str, video: &str) -> Vec<Codec> {
        gst::init().unwrap();
        let settings = Settings {
            video_caps: gst::Caps::from_str(video).unwrap(),
            ..Settings::default()
        };
        candidates(&settings, &gst::Caps::from_str(input).unwrap())
            .into_iter()
            .map(|it| it.codec)
            .collect()
    }

    #[test]
    fn raw_video_may_leave_as_every_codec_that_is_allowed() {
        assert_eq!(
            codecs("video/x-raw, format=I420", "video/x-vp9; video/x-vp8"),
            [Codec::Vp9, Codec::Vp8]
        );
    }

    #[test]
    fn encoded_video_leaves_as_it_is_or_not_at_all() {
        assert_eq!(codecs("video/x-vp8", "video/x-vp9; video/x-vp8"), [Codec::Vp8]);
        assert_eq!(codecs("video/x-vp8", "video/x-h264"), []);
    }

    #[test]
    fn what_has_to_be_installed_is_named() {
        gst::init().unwrap();
        let settings = |video: &str| Settings {
            video_caps: gst::Caps::from_str(video).unwrap(),
            ..Settings::default()
        };
        let nothing = Catalogue::default();
        let raw = gst::Caps::from_str("video/x-raw, format=I420").unwrap();
        let av1 = gst::Caps::from_str("video/x-av1").unwrap();
        for input in [&raw, &av1] {
            let text = lacking(&nothing, &settings("video/x-av1"), input).unwrap();
            assert!(
                text.contains("no element rtpav1pay, needed to send AV1"),
                "{text}"
            );
        }
        assert_eq!(
            lacking(&nothing, &settings("video/x-vp8"), &av1),
            None,
            "it is not asked for"
        );
        assert_eq!(lacking(&nothing, &settings("EMPTY"), &raw), None);
        assert_eq!(
            lacking(catalogue(), &settings("video/x-av1; video/x-vp8"), &raw),
            None
        );
    }

    #[test]
    fn audio_is_not_offered_video_codecs() {
        assert_eq!(
            codecs("audio/x-raw, rate=48000, channels=2", "video/x-vp8"),
            [Codec::Opus, Codec::MultiOpus]
        );
    }
}
