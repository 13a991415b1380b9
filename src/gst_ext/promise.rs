// SPDX-License-Identifier: MPL-2.0
//! webrtcbin's actions that answer through a promise, as futures.
//!
//! A promise that is never answered leaves its future pending: give it a deadline where the peer has a say. webrtcbin
//! answers on its own thread; the future wakes on the runtime.

use gst::prelude::*;
use gst_webrtc::{WebRTCSDPType, WebRTCSessionDescription};

/// Why a promise brought no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PromiseError {
    /// webrtcbin refused; its own words.
    #[error("{action} was refused: {message}")]
    Refused {
        /// The action asked for.
        action: &'static str,
        /// What webrtcbin said.
        message: String,
    },
    /// The reply lacks what was asked for.
    #[error("{action} gave no {wanted}")]
    Incomplete {
        /// The action asked for.
        action: &'static str,
        /// The missing part.
        wanted: &'static str,
    },
    /// webrtcbin went away first.
    #[error("{action} was given up by webrtcbin")]
    GivenUp {
        /// The action asked for.
        action: &'static str,
    },
}

/// Asks for an offer.
///
/// # Errors
/// [`PromiseError`] in webrtcbin's words.
pub async fn create_offer(webrtcbin: &gst::Element) -> Result<WebRTCSessionDescription, PromiseError> {
    created(webrtcbin, "create-offer", "offer").await
}

/// Asks for an answer to the remote description that was set.
///
/// # Errors
/// [`PromiseError`] in webrtcbin's words.
pub async fn create_answer(webrtcbin: &gst::Element) -> Result<WebRTCSessionDescription, PromiseError> {
    created(webrtcbin, "create-answer", "answer").await
}

/// Sets the local description and waits until it is applied.
///
/// # Errors
/// [`PromiseError`] in webrtcbin's words.
pub async fn set_local_description(
    webrtcbin: &gst::Element,
    description: &WebRTCSessionDescription,
) -> Result<(), PromiseError> {
    set(webrtcbin, "set-local-description", description).await
}

/// Sets the remote description and waits until it is applied.
///
/// The description goes in as a fresh copy parsed from its text: objects that another webrtcbin of the process has a
/// part in made 1.22 crash.
///
/// # Errors
/// [`PromiseError`] in webrtcbin's words.
pub async fn set_remote_description(
    webrtcbin: &gst::Element,
    description: &WebRTCSessionDescription,
) -> Result<(), PromiseError> {
    let action = "set-remote-description";
    let fresh = reparsed(description).ok_or_else(|| PromiseError::Refused {
        action,
        message: "the SDP cannot be parsed".to_owned(),
    })?;
    set(webrtcbin, action, &fresh).await
}

/// Takes a snapshot of webrtcbin's statistics.
///
/// # Errors
/// [`PromiseError`] in webrtcbin's words.
pub async fn get_stats(webrtcbin: &gst::Element) -> Result<gst::Structure, PromiseError> {
    let (promise, reply) = pending();
    webrtcbin.emit_by_name::<()>("get-stats", &[&None::<gst::Pad>, &promise]);
    answered("get-stats", reply)
        .await?
        .ok_or(PromiseError::Incomplete {
            action: "get-stats",
            wanted: "statistics",
        })
}

/// The same description, made from its printed text.
pub fn reparsed(description: &WebRTCSessionDescription) -> Option<WebRTCSessionDescription> {
    parsed(description.type_(), &description.sdp().as_text().ok()?)
}

/// A description of `type_` from SDP text; `None` when it cannot be parsed.
pub fn parsed(type_: WebRTCSDPType, text: &str) -> Option<WebRTCSessionDescription> {
    if text.is_empty() {
        return None;
    }
    let sdp = gst_sdp::SDPMessage::parse_buffer(text.as_bytes()).ok()?;
    Some(WebRTCSessionDescription::new(type_, sdp))
}

