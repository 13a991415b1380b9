// SPDX-License-Identifier: MPL-2.0
//! Whether the certificate a peer presents in DTLS is the one its description promised (RFC 8122, RFC 8827 section 6.5).
//!
//! GStreamer 1.22's webrtcbin does not check: an answer with a made-up fingerprint gets media. [`watch`] gives a
//! verdict a few milliseconds before SRTP keys exist; sessions let nothing in or out until it is [`Verdict::Matches`].
//! Owns the judgement alone; what a verdict does to a session is decided by the machines of sink and source.

use std::sync::Arc;

use gst::glib;
use gst::prelude::*;
use gst_webrtc::WebRTCSessionDescription;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use sha2::{Digest, Sha256, Sha384, Sha512};

use super::for_each_inside;

/// What a certificate turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The one promised.
    Matches,
    /// Another one, or one that cannot be checked; the text says which.
    Refused(String),
}

/// Hash functions in order of strength; anything weaker is not accepted as proof (RFC 8122, section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Algorithm {
    Sha256,
    Sha384,
    Sha512,
}

/// One `a=fingerprint` line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    algorithm: Algorithm,
    digest: Vec<u8>,
}

/// Calls `on_verdict` whenever a peer's certificate arrives at `webrtcbin`, on the thread that received it.
///
/// Must be installed before the connection is made.
pub(crate) fn watch(webrtcbin: &gst::Element, on_verdict: impl Fn(Verdict) + Send + Sync + 'static) {
    let on_verdict: Arc<dyn Fn(Verdict) + Send + Sync> = Arc::new(on_verdict);
    let weak = webrtcbin.downgrade();
    for_each_inside(webrtcbin, "dtlsdec", move |decoder| {
        watch_decoder(decoder, &weak, &on_verdict);
    });
}

/// A DTLS decoder shows the peer's certificate in a property before it hands out keys.
fn watch_decoder(
    decoder: &gst::Element,
    webrtcbin: &glib::WeakRef<gst::Element>,
    on_verdict: &Arc<dyn Fn(Verdict) + Send + Sync>,
) {
    let (webrtcbin, on_verdict) = (webrtcbin.clone(), on_verdict.clone());
    decoder.connect_notify(Some("peer-pem"), move |decoder, _| {
        let Some(webrtcbin) = webrtcbin.upgrade() else {
            return;
        };
        if let Some(pem) = decoder.property::<Option<String>>("peer-pem") {
            let remote = webrtcbin.property::<Option<WebRTCSessionDescription>>("remote-description");
            on_verdict(judge(&pem, remote.as_ref()));
        }
    });
}

/// The description that is set counts, not one that is on its way.
fn judge(pem: &str, remote: Option<&WebRTCSessionDescription>) -> Verdict {
    match remote {
        Some(remote) => verdict(pem, &promised(remote.sdp())),
        None => Verdict::Refused("a certificate came before a description".to_owned()),
    }
}

/// The fingerprints a description promises, those of the session and of each m-line.
pub(crate) fn promised(sdp: &gst_sdp::SDPMessageRef) -> Vec<Fingerprint> {
    let session = sdp
        .attributes()
        .map(|attribute| (attribute.key(), attribute.value()));
    let media = sdp
        .medias()
        .flat_map(|media| media.attributes())
        .map(|attribute| (attribute.key(), attribute.value()));
    session
        .chain(media)
        .filter(|(key, _)| *key == "fingerprint")
        .filter_map(|(_, value)| parse(value?))
        .collect()
}

