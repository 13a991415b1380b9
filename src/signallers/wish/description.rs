// SPDX-License-Identifier: MPL-2.0
//! What an offer or answer must look like to be worth building a peer connection for (RFC 9725, section 4.4).
//!
//! Reads as much of a description as the rules need and says what is wrong with it; changing descriptions is in
//! [`super::edit`], negotiating is left to webrtcbin. Descriptions from the network pass here before anything is made for
//! them, so garbage costs a parse and nothing more. Pure; called from any thread.

use std::collections::HashSet;

use super::sdpfrag::Credentials;

/// Media sections in a description: RFC 9725 wants one audio and one video, a data channel makes three; simulcast and
/// several cameras are left some room.
pub(crate) const MAX_SECTIONS: usize = 16;
/// Lines in a description. Chromium's largest offers have about 300 for two sections.
const MAX_LINES: usize = 4000;

/// What is wrong with a description.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum DescriptionError {
    /// Not a session description at all, or contradicting itself: 400.
    #[error("malformed description: {0}")]
    Malformed(String),
    /// A proper description that cannot be served: 422.
    #[error("description cannot be served: {0}")]
    Unsupported(String),
}

/// Which way media flows in an offer, seen from who sends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// A WHIP client publishes.
    Publish,
    /// A WHEP player plays.
    Play,
}

/// The rules' view of one description.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Description {
    session: Attributes,
    bundled: Vec<String>,
    /// In the order of the text, refused ones included.
    sections: Vec<Section>,
}

/// The rules' view of one media section.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Section {
    line: String,
    mid: Option<String>,
    attributes: Attributes,
    muxes_rtcp: bool,
}

/// What may stand at session or media level.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Attributes {
    ufrag: Option<String>,
    pwd: Option<String>,
    has_fingerprint: bool,
    setup: Option<String>,
    direction: Option<String>,
}

impl Section {
    /// Port zero (RFC 3264, section 6), unless it is zero for the bundle's sake.
    fn is_rejected(&self) -> bool {
        self.line.split_ascii_whitespace().nth(1) == Some("0") && !self.is_bundle_only()
    }

    /// A bundle-only section has port zero too (RFC 9143, section 6); it keeps its ICE attributes, a rejected one has none.
    fn is_bundle_only(&self) -> bool {
        self.mid.is_some() && (self.attributes.ufrag.is_some() || self.muxes_rtcp)
    }

    /// How messages call it; the tag comes from the network and is escaped.
    fn name(&self) -> std::str::EscapeDebug<'_> {
        self.mid.as_deref().unwrap_or("without mid").escape_debug()
    }

    fn is_rtp(&self) -> bool {
        self.line
            .split_ascii_whitespace()
            .nth(2)
            .is_some_and(|protocol| protocol.contains("RTP/"))
    }
}

