// SPDX-License-Identifier: MPL-2.0
//! Certificate and key from PEM files (RFC 7468), read again when they change.
//!
//! Fails closed: a server that is to speak TLS and can't does not start. Once it runs, a change that can't be
//! used leaves the certificate in place that was, so that a renewal caught half-way does no harm.

use std::{
    fs::{self, Metadata},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use rustls::{ServerConfig, crypto::ring};
use rustls_pki_types::{
    CertificateDer, PrivateKeyDer,
    pem::{self, PemObject},
};
use thiserror::Error;
use tokio_rustls::TlsAcceptor;

/// Where certificate and key are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificate chain, PEM, the server's own first.
    pub cert: PathBuf,
    /// Private key, PEM, not encrypted.
    pub key: PathBuf,
}

/// Why there is no TLS.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TlsError {
    /// One file without the other.
    #[error("a certificate and a key are needed for TLS, only {given} is given")]
    Incomplete {
        /// Which of the two was given.
        given: &'static str,
    },
    /// A file can't be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// A file holds no PEM section of the expected kind, or a broken one.
    #[error("{path} holds no {expected} in PEM form: {details}")]
    Pem {
        /// The file.
        path: PathBuf,
        /// `certificate` or `private key`.
        expected: &'static str,
        /// What is wrong with it.
        details: String,
    },
    /// Certificate and key can't be used, for example because they don't belong together.
    #[error("cannot use {cert} with {key}")]
    Unusable {
        /// The certificate file.
        cert: PathBuf,
        /// The key file.
        key: PathBuf,
        /// What the TLS library says.
        #[source]
        source: rustls::Error,
    },
}

impl TlsFiles {
    /// Makes both or neither of what may each be given or not.
    ///
    /// # Errors
    /// If only one is given.
    pub fn from_options(cert: Option<PathBuf>, key: Option<PathBuf>) -> Result<Option<Self>, TlsError> {
        match (cert, key) {
            (Some(cert), Some(key)) => Ok(Some(Self { cert, key })),
            (None, None) => Ok(None),
            (Some(_), None) => Err(TlsError::Incomplete {
                given: "the certificate",
            }),
            (None, Some(_)) => Err(TlsError::Incomplete { given: "the key" }),
        }
    }

    /// What to recognise a change by.
    fn stamp(&self) -> Stamp {
        let stamp_of = |path: &Path| fs::metadata(path).ok().map(|metadata| identity(&metadata));
        [stamp_of(&self.cert), stamp_of(&self.key)]
    }

    /// Reads both files and checks that they belong together. The provider is named, because with two of them in one
    /// build the process has no default.
    fn load(&self) -> Result<Arc<ServerConfig>, TlsError> {
        let unusable = |source| TlsError::Unusable {
            cert: self.cert.clone(),
            key: self.key.clone(),
            source,
        };
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .with_no_client_auth()
            .with_single_cert(read_chain(&self.cert)?, read_key(&self.key)?)
            .map_err(unusable)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

/// Certificate and key in use.
#[derive(Debug)]
pub(crate) struct Reloading {
    files: TlsFiles,
    current: Mutex<Current>,
}

#[derive(Debug)]
struct Current {
    stamp: Stamp,
    config: Arc<ServerConfig>,
    /// A change that could not be used, so that it is complained about once; it is tried again each time, because
    /// what was wrong may have been a lack of descriptors.
    unusable: Option<Stamp>,
}

/// Time of change, length and inode of both files, where they exist.
type Stamp = [Option<(Option<SystemTime>, u64, u64)>; 2];

impl Reloading {
    /// Reads the files.
    pub(crate) fn load(files: TlsFiles) -> Result<Self, TlsError> {
        // The stamp is taken first: a change during reading is then seen as a change.
        let stamp = files.stamp();
        let config = files.load()?;
        Ok(Self {
            files,
            current: Mutex::new(Current {
                stamp,
                config,
                unusable: None,
            }),
        })
    }

    /// What to accept a connection with; looks at the files, so it may block for as long as the disk does.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = self.files.stamp();
        if current.stamp != stamp {
            match self.files.load() {
                Ok(config) => {
                    tracing::info!("certificate read again from {}", self.files.cert.display());
                    *current = Current {
                        stamp,
                        config,
                        unusable: None,
                    };
                }
                Err(error) if current.unusable != Some(stamp) => {
                    tracing::warn!("keeping the certificate in use: {}", chain(&error));
                    current.unusable = Some(stamp);
                }
                Err(_) => {}
            }
        }
        current.config.clone().into()
    }
}

/// All certificates of a file, of which there must be one.
fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = read(path)?;
    let expected = "certificate";
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match chain {
        Ok(chain) if chain.is_empty() => Err(not_pem(path, expected, &pem::Error::NoItemsFound)),
        Ok(chain) => Ok(chain),
        Err(error) => Err(not_pem(path, expected, &error)),
    }
}

