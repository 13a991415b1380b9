// SPDX-License-Identifier: MPL-2.0
//! The GObject side of the interface: its vtable, its defaults, and the trampolines to an implementor.
//!
//! Every method is reached through the class handler of a signal (see [`signals`]), never directly. Owns the class
//! structure, whose layout implementors in other languages see. Any thread may come through here: no lock is held and
//! nothing is decided.

use gst::glib;
use gst::glib::prelude::*;
use gst::glib::subclass::prelude::*;

use super::{SignallableExt, signals};

/// Read-only property by which a signaller says that it changes descriptions itself.
pub(super) const MANUAL_SDP_MUNGING: &str = "manual-sdp-munging";

/// What a signaller overrides. Every method has a default that does nothing.
///
/// Methods are called from streaming, runtime and application threads and must return promptly: queue, don't wait.
///
/// Interface property `manual-sdp-munging` (boolean, read-only, false): an implementor declares it in its own property
/// list, where it says that descriptions must reach [`SignallableImpl::send_sdp`] unmunged.
pub trait SignallableImpl: ObjectImpl + ObjectSubclass<Type: IsA<super::Signallable>> {
    /// Starts signalling.
    fn start(&self) {}

    /// Stops signalling; sessions still open are over. Must come back within seconds whatever the network does.
    fn stop(&self) {}

    /// Sends an offer or an answer to the peer of `session_id`.
    fn send_sdp(&self, _session_id: &str, _sdp: &gst_webrtc::WebRTCSessionDescription) {}

    /// Sends a local candidate of the m-line at `sdp_m_line_index`; an empty one marks the end of candidates.
    fn add_ice(&self, _session_id: &str, _candidate: &str, _sdp_m_line_index: u32, _sdp_mid: Option<String>) {
    }

    /// Ends the session towards the peer.
    fn end_session(&self, _session_id: &str) {}

    /// Ends the session towards the peer and says why. The default forgets the reason and ends the session the plain
    /// way, through the signal, so that an application's handler of `end-session` sees it as well.
    fn end_session_with_error(&self, session_id: &str, _error: Option<String>) {
        self.obj().end_session(session_id);
    }
}

/// Class structure of `GstRSWebRTCSignallableIface`.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct SignallableInterface {
    parent: glib::gobject_ffi::GTypeInterface,
    pub(super) start: fn(&super::Signallable),
    pub(super) stop: fn(&super::Signallable),
    pub(super) send_sdp: fn(&super::Signallable, &str, &gst_webrtc::WebRTCSessionDescription),
    pub(super) add_ice: fn(&super::Signallable, &str, &str, u32, Option<String>),
    pub(super) end_session: fn(&super::Signallable, &str),
    pub(super) end_session_with_error: fn(&super::Signallable, &str, Option<String>),
}

// SAFETY: the structure is `repr(C)`, starts with the `GTypeInterface` and holds only plain function pointers.
#[allow(unsafe_code, reason = "a GObject interface cannot be declared without")]
unsafe impl InterfaceStruct for SignallableInterface {
    type Type = Signallable;
}

/// Marker that stands for the interface where glib asks for an implementation type.
pub enum Signallable {}

#[glib::object_interface]
impl ObjectInterface for Signallable {
    const NAME: &'static str = "GstRSWebRTCSignallableIface";
    type Prerequisites = (glib::Object,);
    type Interface = SignallableInterface;

    fn interface_init(klass: &mut SignallableInterface) {
        klass.start = |_| {};
        klass.stop = |_| {};
        klass.send_sdp = |_, _, _| {};
        klass.add_ice = |_, _, _, _, _| {};
        klass.end_session = |_, _| {};
        klass.end_session_with_error = |this, session_id, _| this.end_session(session_id);
    }

    fn signals() -> &'static [glib::subclass::Signal] {
        signals::declarations()
    }

    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: std::sync::LazyLock<Vec<glib::ParamSpec>> = std::sync::LazyLock::new(|| {
            vec![
                glib::ParamSpecBoolean::builder(MANUAL_SDP_MUNGING)
                    .nick("Manual SDP munging")
                    .blurb("Whether the signaller changes session descriptions itself before sending them")
                    .default_value(false)
                    .read_only()
                    .build(),
            ]
        });
        &PROPERTIES
    }
}

// SAFETY: the trampolines below only cast the instance to the implementor, which is what glib installed them for.
#[allow(
    unsafe_code,
    reason = "one implementation per interface, see the style's rule on IsImplementable"
)]
unsafe impl<T: SignallableImpl> IsImplementable<T> for super::Signallable
where
    <T as ObjectSubclass>::Type: IsA<glib::Object>,
{
    fn interface_init(iface: &mut glib::Interface<Self>) {
        let iface = iface.as_mut();
        iface.start = |this| implementor::<T>(this).imp().start();
        iface.stop = |this| implementor::<T>(this).imp().stop();
        iface.send_sdp = |this, session_id, sdp| implementor::<T>(this).imp().send_sdp(session_id, sdp);
        iface.add_ice = |this, session_id, candidate, index, mid| {
            implementor::<T>(this)
                .imp()
                .add_ice(session_id, candidate, index, mid);
        };
        iface.end_session = |this, session_id| implementor::<T>(this).imp().end_session(session_id);
        iface.end_session_with_error = |this, session_id, error| {
            implementor::<T>(this)
                .imp()
                .end_session_with_error(session_id, error);
        };
    }
}

/// The implementor's own wrapper of an instance that carries its interface.
fn implementor<T: SignallableImpl>(this: &super::Signallable) -> &T::Type
where
    T::Type: IsA<glib::Object>,
{
    this.dynamic_cast_ref::<T::Type>()
        .expect("a vtable is only reached through an instance of its own type")
}