impl Description {
    /// Reads a description.
    ///
    /// # Errors
    /// `Malformed` when it is none, `Unsupported` when it is larger than anyone needs.
    pub(crate) fn parse(text: &str) -> Result<Self, DescriptionError> {
        let mut lines = text
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.trim().is_empty());
        if lines.next().is_none_or(|(_, line)| line.trim_end() != "v=0") {
            return Err(malformed("it does not start with v=0"));
        }
        let mut description = Self::default();
        for (index, line) in lines {
            if index >= MAX_LINES {
                return Err(unsupported(format!("more than {MAX_LINES} lines")));
            }
            description.line(index + 1, line.trim_end())?;
        }
        description.check_structure()?;
        Ok(description)
    }

    /// Checks an offer that came from the network.
    ///
    /// # Errors
    /// What RFC 9725, section 4.4 or the WHEP draft, section 4.4 forbids.
    pub(crate) fn check_offer(&self, flow: Flow) -> Result<(), DescriptionError> {
        let mut active = self.sections.iter().filter(|s| !s.is_rejected()).peekable();
        if active.peek().is_none() {
            return Err(unsupported("every media section is rejected"));
        }
        for section in active {
            self.check_keys(section)?;
            self.check_transport(section)?;
            if section.is_rtp() {
                self.check_direction(section, flow)?;
            }
        }
        Ok(())
    }

    /// Checks an answer to an offer with `offered` sections.
    ///
    /// # Errors
    /// When it cannot be the answer to that offer.
    pub(crate) fn check_answer(&self, offered: usize) -> Result<(), DescriptionError> {
        if self.sections.len() != offered {
            let found = self.sections.len();
            return Err(malformed(format!("{found} media sections answer {offered}")));
        }
        self.sections
            .iter()
            .filter(|s| !s.is_rejected())
            .try_for_each(|section| self.check_keys(section))
    }

    /// The credentials of the one ICE session that all bundled sections share.
    pub(crate) fn credentials(&self) -> Option<Credentials> {
        let pair = |a: &Attributes| {
            Some(Credentials {
                ufrag: a.ufrag.clone()?,
                pwd: a.pwd.clone()?,
            })
        };
        self.sections
            .iter()
            .find_map(|s| pair(&s.attributes))
            .or_else(|| pair(&self.session))
    }

    /// How many media sections there are.
    pub(crate) fn section_count(&self) -> usize {
        self.sections.len()
    }

    /// The identification tags of the sections, in order; empty for a section without one.
    pub(crate) fn mids(&self) -> Vec<String> {
        self.sections
            .iter()
            .map(|s| s.mid.clone().unwrap_or_default())
            .collect()
    }

    /// The m-line (without `m=`) and index of the section whose transport the others share (RFC 9143, section 7).
    pub(crate) fn tagged_section(&self) -> Option<(usize, &str)> {
        let index = self.sections.iter().position(|s| !s.is_rejected())?;
        Some((index, self.sections[index].line.as_str()))
    }

    fn line(&mut self, number: usize, line: &str) -> Result<(), DescriptionError> {
        let Some((kind, value)) = line.split_once('=').filter(|(kind, _)| kind.len() == 1) else {
            return Err(malformed(format!("line {number} is not of the form type=value")));
        };
        match kind {
            "m" => self.begin_section(number, value),
            "a" => self.attribute(value),
            _ => Ok(()),
        }
    }

    /// An m-line has at least media, port, protocol and one format (RFC 8866, section 5.14).
    fn begin_section(&mut self, number: usize, value: &str) -> Result<(), DescriptionError> {
        if self.sections.len() == MAX_SECTIONS {
            return Err(unsupported(format!("more than {MAX_SECTIONS} media sections")));
        }
        let fields: Vec<&str> = value.split_ascii_whitespace().collect();
        let has_port = fields.get(1).is_some_and(|port| port.parse::<u16>().is_ok());
        if fields.len() < 4 || !has_port {
            return Err(malformed(format!("line {number} is no media line")));
        }
        self.sections.push(Section {
            line: value.to_owned(),
            ..Section::default()
        });
        Ok(())
    }

    fn attribute(&mut self, attribute: &str) -> Result<(), DescriptionError> {
        let (name, value) = attribute.split_once(':').unwrap_or((attribute, ""));
        let value = value.trim();
        match (name, self.sections.last_mut()) {
            ("mid", Some(section)) => section.mid = Some(value.to_owned()),
            ("rtcp-mux" | "rtcp-mux-only", Some(section)) => section.muxes_rtcp = true,
            ("group", None) => {
                if let Some(mids) = value.strip_prefix("BUNDLE") {
                    self.bundled
                        .extend(mids.split_ascii_whitespace().map(str::to_owned));
                }
            }
            (_, section) => section
                .map_or(&mut self.session, |s| &mut s.attributes)
                .read(name, value),
        }
        Ok(())
    }

    /// What every description must be, offer or answer.
    fn check_structure(&self) -> Result<(), DescriptionError> {
        if self.sections.is_empty() {
            return Err(malformed("it has no media section"));
        }
        let mut seen = HashSet::new();
        match self
            .sections
            .iter()
            .filter_map(|s| s.mid.as_deref())
            .find(|mid| !seen.insert(*mid))
        {
            Some(mid) => Err(malformed(format!("mid `{}` is used twice", mid.escape_debug()))),
            None => Ok(()),
        }
    }

    /// Without credentials there is no ICE, without fingerprint no DTLS.
    fn check_keys(&self, section: &Section) -> Result<(), DescriptionError> {
        let name = section.name();
        let own = &section.attributes;
        if own.ufrag.as_ref().or(self.session.ufrag.as_ref()).is_none()
            || own.pwd.as_ref().or(self.session.pwd.as_ref()).is_none()
        {
            return Err(malformed(format!("media section {name} has no ice credentials")));
        }
        if !own.has_fingerprint && !self.session.has_fingerprint {
            return Err(malformed(format!("media section {name} has no fingerprint")));
        }
        Ok(())
    }

    /// One transport for everything (RFC 9725, section 4.4.2).
    fn check_transport(&self, section: &Section) -> Result<(), DescriptionError> {
        let name = section.name();
        let setup = section
            .attributes
            .setup
            .as_deref()
            .or(self.session.setup.as_deref());
        if !matches!(setup, None | Some("actpass" | "active" | "passive")) {
            return Err(unsupported(format!("media section {name} has an unknown setup")));
        }
        if section.is_rtp() && !section.muxes_rtcp {
            return Err(unsupported(format!(
                "media section {name} does not multiplex rtp and rtcp"
            )));
        }
        let is_bundled = section.mid.as_ref().is_some_and(|mid| self.bundled.contains(mid));
        if self.sections.len() > 1 && !is_bundled {
            return Err(unsupported(format!(
                "media section {name} is not bundled with the others"
            )));
        }
        Ok(())
    }

    /// A publisher has to send and a player to receive; both ways is what browsers say by default.
    fn check_direction(&self, section: &Section, flow: Flow) -> Result<(), DescriptionError> {
        let direction = section
            .attributes
            .direction
            .as_deref()
            .or(self.session.direction.as_deref());
        let is_allowed = match flow {
            Flow::Publish => matches!(direction, None | Some("sendrecv" | "sendonly")),
            Flow::Play => matches!(direction, None | Some("sendrecv" | "recvonly")),
        };
        if is_allowed {
            return Ok(());
        }
        Err(unsupported(format!(
            "media section {} is {}",
            section.name(),
            direction.unwrap_or_default()
        )))
    }
}

