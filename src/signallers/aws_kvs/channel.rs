// SPDX-License-Identifier: MPL-2.0
//! The control plane: which channel, its endpoints, its TURN servers (Kinesis Video Streams API), by the vendor's SDK.
//!
//! Failures are told apart by what helps: waiting, or the user. Owns every call to the vendor's SDK but the signature
//! of the websocket address, which is `sigv4`'s. Runs on the client's task; each call is bounded by the timeouts below.
//! When to call again is `client`'s to decide.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_sdk_kinesisvideo::types::{ChannelProtocol, ChannelRole, SingleMasterChannelEndpointConfiguration};
use aws_sdk_kinesisvideosignaling::types::IceServer;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use url::Url;

use super::failure::{ChannelError, control_plane};
use super::sigv4;
use crate::error::with_causes;
use crate::net::tls;
use crate::webrtcbin::turn;

/// Which channel, and how to get to it.
#[derive(Debug, Clone, Default)]
pub(super) struct Access {
    pub(super) channel_name: String,
    /// Without one the SDK's default chain is asked.
    pub(super) region: Option<String>,
    /// Base address of the control plane instead of the region's own.
    pub(super) endpoint: Option<String>,
    pub(super) cafile: Option<PathBuf>,
    /// Without them the SDK's default chain is asked.
    pub(super) keys: Option<Keys>,
}

/// Credentials that the user gave.
#[derive(Clone)]
pub(super) struct Keys {
    pub(super) id: String,
    pub(super) secret: String,
    /// Of temporary ones.
    pub(super) token: Option<String>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keys({}, …)", self.id)
    }
}

/// A channel that was found.
pub(super) struct Channel {
    name: String,
    /// The channel's full name, which every call but the first goes by.
    arn: String,
    region: String,
    websocket_endpoint: String,
    /// With its cached credentials provider: temporary credentials are renewed for each new address.
    config: SdkConfig,
    signaling: aws_sdk_kinesisvideosignaling::Client,
}

/// What a viewer's connection gets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct IceServers {
    /// `turn(s)://user:password@host:port?transport=…`, as webrtcbin wants them.
    pub(super) turn: Vec<String>,
    /// How long the credentials last.
    pub(super) lifetime: Option<Duration>,
}

impl Access {
    /// Looks the channel up and asks for its endpoints.
    ///
    /// # Errors
    /// [`ChannelError`] says what to do.
    pub(super) async fn open(&self) -> Result<Channel, ChannelError> {
        let config = self.sdk_config().await?;
        let region = config.region().map_or(FALLBACK_REGION, Region::as_ref).to_owned();
        let mut builder = aws_sdk_kinesisvideo::config::Builder::from(&config);
        builder.set_endpoint_url(
            self.endpoint
                .clone()
                .or_else(|| config.endpoint_url().map(str::to_owned)),
        );
        let client = aws_sdk_kinesisvideo::Client::from_conf(builder.build());
        let arn = self.arn(&client, &region).await?;
        let (websocket_endpoint, https_endpoint) = self.endpoints(&client, &arn, &region).await?;
        let signaling = aws_sdk_kinesisvideosignaling::config::Builder::from(&config)
            .endpoint_url(https_endpoint)
            .build();
        Ok(Channel {
            name: self.channel_name.clone(),
            arn,
            region,
            websocket_endpoint,
            config,
            signaling: aws_sdk_kinesisvideosignaling::Client::from_conf(signaling),
        })
    }

    /// What both of the SDK's clients are made of: region, credentials, TLS, timeouts.
    async fn sdk_config(&self) -> Result<SdkConfig, ChannelError> {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_timeout(OPERATION_TIMEOUT)
            .build();
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(self.http_client().await?)
            .timeout_config(timeouts);
        // Without a region the loader asks its default chain, with the HTTP client given here; the chain that can be
        // named by itself wants a client compiled in.
        if let Some(region) = self.region.clone() {
            loader = loader.region(Region::new(region));
        }
        if let Some(Keys { id, secret, token }) = self.keys.clone() {
            loader = loader.credentials_provider(Credentials::new(id, secret, token, None, "properties"));
        }
        let config = loader.load().await;
        let region = config.region().cloned();
        let region = region.unwrap_or(Region::from_static(FALLBACK_REGION));
        Ok(config.into_builder().region(region).build())
    }

    /// Ours rather than the SDK's own, so that `cafile` counts and the crypto provider is named.
    async fn http_client(
        &self,
    ) -> Result<aws_smithy_runtime_api::client::http::SharedHttpClient, ChannelError> {
        let mut trusted = TrustStore::empty().with_native_roots(true);
        if let Some(path) = &self.cafile {
            // The SDK panics at certificates it cannot use.
            tls::check_cafile(path).map_err(|error| ChannelError::user(with_causes(&error)))?;
            let unreadable =
                |error| ChannelError::user(format!("{} cannot be read: {error}", path.display()));
            trusted = trusted.with_pem_certificate(tokio::fs::read(path).await.map_err(unreadable)?);
        }
        let context = TlsContext::builder()
            .with_trust_store(trusted)
            .build()
            .map_err(|error| ChannelError::user(format!("TLS cannot be set up: {error}")))?;
        Ok(aws_smithy_http_client::Builder::new()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .tls_context(context)
            .build_https())
    }

