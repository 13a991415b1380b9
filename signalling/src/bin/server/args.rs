// SPDX-License-Identifier: MPL-2.0
//! The command line, and the configuration it stands for. Defaults are the library's.

use std::{fmt, path::PathBuf, str::FromStr, time::Duration};

use anyhow::bail;
use clap::Parser;
use gst_plugin_webrtc_signalling::{AuthToken, Config, Limits, TlsFiles};

/// Signalling server of gst-plugin-webrtc: brings producers and consumers together over websockets.
// No Debug: it would show the token.
#[derive(Parser)]
#[command(version, about)]
pub(crate) struct Args {
    /// Name or address to listen on
    #[arg(long, default_value = "0.0.0.0")]
    host: String,
    /// Port to listen on; 0 lets the system choose
    #[arg(short, long, default_value_t = 8443)]
    port: u16,
    /// Certificate chain for TLS, PEM; needs --key
    #[arg(short, long)]
    cert: Option<PathBuf>,
    /// Private key of the certificate, PEM; needs --cert
    #[arg(short, long)]
    key: Option<PathBuf>,
    /// Of the PKCS#12 certificates that earlier servers took; refused
    #[arg(long, hide = true)]
    cert_password: Option<String>,
    /// Token that clients must present, as bearer token or in the query as token=...
    #[arg(
        long,
        value_name = "TOKEN",
        env = "WEBRTCSINK_SIGNALLING_SERVER_AUTH_TOKEN",
        hide_env_values = true
    )]
    auth_token: Option<String>,
    /// Origin whose pages may connect, like `https://example.org`; may be given several times, any if it is not
    #[arg(long, value_name = "ORIGIN")]
    allowed_origin: Vec<String>,
    #[command(flatten)]
    limits: LimitArgs,
}

/// One option for each limit.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Limits")]
struct LimitArgs {
    /// Peers at once
    #[arg(long, value_name = "COUNT", default_value_t = Limits::default().max_peers)]
    max_peers: usize,
    /// Peers from one address at once; 0 for no limit
    #[arg(long, value_name = "COUNT", default_value_t = Limits::default().max_peers_per_address)]
    max_peers_per_address: usize,
    /// Connections at once that have not become peers yet
    #[arg(long, value_name = "COUNT", default_value_t = Limits::default().max_pending_connections)]
    max_pending_connections: usize,
    /// Sessions of one peer
    #[arg(long, value_name = "COUNT", default_value_t = Limits::default().max_sessions_per_peer)]
    max_sessions_per_peer: usize,
    /// Sessions between the same two peers
    #[arg(long, value_name = "COUNT", default_value_t = Limits::default().max_sessions_per_pair)]
    max_sessions_per_pair: usize,
    /// Size of a message from a peer
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().max_message_bytes)]
    max_message_bytes: usize,
    /// Size of a peer's metadata
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().max_meta_bytes)]
    max_meta_bytes: usize,
    /// Size of the metadata of all peers
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().max_total_meta_bytes)]
    max_total_meta_bytes: usize,
    /// Messages a peer may send per second in the long run
    #[arg(long, value_name = "COUNT", default_value_t = Limits::default().messages_per_second)]
    messages_per_second: u32,
    /// Messages a peer may send at once
    #[arg(long, value_name = "COUNT", default_value_t = Limits::default().message_burst)]
    message_burst: u32,
    /// Messages that may wait for a peer to read them
    #[arg(long, value_name = "COUNT", default_value_t = Limits::default().max_queued_messages)]
    max_queued_messages: usize,
    /// Bytes that may wait for a peer to read them
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().max_queued_bytes)]
    max_queued_bytes: usize,
    /// Time for the TLS handshake
    #[arg(long, value_name = "SECONDS", default_value_t = Seconds(Limits::default().tls_timeout))]
    tls_timeout: Seconds,
    /// Time for the HTTP request
    #[arg(long, value_name = "SECONDS", default_value_t = Seconds(Limits::default().upgrade_timeout))]
    upgrade_timeout: Seconds,
    /// Silence after which a peer is pinged
    #[arg(long, value_name = "SECONDS", default_value_t = Seconds(Limits::default().ping_interval))]
    ping_interval: Seconds,
    /// Silence after a ping that ends the connection
    #[arg(long, value_name = "SECONDS", default_value_t = Seconds(Limits::default().pong_timeout))]
    pong_timeout: Seconds,
    /// Time for what is sent to a peer to leave
    #[arg(long, value_name = "SECONDS", default_value_t = Seconds(Limits::default().send_timeout))]
    send_timeout: Seconds,
    /// Time for connections to close at shutdown
    #[arg(long, value_name = "SECONDS", default_value_t = Seconds(Limits::default().shutdown_timeout))]
    shutdown_timeout: Seconds,
}

