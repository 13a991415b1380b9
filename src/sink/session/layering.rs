// SPDX-License-Identifier: MPL-2.0
//! A stream's layers on their way into one pad of webrtcbin, and key frame requests on their way back.
//!
//! ```text
//! appsrc ! payloader ! capsfilter ─┐
//! appsrc ! payloader ! capsfilter ─┼ rtpfunnel ! capsfilter ! webrtcbin
//! appsrc ! payloader ! capsfilter ─┘
//! ```
//! Each payloader writes the section's mid and its layer's rid into its packets (RFC 9143, RFC 8852); timestamps of all
//! layers begin alike, so that a server that forwards now one and now the other has little to convert. Built on a thread
//! that may block. Which layers there are was settled by `negotiate/simulcast`, which of them get anything by
//! `encodings`.

use std::sync::Arc;

use gst::glib;
use gst::prelude::*;
use gst_rtp::prelude::*;

use super::chain::{self, Chain, Plan};
use super::encodings::Feed;
use super::handle::Session;
use super::pipeline::internal;
use super::slots::{self, Slot};
use crate::end_reason::EndReason;
use crate::gst_ext::make;
use crate::sdp::media;
use crate::sink::encode::PictureSize;
use crate::sink::negotiate::simulcast::{self, Layer};
use crate::webrtcbin;

/// Builds the chains of the slot's layers and what they meet in. They are in the order in which they are to be taken
/// down, and are to be started the other way round.
///
/// # Errors
/// When an element is missing or does not fit, or the section has no mid.
pub(super) fn build(plan: &Plan<'_>, slot: &Slot) -> Result<(Vec<Feed>, Vec<Chain>), EndReason> {
    let transceiver = slots::transceiver(&slot.pad);
    let mid = transceiver
        .mid()
        .ok_or_else(|| internal("a section with layers has no mid"))?;
    let (funnel, trunk) = trunk(plan, slot)?;
    let timestamp_offset: u32 = rand::random();
    let mut feeds = Vec::new();
    let mut chains = Vec::new();
    for layer in &slot.layers {
        let name = format!("{}-{}", plan.stream, layer.rid);
        let (appsrc, chain) = chain::packetizer(plan, &name, layer.ssrc, |payloader| {
            if !plan.session.settings().do_clock_signalling {
                payloader.set_property_from_str("timestamp-offset", &timestamp_offset.to_string());
            }
            extend(payloader, simulcast::MID_ID, "rtphdrextmid", "mid", &mid)?;
            extend(
                payloader,
                simulcast::RID_ID,
                "rtphdrextstreamid",
                "rid",
                layer.rid,
            )
        })?;
        let entrance = funnel
            .request_pad_simple("sink_%u")
            .ok_or_else(|| internal("rtpfunnel has no pad for a layer"))?;
        chain.link(&entrance)?;
        feeds.push(Feed {
            rid: Some(layer.rid),
            size: PictureSize::Divided(layer.divisor),
            appsrc,
        });
        chains.push(chain);
    }
    chains.push(trunk);
    Ok((feeds, chains))
}

/// Where the layers meet. Its caps say all that was offered for the codec, for webrtcbin describes later offers by them.
fn trunk(plan: &Plan<'_>, slot: &Slot) -> Result<(gst::Element, Chain), EndReason> {
    let funnel = make::element("rtpfunnel", None, "to send a stream in layers").map_err(internal)?;
    let filter = chain::capsfilter(&format!("webrtc-pay-filter-{}", plan.stream))?;
    let caps = slot
        .described
        .get(&plan.agreement.payload_type)
        .ok_or_else(|| internal("a codec was agreed on that was not offered"))?;
    filter.set_property("caps", caps);
    slots::transceiver(&slot.pad).set_property("codec-preferences", caps);
    let mut trunk = Chain::new(plan.session);
    trunk.add(funnel.clone())?;
    trunk.add(filter)?;
    trunk.link(&slot.pad)?;
    Ok((funnel, trunk))
}

