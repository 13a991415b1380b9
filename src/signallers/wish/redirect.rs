// SPDX-License-Identifier: MPL-2.0
//! Where a client may be sent: redirects of the POST and the session URL of its answer (RFC 9725, sections 4.2 and
//! 4.5). Decides the target and whether the credentials go along. Pure; called from any thread.
//!
//! Nothing is requested here: `client` does, with what this allows.

use url::Url;

/// Redirects followed before giving up; RFC 9110, section 15.4 names five as what older clients took.
pub(crate) const MAX_REDIRECTS: u32 = 10;

/// Why a redirect is not followed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum RedirectError {
    /// The method would not survive it, or RFC 9725 forbids it.
    #[error("redirect with status {0}, which a WHIP or WHEP server must not use")]
    Status(u16),
    /// No target was given.
    #[error("no usable location")]
    NoLocation,
    /// The target is not http or https.
    #[error("location `{0}` is not http or https")]
    Scheme(String),
    /// The target gives up encryption.
    #[error("location `{0}` would leave https for http")]
    Downgrade(String),
}

/// A place to send requests to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// The whole URL.
    pub(crate) url: Url,
    /// Whether the token and the application's own headers may be sent there.
    pub(crate) is_trusted: bool,
}

impl Target {
    /// The place the user configured.
    pub(crate) fn configured(url: Url) -> Self {
        Self {
            url,
            is_trusted: true,
        }
    }

    /// Where an answer with `status` sends the POST. The token stays within the origin the user configured: once lost,
    /// trust does not come back by a second redirect.
    ///
    /// # Errors
    /// For statuses other than 307 and 308, which alone keep the method and its body, and for unusable targets.
    pub(crate) fn redirect(&self, status: u16, location: Option<&str>) -> Result<Self, RedirectError> {
        if !matches!(status, 307 | 308) {
            return Err(RedirectError::Status(status));
        }
        let url = self.resolve(location)?;
        let is_trusted = self.is_trusted && url.origin() == self.url.origin();
        Ok(Self { url, is_trusted })
    }

    /// The session URL an answer from here names. Every request needs the token (RFC 9725, section 4.7), and an endpoint
    /// that was given it may keep its sessions elsewhere, so trust goes along.
    ///
    /// # Errors
    /// For unusable targets.
    pub(crate) fn session(&self, location: Option<&str>) -> Result<Self, RedirectError> {
        Ok(Self {
            url: self.resolve(location)?,
            is_trusted: self.is_trusted,
        })
    }

    /// A `Location` is relative to the URL that answered (RFC 9110, section 10.2.2).
    fn resolve(&self, location: Option<&str>) -> Result<Url, RedirectError> {
        let location = location
            .map(str::trim)
            .filter(|l| !l.is_empty())
            .ok_or(RedirectError::NoLocation)?;
        let url = self.url.join(location).map_err(|_| RedirectError::NoLocation)?;
        match (self.url.scheme(), url.scheme()) {
            ("https", "http") => Err(RedirectError::Downgrade(url.to_string())),
            (_, "http" | "https") => Ok(url),
            _ => Err(RedirectError::Scheme(url.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> Target {
        Target::configured(Url::parse(url).unwrap())
    }

    #[test]
    fn relative_redirects_resolve_against_the_one_who_answered() {
        let first = target("https://a.example/whip/endpoint")
            .redirect(307, Some("/eu/whip/"))
            .unwrap();
        let second = first.redirect(308, Some("live")).unwrap();
        assert_eq!(second.url.as_str(), "https://a.example/eu/whip/live");
        assert_eq!(
            second.session(Some("../s/1")).unwrap().url.as_str(),
            "https://a.example/eu/s/1"
        );
        assert!(second.is_trusted);
    }

    #[test]
    fn the_token_does_not_follow_to_another_origin_nor_back() {
        for other in [
            "https://b.example/",
            "https://a.example:8443/",
            "https://sub.a.example/",
        ] {
            let there = target("https://a.example/x").redirect(307, Some(other)).unwrap();
            assert!(!there.is_trusted, "{other}");
            let back = there.redirect(307, Some("https://a.example/x")).unwrap();
            assert!(!back.is_trusted);
            assert!(!back.session(Some("/s")).unwrap().is_trusted);
        }
    }

    #[test]
    fn a_trusted_endpoint_may_keep_its_sessions_elsewhere() {
        assert!(
            target("https://a.example/x")
                .session(Some("https://media.example/s/1"))
                .unwrap()
                .is_trusted
        );
    }

    #[test]
    fn redirects_that_lose_the_method_are_refused() {
        for status in [300, 301, 302, 303, 304, 305] {
            assert_eq!(
                target("http://a/").redirect(status, Some("/b")),
                Err(RedirectError::Status(status))
            );
        }
    }

    #[test]
    fn unusable_targets_are_refused() {
        let from = target("https://a.example/");
        assert_eq!(from.redirect(307, None), Err(RedirectError::NoLocation));
        assert_eq!(from.redirect(307, Some(" ")), Err(RedirectError::NoLocation));
        assert_eq!(
            from.redirect(307, Some("https://")),
            Err(RedirectError::NoLocation)
        );
        assert!(matches!(
            from.redirect(307, Some("http://a.example/")),
            Err(RedirectError::Downgrade(_))
        ));
        assert!(matches!(
            from.session(Some("file:///etc/passwd")),
            Err(RedirectError::Scheme(_))
        ));
    }
}
