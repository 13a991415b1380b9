// SPDX-License-Identifier: MPL-2.0
//! What a stream can leave as: the RTP caps that each codec yields for the caps that come in.
//!
//! Found out by running the chain that a branch will run, and a payloader, on a blank frame of the same caps; encoded
//! input is tried with its own key frame. Each question is asked once: answers are kept until nobody can ask for
//! them again, and who asks while it is being found out waits for the same answer. No live input is involved, so that
//! a silent stream delays nobody.
//!
//! Called from threads that may block, several at a time.

mod pipeline;
mod specimen;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use gst::prelude::*;

use super::encode::chain::ChainSpec;
use super::encode::{PictureSize, StreamId};
use super::imp::CAT;
use crate::codec::{self, Catalogue, Codec, catalogue};
use crate::gst_ext::make;

/// What discovery asks of the element it serves. Called with no lock held.
pub(crate) trait DiscoveryHost: Send + Sync + 'static {
    /// Has an encoder configured, as for a consumer called `discovery`.
    fn encoder_setup(&self, pad_name: &str, encoder: &gst::Element);

    /// Has a payloader configured likewise.
    fn payloader_setup(&self, pad_name: &str, payloader: &gst::Element);

    /// What the application puts between encoder and payloader, if anything; a fresh element at each call.
    fn encoded_filter(&self, pad_name: &str, encoded: &gst::Caps) -> Option<gst::Element>;

    /// An element wants or has a context, to be posted on before returning.
    fn context_message(&self, message: &gst::Message);
}

/// A question.
#[derive(Clone, Debug)]
pub(crate) struct DiscoveryRequest {
    /// Of which pad.
    pub(crate) stream: StreamId,
    /// What comes in.
    pub(crate) input: gst::Caps,
    /// What it might leave as.
    pub(crate) codec: Codec,
    /// The encoder's share of what a remote description says; ANY when nothing is imposed.
    pub(crate) encoder_caps: gst::Caps,
    /// A key frame of encoded input. Without one, formats whose parameters are inside of the stream stay unknown.
    pub(crate) key_frame: Option<gst::Sample>,
}

/// Why a stream cannot leave as a codec.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum DiscoveryError {
    /// Nothing packs it.
    #[error("no payloader for {0} is installed")]
    NoPayloader(Codec),
    /// Nothing encodes it.
    #[error("no encoder for {0} is installed")]
    NoEncoder(Codec),
    /// Everything was tried.
    #[error("not as {codec}: {tried}")]
    NothingWorks {
        /// What was wanted.
        codec: Codec,
        /// Each factory that was tried, with what it said.
        tried: String,
    },
}

/// Answers, and what is being found out. Clones share both.
#[derive(Clone)]
pub(crate) struct Discovery {
    host: Arc<dyn DiscoveryHost>,
    catalogue: &'static Catalogue,
    /// The lock covers finding the place of an answer; finding the answer out happens in that place, without it.
    answers: Arc<Mutex<HashMap<Question, Answer>>>,
}

type Answer = Arc<OnceLock<Result<gst::Caps, DiscoveryError>>>;

/// Caps are kept as text: they have no hash.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Question {
    stream: StreamId,
    input: String,
    codec: Codec,
    encoder_caps: String,
}

impl Discovery {
    /// One that knows nothing yet.
    pub(crate) fn new(host: Arc<dyn DiscoveryHost>) -> Self {
        Self::with_catalogue(host, catalogue())
    }

    fn with_catalogue(host: Arc<dyn DiscoveryHost>, catalogue: &'static Catalogue) -> Self {
        Self {
            host,
            catalogue,
            answers: Arc::default(),
        }
    }

    /// The RTP caps that the stream leaves in. Blocks until they are known.
    ///
    /// # Errors
    /// [`DiscoveryError`] names every encoder that was tried, and what it said.
    pub(crate) fn discover(&self, request: &DiscoveryRequest) -> Result<gst::Caps, DiscoveryError> {
        let question = Question::of(request);
        let answer = self.slot(&question);
        let found = answer.get_or_init(|| self.find_out(request)).clone();
        let depends_on_stream = !codec::caps::is_raw(&request.input);
        if found.is_err() && depends_on_stream {
            // The next key frame may be a better one.
            self.lock().remove(&question);
        }
        found
    }

