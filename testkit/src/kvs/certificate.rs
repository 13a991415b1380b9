// SPDX-License-Identifier: MPL-2.0
//! A CA of the test's own, and a leaf for `localhost` beneath it: verifiers refuse a CA that serves itself.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// The certificates; the CA's file goes with the value.
pub(super) struct Certificates {
    cafile: PathBuf,
    chain: Vec<CertificateDer<'static>>,
    key: Vec<u8>,
}

impl Certificates {
    pub(super) fn new() -> Self {
        let ca = CertifiedIssuer::self_signed(ca_params(), key()).expect("a CA can be made");
        let leaf_key = key();
        let leaf = leaf_params()
            .signed_by(&leaf_key, &ca)
            .expect("the CA can sign a leaf");
        let cafile = fresh_path();
        std::fs::write(&cafile, ca.pem()).expect("there is room for a CA file");
        Self {
            cafile,
            chain: vec![leaf.der().clone(), ca.der().clone()],
            key: leaf_key.serialize_der(),
        }
    }

    pub(super) fn cafile(&self) -> &Path {
        &self.cafile
    }

    pub(super) fn server_config(&self) -> Arc<ServerConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = PrivateKeyDer::Pkcs8(self.key.clone().into());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider has them")
            .with_no_client_auth()
            .with_single_cert(self.chain.clone(), key)
            .expect("certificate and key belong together");
        Arc::new(config)
    }
}

impl Drop for Certificates {
    fn drop(&mut self) {
        // A file that is gone needs no removing.
        let _ = std::fs::remove_file(&self.cafile);
    }
}

fn ca_params() -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).expect("no names are valid names");
    params.distinguished_name.push(DnType::CommonName, "CA of a test");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

fn leaf_params() -> CertificateParams {
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let mut params = CertificateParams::new(names).expect("these are valid names");
    params.distinguished_name.push(DnType::CommonName, "localhost");
    params.use_authority_key_identifier_extension = true;
    params
}

fn key() -> KeyPair {
    KeyPair::generate().expect("keys can be made")
}

fn fresh_path() -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("kvs-double-{}-{number}.pem", std::process::id()))
}