impl Attributes {
    fn read(&mut self, name: &str, value: &str) {
        match name {
            "ice-ufrag" => self.ufrag = Some(value.to_owned()),
            "ice-pwd" => self.pwd = Some(value.to_owned()),
            "fingerprint" => self.has_fingerprint = true,
            "setup" => self.setup = Some(value.to_owned()),
            "sendrecv" | "sendonly" | "recvonly" | "inactive" => self.direction = Some(name.to_owned()),
            _ => {}
        }
    }
}

fn malformed(what: impl Into<String>) -> DescriptionError {
    DescriptionError::Malformed(what.into())
}

fn unsupported(what: impl Into<String>) -> DescriptionError {
    DescriptionError::Unsupported(what.into())
}

/// A description as browsers write it, for the tests of this folder.
#[cfg(test)]
pub(crate) fn sample(direction: &str) -> String {
    format!(
        "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n\
         m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na={direction}\r\na=ice-ufrag:EsAw\r\n\
         a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\na=fingerprint:sha-256 AA:BB\r\na=setup:actpass\r\na=rtcp-mux\r\n\
         a=rtpmap:111 opus/48000/2\r\n\
         m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\na={direction}\r\na=ice-ufrag:EsAw\r\n\
         a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\na=fingerprint:sha-256 AA:BB\r\na=setup:actpass\r\na=rtcp-mux\r\n\
         a=rtpmap:96 VP8/90000\r\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, flow: Flow) -> Result<(), DescriptionError> {
        Description::parse(text)?.check_offer(flow)
    }

    fn is_malformed(text: &str) -> bool {
        matches!(check(text, Flow::Publish), Err(DescriptionError::Malformed(_)))
    }

    fn is_unsupported(text: &str) -> bool {
        matches!(check(text, Flow::Publish), Err(DescriptionError::Unsupported(_)))
    }

    #[test]
    fn a_publisher_sends_and_a_player_receives() {
        let cases = [
            ("sendonly", true, false),
            ("sendrecv", true, true),
            ("recvonly", false, true),
            ("inactive", false, false),
        ];
        for (direction, publishes, plays) in cases {
            assert_eq!(
                check(&sample(direction), Flow::Publish).is_ok(),
                publishes,
                "{direction}"
            );
            assert_eq!(
                check(&sample(direction), Flow::Play).is_ok(),
                plays,
                "{direction}"
            );
        }
    }

    #[test]
    fn what_the_rules_need_is_read() {
        let description = Description::parse(&sample("sendonly")).unwrap();
        assert_eq!(description.mids(), ["0", "1"]);
        assert_eq!(description.credentials().unwrap().ufrag, "EsAw");
        assert_eq!(
            description.tagged_section(),
            Some((0, "audio 9 UDP/TLS/RTP/SAVPF 111"))
        );
        assert_eq!(description.section_count(), 2);
    }

    #[test]
    fn garbage_is_malformed() {
        let offer = sample("sendonly");
        let cases = [
            String::new(),
            "hello".into(),
            "{\"sdp\":1}".into(),
            "v=0\r\n".into(),
            "v=0\r\ngarbage\r\n".into(),
            "v=0\r\nm=audio\r\n".into(),
            "v=0\r\nm=audio x RTP/AVP 0\r\n".into(),
            "v=1\r\n".to_owned() + &offer,
            offer.replace("a=mid:1", "a=mid:0"),
            offer.replace("a=ice-ufrag:EsAw\r\n", ""),
            offer.replace("a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n", ""),
            offer.replace("a=fingerprint:sha-256 AA:BB\r\n", ""),
        ];
        for text in cases {
            assert!(is_malformed(&text), "{text}");
        }
    }

    #[test]
    fn attributes_at_session_level_serve_every_section() {
        let transport =
            "a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\na=fingerprint:sha-256 AA:BB\r\n";
        let offer = sample("sendonly").replace(transport, "");
        assert!(is_malformed(&offer));
        assert_eq!(
            check(
                &offer.replace("t=0 0\r\n", &format!("t=0 0\r\n{transport}")),
                Flow::Publish
            ),
            Ok(())
        );
    }

    #[test]
    fn proper_descriptions_that_cannot_be_served_are_told_apart() {
        let offer = sample("sendonly");
        let cases = [
            offer.replace("a=rtcp-mux\r\n", ""),
            offer.replace("a=setup:actpass", "a=setup:holdconn"),
            offer.replace("BUNDLE 0 1", "BUNDLE 0"),
            offer.clone() + &"m=video 9 UDP/TLS/RTP/SAVPF 96\r\n".repeat(200),
            offer.clone() + &"a=x\r\n".repeat(5000),
            "v=0\r\nm=audio 0 UDP/TLS/RTP/SAVPF 0\r\n".into(),
        ];
        for text in cases {
            assert!(is_unsupported(&text), "{text:.500}");
        }
    }

    #[test]
    fn an_offer_may_insist_on_a_dtls_role() {
        assert_eq!(
            check(&sample("sendonly").replace("actpass", "active"), Flow::Publish),
            Ok(())
        );
    }

    #[test]
    fn rejected_sections_need_nothing_and_bundle_only_ones_count() {
        let rejected =
            sample("sendonly")
                .replace("BUNDLE 0 1", "BUNDLE 1")
                .replacen("m=audio 9", "m=audio 0", 1);
        let rejected = rejected.replacen(
            "a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n",
            "",
            1,
        );
        let rejected = rejected.replacen("a=rtcp-mux\r\n", "", 1);
        assert_eq!(check(&rejected, Flow::Publish), Ok(()));
        assert_eq!(
            Description::parse(&rejected).unwrap().tagged_section().unwrap().0,
            1
        );
        let bundle_only = sample("recvonly").replacen("m=video 9", "m=video 0", 1);
        assert!(is_unsupported(&bundle_only));
    }

    #[test]
    fn an_answer_has_a_section_for_each_offered() {
        let answer = Description::parse(&sample("recvonly")).unwrap();
        assert_eq!(answer.check_answer(2), Ok(()));
        assert!(answer.check_answer(1).is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_input_panics(text in "v=0\n(a=(mid|group|setup):[a-z0-9 ]{0,9}\n|m=.{0,20}\n|.{0,9}\n){0,30}") {
            let _ = check(&text, Flow::Play);
        }
    }
}