impl Args {
    pub(crate) fn into_config(self) -> anyhow::Result<Config> {
        if self.cert_password.is_some() {
            bail!(
                "--cert-password: PKCS#12 certificates are not supported; convert to PEM with \
                 `openssl pkcs12 -in FILE -nodes -nokeys -out cert.pem` and \
                 `openssl pkcs12 -in FILE -nodes -nocerts -out key.pem`, then give --cert and --key"
            );
        }
        Ok(Config {
            host: self.host,
            port: self.port,
            tls: TlsFiles::from_options(self.cert, self.key)?,
            auth_token: self.auth_token.map(AuthToken::new),
            allowed_origins: self.allowed_origin,
            response_headers: Vec::new(),
            limits: self.limits.into_limits(),
        })
    }
}

impl LimitArgs {
    fn into_limits(self) -> Limits {
        Limits {
            max_peers: self.max_peers,
            max_peers_per_address: self.max_peers_per_address,
            max_pending_connections: self.max_pending_connections,
            max_sessions_per_peer: self.max_sessions_per_peer,
            max_sessions_per_pair: self.max_sessions_per_pair,
            max_message_bytes: self.max_message_bytes,
            max_meta_bytes: self.max_meta_bytes,
            max_total_meta_bytes: self.max_total_meta_bytes,
            messages_per_second: self.messages_per_second,
            message_burst: self.message_burst,
            max_queued_messages: self.max_queued_messages,
            max_queued_bytes: self.max_queued_bytes,
            tls_timeout: self.tls_timeout.0,
            upgrade_timeout: self.upgrade_timeout.0,
            ping_interval: self.ping_interval.0,
            pong_timeout: self.pong_timeout.0,
            send_timeout: self.send_timeout.0,
            shutdown_timeout: self.shutdown_timeout.0,
        }
    }
}

/// A duration, as a number of seconds that may have a fraction.
#[derive(Clone, Copy, Debug)]
struct Seconds(Duration);

impl FromStr for Seconds {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        Ok(Self(Duration::try_from_secs_f64(text.parse()?)?))
    }
}

impl fmt::Display for Seconds {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_secs_f64().fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn config(arguments: &[&str]) -> anyhow::Result<Config> {
        Args::try_parse_from([&["server"], arguments].concat())?.into_config()
    }

    #[test]
    fn the_command_is_well_formed() {
        Args::command().debug_assert();
    }

    #[test]
    fn no_arguments_mean_the_defaults_of_the_library() {
        let (config, expected) = (config(&[]).unwrap(), Config::default());
        assert_eq!((config.host, config.port), (expected.host, expected.port));
        assert_eq!(config.limits, expected.limits);
        assert!(config.tls.is_none() && config.auth_token.is_none());
    }

    #[test]
    fn short_and_long_options_are_those_of_earlier_servers() {
        for arguments in [
            ["-p", "1", "-c", "c.pem", "-k", "k.pem"],
            ["--port", "1", "--cert", "c.pem", "--key", "k.pem"],
        ] {
            let config = config(&arguments).unwrap();
            assert_eq!(config.port, 1);
            assert_eq!(
                config.tls,
                Some(TlsFiles {
                    cert: "c.pem".into(),
                    key: "k.pem".into()
                })
            );
        }
        assert_eq!(config(&["--host", "::1"]).unwrap().host, "::1");
        let origins = config(&["--allowed-origin", "a", "--allowed-origin", "b"])
            .unwrap()
            .allowed_origins;
        assert_eq!(origins, ["a", "b"]);
    }

    #[test]
    fn half_a_certificate_is_refused() {
        for arguments in [["--cert", "c.pem"], ["--key", "k.pem"]] {
            assert!(
                config(&arguments)
                    .unwrap_err()
                    .to_string()
                    .contains("a certificate and a key are needed")
            );
        }
    }

    #[test]
    fn a_pkcs12_password_is_refused_with_the_way_out() {
        let error = config(&["--cert", "c.p12", "--cert-password", "x"])
            .unwrap_err()
            .to_string();
        assert!(error.contains("openssl pkcs12"), "{error}");
    }

    #[test]
    fn limits_are_taken_over() {
        let limits = config(&["--max-peers", "5", "--ping-interval", "0.25"])
            .unwrap()
            .limits;
        assert_eq!(
            (limits.max_peers, limits.ping_interval),
            (5, Duration::from_millis(250))
        );
        for bad in ["-1", "soon", "1e400"] {
            assert!(config(&["--ping-interval", bad]).is_err(), "{bad}");
        }
    }
}
