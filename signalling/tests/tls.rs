// SPDX-License-Identifier: MPL-2.0
//! TLS over real sockets: it works, follows renewed files, and never falls back to plain text.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{fs, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use common::{process::run, *};
use gst_plugin_webrtc_signalling::{Config, Handle, Limits, TlsFiles};
use gst_plugin_webrtc_signalling_protocol::*;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use rustls_pki_types::{CertificateDer, ServerName};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// Writes a fresh certificate with its key.
fn renew(folder: &Path) -> (TlsFiles, CertificateDer<'static>) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let files = TlsFiles {
        cert: folder.join("cert.pem"),
        key: folder.join("key.pem"),
    };
    fs::write(&files.cert, cert.pem()).unwrap();
    fs::write(&files.key, signing_key.serialize_pem()).unwrap();
    (files, cert.der().clone())
}

async fn tls_server(files: TlsFiles) -> Handle {
    let limits = Limits {
        tls_timeout: Duration::from_millis(500),
        ..Limits::default()
    };
    server_with(Config {
        tls: Some(files),
        limits,
        ..Config::default()
    })
    .await
}

async fn connect(
    address: SocketAddr,
    trusted: &CertificateDer<'static>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    within(TlsConnector::from(Arc::new(config)).connect(name, stream)).await
}

#[tokio::test]
async fn peers_meet_over_tls() {
    let folder = TempDir::new().unwrap();
    let (files, certificate) = renew(folder.path());
    let server = tls_server(files).await;
    let stream = connect(server.local_addr(), &certificate).await.unwrap();
    let mut client = Client::over(stream).await.unwrap();
    assert_eq!(
        client.ask(IncomingMessage::List).await,
        OutgoingMessage::List { producers: vec![] }
    );
    assert!(client.close().await.is_some());
}

#[tokio::test]
async fn a_renewed_certificate_is_used_for_the_next_connection() {
    let folder = TempDir::new().unwrap();
    let (files, old) = renew(folder.path());
    let server = tls_server(files.clone()).await;
    let mut client = Client::over(connect(server.local_addr(), &old).await.unwrap())
        .await
        .unwrap();
    fs::write(&files.cert, "half a certificate").unwrap();
    assert!(
        connect(server.local_addr(), &old).await.is_ok(),
        "a broken file replaced a good certificate"
    );
    let (_, new) = renew(folder.path());
    assert!(connect(server.local_addr(), &new).await.is_ok());
    assert!(connect(server.local_addr(), &old).await.is_err());
    assert_eq!(
        client.ask(IncomingMessage::List).await,
        OutgoingMessage::List { producers: vec![] }
    );
}

#[tokio::test]
async fn plain_text_to_a_tls_port_is_refused() {
    let folder = TempDir::new().unwrap();
    let (files, certificate) = renew(folder.path());
    let server = tls_server(files).await;
    assert!(Client::try_connect(server.local_addr()).await.is_err());
    let mut plain = TcpStream::connect(server.local_addr()).await.unwrap();
    within(plain.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"))
        .await
        .unwrap();
    let mut answer = Vec::new();
    // It may be a TLS alert or nothing.
    let _ = within(plain.read_to_end(&mut answer)).await;
    assert!(!answer.starts_with(b"HTTP"));
    assert!(connect(server.local_addr(), &certificate).await.is_ok());
}

#[tokio::test]
async fn a_handshake_that_does_not_go_on_is_given_up() {
    let folder = TempDir::new().unwrap();
    let (files, certificate) = renew(folder.path());
    let server = tls_server(files).await;
    let mut silent = TcpStream::connect(server.local_addr()).await.unwrap();
    silent.write_all(&[0x16, 0x03, 0x01]).await.unwrap();
    assert!(!matches!(within(silent.read(&mut [0])).await, Ok(1..)));
    assert!(connect(server.local_addr(), &certificate).await.is_ok());
}

#[test]
fn a_process_that_cannot_speak_tls_ends_with_code_1_and_says_why() {
    let folder = TempDir::new().unwrap();
    let (files, _) = renew(folder.path());
    let (cert, key) = (files.cert.to_str().unwrap(), files.key.to_str().unwrap());
    let p12 = folder.path().join("old.p12");
    fs::write(&p12, [0x30, 0x82, 0x0a, 0x01]).unwrap();
    let p12 = p12.to_str().unwrap();
    for (arguments, expected) in [
        (vec!["--cert", cert], "only the certificate is given"),
        (vec!["--key", key], "only the key is given"),
        (vec!["--cert", "/nowhere", "--key", key], "cannot read /nowhere"),
        (vec!["--cert", cert, "--key", "/nowhere"], "cannot read /nowhere"),
        (vec!["--cert", cert, "--key", cert], "holds no private key"),
        (
            vec!["--cert", p12, "--key", key],
            "holds no certificate in PEM form",
        ),
        (
            vec!["--cert", p12, "--cert-password", "secret"],
            "PKCS#12 certificates are not supported",
        ),
    ] {
        let output = run(&[&["--host", "127.0.0.1", "--port", "0"], &arguments[..]].concat());
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {error}");
        assert!(error.contains(expected), "{arguments:?}: {error}");
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(!error.contains("secret"));
        assert!(
            !String::from_utf8_lossy(&output.stdout).contains("Listening"),
            "{arguments:?}"
        );
    }
}
