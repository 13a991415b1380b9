// SPDX-License-Identifier: MPL-2.0
//! The only place where failures of the whole element become messages on the bus, and how errors read there.
//!
//! The text is both what a user reads first and the debug detail, where older applications look for it.
//! A failing session is never reported here: it ends alone, with its reason.

use gst::prelude::*;

/// The text under which a signaller's failure reaches the application, as it always has.
const SIGNALLING_PREFIX: &str = "Signalling error: ";

/// Posts that signalling failed for good: a stream error, `failed`.
pub fn post_signalling_error(element: &impl IsA<gst::Element>, message: &str) {
    gst::element_error!(
        element,
        gst::StreamError::Failed,
        ("{SIGNALLING_PREFIX}{message}"),
        ["{SIGNALLING_PREFIX}{message}"]
    );
}

/// Posts that the element as a whole cannot go on: a stream error, `failed`.
pub fn post_failure(element: &impl IsA<gst::Element>, message: &str) {
    gst::element_error!(element, gst::StreamError::Failed, ("{message}"), ["{message}"]);
}

/// Posts that no codec can be used for a stream: a stream error, `codec-not-found`.
pub fn post_codec_not_found(element: &impl IsA<gst::Element>, message: &str) {
    gst::element_error!(
        element,
        gst::StreamError::CodecNotFound,
        ("{message}"),
        ["{message}"]
    );
}

/// Posts that something was refused or missing but the element goes on.
pub fn post_warning(element: &impl IsA<gst::Element>, message: &str) {
    gst::element_warning!(element, gst::StreamError::Failed, ("{message}"), ["{message}"]);
}

/// An error and, after colons, what caused it.
pub(crate) fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    causes(error)
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

/// An error, what caused it, and so on.
pub(crate) fn causes<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error| error.source())
}
