// SPDX-License-Identifier: MPL-2.0
//! A peer's description as plain values (RFC 8866): what a receiver needs to choose and to answer.
//!
//! Owns reading. Attributes that nothing here interprets stay as they came, so that describing can pass them on.
//! Called with what a peer sent: nothing panics and every size is bounded.

/// One description, offer or answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Description {
    /// Session id of the origin line: another one means another peer connection (RFC 8829, section 5.2.1).
    pub(crate) session_id: String,
    /// Version of the origin line, as it came.
    pub(crate) version: String,
    /// Mids of the first BUNDLE group, in order (RFC 9143).
    pub(crate) bundle: Vec<String>,
    /// Attributes above the first m-line.
    pub(crate) attributes: Attributes,
    /// One entry per m-line.
    pub(crate) media: Vec<Media>,
}

/// One m-line with its attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Media {
    /// `audio`, `video`, `application` or whatever else stands there.
    pub(crate) kind: String,
    /// The port; zero refuses the m-line.
    pub(crate) port: u16,
    /// The transport, such as `UDP/TLS/RTP/SAVPF`.
    pub(crate) protocol: String,
    /// The formats as words; payload types for RTP.
    pub(crate) formats: Vec<String>,
    /// Everything below the m-line.
    pub(crate) attributes: Attributes,
}

/// `a=` lines in order: name and value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Attributes(pub(crate) Vec<(String, Option<String>)>);

/// One RTP format of an m-line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Format {
    /// RTP payload type.
    pub(crate) payload_type: u8,
    /// Encoding name in the case it came in.
    pub(crate) encoding: String,
    /// RTP clock rate.
    pub(crate) clock_rate: u32,
    /// What follows the clock rate, for audio the channels.
    pub(crate) channels: Option<String>,
    /// Value of `a=fmtp` after the payload type.
    pub(crate) parameters: Option<String>,
    /// Values of `a=rtcp-fb` after the payload type, those for all formats (`*`) included.
    pub(crate) feedback: Vec<String>,
}

/// Why text is no usable description.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DescriptionError {
    /// More than [`MAX_SIZE_BYTES`].
    #[error("description of {0} bytes is too long")]
    TooLong(usize),
    /// More than [`MAX_MEDIA`] m-lines.
    #[error("description has more than {MAX_MEDIA} m-lines")]
    TooManyMedia,
    /// A line cannot be read.
    #[error("line {line:?} is no {what}")]
    Line {
        /// The line, shortened.
        line: String,
        /// What it should have been.
        what: &'static str,
    },
    /// There is no origin line.
    #[error("description has no origin line")]
    NoOrigin,
}

impl Description {
    /// Reads `text`.
    ///
    /// # Errors
    /// [`DescriptionError`] names the line that cannot be read.
    pub(crate) fn parse(text: &str) -> Result<Self, DescriptionError> {
        if text.len() > MAX_SIZE_BYTES {
            return Err(DescriptionError::TooLong(text.len()));
        }
        let mut origin = None;
        let mut attributes = Attributes::default();
        let mut media: Vec<Media> = Vec::new();
        for line in text.lines().map(str::trim_end).filter(|line| !line.is_empty()) {
            let Some((kind, value)) = line.split_once('=') else {
                return Err(unreadable(line, "description line"));
            };
            match kind {
                "o" => origin = Some(read_origin(line, value)?),
                "m" if media.len() == MAX_MEDIA => return Err(DescriptionError::TooManyMedia),
                "m" => media.push(read_media(line, value)?),
                "a" => media
                    .last_mut()
                    .map_or(&mut attributes, |media| &mut media.attributes)
                    .push(value),
                _ => {}
            }
        }
        let (session_id, version) = origin.ok_or(DescriptionError::NoOrigin)?;
        Ok(Self {
            session_id,
            version,
            bundle: read_bundle(&attributes),
            attributes,
            media,
        })
    }

    /// An attribute of the m-line at `index`, or of the whole description.
    pub(crate) fn inherited(&self, index: usize, name: &str) -> Option<&str> {
        self.media
            .get(index)
            .and_then(|media| media.attributes.value(name))
            .or_else(|| self.attributes.value(name))
    }

    /// ICE user fragment and password that serve the m-line at `index`: its own, those of the whole description, or
    /// those of the m-line it is bundled with.
    pub(crate) fn ice_credentials(&self, index: usize) -> Option<(&str, &str)> {
        let own = |index| {
            Some((
                self.inherited(index, "ice-ufrag")?,
                self.inherited(index, "ice-pwd")?,
            ))
        };
        own(index).or_else(|| (0..self.media.len()).find_map(own))
    }

    /// Index of the m-line that carries the transport of the bundle; `None` without a bundle.
    pub(crate) fn bundle_index(&self) -> Option<usize> {
        let tag = self.bundle.first()?;
        self.media.iter().position(|media| media.mid() == Some(tag))
    }
}