/// Has a payloader write a header extension of `factory`, whose `property` holds what is written.
fn extend(
    payloader: &gst::Element,
    id: u8,
    factory: &str,
    property: &str,
    value: &str,
) -> Result<(), EndReason> {
    let extension = make::element(factory, None, "to tell layers apart").map_err(internal)?;
    extension.set_property(property, value);
    if let Some(extension) = extension.downcast_ref::<gst_rtp::RTPHeaderExtension>() {
        extension.set_id(id.into());
    }
    payloader.emit_by_name::<()>("add-extension", &[&extension]);
    Ok(())
}

/// Makes a new webrtcbin ready for layers.
pub(super) fn prepare(session: &Arc<Session>, webrtcbin: &gst::Element) {
    route_key_frame_requests(session, webrtcbin);
    webrtcbin::for_each_inside(webrtcbin, "rtpsession", |element| {
        let session = element.property::<glib::Object>("internal-session");
        session.set_property("rtcp-min-interval", REPORT_INTERVAL.nseconds());
    });
}

/// Takes key frame requests to the layers they are for.
///
/// A request names an SSRC; the funnel inside of webrtcbin 1.22 knows those of caps only, of which layers on one pad have
/// none, and loses a request for any other.
fn route_key_frame_requests(session: &Arc<Session>, webrtcbin: &gst::Element) {
    let weak = Arc::downgrade(session);
    webrtcbin::for_each_inside(webrtcbin, "rtpfunnel", move |funnel| {
        let Some(pad) = funnel.static_pad("src") else {
            return;
        };
        let weak = weak.clone();
        pad.add_probe(gst::PadProbeType::EVENT_UPSTREAM, move |_, info| {
            let ssrc = info.event().and_then(requested_ssrc);
            let layer = ssrc.and_then(|ssrc| weak.upgrade()?.layer_end(ssrc));
            let Some(layer) = layer else {
                return gst::PadProbeReturn::Ok;
            };
            if let Some(gst::PadProbeData::Event(event)) = info.data.take() {
                // A layer that is on its way out takes none.
                let _ = layer.send_event(event);
            }
            gst::PadProbeReturn::Handled
        });
    });
}

/// The SSRC of a key frame request that names one.
fn requested_ssrc(event: &gst::Event) -> Option<u32> {
    let structure = event
        .structure()
        .filter(|_| gst_video::ForceKeyUnitEvent::is(event))?;
    structure.get("ssrc").ok()
}

/// Names the SSRCs of retransmissions in a description of ours, which webrtcbin cannot when caps name none: by them the
/// pacer knows what repairs what, and where padding may go.
pub(super) fn name_repairs<'a>(sdp: &mut gst_sdp::SDPMessageRef, slots: impl Iterator<Item = &'a Slot>) {
    for slot in slots.filter(|slot| slot.stream.is_some()) {
        let Some(section) = sdp.media_mut(slot.media_index) else {
            continue;
        };
        for Layer {
            ssrc, repair_ssrc, ..
        } in &slot.layers
        {
            section.add_attribute("ssrc-group", Some(&format!("FID {ssrc} {repair_ssrc}")));
        }
    }
}

/// Has webrtcbin give retransmissions the SSRCs that its local description names.
pub(super) fn bind_repairs(webrtcbin: &gst::Element, local: &gst_sdp::SDPMessageRef) {
    let mut map = gst::Structure::new_empty("application/x-rtp-ssrc-map");
    for (repaired, repairing) in local.medias().flat_map(media::repairs) {
        map.set(repaired.to_string(), repairing);
    }
    for sender in webrtcbin::elements_inside(webrtcbin, "rtprtxsend") {
        sender.set_property("ssrc-map", &map);
    }
}

/// How often every layer is reported on. A forwarding server joins the timestamps of layers by their sender reports, and
/// leaves a subscriber without a picture when the layer it forwarded is gone before the first one: RFC 4585's 5 s are too
/// long for that. libwebrtc reports on video about every second, from the beginning.
const REPORT_INTERVAL: gst::ClockTime = gst::ClockTime::from_mseconds(500);
