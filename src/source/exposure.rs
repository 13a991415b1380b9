// SPDX-License-Identifier: MPL-2.0
//! Pads that come and go: sometimes pads for what the producer sends, requested pads for what the application wants.
//!
//! Called by the session's thread, and for requests by the application's; no lock is held while pads are added or
//! removed, so handlers of `pad-added` may do whatever they like. A session is told of links and releases, which come
//! from the application; what they mean for a stream is `session/streams`' to say.

use gst::prelude::*;
use gst::subclass::prelude::*;

use super::output::outlet::Outlet;
use super::state::Exposed;
use super::{BaseWebRTCSrc, CAT, WebRTCSrcPad};
use crate::codec::MediaKind;

/// What a pad says of its stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Label {
    pub(super) msid: Option<String>,
    pub(super) mid: String,
}

/// The pad templates of the class. Sometimes pads come first: a launch line such as `webrtcsrc ! videoconvert` then
/// waits for a pad instead of requesting one.
pub(crate) fn templates(pad_type: gst::glib::Type) -> Vec<gst::PadTemplate> {
    let (video, audio) = (caps(VIDEO_CAPS), caps(AUDIO_CAPS));
    [
        ("video_%u", gst::PadPresence::Sometimes, &video),
        ("req_video_%u", gst::PadPresence::Request, &video),
        ("audio_%u", gst::PadPresence::Sometimes, &audio),
        ("req_audio_%u", gst::PadPresence::Request, &audio),
    ]
    .into_iter()
    .map(|(name, presence, caps)| {
        gst::PadTemplate::with_gtype(name, gst::PadDirection::Src, presence, caps, pad_type)
            .expect("the class's own templates are valid")
    })
    .collect()
}

/// Adds a sometimes pad called `name` on `outlet`; `None` when the element has a pad of that name.
pub(super) fn expose(
    src: &BaseWebRTCSrc,
    name: &str,
    kind: MediaKind,
    outlet: &Outlet,
    label: &Label,
) -> Option<WebRTCSrcPad> {
    let template = src.pad_template(&format!("{kind}_%u"))?;
    let pad = WebRTCSrcPad::of_template(&template, name);
    install(src, outlet)?;
    pad.set_stream(label.msid.as_deref(), Some(&label.mid));
    watch(src, &pad);
    src.imp().state().add_pad(Exposed {
        pad: pad.clone(),
        kind,
        outlet: Some(outlet.clone()),
        is_requested: false,
    });
    let is_added = pad.set_target(Some(outlet.src_pad())).is_ok() && pad.set_active(true).is_ok() && {
        outlet.begin();
        src.add_pad(&pad).is_ok()
    };
    if !is_added {
        gst::warning!(CAT, obj = src, "pad {name} cannot be added");
        withdraw(src, &pad);
        return None;
    }
    Some(pad)
}

/// Puts `outlet` behind a requested pad; false when the pad is gone or taken.
pub(super) fn occupy(src: &BaseWebRTCSrc, pad: &WebRTCSrcPad, outlet: &Outlet, label: &Label) -> bool {
    if install(src, outlet).is_none() {
        return false;
    }
    if !src.imp().state().occupy(pad, outlet) {
        uninstall(src, outlet);
        return false;
    }
    pad.set_stream(label.msid.as_deref(), Some(&label.mid));
    if pad.set_target(Some(outlet.src_pad())).is_err() {
        withdraw(src, pad);
        return false;
    }
    outlet.begin();
    true
}

/// Takes a pad away, or for a requested one what feeds it. Whatever downstream was doing with its data is flushed; what
/// is behind a requested pad is ready for the next stream then.
pub(super) fn withdraw(src: &BaseWebRTCSrc, pad: &WebRTCSrcPad) {
    let outlet = src.imp().state().vacate(pad);
    if let Some(outlet) = &outlet {
        outlet.src_pad().push_event(gst::event::FlushStart::new());
    }
    let is_requested = src
        .imp()
        .state()
        .pads()
        .iter()
        .any(|exposed| exposed.pad == *pad && exposed.is_requested);
    if is_requested {
        pad.set_stream(None, None);
        // Fails only on a pad that is no ghost pad.
        let _ = pad.set_target(None::<&gst::Pad>);
    } else {
        src.imp().state().remove_pad(pad);
        let _ = pad.set_active(false);
        if pad.parent().is_some() {
            let _ = src.remove_pad(pad);
        }
    }
    if let Some(outlet) = outlet {
        uninstall(src, &outlet);
    }
    if is_requested && let Some(entry) = pad.internal() {
        // Time goes on where it stood.
        entry.send_event(gst::event::FlushStop::new(false));
    }
}

