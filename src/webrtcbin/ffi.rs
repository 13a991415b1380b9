// SPDX-License-Identifier: MPL-2.0
//! The C calls that no binding has: libnice's, and one of GObject's.
//!
//! libnice is not linked: it is used only where GStreamer's ICE plugin has loaded it already. Owns every `unsafe` block
//! of the folder, each with its reason. What the calls are for is said in `ice` and `mod.rs`.

use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::sync::OnceLock;

use gst::glib;
use gst::glib::prelude::*;
use gst::glib::translate::ToGlibPtr;
use libloading::os::unix::{Library, RTLD_LAZY, Symbol};

use super::ice::Credentials;

type Agent = *mut c_void;

/// libnice as it is loaded in this process.
pub(super) struct Nice {
    restart: Symbol<unsafe extern "C" fn(Agent) -> c_int>,
    get_local_credentials:
        Symbol<unsafe extern "C" fn(Agent, c_uint, *mut *mut c_char, *mut *mut c_char) -> c_int>,
    set_remote_credentials:
        Symbol<unsafe extern "C" fn(Agent, c_uint, *const c_char, *const c_char) -> c_int>,
}

impl Nice {
    /// The library, if it is loaded. Looked for once it was found never again.
    pub(super) fn loaded() -> Option<&'static Self> {
        static NICE: OnceLock<Nice> = OnceLock::new();
        if let Some(nice) = NICE.get() {
            return Some(nice);
        }
        let nice = Self::open()?;
        Some(NICE.get_or_init(|| nice))
    }

    #[allow(unsafe_code, reason = "libnice has no binding")]
    fn open() -> Option<Self> {
        // SAFETY: with RTLD_NOLOAD nothing is loaded and no initialiser runs.
        let library = unsafe { Library::open(Some(LIBRARY), RTLD_LAZY | RTLD_NOLOAD) }.ok()?;
        // SAFETY: the types are those of agent.h, unchanged since libnice 0.1.0.
        let nice = unsafe {
            Self {
                restart: library.get(b"nice_agent_restart\0").ok()?,
                get_local_credentials: library.get(b"nice_agent_get_local_credentials\0").ok()?,
                set_remote_credentials: library.get(b"nice_agent_set_remote_credentials\0").ok()?,
            }
        };
        // The symbols live as long as the process: GStreamer never unloads a plugin.
        std::mem::forget(library);
        Some(nice)
    }

    #[allow(unsafe_code, reason = "libnice has no binding")]
    pub(super) fn restart(&self, agent: &glib::Object) -> bool {
        // SAFETY: `agent` is the NiceAgent webrtcbin uses; libnice locks it.
        unsafe { (self.restart)(pointer(agent)) != 0 }
    }

    #[allow(unsafe_code, reason = "libnice has no binding")]
    pub(super) fn local_credentials(&self, agent: &glib::Object, stream: u32) -> Option<Credentials> {
        let (mut ufrag, mut pwd) = (std::ptr::null_mut(), std::ptr::null_mut());
        // SAFETY: both out parameters are valid; on success they hold strings that are ours to free.
        let is_given =
            unsafe { (self.get_local_credentials)(pointer(agent), stream, &mut ufrag, &mut pwd) != 0 };
        let (ufrag, pwd) = (taken(ufrag), taken(pwd));
        is_given.then_some(Credentials {
            ufrag: ufrag?,
            pwd: pwd?,
        })
    }

    #[allow(unsafe_code, reason = "libnice has no binding")]
    pub(super) fn set_remote_credentials(
        &self,
        agent: &glib::Object,
        stream: u32,
        credentials: &Credentials,
    ) -> bool {
        let (Ok(ufrag), Ok(pwd)) = (
            CString::new(credentials.ufrag.as_str()),
            CString::new(credentials.pwd.as_str()),
        ) else {
            return false;
        };
        // SAFETY: both strings outlive the call; libnice copies them.
        unsafe { (self.set_remote_credentials)(pointer(agent), stream, ufrag.as_ptr(), pwd.as_ptr()) != 0 }
    }
}

/// Makes `element` floating, as elements fresh from their factory are in C, for a signal handler to return.
///
/// The webrtcbin of GStreamer 1.22 sinks what its `request-aux-sender` returns without asking whether it floats, so that
/// the reference of one that does not is never released. Later ones ask.
#[allow(unsafe_code, reason = "the bindings own every reference")]
pub(super) fn float(element: &gst::Element) {
    let object: *mut glib::gobject_ffi::GObject = element.upcast_ref::<glib::Object>().to_glib_none().0;
    // SAFETY: the object is alive, and floating is a flag: the reference it stands for is the one that webrtcbin's
    // sinking takes over, of those that the returned value and the caller's binding own.
    unsafe { glib::gobject_ffi::g_object_force_floating(object) }
}

fn pointer(agent: &glib::Object) -> Agent {
    let pointer: *mut glib::gobject_ffi::GObject = agent.to_glib_none().0;
    pointer.cast()
}

/// A C string that is ours, as a Rust one.
#[allow(unsafe_code, reason = "libnice has no binding")]
fn taken(text: *mut c_char) -> Option<String> {
    if text.is_null() {
        return None;
    }
    // SAFETY: libnice gave a NUL-terminated string allocated with GLib, and it isn't used after this.
    unsafe {
        let owned = CStr::from_ptr(text).to_string_lossy().into_owned();
        glib::ffi::g_free(text.cast());
        Some(owned)
    }
}

/// The name Debian and every other Linux distribution has the library under.
const LIBRARY: &str = "libnice.so.10";
/// `dlfcn.h` on Linux: only give a library that is loaded already.
const RTLD_NOLOAD: c_int = 4;
