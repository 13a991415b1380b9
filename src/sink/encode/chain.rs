// SPDX-License-Identifier: MPL-2.0
//! The elements between raw or encoded input and what a payloader takes.
//!
//! ```text
//! raw video:  appsrc ! videorate ! convert, scale ! capsfilter ! encoder ! parser ! capsfilter
//! raw audio:  appsrc ! audioresample ! audioconvert ! capsfilter ! encoder ! capsfilter
//! encoded:    appsrc ! parser ! capsfilter
//! ```
//! Branches and discovery build the same chain, so that discovery tries what will run.

use gst::prelude::*;

use super::PictureSize;
use super::colours::Colours;
use super::convert::{self, Memory};
use crate::codec::{self, Codec, EncoderControl, MediaKind};
use crate::gst_ext::make::{self, MissingElement};

/// What to build.
#[derive(Clone, Copy, Debug)]
pub(in crate::sink) struct ChainSpec<'a> {
    /// What comes in.
    pub(in crate::sink) input: &'a gst::Caps,
    /// What leaves.
    pub(in crate::sink) codec: Codec,
    /// What encodes; `None` for encoded input and for raw payloads.
    pub(in crate::sink) encoder: Option<&'a gst::ElementFactory>,
    /// The encoder's share of what was negotiated; ANY when nothing is imposed.
    pub(in crate::sink) encoder_caps: &'a gst::Caps,
    /// Of what size.
    pub(in crate::sink) size: PictureSize,
}

/// The elements, in a pipeline and linked.
#[derive(Debug)]
pub(in crate::sink) struct Chain {
    /// Where input goes.
    pub(in crate::sink) appsrc: gst_app::AppSrc,
    /// The last element; its source pad gives what a payloader takes.
    pub(in crate::sink) last: gst::Element,
    /// The encoder.
    pub(in crate::sink) encoder: Option<EncoderControl>,
    /// The capsfilter before the encoder.
    pub(in crate::sink) raw_filter: Option<gst::Element>,
}

/// Why a chain cannot be built.
#[derive(Clone, Debug, thiserror::Error)]
pub(in crate::sink) enum ChainError {
    /// An element is not installed.
    #[error(transparent)]
    Missing(#[from] MissingElement),
    /// Elements refuse each other.
    #[error("{from} and {to} do not fit together")]
    Unlinkable {
        /// Upstream.
        from: String,
        /// Downstream.
        to: String,
    },
    /// The input has not the channels that the codec is for.
    #[error("{codec} is for more channels than {input} has")]
    TooFewChannels {
        /// What was wanted.
        codec: Codec,
        /// From what.
        input: gst::Caps,
    },
}

impl Chain {
    /// Builds the chain in `pipeline` and links it; nothing changes state.
    pub(in crate::sink) fn build(spec: &ChainSpec<'_>, pipeline: &gst::Pipeline) -> Result<Self, ChainError> {
        check_channels(spec)?;
        let appsrc = make_appsrc(spec.input, codec::caps::is_raw(spec.input))?;
        let mut elements = vec![appsrc.clone().upcast::<gst::Element>()];
        let mut encoder = None;
        let mut raw_filter = None;
        if codec::caps::is_raw(spec.input) {
            elements.extend(converter(spec)?);
            encoder = spec
                .encoder
                .map(|factory| make_encoder(factory, spec.codec))
                .transpose()?;
            let caps = filter_before(spec.codec, spec.input, encoder.as_ref(), spec.size);
            let filter = capsfilter("raw_capsfilter", &caps)?;
            filter.set_property_from_str("caps-change-mode", "delayed");
            elements.push(filter.clone());
            raw_filter = Some(filter);
            elements.extend(encoder.as_ref().map(|control| control.encoder().clone()));
        }
        elements.extend(parser(spec)?);
        let imposed = codec::caps::after_parser(spec.codec, encoder.is_some(), spec.encoder_caps);
        let last = capsfilter("codec_capsfilter", &imposed)?;
        elements.push(last.clone());
        link(pipeline, &elements)?;
        Ok(Self {
            appsrc,
            last,
            encoder,
            raw_filter,
        })
    }
}

/// One or two channels are plain Opus's, which every receiver knows.
fn check_channels(spec: &ChainSpec<'_>) -> Result<(), ChainError> {
    let channels = spec
        .input
        .structure(0)
        .and_then(|s| s.get::<i32>("channels").ok());
    let is_too_few = spec.codec == Codec::MultiOpus && channels.is_some_and(|channels| channels <= 2);
    if is_too_few && codec::caps::is_raw(spec.input) {
        return Err(ChainError::TooFewChannels {
            codec: spec.codec,
            input: spec.input.clone(),
        });
    }
    Ok(())
}

/// Raw input that an encoder is too slow for is dropped soon, because it does not depend on what came before;
/// encoded input as late as bearable.
fn make_appsrc(caps: &gst::Caps, is_raw: bool) -> Result<gst_app::AppSrc, MissingElement> {
    let appsrc = make::element("appsrc", None, "to feed an encoder")?
        .downcast::<gst_app::AppSrc>()
        .map_err(|_| make::missing("appsrc", "to feed an encoder"))?;
    appsrc.set_caps(Some(caps));
    appsrc.set_is_live(true);
    appsrc.set_format(gst::Format::Time);
    appsrc.set_leaky_type(gst_app::AppLeakyType::Downstream);
    appsrc.set_max_time(if is_raw { MAX_RAW_QUEUE } else { MAX_ENCODED_QUEUE });
    appsrc.set_max_bytes(0);
    appsrc.set_max_buffers(0);
    Ok(appsrc)
}

fn converter(spec: &ChainSpec<'_>) -> Result<Vec<gst::Element>, MissingElement> {
    let purpose = "to convert raw input";
    if spec.codec.media() == MediaKind::Audio {
        return convert::AUDIO_CONVERTER
            .iter()
            .map(|name| make::element(name, None, purpose))
            .collect();
    }
    let mut elements = Vec::new();
    if convert::has_framerate(spec.input) {
        let rate = make::element("videorate", None, "to lower the frame rate")?;
        rate.set_property("drop-only", true);
        rate.set_property("skip-to-first", true);
        elements.push(rate);
    }
    for name in video_converter(spec.input, spec.encoder) {
        let element = make::element(name, None, purpose)?;
        if *name == "nvvideoconvert" {
            element.set_property_from_str("compute-hw", "Default");
            element.set_property_from_str("nvbuf-memory-type", "nvbuf-mem-default");
        }
        elements.push(element);
    }
    Ok(elements)
}

fn video_converter(input: &gst::CapsRef, encoder: Option<&gst::ElementFactory>) -> &'static [&'static str] {
    let encoder = encoder.map(|factory| factory.name());
    let is_installed = |name: &str| gst::ElementFactory::find(name).is_some();
    convert::video_converter(Memory::of_caps(input), encoder.as_deref(), is_installed)
}