    /// The place of an answer. Whoever holds one keeps it, also when the map is emptied meanwhile.
    fn slot(&self, question: &Question) -> Answer {
        let mut answers = self.lock();
        if answers.len() >= MAX_ANSWERS {
            answers.clear();
        }
        answers.entry(question.clone()).or_default().clone()
    }

    /// Tries encoders in the order in which branches will: the first that works says what the stream leaves as.
    fn find_out(&self, request: &DiscoveryRequest) -> Result<gst::Caps, DiscoveryError> {
        let codec = request.codec;
        let payloader = self
            .catalogue
            .payloader(codec)
            .ok_or(DiscoveryError::NoPayloader(codec))?;
        let needs_encoder = codec::caps::is_raw(&request.input) && !codec.is_raw_payload();
        let encoders: Vec<_> = if needs_encoder {
            self.catalogue.encoders(codec).iter().map(Some).collect()
        } else {
            vec![None]
        };
        if encoders.is_empty() {
            return Err(DiscoveryError::NoEncoder(codec));
        }
        let mut tried = Vec::new();
        for encoder in encoders {
            match self.try_one(request, encoder, payloader) {
                Ok(caps) => return Ok(caps),
                Err(reason) => {
                    let attempt = match encoder {
                        Some(factory) => format!("{}: {reason}", factory.name()),
                        None => reason,
                    };
                    gst::info!(CAT, "stream {} not as {codec} by {attempt}", request.stream);
                    tried.push(attempt);
                }
            }
        }
        Err(DiscoveryError::NothingWorks {
            codec,
            tried: tried.join("; "),
        })
    }

