// SPDX-License-Identifier: MPL-2.0
//! Failures of the service, told apart by what helps against them, in words that say what to do. Pure.
//!
//! Owns one question: is it worth trying again? `client` retries what passes and reports the rest, which ends the
//! element. The service's error codes are those of its API reference; the texts name the property that mends the
//! matter.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;

use crate::error::{causes, with_causes};

/// Why there is no signalling channel.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub(super) struct ChannelError {
    text: String,
    kind: Kind,
}

/// What helps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The user.
    User,
    /// Time.
    Service,
    /// The user; but credentials that were found before may be found again.
    Credentials,
    /// Looking the channel up again.
    Stale,
}

impl ChannelError {
    /// Something the user has to mend.
    pub(super) fn user(text: String) -> Self {
        Self {
            text,
            kind: Kind::User,
        }
    }

    /// Something of the service that may be different next time.
    pub(super) fn service(text: String) -> Self {
        Self {
            text,
            kind: Kind::Service,
        }
    }

    /// No credentials were found; why not, is in `detail`.
    pub(super) fn credentials(detail: &str) -> Self {
        Self {
            text: format!(
                "there are no AWS credentials: set signaller::access-key and secret-access-key, or AWS_ACCESS_KEY_ID and \
                 AWS_SECRET_ACCESS_KEY ({detail})"
            ),
            kind: Kind::Credentials,
        }
    }

    /// Whether trying again later may help a client that has, or has never, been connected.
    pub(super) fn is_passing(&self, was_connected: bool) -> bool {
        match self.kind {
            Kind::User => false,
            Kind::Credentials => was_connected,
            Kind::Service | Kind::Stale => true,
        }
    }

    /// Whether what was found out about the channel is out of date.
    pub(super) fn is_stale(&self) -> bool {
        self.kind == Kind::Stale
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
    if causes(error).any(|cause| cause.is::<CredentialsError>()) {
        return ChannelError::credentials(&format!("{call} failed: {detail}"));
    }
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
        "SessionExpiredException" => ChannelError {
            text: failed,
            kind: Kind::Stale,
        },
        "ClientLimitExceededException" | "ThrottlingException" => {
            ChannelError::service(format!("the service asks to slow down ({failed})"))
        }
        // Without a code: no connection, a timeout, or the service in trouble. A refusal without a known code won't pass.
        _ => match status {
            Some(400..=428 | 430..=499) => ChannelError::user(failed),
            Some(_) => ChannelError::service(failed),
            None => ChannelError::service(format!(
                "no answer from the service in {region}: check signaller::region, and this machine's network ({failed})"
            )),
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
            assert!(!error.is_passing(true), "{code}");
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
            assert!(error(code, status).is_passing(false), "{code} {status:?}");
        }
    }

    #[test]
    fn a_region_that_nobody_answers_in_is_named() {
        let text = error("", None).to_string();
        assert!(text.contains("eu-west-1: check signaller::region"), "{text}");
        assert!(!error("", Some(500)).to_string().contains("signaller::region"));
    }

    #[test]
    fn endpoints_that_ran_out_are_asked_for_again() {
        let expired = error("SessionExpiredException", Some(400));
        assert!(expired.is_stale() && expired.is_passing(false));
        assert!(!error("", Some(500)).is_stale());
    }

    #[test]
    fn missing_credentials_are_named_and_waited_for_where_they_were_there_before() {
        use aws_sdk_kinesisvideo::operation::describe_signaling_channel::DescribeSignalingChannelError;
        use aws_smithy_runtime_api::client::result::ConnectorError;
        let cause = CredentialsError::not_loaded("no answer from 169.254.169.254");
        let error = SdkError::<DescribeSignalingChannelError, HttpResponse>::dispatch_failure(
            ConnectorError::other(Box::new(cause), None),
        );
        let error = control_plane("DescribeSignalingChannel", "demo", "eu-west-1", &error);
        for words in ["signaller::access-key", "no answer from"] {
            assert!(error.to_string().contains(words), "{error}");
        }
        assert!(!error.is_passing(false) && error.is_passing(true));
    }

    #[test]
    fn a_refused_upgrade_says_what_to_check() {
        assert!(
            upgrade(Some(403), "HTTP error: 403")
                .to_string()
                .contains("clock")
        );
        assert!(!upgrade(Some(404), "").is_passing(true));
        assert!(upgrade(Some(500), "").is_passing(false));
        assert!(upgrade(None, "reset").is_passing(false));
    }
}
