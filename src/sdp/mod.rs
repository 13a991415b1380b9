// SPDX-License-Identifier: MPL-2.0
//! Reading and completing session descriptions (RFC 8866, RFC 8829): no elements, no state.
//!
//! Owns what can be said about a description by looking at it: its media lines, payload types, header extensions
//! and candidates. Choosing what to offer or to accept is left to the negotiation of sink and source. Everything
//! here is called with text a peer sent, so nothing panics and every size is bounded.

pub(crate) mod candidate;
pub(crate) mod extmap;
pub(crate) mod media;
pub(crate) mod payload_types;
pub(crate) mod sections;

/// Parses `text` and refuses what merely looks like a description.
///
/// # Errors
/// When the text is longer than [`MAX_SIZE_BYTES`], does not parse, or has no version line.
pub(crate) fn parse(text: &str) -> Result<gst_sdp::SDPMessage, SdpError> {
    if text.len() > MAX_SIZE_BYTES {
        return Err(SdpError::TooLarge(text.len()));
    }
    if text.is_empty() {
        return Err(SdpError::Unparsable);
    }
    let message = gst_sdp::SDPMessage::parse_buffer(text.as_bytes()).map_err(|_| SdpError::Unparsable)?;
    // The parser of GStreamer skips lines it does not know, so that any text at all "parses".
    if message.version() != Some("0") {
        return Err(SdpError::Unparsable);
    }
    Ok(message)
}

/// What makes a description unusable before its content is even considered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SdpError {
    /// The text is not a description.
    #[error("description cannot be parsed")]
    Unparsable,
    /// The text is longer than any real description.
    #[error("description of {0} bytes is too large")]
    TooLarge(usize),
    /// There are more media lines than any real description has.
    #[error("description with {0} media lines is too large")]
    TooManyMedia(usize),
}

/// Descriptions of browsers with every codec and ten streams stay below 100 kB.
const MAX_SIZE_BYTES: usize = 512 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn init() {
        gst::init().expect("GStreamer initialises");
    }

    #[test]
    fn text_that_is_no_description_is_refused() {
        init();
        for text in [
            "",
            "hello",
            "a=b\r\n",
            "\0\0\0",
            "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n",
        ] {
            assert_eq!(parse(text).err(), Some(SdpError::Unparsable), "{text:?}");
        }
    }

    #[test]
    fn an_oversized_description_is_refused_by_its_length() {
        init();
        let text = format!("v=0\r\n{}", "a=x:yyyyyyyy\r\n".repeat(100_000));
        assert_eq!(parse(&text).err(), Some(SdpError::TooLarge(text.len())));
    }
}
