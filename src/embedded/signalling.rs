// SPDX-License-Identifier: MPL-2.0
//! The project's signalling server inside a sink (`run-signalling-server`).
//!
//! The server logs through `tracing`; which subscriber listens is the application's business. Owns nothing of the
//! server, which is the crate `gst-plugin-webrtc-signalling`, but the way from a sink's properties to its
//! configuration. Starting and stopping block the caller for a bounded time; clients are served on the runtime.

use std::path::PathBuf;
use std::time::Duration;

use gst_plugin_webrtc_signalling::{Config, Handle, Server, ServerError, TlsError, TlsFiles};

use crate::error::with_causes;
use crate::{gst_ext::property, runtime};

/// What the user chose.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Host name or address to listen on.
    pub(crate) host: String,
    /// Port to listen on.
    pub(crate) port: u16,
    /// PEM certificate chain; TLS when both it and the key are set.
    pub(crate) cert: Option<String>,
    /// PEM key of the certificate.
    pub(crate) key: Option<String>,
    /// Headers to add to the answer of each handshake, a field each.
    pub(crate) headers: Option<gst::Structure>,
}

impl Settings {
    /// Reachable from everywhere, as the server's program.
    pub(crate) const HOST: &'static str = "0.0.0.0";
    /// As the server's program.
    pub(crate) const PORT: u16 = 8443;
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            host: Self::HOST.to_owned(),
            port: Self::PORT,
            cert: None,
            key: None,
            headers: None,
        }
    }
}

/// Why the server doesn't run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum StartError {
    /// The certificate and key don't make sense.
    #[error("the signalling server cannot use TLS: {}", with_causes(.0))]
    Tls(#[from] TlsError),
    /// It can't listen, or refuses its configuration.
    #[error("the signalling server cannot run: {}", with_causes(.0))]
    Server(#[from] ServerError),
}

/// A running server.
#[derive(Debug)]
pub(crate) struct SignallingServer {
    handle: Handle,
    /// Address for clients on this machine.
    uri: String,
}

impl SignallingServer {
    /// Listens and serves until stopped or dropped.
    ///
    /// # Errors
    /// [`StartError`] names address or file.
    pub(crate) fn start(settings: &Settings) -> Result<Self, StartError> {
        let path = |text: &Option<String>| text.as_ref().map(PathBuf::from);
        let tls = TlsFiles::from_options(path(&settings.cert), path(&settings.key))?;
        let scheme = if tls.is_some() { "wss" } else { "ws" };
        let config = Config {
            host: settings.host.clone(),
            port: settings.port,
            tls,
            response_headers: property::texts(settings.headers.as_deref()),
            ..Config::default()
        };
        let handle = runtime::block_on(async { Server::bind(config).await.map(Server::spawn) })?;
        let uri = format!(
            "{scheme}://{}:{}",
            local_host(&settings.host),
            handle.local_addr().port()
        );
        Ok(Self { handle, uri })
    }

    /// The address for clients on this machine.
    pub(crate) fn uri(&self) -> &str {
        &self.uri
    }

    /// Stops listening and closes every connection, within [`STOP_TIMEOUT`].
    pub(crate) fn stop(self) {
        // Past the deadline the handle is dropped, which ends everything at once.
        let _ = runtime::block_on(async { tokio::time::timeout(STOP_TIMEOUT, self.handle.shutdown()).await });
    }
}

/// Where to reach a server on this machine that listens on `host`.
fn local_host(host: &str) -> &str {
    match host {
        "0.0.0.0" => "127.0.0.1",
        "::" | "[::]" => "[::1]",
        host => host,
    }
}

/// A state change of the element must end within 5 s.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    fn local(port: u16) -> Settings {
        Settings {
            host: "127.0.0.1".to_owned(),
            port,
            ..Settings::default()
        }
    }

    #[test]
    fn it_listens_and_stops() {
        let server = SignallingServer::start(&local(0)).unwrap();
        let address = server.uri().strip_prefix("ws://").unwrap().to_owned();
        std::net::TcpStream::connect(&address).unwrap();
        server.stop();
        std::net::TcpStream::connect(&address).unwrap_err();
    }

    #[test]
    fn a_port_in_use_is_named() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let error = SignallingServer::start(&local(port)).unwrap_err();
        assert!(error.to_string().contains(&port.to_string()), "{error}");
    }

    #[test]
    fn a_certificate_without_its_key_is_refused() {
        let settings = Settings {
            cert: Some("cert.pem".to_owned()),
            ..local(0)
        };
        assert!(matches!(
            SignallingServer::start(&settings),
            Err(StartError::Tls(_))
        ));
        let settings = Settings {
            key: Some("/nonexistent.pem".to_owned()),
            ..settings
        };
        assert!(matches!(
            SignallingServer::start(&settings),
            Err(StartError::Server(_))
        ));
    }

    #[test]
    fn clients_on_this_machine_get_an_address_that_works() {
        for (host, expected) in [
            ("0.0.0.0", "127.0.0.1"),
            ("::", "[::1]"),
            ("[::]", "[::1]"),
            ("h", "h"),
        ] {
            assert_eq!(local_host(host), expected);
        }
    }
}
