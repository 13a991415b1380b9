// SPDX-License-Identifier: MPL-2.0
//! Sending on a data channel without piling up what its peer does not read.
//!
//! webrtcbin queues without limit while SCTP's window is closed (RFC 9260, section 6.1), so the limit is here. Called
//! from any thread.

use gst_webrtc::WebRTCDataChannel;

/// Why a message did not leave.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    /// The peer does not read what it was sent before.
    #[error("{buffered} bytes wait already, the peer does not read")]
    Backlog {
        /// How much waits.
        buffered: u64,
    },
    /// The channel does not take it.
    #[error(transparent)]
    Refused(#[from] gst::glib::Error),
}

/// Sends `text`, unless too much of what was sent before still waits.
///
/// # Errors
/// When the message was dropped, for either reason.
pub(crate) fn send(channel: &WebRTCDataChannel, text: &str) -> Result<(), SendError> {
    let buffered = channel.buffered_amount();
    if has_backlog(buffered, text.len()) {
        return Err(SendError::Backlog { buffered });
    }
    channel.send_string_full(Some(text))?;
    Ok(())
}

fn has_backlog(buffered: u64, message: usize) -> bool {
    buffered.saturating_add(message as u64) > MAX_BUFFERED_BYTES
}

/// Some thousand replies or notices: more than a second's worth for any consumer that still reads, and nothing to a
/// process that serves many that do not.
const MAX_BUFFERED_BYTES: u64 = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_bounded() {
        let cases = [
            (0, 0, false),
            (0, 256 * 1024, false),
            (0, 256 * 1024 + 1, true),
            (256 * 1024 - 100, 100, false),
            (256 * 1024 - 100, 101, true),
            (u64::MAX, usize::MAX, true),
        ];
        for (buffered, message, expected) in cases {
            assert_eq!(has_backlog(buffered, message), expected, "{buffered} + {message}");
        }
    }
}
