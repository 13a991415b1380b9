// SPDX-License-Identifier: MPL-2.0
//! Connections, shared by every signaller: when to try again, whom to trust, websockets.
//!
//! `backoff.rs` and `percent.rs` are pure; the rest runs on the [`runtime`](crate::runtime). Nothing here knows a
//! protocol. Protocols are in `signallers`, servers that a sink runs itself in `embedded`.

pub(crate) mod backoff;
#[cfg(feature = "http_server")]
pub(crate) mod http;
#[cfg(any(feature = "aws", feature = "livekit", feature = "wish"))]
pub(crate) mod percent;
pub(crate) mod tls;
pub(crate) mod websocket;
