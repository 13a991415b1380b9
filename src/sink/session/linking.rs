// SPDX-License-Identifier: MPL-2.0
//! From what was agreed on to outlets: streams that the peer accepted are attached to encoders, others let go.
//!
//! Owns which slot has an outlet. The outlet itself is `outlet`'s, the choice of the codec was `negotiate`'s. Part of
//! the session's task; attaching and letting go change states of elements and run by `blocking`.

use std::sync::Arc;

use gst_webrtc::WebRTCSessionDescription;

use super::blocking;
use super::handle::Session;
use super::operations::Operations;
use super::outlet::Outlet;
use super::slots::Slot;
use crate::codec::caps::{encoder_side, is_raw};
use crate::end_reason::EndReason;
use crate::sink::encode::StreamId;
use crate::sink::imp::CAT;
use crate::sink::input;
use crate::sink::negotiate::select::{Agreement, Verdict};

impl Operations {
    /// Makes the outlets fit the verdicts, one per section; `remote` says what the encoder is bound to.
    pub(super) async fn link(
        &mut self,
        verdicts: Vec<Verdict>,
        remote: &WebRTCSessionDescription,
    ) -> Result<(), EndReason> {
        let mut accepted = Vec::new();
        let mut declined = Vec::new();
        for slot in self.slots.iter_mut().filter(|slot| slot.stream.is_some()) {
            match verdicts.get(slot.media_index as usize) {
                Some(Verdict::Accepted(_)) if slot.is_linked => {}
                Some(Verdict::Accepted(agreement)) => {
                    slot.is_linked = true;
                    let bounds = encoder_bounds(remote, slot.media_index, agreement);
                    accepted.push((slot.clone(), *agreement, bounds));
                }
                _ => {
                    slot.is_linked = false;
                    declined.extend(slot.stream.clone());
                }
            }
        }
        for stream in declined {
            gst::info!(
                CAT,
                "session {}: the consumer declines {stream}",
                self.session.id()
            );
            self.unlink(&stream).await?;
        }
        blocking::run(&self.session, move |session| {
            accepted
                .into_iter()
                .try_for_each(|(slot, agreement, bounds)| attach(session, &slot, agreement, &bounds))
        })
        .await
    }

    /// Lets go of a stream's outlet, if it has one.
    pub(super) async fn unlink(&mut self, stream: &StreamId) -> Result<(), EndReason> {
        let outlet = self.session.view().outlets.remove(stream);
        // Its elements go to NULL with it.
        blocking::run(&self.session, move |_| {
            drop(outlet);
            Ok(())
        })
        .await
    }
}

/// Makes the outlet of one accepted section. Blocks until an encoder runs for it.
fn attach(
    session: &Arc<Session>,
    slot: &Slot,
    agreement: Agreement,
    bounds: &gst::StructureRef,
) -> Result<(), EndReason> {
    let Some(stream) = slot.stream.clone() else {
        return Ok(());
    };
    // The stream may have left while the answer was on its way.
    let Some(input) = session
        .sink()
        .and_then(|sink| input::stream_named(&sink, &stream))
    else {
        return Ok(());
    };
    let encoded = input.caps().filter(|caps| !is_raw(caps));
    let encoder_caps = encoder_side(agreement.codec, bounds, encoded.as_deref());
    gst::info!(
        CAT,
        "session {}: {stream} leaves as {} {}",
        session.id(),
        agreement.codec,
        agreement.payload_type
    );
    session.add_outlet(Arc::new(Outlet::build(session, slot, agreement, &encoder_caps)?));
    Ok(())
}

/// The peer's own words on the payload type, such as a profile.
fn encoder_bounds(
    remote: &WebRTCSessionDescription,
    media_index: u32,
    agreement: &Agreement,
) -> gst::Structure {
    let caps = remote
        .sdp()
        .media(media_index)
        .and_then(|media| media.caps_from_media(agreement.payload_type.into()));
    let structure = caps.and_then(|caps| caps.structure(0).map(|structure| structure.to_owned()));
    structure.unwrap_or_else(|| gst::Structure::new_empty("application/x-rtp"))
}