    /// One trial; everything it makes is gone when this returns.
    fn try_one(
        &self,
        request: &DiscoveryRequest,
        encoder: Option<&gst::ElementFactory>,
        payloader: &gst::ElementFactory,
    ) -> Result<gst::Caps, String> {
        let specimen =
            specimen::of(request).ok_or_else(|| format!("no frame can be made of {}", request.input))?;
        let spec = ChainSpec {
            input: &specimen.caps,
            codec: request.codec,
            encoder,
            encoder_caps: &request.encoder_caps,
            size: PictureSize::Adaptive,
        };
        let pay = payloader
            .create()
            .build()
            .map_err(|_| make::missing(&payloader.name(), "to payload what was encoded").to_string())?;
        let trial = pipeline::Trial::build(&self.host, request.stream.as_str(), &spec, pay)?;
        trial.run(&specimen)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Question, Answer>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Question {
    fn of(request: &DiscoveryRequest) -> Self {
        Self {
            stream: request.stream.clone(),
            input: request.input.to_string(),
            codec: request.codec,
            encoder_caps: request.encoder_caps.to_string(),
        }
    }
}

/// Input that changes its size for ever does not fill memory: the answers start anew.
const MAX_ANSWERS: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{EncoderControl, payloaders};
    use congestion::units::Bitrate;
    use std::str::FromStr;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[derive(Default)]
    struct Host {
        encoders: AtomicUsize,
        payloaders: AtomicUsize,
        filters: AtomicUsize,
    }

    impl DiscoveryHost for Host {
        fn encoder_setup(&self, pad_name: &str, encoder: &gst::Element) {
            assert_eq!(pad_name, "video_0");
            EncoderControl::new(encoder).apply_defaults(Bitrate::from_kbps(1000));
            self.encoders.fetch_add(1, Ordering::Relaxed);
        }

        fn payloader_setup(&self, _: &str, payloader: &gst::Element) {
            payloaders::configure(payloader);
            self.payloaders.fetch_add(1, Ordering::Relaxed);
        }

        fn encoded_filter(&self, _: &str, _: &gst::Caps) -> Option<gst::Element> {
            self.filters.fetch_add(1, Ordering::Relaxed);
            gst::ElementFactory::make("identity").build().ok()
        }

        fn context_message(&self, _: &gst::Message) {}
    }

    fn discovery() -> (Discovery, Arc<Host>) {
        gst::init().unwrap();
        let host = Arc::new(Host::default());
        (Discovery::new(host.clone()), host)
    }

    fn request(input: &str, codec: Codec) -> DiscoveryRequest {
        gst::init().unwrap();
        DiscoveryRequest {
            stream: StreamId::new("video_0"),
            input: gst::Caps::from_str(input).unwrap(),
            codec,
            encoder_caps: gst::Caps::new_any(),
            key_frame: None,
        }
    }

    /// The first key frame that this launch line encodes.
    fn key_frame(line: &str) -> gst::Sample {
        gst::init().unwrap();
        let pipeline = gst::parse::launch(&format!("{line} ! appsink name=out")).unwrap();
        let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
        let out = pipeline
            .by_name("out")
            .unwrap()
            .downcast::<gst_app::AppSink>()
            .unwrap();
        pipeline.set_state(gst::State::Playing).unwrap();
        let sample = out.pull_sample().unwrap();
        pipeline.set_state(gst::State::Null).unwrap();
        sample
    }

    const VIDEO: &str = "video/x-raw, format=AYUV, width=320, height=240, framerate=30/1";

    #[test]
    fn raw_video_leaves_as_every_installed_codec() {
        let (discovery, _) = discovery();
        let cases = [
            (
                Codec::Vp8,
                "application/x-rtp, media=video, clock-rate=90000, encoding-name=VP8",
            ),
            (
                Codec::Vp9,
                "application/x-rtp, media=video, clock-rate=90000, encoding-name=VP9",
            ),
            (
                Codec::H264,
                "application/x-rtp, encoding-name=H264, packetization-mode=(string)1, profile=(string)constrained-baseline",
            ),
            (Codec::H265, "application/x-rtp, encoding-name=H265"),
            (
                Codec::Raw,
                "application/x-rtp, encoding-name=RAW, width=(string)320",
            ),
        ];
        for (codec, expected) in cases {
            if !discovery.catalogue.can_encode(codec) {
                eprintln!("{codec} cannot be encoded here: not tried");
                continue;
            }
            let found = discovery.discover(&request(VIDEO, codec)).unwrap();
            assert!(
                found.can_intersect(&gst::Caps::from_str(expected).unwrap()),
                "{codec}: {found}"
            );
        }
    }

    #[test]
    fn raw_audio_leaves_with_its_channels() {
        let (discovery, _) = discovery();
        let stereo = "audio/x-raw, format=F32LE, rate=44100, channels=2, layout=interleaved";
        let stream = StreamId::new("video_0");
        let opus = discovery
            .discover(&DiscoveryRequest {
                stream,
                ..request(stereo, Codec::Opus)
            })
            .unwrap();
        let structure = opus.structure(0).unwrap();
        assert_eq!(structure.get::<&str>("encoding-name"), Ok("OPUS"));
        assert_eq!(structure.get::<i32>("clock-rate"), Ok(48_000));
        let multi = discovery.discover(&request(stereo, Codec::MultiOpus));
        assert!(
            matches!(multi, Err(DiscoveryError::NothingWorks { .. })),
            "{multi:?}"
        );
    }

    #[test]
    fn each_question_is_asked_once() {
        let (discovery, host) = discovery();
        let answers: Vec<_> = std::thread::scope(|scope| {
            let ask = || scope.spawn(|| discovery.discover(&request(VIDEO, Codec::Vp8)).unwrap());
            [ask(), ask(), ask()].map(|asked| asked.join().unwrap()).into()
        });
        assert!(answers.iter().all(|answer| *answer == answers[0]));
        assert_eq!(host.encoders.load(Ordering::Relaxed), 1);
        assert_eq!(host.payloaders.load(Ordering::Relaxed), 1);
        assert_eq!(host.filters.load(Ordering::Relaxed), 1);
        discovery
            .discover(&request(
                "video/x-raw, format=I420, width=64, height=64",
                Codec::Vp8,
            ))
            .unwrap();
        assert_eq!(
            host.encoders.load(Ordering::Relaxed),
            2,
            "other caps are another question"
        );
    }

    #[test]
    fn encoded_input_needs_no_encoder() {
        let (discovery, host) = discovery();
        for (input, codec) in [
            ("video/x-vp8, width=320, height=240", Codec::Vp8),
            (
                "audio/x-opus, rate=48000, channels=2, channel-mapping-family=0",
                Codec::Opus,
            ),
        ] {
            let found = discovery.discover(&request(input, codec)).unwrap();
            let name = found
                .structure(0)
                .unwrap()
                .get::<&str>("encoding-name")
                .unwrap()
                .to_owned();
            assert_eq!(name, codec.encoding_name());
        }
        assert_eq!(host.encoders.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn parameters_inside_of_encoded_input_come_from_its_key_frame() {
        let (discovery, _) = discovery();
        let sample = key_frame(
            "videotestsrc num-buffers=5 ! video/x-raw,format=I420,width=320,height=240 ! x264enc tune=zerolatency \
             ! video/x-h264,profile=main,stream-format=byte-stream",
        );
        let input = sample.caps_owned().unwrap();
        let request = DiscoveryRequest {
            input,
            key_frame: Some(sample),
            ..request(VIDEO, Codec::H264)
        };
        let found = discovery.discover(&request).unwrap();
        let id = found
            .structure(0)
            .unwrap()
            .get::<&str>("profile-level-id")
            .unwrap()
            .to_owned();
        assert!(id.starts_with("4d"), "main profile, not {id}");

        let sample = key_frame("videotestsrc num-buffers=2 ! video/x-raw,format=I420 ! vp9enc deadline=1");
        let input = sample.caps_owned().unwrap();
        let request = DiscoveryRequest {
            input,
            key_frame: Some(sample),
            ..request
        };
        assert!(
            discovery
                .discover(&DiscoveryRequest {
                    codec: Codec::Vp9,
                    ..request
                })
                .is_ok()
        );
    }

    #[test]
    fn encoded_input_without_a_key_frame_fails_and_is_asked_again() {
        let (discovery, _) = discovery();
        let silent = request(
            "video/x-h264, stream-format=byte-stream, alignment=au",
            Codec::H264,
        );
        assert!(discovery.discover(&silent).is_err());
        assert!(discovery.lock().is_empty());
    }

    #[test]
    fn an_imposed_profile_is_not_exceeded() {
        let (discovery, _) = discovery();
        let encoder_caps = gst::Caps::from_str("video/x-h264, profile=main").unwrap();
        let found = discovery
            .discover(&DiscoveryRequest {
                encoder_caps,
                ..request(VIDEO, Codec::H264)
            })
            .unwrap();
        // The fastest preset of x264 uses nothing that baseline lacks, and the stream says so.
        let id = found
            .structure(0)
            .unwrap()
            .get::<&str>("profile-level-id")
            .unwrap()
            .to_owned();
        let profile = codec::h264::ProfileLevelId::parse(&id).and_then(|id| id.profile);
        assert!(
            profile.is_some_and(|profile| profile <= codec::h264::Profile::Main),
            "{id}"
        );
    }

    #[test]
    fn caps_without_a_size_are_refused() {
        let (discovery, _) = discovery();
        let error = discovery
            .discover(&request("video/x-raw", Codec::Vp8))
            .unwrap_err();
        assert!(
            error
                .to_string()
                .contains("not as VP8: vp8enc: no frame can be made"),
            "{error}"
        );
    }

    #[test]
    fn every_failed_encoder_is_named() {
        gst::init().unwrap();
        let useless = gst::ElementFactory::find("jpegenc").expect("part of the good plugins");
        let catalogue = Box::leak(Box::new(
            Catalogue::scan().with_encoders(Codec::Vp8, vec![useless]),
        ));
        let discovery = Discovery::with_catalogue(Arc::new(Host::default()), catalogue);
        let error = discovery.discover(&request(VIDEO, Codec::Vp8)).unwrap_err();
        assert!(error.to_string().contains("jpegenc"), "{error}");
    }

    #[test]
    fn the_next_encoder_is_tried() {
        gst::init().unwrap();
        let find = |name| gst::ElementFactory::find(name).expect("part of the good plugins");
        let scanned = Catalogue::scan().with_encoders(Codec::Vp8, vec![find("jpegenc"), find("vp8enc")]);
        let discovery = Discovery::with_catalogue(Arc::new(Host::default()), Box::leak(Box::new(scanned)));
        assert!(discovery.discover(&request(VIDEO, Codec::Vp8)).is_ok());
    }

    #[test]
    fn answers_do_not_pile_up() {
        let (discovery, _) = discovery();
        for n in 0..2 * MAX_ANSWERS {
            let question = Question {
                input: n.to_string(),
                ..Question::of(&request(VIDEO, Codec::Vp8))
            };
            discovery.slot(&question);
        }
        assert!(discovery.lock().len() <= MAX_ANSWERS);
    }
}
