// SPDX-License-Identifier: MPL-2.0
//! `webrtcsink`: serves its streams to the consumers that the plugin's own signalling server introduces.
//!
//! ```text
//! gst-launch-1.0 webrtcsink name=ws meta="meta,name=gst-stream" videotestsrc ! ws. audiotestsrc ! ws.
//! ```
//!
//! With `run-signalling-server=true` the element brings that server along.

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use crate::signaller::Signaller;
use crate::sink::{BaseWebRTCSink, BaseWebRTCSinkImpl};

glib::wrapper! {
    /// A sink whose consumers come over the plugin's own signalling server.
    pub struct WebRTCSink(ObjectSubclass<imp::WebRTCSink>)
        @extends BaseWebRTCSink, gst::Bin, gst::Element, gst::Object,
        @implements gst::ChildProxy, gst_video::Navigation;
}

/// Registers the element.
///
/// # Errors
/// When the registry refuses it.
pub(super) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(
        Some(plugin),
        "webrtcsink",
        gst::Rank::NONE,
        WebRTCSink::static_type(),
    )
}

#[allow(
    missing_docs,
    reason = "the accessors the derive makes are described by the blurbs"
)]
mod imp {
    use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

    use super::*;
    use crate::embedded::signalling::{Settings, SignallingServer};
    use crate::error;
    use crate::gst_ext::property::non_empty;

    /// What `webrtcsink` adds to its base: a signalling server of its own.
    #[derive(Default, glib::Properties)]
    #[properties(wrapper_type = super::WebRTCSink)]
    pub struct WebRTCSink {
        #[property(name = "run-signalling-server", type = bool, get, set, default = false, mutable_ready,
            blurb = "Whether the element runs a signalling server of its own and uses it; read when going to PAUSED")]
        run_signalling_server: Mutex<bool>,
        #[property(name = "signalling-server-host", type = Option<String>, get = Self::host, set = Self::set_host,
            default = Some(Settings::HOST),
            blurb = "Host name or address the element's own signalling server listens on; read when going to PAUSED")]
        #[property(name = "signalling-server-port", type = u32, get = Self::port, set = Self::set_port,
            minimum = 1, maximum = 65535, default = Settings::PORT.into(),
            blurb = "Port the element's own signalling server listens on; read when going to PAUSED")]
        #[property(name = "signalling-server-cert", type = Option<String>, get, set = Self::set_cert, member = cert,
            blurb = "PEM file with the certificate chain of the element's own signalling server: wss:// when the key is \
                set too; read when going to PAUSED")]
        #[property(name = "signalling-server-key", type = Option<String>, get, set = Self::set_key, member = key,
            blurb = "PEM file with the key of that certificate; read when going to PAUSED")]
        settings: Mutex<Settings>,
        /// Present between READY and PAUSED and back. Taken after no other lock.
        server: Mutex<Option<SignallingServer>>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for WebRTCSink {
        const NAME: &'static str = "GstWebRTCSink";
        type Type = super::WebRTCSink;
        type ParentType = BaseWebRTCSink;
    }

    impl ObjectImpl for WebRTCSink {
        fn properties() -> &'static [glib::ParamSpec] {
            static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
                let mut properties = WebRTCSink::derived_properties().to_vec();
                // The derive has no form for structures.
                properties.push(
                    glib::ParamSpecBoxed::builder::<gst::Structure>(HEADERS)
                        .blurb(
                            "HTTP headers that the element's own signalling server adds to the answer of each \
                             handshake, a field each; read when going to PAUSED",
                        )
                        .build(),
                );
                properties
            });
            &PROPERTIES
        }

        fn set_property(&self, id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
            if pspec.name() != HEADERS {
                return self.derived_set_property(id, value, pspec);
            }
            let headers = value
                .get()
                .expect("GObject checks the type of a property's value");
            self.settings().headers = headers;
        }

        fn property(&self, id: usize, pspec: &glib::ParamSpec) -> glib::Value {
            if pspec.name() != HEADERS {
                return self.derived_property(id, pspec);
            }
            self.settings().headers.to_value()
        }
    }

    impl GstObjectImpl for WebRTCSink {}

    impl ElementImpl for WebRTCSink {
        fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
            static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
                gst::subclass::ElementMetadata::new(
                    "WebRTCSink",
                    "Sink/Network/WebRTC",
                    "WebRTC sink with the plugin's own signalling protocol",
                    env!("CARGO_PKG_AUTHORS"),
                )
            });
            Some(&METADATA)
        }

        fn change_state(
            &self,
            transition: gst::StateChange,
        ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
            if transition == gst::StateChange::ReadyToPaused {
                self.start_server()?;
            }
            let result = self.parent_change_state(transition);
            let has_failed = result.is_err() && transition == gst::StateChange::ReadyToPaused;
            if has_failed || transition == gst::StateChange::PausedToReady {
                self.stop_server();
            }
            result
        }
    }

    impl BinImpl for WebRTCSink {}
    impl BaseWebRTCSinkImpl for WebRTCSink {}

    impl WebRTCSink {
        fn settings(&self) -> MutexGuard<'_, Settings> {
            self.settings.lock().unwrap_or_else(PoisonError::into_inner)
        }

        fn server(&self) -> MutexGuard<'_, Option<SignallingServer>> {
            self.server.lock().unwrap_or_else(PoisonError::into_inner)
        }

        fn host(&self) -> Option<String> {
            Some(self.settings().host.clone())
        }

        /// NULL and an empty text stand for the default: a server without a host cannot be meant.
        fn set_host(&self, host: Option<String>) {
            self.settings().host = non_empty(host).unwrap_or_else(|| Settings::HOST.to_owned());
        }

        fn port(&self) -> u32 {
            self.settings().port.into()
        }

        fn set_port(&self, port: u32) {
            self.settings().port =
                u16::try_from(port).expect("GObject checks the range of a property's value");
        }

        fn set_cert(&self, path: Option<String>) {
            self.settings().cert = non_empty(path);
        }

        fn set_key(&self, path: Option<String>) {
            self.settings().key = non_empty(path);
        }

        /// Listens, and points the signaller there.
        fn start_server(&self) -> Result<(), gst::StateChangeError> {
            let is_wanted = *self
                .run_signalling_server
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            if !is_wanted {
                return Ok(());
            }
            let settings = self.settings().clone();
            let failed = |text: String| {
                error::post_failure(&*self.obj(), &text);
                gst::StateChangeError
            };
            let signaller = self.obj().property::<glib::Object>("signaller");
            if !signaller.is::<Signaller>() {
                return Err(failed(
                    "run-signalling-server needs the default signaller".to_owned(),
                ));
            }
            let server = SignallingServer::start(&settings).map_err(|error| failed(error.to_string()))?;
            signaller.set_property("uri", server.uri());
            if settings.key.is_some() {
                signaller.set_property("cafile", settings.cert);
            }
            *self.server() = Some(server);
            Ok(())
        }

        /// Taken out of the lock before it is stopped, which takes its time.
        fn stop_server(&self) {
            let server = self.server().take();
            if let Some(server) = server {
                server.stop();
            }
        }
    }

    const HEADERS: &str = "signalling-server-headers";
}