/// The first private key of a file, in any of the PEM forms (PKCS#8, PKCS#1, SEC1).
fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(&read(path)?).map_err(|error| not_pem(path, "private key", &error))
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| TlsError::Read {
        path: path.into(),
        source,
    })
}

fn not_pem(path: &Path, expected: &'static str, error: &pem::Error) -> TlsError {
    TlsError::Pem {
        path: path.into(),
        expected,
        details: error.to_string(),
    }
}

#[cfg(unix)]
fn identity(metadata: &Metadata) -> (Option<SystemTime>, u64, u64) {
    use std::os::unix::fs::MetadataExt;
    (metadata.modified().ok(), metadata.len(), metadata.ino())
}

#[cfg(not(unix))]
fn identity(metadata: &Metadata) -> (Option<SystemTime>, u64, u64) {
    (metadata.modified().ok(), metadata.len(), 0)
}

/// An error with its sources, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use rcgen::{CertifiedKey, generate_simple_self_signed};
    use tempfile::TempDir;

    use super::*;

    fn write_pair(folder: &TempDir) -> TlsFiles {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let files = TlsFiles {
            cert: folder.path().join("cert.pem"),
            key: folder.path().join("key.pem"),
        };
        fs::write(&files.cert, cert.pem()).unwrap();
        fs::write(&files.key, signing_key.serialize_pem()).unwrap();
        files
    }

    fn config(reloading: &Reloading) -> Arc<ServerConfig> {
        reloading.acceptor().config().clone()
    }

    #[test]
    fn both_files_or_neither() {
        let path = || Some(PathBuf::from("x"));
        assert!(matches!(TlsFiles::from_options(None, None), Ok(None)));
        assert!(matches!(TlsFiles::from_options(path(), path()), Ok(Some(_))));
        assert!(matches!(
            TlsFiles::from_options(path(), None),
            Err(TlsError::Incomplete {
                given: "the certificate"
            })
        ));
        assert!(matches!(
            TlsFiles::from_options(None, path()),
            Err(TlsError::Incomplete { given: "the key" })
        ));
    }

    #[test]
    fn unusable_files_are_named() {
        let folder = TempDir::new().unwrap();
        let files = write_pair(&folder);
        let elsewhere = TempDir::new().unwrap();
        let other = write_pair(&elsewhere);
        let bad = folder.path().join("bad.pem");
        fs::write(&bad, "not PEM").unwrap();
        let missing = folder.path().join("missing.pem");
        for (cert, key, expected) in [
            (&missing, &files.key, format!("cannot read {}", missing.display())),
            (
                &files.cert,
                &missing,
                format!("cannot read {}", missing.display()),
            ),
            (
                &bad,
                &files.key,
                format!("{} holds no certificate in PEM form", bad.display()),
            ),
            (
                &files.cert,
                &bad,
                format!("{} holds no private key in PEM form", bad.display()),
            ),
            (
                &files.key,
                &files.key,
                format!("{} holds no certificate in PEM form", files.key.display()),
            ),
            (
                &files.cert,
                &other.key,
                format!("cannot use {}", files.cert.display()),
            ),
        ] {
            let error = Reloading::load(TlsFiles {
                cert: cert.clone(),
                key: key.clone(),
            })
            .unwrap_err();
            assert!(chain(&error).starts_with(&expected), "{}", chain(&error));
        }
    }

    #[test]
    fn unchanged_files_are_not_read_again() {
        let folder = TempDir::new().unwrap();
        let reloading = Reloading::load(write_pair(&folder)).unwrap();
        assert!(Arc::ptr_eq(&config(&reloading), &config(&reloading)));
    }

    #[test]
    fn changed_files_are_read_again() {
        let folder = TempDir::new().unwrap();
        let reloading = Reloading::load(write_pair(&folder)).unwrap();
        let first = config(&reloading);
        fs::remove_file(folder.path().join("cert.pem")).unwrap();
        write_pair(&folder);
        assert!(!Arc::ptr_eq(&first, &config(&reloading)));
    }

    #[test]
    fn a_broken_change_keeps_the_certificate_until_it_is_whole() {
        let folder = TempDir::new().unwrap();
        let files = write_pair(&folder);
        let reloading = Reloading::load(files.clone()).unwrap();
        let first = config(&reloading);
        fs::write(&files.cert, "half").unwrap();
        assert!(Arc::ptr_eq(&first, &config(&reloading)));
        fs::remove_file(&files.key).unwrap();
        assert!(Arc::ptr_eq(&first, &config(&reloading)));
        write_pair(&folder);
        assert!(!Arc::ptr_eq(&first, &config(&reloading)));
    }
}