impl Media {
    /// The m-line's name.
    pub(crate) fn mid(&self) -> Option<&str> {
        self.attributes.value("mid").filter(|mid| !mid.is_empty())
    }

    /// Whether the m-line is refused or switched off for good (RFC 9143, section 7.2, for `bundle-only`).
    pub(crate) fn is_rejected(&self) -> bool {
        self.port == 0 && !self.attributes.has("bundle-only")
    }

    /// Whether it carries SCTP for data channels (RFC 8841).
    pub(crate) fn is_application(&self) -> bool {
        self.kind == "application" && self.protocol.contains("DTLS/SCTP")
    }

    /// Its RTP formats in order of preference; those without `a=rtpmap` are left out.
    pub(crate) fn rtp_formats(&self) -> Vec<Format> {
        self.formats.iter().filter_map(|word| self.format(word)).collect()
    }

    /// `stream track` of `a=msid`, or of the older `a=ssrc:… msid:` (RFC 8830).
    pub(crate) fn msid(&self) -> Option<&str> {
        let from_ssrc = || {
            self.attributes
                .values("ssrc")
                .find_map(|value| value.split_once(" msid:").map(|(_, msid)| msid))
        };
        self.attributes.value("msid").or_else(from_ssrc)
    }

    /// The SSRCs the m-line declares, each once (RFC 5576).
    pub(crate) fn ssrcs(&self) -> Vec<u32> {
        let mut ssrcs = Vec::new();
        for value in self.attributes.values("ssrc") {
            let number = value.split(' ').next().and_then(|word| word.parse().ok());
            if let Some(ssrc) = number.filter(|ssrc| !ssrcs.contains(ssrc)) {
                ssrcs.push(ssrc);
            }
        }
        ssrcs
    }

    fn format(&self, word: &str) -> Option<Format> {
        let payload_type: u8 = word.parse().ok().filter(|number| *number < 128)?;
        let mut parts = self.attributes.for_format("rtpmap", word).next()?.split('/');
        Some(Format {
            payload_type,
            encoding: parts.next()?.trim().to_owned(),
            clock_rate: parts.next()?.trim().parse().ok()?,
            channels: parts.next().map(str::to_owned),
            parameters: self.attributes.for_format("fmtp", word).next().map(str::to_owned),
            feedback: self
                .attributes
                .for_format("rtcp-fb", word)
                .map(str::to_owned)
                .collect(),
        })
    }
}

impl Format {
    /// One `name=value` of the parameters.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.as_deref()?.split(';').find_map(|pair| {
            let (key, value) = pair.trim().split_once('=')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// Whether this is `name`, which is written in any case.
    pub(crate) fn is(&self, name: &str) -> bool {
        self.encoding.eq_ignore_ascii_case(name)
    }

    /// Whether this repairs or stands in for `payload_type` (RFC 4588).
    pub(crate) fn retransmits(&self, payload_type: u8) -> bool {
        self.is("rtx") && self.parameter("apt").and_then(|apt| apt.parse().ok()) == Some(payload_type)
    }
}

impl Attributes {
    /// Whether there is an attribute of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(key, _)| key == name)
    }

    /// Value of the first attribute of this name that has one.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(key, value)| key == name && value.is_some())
            .and_then(|(_, value)| value.as_deref())
    }

    /// Values of all attributes of this name, in order.
    pub(crate) fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> + 'a {
        self.0
            .iter()
            .filter(move |(key, _)| key == name)
            .filter_map(|(_, value)| value.as_deref())
    }

    /// Values of `name` that begin with this format's number or with `*`, without it.
    fn for_format<'a>(&'a self, name: &'a str, word: &'a str) -> impl Iterator<Item = &'a str> + 'a {
        self.values(name).filter_map(move |value| {
            let (number, rest) = value.split_once(' ')?;
            (number == word || number == "*").then(|| rest.trim())
        })
    }

    fn push(&mut self, line: &str) {
        let (name, value) = match line.split_once(':') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (line, None),
        };
        self.0.push((name.to_owned(), value));
    }
}

/// Session id and version are texts here: they are compared and repeated, never counted with.
fn read_origin(line: &str, value: &str) -> Result<(String, String), DescriptionError> {
    let mut words = value.split(' ').skip(1);
    match (words.next(), words.next()) {
        (Some(id), Some(version)) => Ok((id.to_owned(), version.to_owned())),
        _ => Err(unreadable(line, "origin line")),
    }
}

/// A number of ports, as in `49170/2`, is left out: WebRTC has one.
fn read_media(line: &str, value: &str) -> Result<Media, DescriptionError> {
    let mut words = value.split_whitespace();
    let mut next = || words.next().ok_or_else(|| unreadable(line, "m-line"));
    let (kind, port, protocol) = (next()?, next()?, next()?);
    let port = port.split('/').next().unwrap_or_default();
    Ok(Media {
        kind: kind.to_owned(),
        port: port.parse().map_err(|_| unreadable(line, "m-line with a port"))?,
        protocol: protocol.to_owned(),
        formats: words.take(MAX_FORMATS).map(str::to_owned).collect(),
        attributes: Attributes::default(),
    })
}

