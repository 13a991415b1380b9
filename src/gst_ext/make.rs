// SPDX-License-Identifier: MPL-2.0
//! Elements by factory name, with an error that tells the user what to install.
//!
//! Owns the table of packages. The error travels as a value: posting it is up to whoever knows what fails without the
//! element. Any thread.

/// A factory that isn't in the registry, or that failed to make an element.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no element {factory}, needed {purpose}: {remedy}")]
pub struct MissingElement {
    /// Name of the factory.
    pub factory: String,
    /// What it was wanted for, as in "to payload VP8".
    pub purpose: String,
    /// What the user can do about it.
    pub remedy: String,
}

/// Makes an element of `factory`, called `name` or by a name of GStreamer's choice.
///
/// `purpose` completes the sentence "no element x, needed …".
///
/// # Errors
/// [`MissingElement`] names the factory, the purpose and, where it is known, the Debian package.
pub fn element(factory: &str, name: Option<&str>, purpose: &str) -> Result<gst::Element, MissingElement> {
    let builder = gst::ElementFactory::make(factory);
    let made = match name {
        Some(name) => builder.name(name).build(),
        None => builder.build(),
    };
    made.map_err(|_| missing(factory, purpose))
}

/// The error for a factory that could not be used.
pub fn missing(factory: &str, purpose: &str) -> MissingElement {
    let elsewhere = ELSEWHERE.iter().find(|(name, _)| *name == factory);
    let remedy = match (debian_package(factory), elsewhere) {
        (Some(package), _) => format!("install the package {package}"),
        (None, Some((_, place))) => format!("it is part of {place}, which Debian 12 has no package of"),
        (None, None) => "install the plugin that has it".to_owned(),
    };
    MissingElement {
        factory: factory.to_owned(),
        purpose: purpose.to_owned(),
        remedy,
    }
}

/// The Debian package that has a factory.
pub fn debian_package(factory: &str) -> Option<&'static str> {
    PACKAGES
        .iter()
        .find(|(_, factories)| factories.contains(&factory))
        .map(|(package, _)| *package)
}

/// Factories that no package of Debian 12 has, and where they are.
const ELSEWHERE: &[(&str, &str)] = &[(
    "rtpav1pay",
    "GStreamer's RTP plugin in Rust (net/rtp of gst-plugins-rs)",
)];

/// Factories this plugin asks for by name, under the package of Debian 12 that has them.
const PACKAGES: &[(&str, &[&str])] = &[
    (
        "gstreamer1.0-plugins-bad",
        &[
            "webrtcbin",
            "dtlssrtpdec",
            "dtlssrtpenc",
            "dtlsdec",
            "srtpenc",
            "srtpdec",
            "sctpenc",
            "sctpdec",
            "h264parse",
            "h265parse",
            "av1parse",
            "vp9parse",
            "openh264enc",
            "av1enc",
            "svtav1enc",
            "errorignore",
            "x265enc",
        ],
    ),
    ("gstreamer1.0-nice", &["nicesrc", "nicesink"]),
    (
        "gstreamer1.0-plugins-good",
        &[
            "rtpbin",
            "rtpvp8pay",
            "rtpvp9pay",
            "rtph264pay",
            "rtph265pay",
            "rtpopuspay",
            "rtpvp8depay",
            "rtpvp9depay",
            "rtph264depay",
            "rtph265depay",
            "rtpopusdepay",
            "rtpfunnel",
            "rtpulpfecenc",
            "rtpredenc",
            "vp8enc",
            "vp9enc",
            "vp8dec",
            "vp9dec",
        ],
    ),
    ("gstreamer1.0-plugins-ugly", &["x264enc"]),
    (
        "gstreamer1.0-plugins-base",
        &[
            "appsrc",
            "appsink",
            "videoconvert",
            "videoscale",
            "videorate",
            "audioconvert",
            "audioresample",
            "opusenc",
            "opusdec",
            "decodebin3",
            "parsebin",
        ],
    ),
    (
        "libgstreamer1.0-0",
        &[
            "queue",
            "capsfilter",
            "clocksync",
            "fakesink",
            "identity",
            "funnel",
        ],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_element_names_itself_its_purpose_and_its_package() {
        gst::init().unwrap();
        let error = element("nosuchelement", None, "to test").unwrap_err();
        assert_eq!(
            error.to_string(),
            "no element nosuchelement, needed to test: install the plugin that has it"
        );
        let error = missing("x264enc", "to encode H264");
        assert_eq!(
            error.to_string(),
            "no element x264enc, needed to encode H264: install the package gstreamer1.0-plugins-ugly"
        );
    }

    #[test]
    fn a_known_element_gets_its_name() {
        gst::init().unwrap();
        let element = element("queue", Some("mine"), "to test").unwrap();
        assert_eq!(gst::prelude::GstObjectExt::name(&element), "mine");
    }
}
