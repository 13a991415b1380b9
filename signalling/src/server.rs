// SPDX-License-Identifier: MPL-2.0
//! The server as a whole: what it binds, the task per connection, and how it shuts down.

use std::{io, net::SocketAddr, sync::Arc};

use async_tungstenite::tungstenite::http::StatusCode;
use thiserror::Error;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch},
    task::{JoinHandle, JoinSet, spawn_blocking},
    time::timeout,
};

use crate::{
    Config, TlsError,
    accept::Listener,
    connection::Connection,
    hub::{Hub, Membership},
    socket::Socket,
    tls::Reloading,
    upgrade::{Access, NoRequest, Reply, Route, read_request, upgrade_bytes},
};

/// A signalling server that listens and does not serve yet.
pub struct Server {
    listener: Listener,
    address: SocketAddr,
    shared: Arc<Shared>,
}

/// A signalling server that serves in the background, until this is dropped.
#[derive(Debug)]
pub struct Handle {
    address: SocketAddr,
    /// Taken when a shutdown is asked for.
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

/// Why a server can't start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The address can't be listened on.
    #[error("cannot listen on {host}:{port}")]
    Listen {
        /// The host asked for.
        host: String,
        /// The port asked for.
        port: u16,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Certificate or key can't be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A response header is malformed, or one of those that make the upgrade.
    #[error("the response header {name:?} can't be set like this")]
    Header {
        /// Its name.
        name: String,
    },
    /// A limit would stop everything.
    #[error("the limit {name} must not be zero")]
    Limit {
        /// Its field in [`Limits`](crate::Limits).
        name: &'static str,
    },
}

/// Closes the hub before the connections' tasks are dropped one by one, so that none of them is told that the
/// others left.
struct CloseOnDrop(Arc<Hub>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// What all connections use.
struct Shared {
    /// Shared with the memberships, which leave it when they are dropped.
    hub: Arc<Hub>,
    access: Access,
    tls: Option<Arc<Reloading>>,
    /// One permit for each connection that isn't a peer yet.
    pending: Arc<Semaphore>,
    /// Whether the server shuts down.
    is_closing: watch::Sender<bool>,
}

impl Server {
    /// Checks the configuration, reads the certificate and binds the address.
    ///
    /// # Errors
    /// If any of these fails; with TLS configured, the server never falls back to plain text.
    pub async fn bind(config: Config) -> Result<Self, ServerError> {
        config.limits.check()?;
        let access = Access::new(
            config.auth_token,
            config.allowed_origins,
            &config.response_headers,
        )?;
        let tls = config.tls.map(Reloading::load).transpose()?.map(Arc::new);
        let (host, port) = (config.host, config.port);
        let name = host.trim_start_matches('[').trim_end_matches(']');
        let listening = TcpListener::bind((name, port)).await.map(Listener::new);
        let bound = listening.and_then(|listener| Ok((listener.local_addr()?, listener)));
        let (address, listener) = bound.map_err(|source| ServerError::Listen { host, port, source })?;
        let pending = Arc::new(Semaphore::new(config.limits.max_pending_connections));
        let hub = Arc::new(Hub::new(config.limits));
        let shared = Arc::new(Shared {
            hub,
            access,
            tls,
            pending,
            is_closing: watch::Sender::new(false),
        });
        Ok(Self {
            listener,
            address,
            shared,
        })
    }

    /// The address it listens on, with the port the system chose if it was asked to.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown` resolves; then closes every websocket with code 1001 and returns when all are
    /// closed or [`shutdown_timeout`](crate::Limits::shutdown_timeout) is over. Dropping the future ends
    /// everything at once.
    pub async fn serve(mut self, shutdown: impl Future<Output = ()>) {
        tracing::info!("Listening on: {}", self.address);
        let mut connections = JoinSet::new();
        // Declared after the tasks, hence dropped before them.
        let _closing = CloseOnDrop(self.shared.hub.clone());
        tokio::pin!(shutdown);
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                (stream, from) = self.listener.accept() => self.accepted(stream, from, &mut connections),
                Some(ended) = connections.join_next() => log_panic(ended),
            }
        }
        let Self {
            listener,
            shared,
            address,
        } = self;
        drop(listener);
        tracing::info!(
            "no longer listening on {address}, closing {} connections",
            connections.len()
        );
        shared.is_closing.send_replace(true);
        shared.hub.close();
        let all_closed = async { while connections.join_next().await.is_some() {} };
        if timeout(shared.hub.limits.shutdown_timeout, all_closed)
            .await
            .is_err()
        {
            tracing::warn!("{} connections did not close in time", connections.len());
            connections.shutdown().await;
        }
    }

    /// Serves in a task of the current runtime.
    ///
    /// # Panics
    /// If called outside a tokio runtime.
    pub fn spawn(self) -> Handle {
        let (stop, stopped) = oneshot::channel::<()>();
        let address = self.address;
        // A handle that is dropped aborts the task, so a closed channel needs no answer here.
        let task = tokio::spawn(self.serve(async { drop(stopped.await) }));
        Handle {
            address,
            stop: Some(stop),
            task,
        }
    }

