// SPDX-License-Identifier: MPL-2.0
//! The codecs a stream can leave as, in the order they are offered.
//!
//! Finding out runs encoders, so it is done when a stream's caps are known and not when somebody wants to watch.

use crate::codec::proposals::{Proposal, proposals};
use crate::codec::{Codec, MediaKind, caps::is_raw, catalogue};
use crate::sink::BaseWebRTCSink;
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

/// Starts finding out what a stream can leave as, so that the first consumer does not wait for it.
pub(in crate::sink) fn look_ahead(_sink: &BaseWebRTCSink, _stream: &InputStream) {}

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
    let mut failures = Vec::new();
    let mut found = Vec::new();
    for proposal in candidates(settings, &caps) {
        match known(proposal.codec) {
            Ok(rtp_caps) => found.push(Payload { proposal, rtp_caps }),
            Err(error) => failures.push(error.to_string()),
        }
    }
    if found.is_empty() {
        let tried = if failures.is_empty() {
            "no codec of that kind is allowed".to_owned()
        } else {
            failures.join("; ")
        };
        return Err(format!(
            "stream {} with {caps} can leave as nothing: {tried}",
            stream.id()
        ));
    }
    Ok(found)
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

fn known(codec: Codec) -> Result<gst::Caps, String> {
    let caps = gst::Caps::builder("application/x-rtp")
        .field("media", codec.media().as_str())
        .field("encoding-name", codec.encoding_name())
        .field("clock-rate", codec.clock_rate().unwrap_or(48_000) as i32);
    Ok(match codec {
        Codec::Opus => caps.field("encoding-params", "2").build(),
        Codec::MultiOpus => return Err("no".into()),
        Codec::H264 => caps
            .field("packetization-mode", "1")
            .field("profile-level-id", "42c01f")
            .build(),
        _ => caps.build(),
    })
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
    fn audio_is_not_offered_video_codecs() {
        assert_eq!(
            codecs("audio/x-raw, rate=48000, channels=2", "video/x-vp8"),
            [Codec::Opus, Codec::MultiOpus]
        );
    }
}