    /// The channel's name in full, by which the other calls and the websocket know it.
    async fn arn(&self, client: &aws_sdk_kinesisvideo::Client, region: &str) -> Result<String, ChannelError> {
        let name = &self.channel_name;
        let described = client
            .describe_signaling_channel()
            .channel_name(name)
            .send()
            .await
            .map_err(|error| control_plane("DescribeSignalingChannel", name, region, &error))?;
        let info = described
            .channel_info
            .ok_or_else(|| ChannelError::service(format!("No description found for {name}")))?;
        info.channel_arn
            .ok_or_else(|| ChannelError::service(format!("No channel ARN found for {name}")))
    }

    /// The websocket endpoint and the one of GetIceServerConfig.
    async fn endpoints(
        &self,
        client: &aws_sdk_kinesisvideo::Client,
        arn: &str,
        region: &str,
    ) -> Result<(String, String), ChannelError> {
        let name = &self.channel_name;
        let wanted = SingleMasterChannelEndpointConfiguration::builder()
            .protocols(ChannelProtocol::Wss)
            .protocols(ChannelProtocol::Https)
            .role(ChannelRole::Master)
            .build();
        let found = client
            .get_signaling_channel_endpoint()
            .channel_arn(arn)
            .single_master_channel_endpoint_configuration(wanted)
            .send()
            .await
            .map_err(|error| control_plane("GetSignalingChannelEndpoint", name, region, &error))?;
        let endpoint = |protocol: ChannelProtocol| {
            let mut list = found.resource_endpoint_list().iter();
            let item = list.find(|item| item.protocol() == Some(&protocol));
            item.and_then(|item| item.resource_endpoint())
                .map(str::to_owned)
                .ok_or_else(|| {
                    ChannelError::service(format!("No {} endpoint found for {name}", protocol.as_str()))
                })
        };
        Ok((endpoint(ChannelProtocol::Wss)?, endpoint(ChannelProtocol::Https)?))
    }
}

impl Channel {
    /// The region the channel is in.
    pub(super) fn region(&self) -> &str {
        &self.region
    }

    /// The address to connect to as master, signed for the next minutes.
    ///
    /// # Errors
    /// [`ChannelError`] when there are no credentials or they cannot sign.
    pub(super) async fn websocket_url(&self) -> Result<Url, ChannelError> {
        let provider = self
            .config
            .credentials_provider()
            .ok_or_else(|| ChannelError::credentials("no provider"))?;
        let credentials = provider.provide_credentials().await.map_err(|error| {
            let causes = with_causes(&error);
            ChannelError::credentials(&format!("Failed to retrieve credentials with error {causes}"))
        })?;
        let channel = sigv4::Channel {
            arn: &self.arn,
            region: &self.region,
            client_id: None,
        };
        sigv4::presigned(
            &self.websocket_endpoint,
            channel,
            &credentials,
            SystemTime::now(),
            sigv4::EXPIRY,
        )
        .map_err(|error| ChannelError::service(error.to_string()))
    }

    /// The TURN servers viewers may be reached through.
    ///
    /// # Errors
    /// [`ChannelError`] of the service.
    pub(super) async fn ice_servers(&self) -> Result<IceServers, ChannelError> {
        let config = self
            .signaling
            .get_ice_server_config()
            .channel_arn(&self.arn)
            .send()
            .await
            .map_err(|error| control_plane("GetIceServerConfig", &self.name, &self.region, &error))?;
        let list = config.ice_server_list();
        let lifetime = list
            .iter()
            .filter_map(|server| u64::try_from(server.ttl()?).ok())
            .filter(|ttl| *ttl > 0)
            .min();
        Ok(IceServers {
            turn: list.iter().flat_map(turn_addresses).collect(),
            lifetime: lifetime.map(Duration::from_secs),
        })
    }
}

/// Address of the STUN server of `region`; the regions of China have a domain of their own.
pub(super) fn stun_server(region: &str) -> String {
    let domain = match region.starts_with("cn-") {
        true => "amazonaws.com.cn",
        false => "amazonaws.com",
    };
    format!("stun://stun.kinesisvideo.{region}.{domain}:443")
}

/// Every address of `server` that names a relay; none without credentials, which webrtcbin needs.
fn turn_addresses(server: &IceServer) -> Vec<String> {
    let (Some(user), Some(password)) = (server.username(), server.password()) else {
        return Vec::new();
    };
    server
        .uris()
        .iter()
        .filter_map(|uri| turn::address(uri, user, password))
        .collect()
}

/// Where nothing names a region.
const FALLBACK_REGION: &str = "us-east-1";
/// A control plane that doesn't answer within this is asked again.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// For one call with the SDK's own retries.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_without_credentials_are_left_out() {
        let server = IceServer::builder().uris("turn:h:1").build();
        assert_eq!(turn_addresses(&server), Vec::<String>::new());
        let server = IceServer::builder()
            .uris("turn:h:1")
            .uris("x")
            .username("u")
            .password("p")
            .build();
        assert_eq!(turn_addresses(&server), ["turn://u:p@h:1"]);
    }

    #[test]
    fn a_cafile_that_cannot_be_used_is_the_users_to_mend() {
        for path in ["/nonexistent.pem", "/dev/null", "/proc/self/exe"] {
            let access = Access {
                cafile: Some(path.into()),
                ..Access::default()
            };
            let error = crate::runtime::block_on(access.http_client()).unwrap_err();
            assert!(error.to_string().contains(path), "{error}");
            assert!(!error.is_passing(true));
        }
    }

    #[test]
    fn every_region_has_its_stun_server() {
        let address = |host: &str| format!("stun://stun.kinesisvideo.{host}:443");
        assert_eq!(stun_server("eu-west-1"), address("eu-west-1.amazonaws.com"));
        assert_eq!(stun_server("cn-north-1"), address("cn-north-1.amazonaws.com.cn"));
    }
}
