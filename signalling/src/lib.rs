// SPDX-License-Identifier: MPL-2.0
//! The websocket signalling server, as a library: `gst-webrtc-signalling-server` is its command line, and
//! `webrtcsink` embeds it.
//!
//! A message travels through four layers, each in its own module:
//!
//! | module | owns |
//! | --- | --- |
//! | `server`, `accept`, `tls` | the listening socket, certificates, the life of the whole |
//! | `upgrade`, `auth` | the HTTP request a connection begins with |
//! | `connection`, `socket`, `rate`, `liveness` | one websocket: frames to messages and back |
//! | `hub`, `outbox` | the queues between connections and the registry |
//! | `registry` | who is present and who talks to whom; pure |
//!
//! Nothing ever waits for a peer: what a peer does not read piles up in its own bounded queue, and when that
//! is full the peer is disconnected. The messages are those of `gst-plugin-webrtc-signalling-protocol`.
//!
//! The library logs through `tracing` and installs no subscriber.
//!
//! ```
//! use gst_plugin_webrtc_signalling::{Config, Server};
//!
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! let config = Config { host: "127.0.0.1".into(), port: 0, ..Config::default() };
//! let server = Server::bind(config).await?.spawn();
//! println!("serving ws://{}", server.local_addr());
//! server.shutdown().await;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub use auth::AuthToken;
pub use config::{Config, Limits};
pub use server::{Handle, Server, ServerError};
pub use tls::{TlsError, TlsFiles};

mod accept;
mod auth;
mod config;
mod connection;
mod hub;
mod liveness;
mod metrics;
mod outbox;
mod rate;
mod registry;
mod server;
mod socket;
mod tls;
mod upgrade;