/// What stands in the capsfilter before an encoder, before size and rate are lowered for a bitrate.
pub(super) fn filter_before(
    codec: Codec,
    input: &gst::CapsRef,
    encoder: Option<&EncoderControl>,
    size: PictureSize,
) -> gst::Caps {
    let formats = encoder.and_then(EncoderControl::formats);
    let factory = encoder.and_then(|control| control.encoder().factory());
    let name = factory.as_ref().map(|factory| factory.name());
    let colours = Colours::of(video_converter(input, factory.as_ref()), name.as_deref());
    convert::divided(convert::raw_filter(codec, input, formats, colours), input, size)
}

/// Settings come later, by the signal `encoder-setup`; what an encoder cannot do without is installed here.
fn make_encoder(factory: &gst::ElementFactory, codec: Codec) -> Result<EncoderControl, MissingElement> {
    let made = factory.create().build();
    let element = made.map_err(|_| make::missing(&factory.name(), &format!("to encode {codec}")))?;
    let control = EncoderControl::new(&element);
    control.install_quirks();
    Ok(control)
}

/// Also behind an encoder: payloaders need profile and level in the caps, which not all encoders give. Every key frame
/// gets its parameter sets here, once, so that a receiver may join at any of them.
fn parser(spec: &ChainSpec<'_>) -> Result<Option<gst::Element>, MissingElement> {
    let Some(name) = spec.codec.parser() else {
        return Ok(None);
    };
    let parser = make::element(name, None, &format!("to parse {}", spec.codec))?;
    if parser.has_property(PARAMETER_SETS) {
        parser.set_property(PARAMETER_SETS, -1i32);
    }
    Ok(Some(parser))
}

fn capsfilter(name: &str, caps: &gst::Caps) -> Result<gst::Element, MissingElement> {
    let filter = make::element("capsfilter", Some(name), "to restrict caps")?;
    filter.set_property("caps", caps);
    Ok(filter)
}

