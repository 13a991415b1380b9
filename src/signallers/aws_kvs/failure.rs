// SPDX-License-Identifier: MPL-2.0
//! Failures of the service, told apart by what helps against them, in words that say what to do. Pure.
//!
//! Owns one question: is it worth trying again? `client` retries what passes and reports the rest, which ends the
//! element. The service's error codes are those of its API reference; the texts name the property that mends the
//! matter.

use std::error::Error;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;

use crate::error::with_causes;

/// Why there is no signalling channel.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub(super) struct ChannelError {
    text: String,
    /// Said by whoever made it: the text is for people only.
    is_passing: bool,
}

impl ChannelError {
    /// Something the user has to mend.
    pub(super) fn user(text: String) -> Self {
        Self {
            text,
            is_passing: false,
        }
    }

    /// Something of the service that may be different next time.
    pub(super) fn service(text: String) -> Self {
        Self {
            text,
            is_passing: true,
        }
    }

    /// Whether trying again later may help.
    pub(super) fn is_passing(&self) -> bool {
        self.is_passing
    }
}

/// What a failed call to the control plane means.
pub(super) fn control_plane<E>(
    call: &str,
    channel: &str,
    region: &str,
    error: &SdkError<E, HttpResponse>,
) -> ChannelError
where
    E: Error + aws_sdk_kinesisvideo::error::ProvideErrorMetadata + 'static,
{
    let code = error
        .as_service_error()
        .and_then(|error| error.code())
        .unwrap_or_default();
    let status = error.raw_response().map(|response| response.status().as_u16());
    let detail = with_causes(error);
    explained(call, channel, region, code, status, &detail)
}

/// The error of a call, from the service's code for it.
fn explained(
    call: &str,
    channel: &str,
    region: &str,
    code: &str,
    status: Option<u16>,
    detail: &str,
) -> ChannelError {
    let failed = format!("{call} failed: {detail}");
    match code {
        "ResourceNotFoundException" => ChannelError::user(format!(
            "the channel {channel} does not exist in {region}: create it, or set signaller::region ({failed})"
        )),
        "InvalidSignatureException" | "SignatureDoesNotMatch" | "RequestExpired" | "RequestTimeTooSkewed" => {
            ChannelError::user(format!(
                "the signature was refused: check the secret key, and this machine's clock ({failed})"
            ))
        }
        "AccessDeniedException"
        | "NotAuthorizedException"
        | "UnrecognizedClientException"
        | "IncompleteSignature"
        | "MissingAuthenticationToken"
        | "ExpiredTokenException" => ChannelError::user(format!(
            "the credentials were refused: check the keys and that they allow kinesisvideo on {channel} ({failed})"
        )),
        "InvalidArgumentException" => ChannelError::user(failed),
        "ClientLimitExceededException" | "ThrottlingException" => {
            ChannelError::service(format!("the service asks to slow down ({failed})"))
        }
        // Without a code: no connection, a timeout, or the service in trouble. A refusal without a known code won't pass.
        _ => match status {
            Some(400..=428 | 430..=499) => ChannelError::user(failed),
            _ if detail.contains("no credentials") || detail.contains("CredentialsNotLoaded") => {
                ChannelError::user(format!(
                    "there are no AWS credentials: set signaller::access-key and secret-access-key, or AWS_ACCESS_KEY_ID \
                     and AWS_SECRET_ACCESS_KEY ({failed})"
                ))
            }
            _ => ChannelError::service(failed),
        },
    }
}

/// What the upgrade of the websocket was refused with.
pub(super) fn upgrade(status: Option<u16>, text: &str) -> ChannelError {
    match status {
        Some(403) => ChannelError::user(format!(
            "the signalling endpoint refused the signature: check the credentials, and this machine's clock ({text})"
        )),
        Some(404) => ChannelError::user(format!(
            "the signalling endpoint does not know the channel ({text})"
        )),
        _ => ChannelError::service(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: &str, status: Option<u16>) -> ChannelError {
        explained(
            "DescribeSignalingChannel",
            "demo",
            "eu-west-1",
            code,
            status,
            "details",
        )
    }

    #[test]
    fn what_the_user_can_mend_is_said_and_not_tried_again() {
        let cases = [
            ("ResourceNotFoundException", "does not exist in eu-west-1"),
            ("AccessDeniedException", "check the keys"),
            ("UnrecognizedClientException", "check the keys"),
            ("InvalidSignatureException", "clock"),
            ("RequestExpired", "clock"),
            ("InvalidArgumentException", "DescribeSignalingChannel failed"),
        ];
        for (code, expected) in cases {
            let error = error(code, Some(400));
            assert!(error.to_string().contains(expected), "{code}: {error}");
            assert!(error.to_string().contains("details"), "{code}: {error}");
            assert!(!error.is_passing(), "{code}");
        }
    }

    #[test]
    fn trouble_of_the_service_passes() {
        let cases = [
            ("ClientLimitExceededException", Some(400)),
            ("", Some(500)),
            ("", Some(429)),
            ("", None),
        ];
        for (code, status) in cases {
            assert!(error(code, status).is_passing(), "{code} {status:?}");
        }
    }

    #[test]
    fn missing_credentials_are_named() {
        let error = explained("X", "demo", "r", "", None, "no credentials provided");
        assert!(error.to_string().contains("signaller::access-key"), "{error}");
        assert!(!error.is_passing());
    }

    #[test]
    fn a_refused_upgrade_says_what_to_check() {
        assert!(
            upgrade(Some(403), "HTTP error: 403")
                .to_string()
                .contains("clock")
        );
        assert!(!upgrade(Some(404), "").is_passing());
        assert!(upgrade(Some(500), "").is_passing());
        assert!(upgrade(None, "reset").is_passing());
    }
}
