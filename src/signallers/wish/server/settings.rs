// SPDX-License-Identifier: MPL-2.0
//! What the user chose for a serving signaller. A copy is taken when it starts.
//!
//! Owns what follows from the settings without a socket: links to announce, the machine's policy, whether TLS is
//! possible. The GObjects hold it behind their lock (`whip/server`, `whep/server`), `serving` gets the copy.

use std::{path::Path, time::Duration};

use http::HeaderValue;
use tokio_rustls::TlsAcceptor;
use url::Url;

use super::super::ice_server::IceServer;
use super::protocol::{Kind, Protocol};
use super::values::Policy;
use crate::net::http::server::{ServeError, acceptor};

/// Players served at a time; a GStreamer sender costs eight threads each.
const MAX_PLAYERS: usize = 256;

/// Settings of one serving signaller.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Where to listen; `None` runs no server.
    pub(crate) host_addr: Option<Url>,
    pub(crate) stun_server: Option<String>,
    pub(crate) turn_servers: gst::Array,
    /// Seconds the element may take for its description; 0 waits for ever.
    pub(crate) timeout: u32,
    /// `None` lets everybody in; compared by `protocol`.
    pub(crate) auth_token: Option<String>,
    pub(crate) tls_cert: Option<String>,
    pub(crate) tls_key: Option<String>,
    pub(crate) send_counter_offer: bool,
}

impl Settings {
    /// Where a WHIP server listens by default.
    pub(crate) const WHIP_HOST_ADDR: &'static str = "http://127.0.0.1:8080/";
    /// Where a WHEP server listens by default.
    pub(crate) const WHEP_HOST_ADDR: &'static str = "http://127.0.0.1:9090/";
    /// Announced by default; the odd port is that of every earlier release.
    pub(crate) const STUN_SERVER: &'static str = "stun://stun.l.google.com:19303";
    /// Default of a WHIP server, in seconds.
    pub(crate) const WHIP_TIMEOUT: u32 = 15;
    /// Default of a WHEP server, in seconds.
    pub(crate) const WHEP_TIMEOUT: u32 = 30;

    /// The defaults of `kind`.
    pub(crate) fn new(kind: Kind) -> Self {
        let (host_addr, timeout) = match kind {
            Kind::Whip => (Self::WHIP_HOST_ADDR, Self::WHIP_TIMEOUT),
            Kind::Whep => (Self::WHEP_HOST_ADDR, Self::WHEP_TIMEOUT),
        };
        Self {
            host_addr: Url::parse(host_addr).ok(),
            stun_server: Some(Self::STUN_SERVER.to_owned()),
            turn_servers: gst::Array::default(),
            timeout,
            auth_token: None,
            tls_cert: None,
            tls_key: None,
            send_counter_offer: false,
        }
    }

    /// Sets where to listen; an empty text stands for NULL.
    ///
    /// # Errors
    /// What is wrong with the address; the old one stays.
    pub(crate) fn set_host_addr(&mut self, text: Option<&str>) -> Result<(), String> {
        let Some(text) = text.filter(|t| !t.is_empty()) else {
            self.host_addr = None;
            return Ok(());
        };
        let url = Url::parse(text).map_err(|error| format!("`{text}` is no url: {error}"))?;
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(format!("`{text}` is no http or https url"));
        }
        self.host_addr = Some(url);
        Ok(())
    }

    /// What requests are judged by. Servers that cannot be announced are named in the second value.
    pub(super) fn protocol(&self, kind: Kind) -> (Protocol, Vec<String>) {
        let turn_servers = self
            .turn_servers
            .iter()
            .filter_map(|value| value.get::<String>().ok());
        let urls = self.stun_server.iter().cloned().chain(turn_servers);
        let (mut links, mut unusable) = (vec![], vec![]);
        for url in urls.filter(|url| !url.is_empty()) {
            match IceServer::parse(&url).map(|server| HeaderValue::from_str(&server.to_link().to_string())) {
                Ok(Ok(link)) => links.push(link),
                Ok(Err(_)) => unusable.push("an ice server cannot stand in a header".to_owned()),
                Err(error) => unusable.push(error.to_string()),
            }
        }
        let makes_counter_offers = kind == Kind::Whep && self.send_counter_offer;
        (
            Protocol {
                kind,
                token: self.auth_token.clone(),
                links,
                makes_counter_offers,
            },
            unusable,
        )
    }

    /// What the machine needs.
    pub(super) fn policy(&self, protocol: &Protocol) -> Policy {
        let timeout = (self.timeout > 0).then(|| Duration::from_secs(self.timeout.into()));
        let capacity = if protocol.kind == Kind::Whip {
            1
        } else {
            MAX_PLAYERS
        };
        Policy {
            kind: protocol.kind,
            capacity,
            timeout,
            links: protocol.links.clone(),
        }
    }

    /// How to prove who we are, when the address asks for it. Fails closed: https never becomes plain http.
    ///
    /// # Errors
    /// When there is nothing usable to prove it with.
    pub(super) fn acceptor(&self) -> Result<Option<TlsAcceptor>, ServeError> {
        if self.host_addr.as_ref().is_none_or(|url| url.scheme() == "http") {
            return Ok(None);
        }
        match (&self.tls_cert, &self.tls_key) {
            (Some(cert), Some(key)) => acceptor(Path::new(cert), Path::new(key)).map(Some),
            _ => Err(ServeError::NoCertificate),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        gst::init().unwrap();
        Settings::new(Kind::Whip)
    }

    #[test]
    fn addresses_are_checked_and_normalised() {
        let mut settings = settings();
        settings.set_host_addr(Some("http://0.0.0.0:8190")).unwrap();
        assert_eq!(
            settings.host_addr.as_ref().unwrap().as_str(),
            "http://0.0.0.0:8190/"
        );
        for bad in ["nonsense", "ftp://a", "http://"] {
            assert!(settings.set_host_addr(Some(bad)).is_err(), "{bad}");
            assert_eq!(
                settings.host_addr.as_ref().unwrap().as_str(),
                "http://0.0.0.0:8190/"
            );
        }
        settings.set_host_addr(Some("")).unwrap();
        assert_eq!(settings.host_addr, None);
    }

    #[test]
    fn announced_servers_become_links() {
        let mut settings = settings();
        settings.turn_servers = gst::Array::new(["turn://u:p@h:1", "nonsense"]);
        let (protocol, unusable) = settings.protocol(Kind::Whip);
        assert_eq!(protocol.links.len(), 2);
        assert_eq!(
            protocol.links[0],
            "<stun:stun.l.google.com:19303>; rel=\"ice-server\""
        );
        assert_eq!(unusable.len(), 1);
    }

    #[test]
    fn https_needs_a_certificate() {
        let mut settings = settings();
        assert!(settings.acceptor().unwrap().is_none());
        settings.set_host_addr(Some("https://0.0.0.0:1")).unwrap();
        assert!(matches!(settings.acceptor(), Err(ServeError::NoCertificate)));
    }

    #[test]
    fn only_whep_makes_counter_offers_and_serves_many() {
        let mut settings = settings();
        settings.send_counter_offer = true;
        let (whip, _) = settings.protocol(Kind::Whip);
        let (whep, _) = settings.protocol(Kind::Whep);
        assert!(!whip.makes_counter_offers && whep.makes_counter_offers);
        assert_eq!(
            (settings.policy(&whip).capacity, settings.policy(&whep).capacity),
            (1, MAX_PLAYERS)
        );
    }
}