fn link(pipeline: &gst::Pipeline, elements: &[gst::Element]) -> Result<(), ChainError> {
    for element in elements {
        // The pipeline is ours and new, so that the one reason to refuse, a name used twice, cannot be.
        pipeline
            .add(element)
            .expect("elements of a new chain have names of their own");
    }
    for pair in elements.windows(2) {
        pair[0].link(&pair[1]).map_err(|_| ChainError::Unlinkable {
            from: pair[0].name().to_string(),
            to: pair[1].name().to_string(),
        })?;
    }
    Ok(())
}

/// How often a parser repeats parameter sets; -1 is with every key frame.
const PARAMETER_SETS: &str = "config-interval";
/// Six frames at 30 fps.
const MAX_RAW_QUEUE: gst::ClockTime = gst::ClockTime::from_mseconds(200);
/// As much as a session's own queue holds.
const MAX_ENCODED_QUEUE: gst::ClockTime = gst::ClockTime::from_mseconds(500);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::catalogue;
    use std::str::FromStr;

    fn build(input: &str, codec: Codec) -> Result<(gst::Pipeline, Chain), ChainError> {
        gst::init().unwrap();
        let input = gst::Caps::from_str(input).unwrap();
        let pipeline = gst::Pipeline::new();
        let encoder = codec::caps::is_raw(&input)
            .then(|| catalogue().encoders(codec).first())
            .flatten();
        let any = gst::Caps::new_any();
        let spec = ChainSpec {
            input: &input,
            codec,
            encoder,
            encoder_caps: &any,
            size: PictureSize::Adaptive,
        };
        Chain::build(&spec, &pipeline).map(|chain| (pipeline, chain))
    }

    fn factories(pipeline: &gst::Pipeline) -> Vec<String> {
        let mut names: Vec<_> = pipeline
            .iterate_sorted()
            .into_iter()
            .flatten()
            .filter_map(|e| e.factory())
            .map(|f| f.name().into())
            .collect();
        names.reverse();
        names
    }

    #[test]
    fn raw_video_is_converted_encoded_and_parsed() {
        let (pipeline, chain) = build("video/x-raw, format=BGRA, framerate=30/1", Codec::H264).unwrap();
        let encoder = catalogue().encoders(Codec::H264)[0].name();
        assert_eq!(
            factories(&pipeline),
            [
                "appsrc",
                "videorate",
                "videoconvert",
                "videoscale",
                "capsfilter",
                encoder.as_str(),
                "h264parse",
                "capsfilter"
            ]
        );
        assert!(chain.encoder.is_some() && chain.raw_filter.is_some());
    }

    #[test]
    fn video_without_a_rate_has_none_to_lower() {
        let (pipeline, _) = build("video/x-raw, format=I420, framerate=0/1", Codec::Vp8).unwrap();
        assert!(!factories(&pipeline).contains(&"videorate".to_owned()));
    }

    #[test]
    fn raw_audio_is_resampled_and_encoded() {
        let (pipeline, _) = build("audio/x-raw, format=S16LE, rate=44100, channels=2", Codec::Opus).unwrap();
        assert_eq!(
            factories(&pipeline),
            [
                "appsrc",
                "audioresample",
                "audioconvert",
                "capsfilter",
                "opusenc",
                "capsfilter"
            ]
        );
    }

    #[test]
    fn encoded_input_is_only_parsed() {
        let (pipeline, chain) = build("video/x-h264, stream-format=byte-stream", Codec::H264).unwrap();
        assert_eq!(factories(&pipeline), ["appsrc", "h264parse", "capsfilter"]);
        assert!(chain.encoder.is_none() && chain.raw_filter.is_none());
        let (pipeline, _) = build("video/x-vp8", Codec::Vp8).unwrap();
        assert_eq!(factories(&pipeline), ["appsrc", "capsfilter"]);
    }

    #[test]
    fn raw_payloads_have_no_encoder() {
        let (pipeline, _) = build("audio/x-raw, format=F32LE, rate=8000, channels=1", Codec::L16).unwrap();
        assert!(!factories(&pipeline).iter().any(|name| name.ends_with("enc")));
    }

    #[test]
    fn many_channels_are_not_made_up() {
        let error = build(
            "audio/x-raw, format=S16LE, rate=48000, channels=2",
            Codec::MultiOpus,
        )
        .unwrap_err();
        assert!(matches!(error, ChainError::TooFewChannels { .. }), "{error}");
        assert!(
            build(
                "audio/x-raw, format=S16LE, rate=48000, channels=6",
                Codec::MultiOpus
            )
            .is_ok()
        );
    }
}