/// Takes away every pad that the application did not request, and what feeds those that it did.
pub(super) fn withdraw_all(src: &BaseWebRTCSrc) {
    let pads = src.imp().state().pads();
    for exposed in pads {
        withdraw(src, &exposed.pad);
    }
}

/// Adds a requested pad. The name asked for is not used: pads are numbered by kind.
pub(super) fn request(src: &BaseWebRTCSrc, template: &gst::PadTemplate) -> Option<WebRTCSrcPad> {
    let kind = match template.name_template() {
        "req_video_%u" => MediaKind::Video,
        "req_audio_%u" => MediaKind::Audio,
        other => {
            gst::error!(CAT, obj = src, "pads of template {other} cannot be requested");
            return None;
        }
    };
    let number = src.imp().state().next_request(kind);
    let pad = WebRTCSrcPad::of_template(template, &format!("req_{kind}_{number}"));
    pad.use_fixed_caps();
    pad.set_active(true).ok()?;
    watch(src, &pad);
    src.imp().state().add_pad(Exposed {
        pad: pad.clone(),
        kind,
        outlet: None,
        is_requested: true,
    });
    if src.add_pad(&pad).is_err() {
        src.imp().state().remove_pad(&pad);
        return None;
    }
    Some(pad)
}

/// Removes a requested pad; a session that feeds it goes on without. What downstream does with its data is flushed, for
/// the pad stops only when nothing holds it up there.
pub(super) fn release(src: &BaseWebRTCSrc, pad: &WebRTCSrcPad) {
    let Some(exposed) = src.imp().state().remove_pad(pad) else {
        return;
    };
    if let Some(outlet) = &exposed.outlet {
        outlet.src_pad().push_event(gst::event::FlushStart::new());
    }
    let session = src.imp().state().session();
    if let Some(session) = session {
        session.released(pad);
    }
    let _ = pad.set_active(false);
    let _ = src.remove_pad(pad);
    if let Some(outlet) = exposed.outlet {
        uninstall(src, &outlet);
    }
}

/// Has the session told when the application links the pad: only then is it known which form downstream takes.
fn watch(src: &BaseWebRTCSrc, pad: &WebRTCSrcPad) {
    let src = src.downgrade();
    pad.connect_linked(move |pad, _| {
        let session = src.upgrade().and_then(|src| src.imp().state().session());
        if let (Some(session), Some(pad)) = (session, pad.downcast_ref()) {
            session.linked(pad);
        }
    });
}

/// Puts the outlet into the element's bin, in the bin's own state; `None`, and nothing left behind, where that fails.
fn install(src: &BaseWebRTCSrc, outlet: &Outlet) -> Option<()> {
    src.add(outlet).ok()?;
    let synced = outlet.sync_state_with_parent();
    if synced.is_err() {
        uninstall(src, outlet);
    }
    synced.ok()
}

fn uninstall(src: &BaseWebRTCSrc, outlet: &Outlet) {
    // An element on its own has nothing that could keep it from stopping.
    outlet.set_locked_state(true);
    let _ = outlet.set_state(gst::State::Null);
    let _ = src.remove(outlet);
}

fn caps(text: &str) -> gst::Caps {
    text.parse().expect("constant caps are valid")
}

/// What pads can carry, whatever is installed: templates are read before anything is known of the registry.
const VIDEO_CAPS: &str =
    "video/x-raw(ANY); application/x-rtp; video/x-vp8; video/x-h264; video/x-vp9; video/x-h265; video/x-av1";
const AUDIO_CAPS: &str = "audio/x-raw(ANY); application/x-rtp; audio/x-opus";
