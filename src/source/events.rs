// SPDX-License-Identifier: MPL-2.0
//! What the application sends to the element as a whole, what it asks, and what the bin's inside reports.
//!
//! Owns where an event goes: to the producer, through the pads, or back to the bin. What pads themselves receive from
//! downstream takes another way, through their outlets to the session. Called on application threads and, for messages,
//! on streaming threads; the state lock is let go before anything is pushed, queried or posted.

use gst::prelude::*;
use gst::subclass::prelude::*;

use super::output::outlet::Outlet;
use super::{BaseWebRTCSrc, CAT};

/// What became of an event.
pub(super) enum Sent {
    /// It was dealt with, well or not.
    Done(bool),
    /// The bin may know what to do with it.
    NotOurs(gst::Event),
}

/// Sends `event` where it belongs: navigation to the producer, other events through the pads.
pub(super) fn send(src: &BaseWebRTCSrc, event: gst::Event) -> Sent {
    let (session, outlets) = {
        let state = src.imp().state();
        (state.session(), outlets(&state.pads()))
    };
    match event.view() {
        gst::EventView::Navigation(_) => {
            let settings = src.imp().settings().clone();
            match session {
                Some(session)
                    if settings.enable_data_channel_navigation || settings.enable_control_data_channel =>
                {
                    session.send_event(event);
                    Sent::Done(true)
                }
                _ => Sent::Done(each(&outlets, |outlet| {
                    outlet.sink_pad().push_event(event.clone())
                })),
            }
        }
        gst::EventView::Eos(_) if session.is_some() => {
            session.inspect(|session| session.end_of_stream());
            Sent::Done(true)
        }
        gst::EventView::Eos(_) => {
            for outlet in &outlets {
                outlet.end();
            }
            Sent::Done(true)
        }
        _ if outlets.is_empty() => Sent::NotOurs(event),
        _ if event.is_downstream() => Sent::Done(each(&outlets, |outlet| {
            outlet.src_pad().push_event(event.clone())
        })),
        _ => Sent::Done(each(&outlets, |outlet| {
            outlet.sink_pad().push_event(event.clone())
        })),
    }
}

/// Answers the latency query: what the slowest pad says, and before there are pads what they will say.
pub(super) fn query(src: &BaseWebRTCSrc, query: &mut gst::QueryRef) -> bool {
    let gst::QueryViewMut::Latency(latency) = query.view_mut() else {
        return false;
    };
    let outlets = outlets(&src.imp().state().pads());
    let own = src.imp().settings().latency();
    let slowest = outlets
        .iter()
        .filter_map(|outlet| {
            let mut query = gst::query::Latency::new();
            outlet.src_pad().query(&mut query).then(|| query.result().1)
        })
        .fold(own, Ord::max);
    latency.set(true, slowest, gst::ClockTime::NONE);
    true
}

/// Sorts what the bin's children post: failures inside of a session are the session's, and streams that are drained
/// or ended inside say nothing about the element. Gives back what concerns the application.
pub(super) fn inner_message(src: &BaseWebRTCSrc, message: gst::Message) -> Option<gst::Message> {
    match message.view() {
        gst::MessageView::Eos(_) => None,
        gst::MessageView::Error(error) => {
            let session = src.imp().state().session();
            let text = format!("{} ({})", error.error(), error.debug().unwrap_or_default());
            match (session, message.src()) {
                (Some(session), Some(origin)) => session.failed(origin, text),
                _ => gst::warning!(CAT, obj = src, "what is left of a session failed: {text}"),
            }
            None
        }
        _ => Some(message),
    }
}

fn outlets(pads: &[super::state::Exposed]) -> Vec<Outlet> {
    pads.iter().filter_map(|exposed| exposed.outlet.clone()).collect()
}

fn each(outlets: &[Outlet], call: impl Fn(&Outlet) -> bool) -> bool {
    // Every one is called, whatever those before it said.
    outlets.iter().filter(|outlet| call(outlet)).count() > 0
}