fn read_bundle(attributes: &Attributes) -> Vec<String> {
    attributes
        .values("group")
        .find_map(|group| group.strip_prefix("BUNDLE "))
        .map(|mids| mids.split_whitespace().map(str::to_owned).collect())
        .unwrap_or_default()
}

fn unreadable(line: &str, what: &'static str) -> DescriptionError {
    DescriptionError::Line {
        line: line.chars().take(80).collect(),
        what,
    }
}

/// A browser's offer with a dozen streams is about 100 kB.
const MAX_SIZE_BYTES: usize = 1 << 20;
/// Far above what a conference with a peer connection for everybody uses; a bound for what a peer may cause.
pub(crate) const MAX_MEDIA: usize = 256;
/// A payload type has 7 bits (RFC 3550, section 5.1).
const MAX_FORMATS: usize = 128;

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The m-lines of a Chromium offer, shortened: audio with RED, video with RTX, RED and ULPFEC, a data channel.
    pub(crate) const CHROMIUM: &str = include_str!("testdata/chromium-offer.sdp");

    pub(crate) fn chromium() -> Description {
        Description::parse(CHROMIUM).expect("a description")
    }

    #[test]
    fn a_browsers_offer_is_read() {
        let offer = chromium();
        assert_eq!(offer.session_id, "4611731400430051336");
        assert_eq!(offer.bundle, ["0", "1", "2"]);
        assert_eq!(offer.bundle_index(), Some(0));
        let kinds: Vec<_> = offer.media.iter().map(|media| media.kind.as_str()).collect();
        assert_eq!(kinds, ["audio", "video", "application"]);
        assert!(offer.media[2].is_application());
        assert_eq!(offer.media[1].ssrcs(), [1_001, 1_002]);
        assert_eq!(offer.media[1].msid(), Some("stream track-v"));
    }

    #[test]
    fn formats_carry_their_parameters_and_feedback() {
        let formats = chromium().media[1].rtp_formats();
        assert_eq!(formats[0].encoding, "VP8");
        assert!(formats[0].feedback.contains(&"nack pli".to_owned()));
        assert!(formats[1].retransmits(96));
        assert!(!formats[1].retransmits(97));
        let h264 = formats
            .iter()
            .find(|format| format.is("h264"))
            .expect("H264 is offered");
        assert_eq!(h264.parameter("packetization-mode"), Some("1"));
    }

    #[test]
    fn credentials_come_from_the_line_the_session_or_the_bundle() {
        let text = "o=- 1 1 IN IP4 0\n%m=audio 9 X 1\na=mid:a\nm=video 9 X 1\na=mid:b\n%";
        let session = text
            .replacen('%', "a=ice-ufrag:u\na=ice-pwd:p\n", 1)
            .replace('%', "");
        let last = text
            .replacen('%', "", 1)
            .replace('%', "a=ice-ufrag:u\na=ice-pwd:p\n");
        for text in [session, last] {
            let description = Description::parse(&text).expect("a description");
            assert_eq!(description.ice_credentials(0), Some(("u", "p")));
            assert_eq!(description.ice_credentials(1), Some(("u", "p")));
        }
    }

    #[test]
    fn broken_text_is_refused_by_name() {
        let flood = format!("o=- 1 1 x\n{}", "m=audio 9 X 0\n".repeat(MAX_MEDIA + 1));
        let cases = [
            ("", DescriptionError::NoOrigin),
            ("v=0", DescriptionError::NoOrigin),
            ("hello", unreadable("hello", "description line")),
            ("o=-", unreadable("o=-", "origin line")),
            ("m=audio", unreadable("m=audio", "m-line")),
            (
                "m=audio 70000 X",
                unreadable("m=audio 70000 X", "m-line with a port"),
            ),
            (flood.as_str(), DescriptionError::TooManyMedia),
        ];
        for (text, error) in cases {
            assert_eq!(Description::parse(text), Err(error), "{text:.40}");
        }
        let long = "x".repeat(MAX_SIZE_BYTES + 1);
        assert_eq!(
            Description::parse(&long),
            Err(DescriptionError::TooLong(long.len()))
        );
    }

    #[test]
    fn formats_without_a_map_or_out_of_range_are_left_out() {
        let text = "o=- 1 1 x\nm=video 9 X 96 97 300 z\na=rtpmap:97 VP8/90000\na=rtpmap:300 VP8/90000\na=rtpmap:z VP8/1";
        let formats = Description::parse(text).expect("a description").media[0].rtp_formats();
        assert_eq!(formats.len(), 1);
        assert_eq!(formats[0].payload_type, 97);
    }

    #[test]
    fn bundle_only_is_no_rejection() {
        let text = "o=- 1 1 x\nm=video 0 X 96\nm=video 0 X 96\na=bundle-only";
        let media = Description::parse(text).expect("a description").media;
        assert!(media[0].is_rejected());
        assert!(!media[1].is_rejected());
    }
}
