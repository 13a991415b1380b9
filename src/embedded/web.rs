// SPDX-License-Identifier: MPL-2.0
//! The web server inside a sink (`run-web-server`): the files of one folder, by GET and HEAD, plain or over TLS.
//!
//! Owns what is served: paths, the folder and the size of a file. Paths that leave the folder are refused by
//! tower-http's `ServeDir`; sockets, limits and TLS are `net/http/server`'s. Starting blocks the caller until the port
//! is open, requests are answered on the runtime.

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, combinators::UnsyncBoxBody};
use hyper::body::Incoming;
use tower_http::services::ServeDir;
use url::Url;

use crate::net::http::server::{self, ServeError, Server, Service};
use crate::runtime;

/// What the user chose.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Where to listen: host and port count, and the default port of the scheme.
    pub(crate) address: Url,
    /// Path below which the files are; `None` is the root.
    pub(crate) path: Option<String>,
    /// The folder, relative to the working directory.
    pub(crate) directory: PathBuf,
    /// PEM certificate chain; TLS when both it and the key are set.
    pub(crate) cert: Option<PathBuf>,
    /// PEM key of the certificate.
    pub(crate) key: Option<PathBuf>,
}

/// Why the server doesn't run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum StartError {
    /// There is nothing to serve.
    #[error("the web server has nothing to serve: {0} is no folder (web-server-directory)")]
    Directory(PathBuf),
    /// One of certificate and key is missing.
    #[error("the web server needs both web-server-cert and web-server-key for TLS")]
    HalfCertificate,
    /// It can't listen, or can't use its certificate.
    #[error("the web server cannot run: {0}")]
    Serve(#[from] ServeError),
}

/// A running server; dropped, it closes its port.
#[derive(Debug)]
pub(crate) struct WebServer(Server);

impl WebServer {
    /// Listens and serves until stopped or dropped.
    ///
    /// # Errors
    /// [`StartError`] names address, folder or file.
    pub(crate) fn start(settings: &Settings) -> Result<Self, StartError> {
        if !settings.directory.is_dir() {
            return Err(StartError::Directory(settings.directory.clone()));
        }
        let tls = match (&settings.cert, &settings.key) {
            (Some(cert), Some(key)) => Some(server::acceptor(cert, key)?),
            (None, None) => None,
            _ => return Err(StartError::HalfCertificate),
        };
        let host = settings.address.host_str().unwrap_or(ANY_HOST).to_owned();
        let port = settings.address.port_or_known_default().unwrap_or(DEFAULT_PORT);
        let files = Arc::new(Files::new(settings));
        Ok(Self(runtime::block_on(Server::start(&host, port, tls, files))?))
    }

    /// The address listened on, with the port the system chose.
    pub(crate) fn address(&self) -> std::net::SocketAddr {
        self.0.address()
    }

    /// Closes the port and every connection, within a second.
    pub(crate) fn stop(self) {
        self.0.close();
    }
}

/// Answers with files.
struct Files {
    directory: ServeDir,
    /// Begins and doesn't end with a slash, or is empty.
    prefix: String,
}

impl Files {
    fn new(settings: &Settings) -> Self {
        let path = settings.path.as_deref().unwrap_or_default().trim_matches('/');
        let prefix = if path.is_empty() {
            String::new()
        } else {
            format!("/{path}")
        };
        Self {
            directory: ServeDir::new(&settings.directory),
            prefix,
        }
    }
}

impl Service for Files {
    /// Read from the disk in pieces, as the peer takes them.
    type Body = UnsyncBoxBody<Bytes, io::Error>;

    async fn call(&self, _peer: IpAddr, mut request: Request<Incoming>) -> Response<Self::Body> {
        let Some(uri) = below(request.uri(), &self.prefix) else {
            return status(StatusCode::NOT_FOUND);
        };
        *request.uri_mut() = uri;
        match self.directory.clone().try_call(request).await {
            Ok(response) => response.map(BodyExt::boxed_unsync),
            Err(_) => status(StatusCode::INTERNAL_SERVER_ERROR),
        }
    }
}

/// The address below `prefix`; `None` when it isn't below it.
fn below(uri: &Uri, prefix: &str) -> Option<Uri> {
    let rest = uri.path_and_query()?.as_str().strip_prefix(prefix)?;
    match rest.chars().next() {
        Some('/') => rest.parse().ok(),
        None | Some('?') => format!("/{rest}").parse().ok(),
        Some(_) => None,
    }
}