/// Whether the certificate in `pem` is one of those `promised`.
///
/// Of several hash functions only the strongest counts, so that a weak one cannot be used to get around it.
pub(crate) fn verdict(pem: &str, promised: &[Fingerprint]) -> Verdict {
    let Some(strongest) = promised.iter().map(|fingerprint| fingerprint.algorithm).max() else {
        return Verdict::Refused("the description has no usable fingerprint".to_owned());
    };
    let Ok(certificate) = CertificateDer::from_pem_slice(pem.as_bytes()) else {
        return Verdict::Refused("the peer's certificate cannot be read".to_owned());
    };
    let digest = strongest.digest(&certificate);
    let is_promised = promised
        .iter()
        .any(|it| it.algorithm == strongest && it.digest == digest);
    if is_promised {
        return Verdict::Matches;
    }
    let digest = digest
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect::<Vec<_>>()
        .join(":");
    Verdict::Refused(format!(
        "the peer's certificate has the fingerprint {digest}, which its description does not name"
    ))
}

/// `sha-256 AB:CD:…`; `None` for hash functions that are no proof and for malformed digests.
fn parse(value: &str) -> Option<Fingerprint> {
    let (name, digest) = value.trim().split_once(' ')?;
    let algorithm = Algorithm::from_name(name)?;
    let digest = digest
        .trim()
        .split(':')
        .map(|byte| u8::from_str_radix(byte, 16))
        .collect::<Result<Vec<_>, _>>()
        .ok()?;
    Some(Fingerprint { algorithm, digest })
}

impl Algorithm {
    fn from_name(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "sha-256" => Some(Self::Sha256),
            "sha-384" => Some(Self::Sha384),
            "sha-512" => Some(Self::Sha512),
            _ => None,
        }
    }

    fn digest(self, data: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => Sha256::digest(data).to_vec(),
            Self::Sha384 => Sha384::digest(data).to_vec(),
            Self::Sha512 => Sha512::digest(data).to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEM: &str = "-----BEGIN CERTIFICATE-----\nAAEC\n-----END CERTIFICATE-----\n";

    fn line(algorithm: Algorithm, name: &str) -> String {
        let digest = algorithm.digest(&[0, 1, 2]);
        let digest = digest
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<Vec<_>>()
            .join(":");
        format!("{name} {digest}")
    }

    fn verdict_of(lines: &[&str]) -> Verdict {
        verdict(
            PEM,
            &lines.iter().filter_map(|line| parse(line)).collect::<Vec<_>>(),
        )
    }

    #[test]
    fn the_promised_certificate_matches_by_any_strong_hash() {
        let cases = [
            (Algorithm::Sha256, "SHA-256"),
            (Algorithm::Sha384, "sha-384"),
            (Algorithm::Sha512, "sha-512"),
        ];
        for (algorithm, name) in cases {
            assert_eq!(verdict_of(&[&line(algorithm, name)]), Verdict::Matches, "{name}");
        }
    }

    #[test]
    fn one_digit_is_enough_to_refuse() {
        let mut wrong = line(Algorithm::Sha256, "sha-256");
        let last = if wrong.pop() == Some('0') { '1' } else { '0' };
        wrong.push(last);
        assert!(matches!(verdict_of(&[&wrong]), Verdict::Refused(_)));
    }

    #[test]
    fn the_strongest_hash_decides() {
        let good = line(Algorithm::Sha256, "sha-256");
        assert!(matches!(
            verdict_of(&[&good, "sha-512 00:11"]),
            Verdict::Refused(_)
        ));
    }

    #[test]
    fn several_certificates_may_be_promised() {
        let good = line(Algorithm::Sha256, "sha-256");
        assert_eq!(verdict_of(&["sha-256 00:11", &good]), Verdict::Matches);
    }

    #[test]
    fn weak_hashes_and_nonsense_prove_nothing() {
        for value in [
            "sha-1 00:11",
            "md5 00",
            "sha-256",
            "sha-256 zz:11",
            "sha-256 ",
            "",
        ] {
            assert!(matches!(verdict_of(&[value]), Verdict::Refused(_)), "{value}");
        }
        assert!(matches!(
            verdict("no pem", &[parse("sha-256 00").unwrap()]),
            Verdict::Refused(_)
        ));
    }
}
