// SPDX-License-Identifier: MPL-2.0
//! The web server of a sink: from its properties to `embedded::web`, and a clear word where the build lacks it.
//!
//! Owns nothing of the server but its start and stop with the element: it starts before PAUSED and stops after the last
//! session has. Called on the thread that changes the state; no lock is held over either.

use gst::subclass::prelude::*;

use super::BaseWebRTCSink;
use crate::error;

/// Starts the server if `run-web-server` asks for it.
///
/// # Errors
/// When it cannot run; the bus says why.
pub(super) fn start(sink: &BaseWebRTCSink) -> Result<(), gst::StateChangeError> {
    if !sink.imp().settings().run_web_server {
        return Ok(());
    }
    run(sink).map_err(|text| {
        error::post_failure(sink, &text);
        gst::StateChangeError
    })
}

/// Stops the server, if it runs.
pub(super) fn stop(sink: &BaseWebRTCSink) {
    #[cfg(feature = "web_server")]
    {
        let server = sink.imp().state().web_server.take();
        if let Some(server) = server {
            server.stop();
        }
    }
    #[cfg(not(feature = "web_server"))]
    let _ = sink;
}

#[cfg(feature = "web_server")]
fn run(sink: &BaseWebRTCSink) -> Result<(), String> {
    use std::path::PathBuf;

    use crate::embedded::web::{Settings, WebServer};
    use crate::sink::imp::CAT;

    let settings = {
        let settings = sink.imp().settings();
        if let Some(address) = &settings.unusable_web_server_host_addr {
            return Err(format!(
                "web-server-host-addr {address:?} is no URL such as http://host:port"
            ));
        }
        Settings {
            address: settings.web_server_host_addr.clone(),
            path: settings.web_server_path.clone(),
            directory: settings
                .web_server_directory
                .clone()
                .map_or_else(|| PathBuf::from("."), PathBuf::from),
            cert: settings.web_server_cert.clone().map(PathBuf::from),
            key: settings.web_server_key.clone().map(PathBuf::from),
        }
    };
    let server = WebServer::start(&settings).map_err(|error| error.to_string())?;
    gst::info!(CAT, obj = sink, "the web server listens on {}", server.address());
    sink.imp().state().web_server = Some(server);
    Ok(())
}

#[cfg(not(feature = "web_server"))]
fn run(_: &BaseWebRTCSink) -> Result<(), String> {
    Err("run-web-server: this build has no web server (Cargo feature web_server)".to_owned())
}
