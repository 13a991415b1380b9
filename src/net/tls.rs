// SPDX-License-Identifier: MPL-2.0
//! Whom to trust: the one TLS set-up of all clients.
//!
//! The crypto provider is passed explicitly, never the process default: a process with two providers panics at the
//! default. Certificates are checked against the system's roots and those of a `cafile`.

use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

/// Why no TLS set-up could be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum TlsError {
    /// The file cannot be read or is no PEM.
    #[error("the certificates in {path} cannot be read")]
    Unreadable {
        path: String,
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// The file holds no certificate.
    #[error("{path} holds no certificate")]
    Empty { path: String },
    /// The file holds something that is no certificate.
    #[cfg(feature = "aws")]
    #[error("a certificate in {path} cannot be used")]
    Unusable { path: String, source: rustls::Error },
    /// The TLS library refused the set-up.
    #[error("TLS cannot be set up")]
    Setup(#[from] rustls::Error),
}

/// A client's set-up.
///
/// With a `cafile` its certificates are trusted as roots beside the system's, and a server that presents one of
/// them as its own is accepted too: `openssl req -x509` makes such certificates. With `is_insecure` any certificate
/// is accepted.
///
/// # Errors
/// [`TlsError`] names the file that cannot be used.
pub(crate) fn client_config(cafile: Option<&Path>, is_insecure: bool) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = if is_insecure {
        Verifier {
            roots: None,
            pinned: Vec::new(),
            accepts_any: true,
            algorithms: algorithms(&provider),
        }
    } else {
        let pinned = cafile.map(certificates).transpose()?.unwrap_or_default();
        let roots = roots(&pinned, &provider);
        Verifier {
            roots,
            pinned,
            accepts_any: false,
            algorithms: algorithms(&provider),
        }
    };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(config)
}

/// Whether every certificate in `cafile` can be used as a root, for libraries that do not say so themselves.
///
/// # Errors
/// [`TlsError`] names the file.
#[cfg(feature = "aws")]
pub(crate) fn check_cafile(cafile: &Path) -> Result<(), TlsError> {
    let mut roots = RootCertStore::empty();
    let unusable = |source| TlsError::Unusable {
        path: cafile.display().to_string(),
        source,
    };
    certificates(cafile)?
        .into_iter()
        .try_for_each(|certificate| roots.add(certificate).map_err(unusable))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let name = || path.display().to_string();
    let unreadable = |source| TlsError::Unreadable { path: name(), source };
    let found = CertificateDer::pem_file_iter(path)
        .map_err(unreadable)?
        .collect::<Result<Vec<_>, _>>()
        .map_err(unreadable)?;
    if found.is_empty() {
        return Err(TlsError::Empty { path: name() });
    }
    Ok(found)
}

/// The system's roots and the given ones; `None` when there is none at all.
fn roots(
    extra: &[CertificateDer<'static>],
    provider: &Arc<CryptoProvider>,
) -> Option<Arc<WebPkiServerVerifier>> {
    let mut roots = RootCertStore::empty();
    // A root of the system that cannot be read is not worth failing for: what it signed won't be trusted.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots.add_parsable_certificates(extra.iter().cloned());
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .build()
        .ok()
}

fn algorithms(provider: &Arc<CryptoProvider>) -> WebPkiSupportedAlgorithms {
    provider.signature_verification_algorithms
}

/// Checks servers' certificates; see [`client_config`].
#[derive(Debug)]
struct Verifier {
    roots: Option<Arc<WebPkiServerVerifier>>,
    pinned: Vec<CertificateDer<'static>>,
    accepts_any: bool,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self.accepts_any || self.pinned.iter().any(|pinned| pinned == end_entity) {
            return Ok(ServerCertVerified::assertion());
        }
        let unknown = || rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let roots = self.roots.as_ref().ok_or_else(unknown)?;
        roots.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn file(name: &str, text: &str) -> std::path::PathBuf {
        let path = std::env::temp_dir().join(format!("tls-test-{}-{name}", std::process::id()));
        std::fs::File::create(&path)
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
        path
    }

    #[test]
    fn a_set_up_without_a_file_stands() {
        client_config(None, false).unwrap();
        client_config(None, true).unwrap();
    }

    #[test]
    #[cfg(feature = "aws")]
    fn a_file_with_a_certificate_that_is_none_is_found_out() {
        let broken = file(
            "no-certificate.pem",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        );
        assert!(matches!(check_cafile(&broken), Err(TlsError::Unusable { .. })));
        // It does no harm among others that a client trusts.
        client_config(Some(&broken), false).unwrap();
    }

    #[test]
    fn a_file_that_cannot_be_used_is_named() {
        let missing = client_config(Some(Path::new("/nonexistent.pem")), false).unwrap_err();
        assert!(missing.to_string().contains("/nonexistent.pem"), "{missing}");
        let empty = file("empty.pem", "no certificate in here\n");
        let error = client_config(Some(&empty), false).unwrap_err();
        assert!(matches!(error, TlsError::Empty { .. }), "{error}");
        let broken = file(
            "broken.pem",
            "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n",
        );
        assert!(matches!(
            client_config(Some(&broken), false),
            Err(TlsError::Unreadable { .. })
        ));
    }
}