    /// Starts the task of a connection, unless too many are at their beginning. The permit goes back when it becomes
    /// a peer or ends, so idle connections can't keep peers out for longer than the timeouts.
    fn accepted(&self, stream: TcpStream, from: SocketAddr, connections: &mut JoinSet<()>) {
        self.shared.hub.metrics.connections.count();
        let Ok(permit) = self.shared.pending.clone().try_acquire_owned() else {
            self.shared.hub.metrics.refused_connections.count();
            tracing::debug!("refused a connection from {from}: too many pending ones");
            return;
        };
        tracing::debug!("accepted a connection from {from}");
        let shared = self.shared.clone();
        connections.spawn(async move { shared.serve(stream, from, permit).await });
    }
}

impl Handle {
    /// The address the server listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Stops listening, closes every websocket with code 1001, and returns when that is done or its time is over.
    pub async fn shutdown(mut self) {
        if let Some(stop) = self.stop.take() {
            // Fails only if the server has ended already.
            let _ = stop.send(());
        }
        if let Err(error) = (&mut self.task).await {
            tracing::error!("the server failed: {error}");
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    /// One connection from its acceptance to its end.
    async fn serve(&self, stream: TcpStream, from: SocketAddr, permit: OwnedSemaphorePermit) {
        // Messages are small and somebody waits for each. Without it they are only slower.
        let _ = stream.set_nodelay(true);
        let mut is_closing = self.is_closing.subscribe();
        let Some(tls) = &self.tls else {
            return self.serve_http(stream, from, permit, &mut is_closing).await;
        };
        let tls = tls.clone();
        // The files may be on a slow disk; the runtime's threads have better to do than to wait for it.
        let handshake = async {
            let acceptor = spawn_blocking(move || tls.acceptor())
                .await
                .map_err(io::Error::other)?;
            acceptor.accept(stream).await
        };
        let accepted = tokio::select! {
            accepted = timeout(self.hub.limits.tls_timeout, handshake) => accepted,
            _ = is_closing.wait_for(|closing| *closing) => return,
        };
        match accepted {
            Ok(Ok(stream)) => self.serve_http(stream, from, permit, &mut is_closing).await,
            Ok(Err(error)) => tracing::warn!("TLS handshake with {from} failed: {error}"),
            Err(_) => tracing::warn!("TLS handshake with {from} took too long"),
        }
    }

    /// Reads the request and, if it leads to a websocket, serves the peer.
    async fn serve_http<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        mut stream: S,
        from: SocketAddr,
        permit: OwnedSemaphorePermit,
        is_closing: &mut watch::Receiver<bool>,
    ) {
        let upgrade = timeout(self.hub.limits.upgrade_timeout, self.upgrade(&mut stream, from));
        let upgraded = tokio::select! {
            upgraded = upgrade => upgraded,
            _ = is_closing.wait_for(|closing| *closing) => return,
        };
        match upgraded {
            Ok(Some((membership, rest))) => {
                drop(permit);
                tracing::info!(peer = membership.id, "new websocket connection from {from}");
                let socket = Socket::new(stream, rest, &self.hub.limits).await;
                Connection::new(socket, membership, &self.hub).run().await;
            }
            Ok(None) => {}
            Err(_) => tracing::debug!("the request from {from} took too long"),
        }
    }

    /// Answers the request of a connection. Returns its membership if it is a websocket now, with what it sent
    /// beyond the request.
    async fn upgrade<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut S,
        from: SocketAddr,
    ) -> Option<(Membership, Vec<u8>)> {
        let reply = match read_request(stream).await {
            Ok((request, rest)) => match self.access.route(&request) {
                Route::Websocket(response) => match self.hub.join(from.ip()) {
                    Ok(membership) => {
                        stream.write_all(&upgrade_bytes(&response)).await.ok()?;
                        return Some((membership, rest));
                    }
                    Err(full) => {
                        self.hub.metrics.refused_connections.count();
                        tracing::warn!("refused a peer from {from}: {full}");
                        Reply::text(StatusCode::SERVICE_UNAVAILABLE, full.to_string())
                    }
                },
                Route::Health => Reply::text(StatusCode::OK, "ok"),
                Route::Metrics => Reply::metrics(self.hub.metrics.render(self.hub.census())),
                Route::Refused(reply) => reply,
            },
            Err(NoRequest::Bad(reply)) => reply,
            Err(NoRequest::Gone) => return None,
        };
        if reply.is_unauthorized() {
            self.hub.metrics.unauthorized.count();
            tracing::warn!("refused {from}: no valid token");
        }
        // Whether the client takes the reply is its own affair.
        let _ = reply.send(stream).await;
        None
    }
}

/// No connection panics; if one does, it's an error of ours that must be seen.
fn log_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!("a connection's task failed: {error}");
    }
}