type Reply = Result<Option<gst::Structure>, gst::PromiseError>;

fn pending() -> (gst::Promise, tokio::sync::oneshot::Receiver<Reply>) {
    let (answer, reply) = tokio::sync::oneshot::channel();
    let promise = gst::Promise::with_change_func(move |reply| {
        // Nobody waits any more when the session is gone.
        let _ = answer.send(reply.map(|reply| reply.map(|reply| reply.to_owned())));
    });
    (promise, reply)
}

/// webrtcbin puts refusals into the reply, and drops promises it cannot keep.
async fn answered(
    action: &'static str,
    reply: tokio::sync::oneshot::Receiver<Reply>,
) -> Result<Option<gst::Structure>, PromiseError> {
    let reply = match reply.await {
        Ok(Ok(reply)) => reply,
        Ok(Err(_)) | Err(_) => return Err(PromiseError::GivenUp { action }),
    };
    if let Some(error) = reply
        .as_ref()
        .and_then(|reply| reply.get::<gst::glib::Error>("error").ok())
    {
        return Err(PromiseError::Refused {
            action,
            message: error.message().to_owned(),
        });
    }
    Ok(reply)
}

/// The two actions that make a description differ in name only.
async fn created(
    webrtcbin: &gst::Element,
    action: &'static str,
    field: &'static str,
) -> Result<WebRTCSessionDescription, PromiseError> {
    let (promise, reply) = pending();
    webrtcbin.emit_by_name::<()>(action, &[&None::<gst::Structure>, &promise]);
    answered(action, reply)
        .await?
        .and_then(|reply| reply.get::<WebRTCSessionDescription>(field).ok())
        .ok_or(PromiseError::Incomplete {
            action,
            wanted: field,
        })
}

/// The two actions that set one likewise.
async fn set(
    webrtcbin: &gst::Element,
    action: &'static str,
    description: &WebRTCSessionDescription,
) -> Result<(), PromiseError> {
    let (promise, reply) = pending();
    webrtcbin.emit_by_name::<()>(action, &[description, &promise]);
    answered(action, reply).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime;

    #[test]
    fn garbage_is_no_description() {
        gst::init().unwrap();
        // GStreamer's parser takes nearly any text; what it takes must at least print again.
        for text in ["", "v", "v=0\r\nm=video\r\n", "\0\0\0"] {
            if let Some(description) = parsed(WebRTCSDPType::Answer, text) {
                assert!(description.sdp().as_text().is_ok());
            }
        }
    }

    #[test]
    fn webrtcbin_makes_an_offer_and_refuses_an_answer_out_of_turn() {
        gst::init().unwrap();
        let pipeline = gst::Pipeline::new();
        let webrtcbin = crate::gst_ext::make::element("webrtcbin", None, "to test").unwrap();
        pipeline.add(&webrtcbin).unwrap();
        pipeline.set_state(gst::State::Ready).unwrap();
        let caps = gst::Caps::from(gst::Structure::from_iter(
            "application/x-rtp",
            [
                ("media", "audio".to_send_value()),
                ("encoding-name", "OPUS".to_send_value()),
                ("payload", 96i32.to_send_value()),
                ("clock-rate", 48000i32.to_send_value()),
            ],
        ));
        webrtcbin.emit_by_name::<gst_webrtc::WebRTCRTPTransceiver>(
            "add-transceiver",
            &[&gst_webrtc::WebRTCRTPTransceiverDirection::Recvonly, &caps],
        );
        let offer = runtime::block_on(create_offer(&webrtcbin)).unwrap();
        assert_eq!(offer.type_(), WebRTCSDPType::Offer);
        let answer = runtime::block_on(create_answer(&webrtcbin));
        assert!(
            matches!(
                answer,
                Err(PromiseError::Refused {
                    action: "create-answer",
                    ..
                })
            ),
            "{answer:?}"
        );
        pipeline.set_state(gst::State::Null).unwrap();
    }
}