fn status(status: StatusCode) -> Response<UnsyncBoxBody<Bytes, io::Error>> {
    let mut response = Response::default();
    *response.status_mut() = status;
    response
}

/// An address without a host can only mean all of them.
const ANY_HOST: &str = "0.0.0.0";
/// The port of the property's default.
const DEFAULT_PORT: u16 = 8080;

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("web-test-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("index.html"), "<p>hello").unwrap();
        std::fs::write(folder.join("lib.js"), "1").unwrap();
        folder
    }

    fn settings(name: &str, path: Option<&str>) -> Settings {
        let address = Url::parse("http://127.0.0.1:0").unwrap();
        Settings {
            address,
            path: path.map(str::to_owned),
            directory: folder(name),
            cert: None,
            key: None,
        }
    }

    fn answer(server: &WebServer, request: &str) -> String {
        let mut stream = std::net::TcpStream::connect(server.address()).unwrap();
        write!(
            stream,
            "{request} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn files_are_served_with_their_types() {
        let server = WebServer::start(&settings("types", None)).unwrap();
        let page = answer(&server, "GET /");
        assert!(
            page.starts_with("HTTP/1.1 200") && page.ends_with("<p>hello"),
            "{page}"
        );
        assert!(page.to_lowercase().contains("content-type: text/html"), "{page}");
        assert!(
            answer(&server, "GET /lib.js")
                .to_lowercase()
                .contains("javascript")
        );
        assert!(!answer(&server, "HEAD /").contains("hello"));
        server.stop();
    }

    #[test]
    fn files_larger_than_memory_should_hold_are_served_in_pieces() {
        const SIZE: u64 = 80 << 20;
        let settings = settings("large", None);
        let file = std::fs::File::create(settings.directory.join("film.mp4")).unwrap();
        // A hole takes no space.
        file.set_len(SIZE).unwrap();
        let server = WebServer::start(&settings).unwrap();
        let mut stream = std::net::TcpStream::connect(server.address()).unwrap();
        write!(
            stream,
            "GET /film.mp4 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let received = io::copy(&mut stream, &mut io::sink()).unwrap();
        assert!((SIZE..SIZE + 1000).contains(&received), "{received}");
        std::fs::remove_file(settings.directory.join("film.mp4")).unwrap();
    }

    #[test]
    fn nothing_outside_of_the_folder_is_served() {
        let server = WebServer::start(&settings("outside", None)).unwrap();
        for request in [
            "GET /../outside.txt",
            "GET /%2e%2e/x",
            "GET /nosuchfile",
            "GET //etc/passwd",
        ] {
            let text = answer(&server, request);
            assert!(text.starts_with("HTTP/1.1 4"), "{request}: {text}");
        }
        assert!(answer(&server, "POST /").starts_with("HTTP/1.1 405"));
    }

    #[test]
    fn a_path_moves_the_files_below_it() {
        let server = WebServer::start(&settings("path", Some("/app/"))).unwrap();
        for (request, expected) in [
            ("GET /app/", "200"),
            ("GET /app", "200"),
            ("GET /app/lib.js?x=1", "200"),
            ("GET /", "404"),
            ("GET /apple", "404"),
        ] {
            let text = answer(&server, request);
            assert!(
                text.starts_with(&format!("HTTP/1.1 {expected}")),
                "{request}: {text}"
            );
        }
    }

    #[test]
    fn what_cannot_be_served_is_named() {
        let mut missing = settings("missing", None);
        missing.directory = "/nonexistent".into();
        assert!(
            WebServer::start(&missing)
                .unwrap_err()
                .to_string()
                .contains("/nonexistent")
        );
        let mut half = settings("half", None);
        half.cert = Some("cert.pem".into());
        assert!(matches!(
            WebServer::start(&half),
            Err(StartError::HalfCertificate)
        ));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut taken = settings("taken", None);
        taken
            .address
            .set_port(Some(listener.local_addr().unwrap().port()))
            .unwrap();
        let error = WebServer::start(&taken).unwrap_err();
        assert!(
            error
                .to_string()
                .contains(&taken.address.port().unwrap().to_string()),
            "{error}"
        );
    }
}
