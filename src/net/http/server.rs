// SPDX-License-Identifier: MPL-2.0
//! Listening, accepting and serving, with limits on everything a client could use up: connections, time to send a head,
//! time to take the answer. TLS fails closed. Dropping the server closes its port and every connection.
//!
//! What requests mean is the `Service`'s: WHIP and WHEP in `signallers/wish/server`, files in `embedded/web`. Runs on
//! the runtime, a task per connection; HTTP/1.1 (RFC 9112) by hyper.

use std::{
    convert::Infallible, error::Error, future::Future, io, net::IpAddr, net::SocketAddr, path::Path,
    sync::Arc, time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use hyper::{
    body::{Body, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

use super::reader::Impatient;
use crate::runtime;

/// Open connections; more wait in the kernel's queue until one closes.
const MAX_CONNECTIONS: usize = 512;
/// Time to finish a TLS handshake and then to send the head of a request; also what an idle connection is kept.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long closing waits for the listener's task, which has nothing to do but to end.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// What answers the requests.
pub(crate) trait Service: Send + Sync + 'static {
    /// What an answer holds, whole or in pieces that are made as the peer takes them.
    type Body: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static;

    /// Answers one request of `peer`. Dropped when the peer goes away before.
    fn call(
        &self,
        peer: IpAddr,
        request: Request<Incoming>,
    ) -> impl Future<Output = Response<Self::Body>> + Send;
}

/// Why a server does not listen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ServeError {
    /// The host name means nothing.
    #[error("`{0}` does not resolve")]
    Resolve(String, #[source] io::Error),
    /// The address is taken or not ours.
    #[error("cannot listen on {0}: {1}")]
    Bind(SocketAddr, #[source] io::Error),
    /// Certificate or key cannot be used.
    #[error("cannot use certificate `{0}`: {1}")]
    Certificate(String, String),
    /// An https address and nothing to prove it with.
    #[cfg(feature = "wish")]
    #[error("an https address needs tls-cert and tls-key")]
    NoCertificate,
}

/// A listening server.
#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    close: watch::Sender<bool>,
    task: Option<runtime::Task>,
}

impl Server {
    /// Listens on every address of `host` and serves until dropped or closed.
    ///
    /// # Errors
    /// When any of the addresses cannot be listened on.
    pub(crate) async fn start(
        host: &str,
        port: u16,
        tls: Option<TlsAcceptor>,
        service: Arc<impl Service>,
    ) -> Result<Self, ServeError> {
        let listeners = listen(host, port).await?;
        let address = listeners
            .first()
            .and_then(|l| l.local_addr().ok())
            .unwrap_or(([0, 0, 0, 0], port).into());
        let (close, closed) = watch::channel(false);
        let task = runtime::spawn(accept_all(listeners, tls, service, closed));
        Ok(Self {
            address,
            close,
            task: Some(task),
        })
    }

    /// The first address listened on, with the port the system chose.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes the port and all connections and returns when both are free, within a second.
    pub(crate) fn close(mut self) {
        // The receiver lives as long as the task, which may have ended.
        let _ = self.close.send(true);
        if let Some(task) = self.task.take() {
            let _ = runtime::block_on(async { tokio::time::timeout(CLOSE_TIMEOUT, task.join()).await });
        }
    }
}

/// The certificate chain and key of a server, from PEM files.
///
/// # Errors
/// When a file cannot be read or key and certificate do not belong together.
pub(crate) fn acceptor(cert: &Path, key: &Path) -> Result<TlsAcceptor, ServeError> {
    let failed = |why: String| ServeError::Certificate(cert.display().to_string(), why);
    let chain = CertificateDer::pem_file_iter(cert).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = chain.map_err(|error| failed(error.to_string()))?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| failed(format!("key: {error}")))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(error.to_string()))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| failed(error.to_string()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// A name such as `localhost` has an address for each protocol family; with port 0 all share the first one's port.
async fn listen(host: &str, port: u16) -> Result<Vec<TcpListener>, ServeError> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let unresolved = |error| ServeError::Resolve(host.to_owned(), error);
    let addresses: Vec<_> = tokio::net::lookup_host((bare, port))
        .await
        .map_err(unresolved)?
        .collect();
    let mut listeners: Vec<TcpListener> = Vec::new();
    for mut address in addresses {
        if let Some(first) = listeners.first().and_then(|l| l.local_addr().ok()) {
            address.set_port(first.port());
        }
        match TcpListener::bind(address).await {
            Ok(listener) => listeners.push(listener),
            // A resolver may name addresses of a family that this machine has switched off.
            Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable && !listeners.is_empty() => {}
            Err(error) => return Err(ServeError::Bind(address, error)),
        }
    }
    if listeners.is_empty() {
        return Err(unresolved(io::Error::from(io::ErrorKind::NotFound)));
    }
    Ok(listeners)
}

/// One budget of connections for all listeners of a server.
async fn accept_all(
    listeners: Vec<TcpListener>,
    tls: Option<TlsAcceptor>,
    service: Arc<impl Service>,
    closed: watch::Receiver<bool>,
) {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut tasks = JoinSet::new();
    for listener in listeners {
        tasks.spawn(accept(
            listener,
            tls.clone(),
            service.clone(),
            slots.clone(),
            closed.clone(),
        ));
    }
    while tasks.join_next().await.is_some() {}
}

/// Takes a slot before a connection, so that a full server leaves the next ones in the kernel's queue.
async fn accept(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    service: Arc<impl Service>,
    slots: Arc<Semaphore>,
    mut closed: watch::Receiver<bool>,
) {
    // Dropped with this task, and every connection with it.
    let mut connections = JoinSet::new();
    loop {
        let next = async {
            let slot = slots.clone().acquire_owned().await.ok()?;
            Some((slot, listener.accept().await))
        };
        tokio::select! {
            () = closing(&mut closed) => return,
            Some(_) = connections.join_next() => {}
            next = next => match next {
                Some((slot, Ok((stream, peer)))) => {
                    connections.spawn(connection(stream, peer.ip(), tls.clone(), service.clone(), slot));
                }
                // Out of descriptors, or the client left already: others are served meanwhile.
                Some((_, Err(_))) => tokio::time::sleep(Duration::from_millis(10)).await,
                None => return,
            }
        }
    }
}

/// Returns when the server is to close, or was dropped.
async fn closing(closed: &mut watch::Receiver<bool>) {
    let _ = closed.wait_for(|closed| *closed).await;
}

/// One client. Its slot is free again when this returns or is dropped.
async fn connection(
    stream: TcpStream,
    peer: IpAddr,
    tls: Option<TlsAcceptor>,
    service: Arc<impl Service>,
    _slot: OwnedSemaphorePermit,
) {
    let stream = Impatient::new(stream);
    let Some(tls) = tls else {
        return speak(stream, peer, service).await;
    };
    if let Ok(Ok(stream)) = tokio::time::timeout(HEAD_TIMEOUT, tls.accept(stream)).await {
        speak(stream, peer, service).await;
    }
}

async fn speak(stream: impl AsyncRead + AsyncWrite + Unpin + Send, peer: IpAddr, service: Arc<impl Service>) {
    let answer = service_fn(|request| {
        let service = service.clone();
        async move { Ok::<_, Infallible>(service.call(peer, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), answer);
    // A client that breaks the protocol or leaves was answered by hyper as far as it could be.
    let _ = connection.await;
}

#[cfg(test)]
pub(super) mod tests {
    use std::{
        io::{Read as _, Write as _},
        net::TcpStream,
        sync::{Mutex, mpsc},
    };

    use http_body_util::Full;

    use super::*;

    /// Greets everybody.
    struct Greeter;

    impl Service for Greeter {
        type Body = Full<Bytes>;

        async fn call(&self, _: IpAddr, _: Request<Incoming>) -> Response<Self::Body> {
            Response::new(Full::new(Bytes::from_static(b"hello")))
        }
    }

    fn start(port: u16) -> Result<Server, ServeError> {
        runtime::block_on(async move { Server::start("127.0.0.1", port, None, Arc::new(Greeter)).await })
    }

    /// Sends a request whose answer ends the connection, and reads that.
    pub(in super::super) fn exchange(server: &Server, request: &str) -> String {
        let mut stream = TcpStream::connect(server.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        answer
    }

    /// Says when nobody has it any more.
    struct Large(Vec<u8>, mpsc::Sender<()>);

    impl AsRef<[u8]> for Large {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }

    impl Drop for Large {
        fn drop(&mut self) {
            let _ = self.1.send(());
        }
    }

    /// Gives one large answer.
    struct Once(Mutex<Option<Large>>);

    impl Service for Once {
        type Body = Full<Bytes>;

        async fn call(&self, _: IpAddr, _: Request<Incoming>) -> Response<Self::Body> {
            let large = self.0.lock().unwrap().take().unwrap();
            Response::new(Full::new(Bytes::from_owner(large)))
        }
    }

    #[test]
    fn who_does_not_read_the_answer_loses_the_connection() {
        // More than the buffers of two sockets hold.
        let (sender, dropped) = mpsc::channel();
        let service = Arc::new(Once(Mutex::new(Some(Large(vec![0; 64 << 20], sender)))));
        let server = runtime::block_on(async { Server::start("127.0.0.1", 0, None, service).await }).unwrap();
        let mut stream = TcpStream::connect(server.address()).unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        dropped.recv_timeout(Duration::from_secs(60)).unwrap();
    }

    #[test]
    fn garbage_is_answered_and_the_next_one_served() {
        let server = start(0).unwrap();
        assert!(exchange(&server, "\x16\x03\x01garbage\r\n\r\n").starts_with("HTTP/1.1 400"));
        assert!(
            exchange(&server, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                .starts_with("HTTP/1.1 200")
        );
    }

    #[test]
    fn closing_frees_the_port_whatever_clients_do() {
        let server = start(0).unwrap();
        let address = server.address();
        let mut idle = TcpStream::connect(address).unwrap();
        idle.write_all(b"POST / HTTP/1.1\r\nHost: a\r\n").unwrap();
        assert!(matches!(start(address.port()), Err(ServeError::Bind(..))));
        server.close();
        let again = start(address.port()).unwrap();
        assert_eq!(again.address(), address);
    }

    #[test]
    fn a_server_without_a_usable_certificate_does_not_start() {
        let missing = Path::new("/nonexistent.pem");
        assert!(matches!(
            acceptor(missing, missing),
            Err(ServeError::Certificate(..))
        ));
    }

    #[test]
    fn a_name_that_does_not_resolve_is_an_error() {
        let started =
            runtime::block_on(async { Server::start("name.invalid", 0, None, Arc::new(Greeter)).await });
        assert!(matches!(started, Err(ServeError::Resolve(..))));
    }
}
