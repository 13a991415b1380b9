// SPDX-License-Identifier: MPL-2.0
//! The control plane: DescribeSignalingChannel, GetSignalingChannelEndpoint and GetIceServerConfig as JSON. Pure.

use serde_json::{Value, json};

use super::switches::{Call, IceServer};

/// The channel there is.
pub(super) struct Channel {
    pub(super) name: String,
    pub(super) arn: String,
    pub(super) region: String,
}

/// Status, error type if it is one, and body.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) error: Option<String>,
    pub(super) body: Value,
}

impl Channel {
    pub(super) fn new(name: &str, region: &str) -> Self {
        Self {
            name: name.to_owned(),
            arn: format!("arn:aws:kinesisvideo:{region}:123456789012:channel/{name}/1700000000000"),
            region: region.to_owned(),
        }
    }

    /// Answers a call whose signature was found right. `port` is where everything of the service listens.
    pub(super) fn answer(&self, call: Call, body: &[u8], port: u16, ice: &[IceServer]) -> Answer {
        let Ok(body) = serde_json::from_slice::<Value>(body) else {
            return Answer::error(400, "InvalidArgumentException", "the body is no JSON");
        };
        let is_known = match (body["ChannelARN"].as_str(), body["ChannelName"].as_str()) {
            (Some(arn), _) => arn == self.arn,
            (None, Some(name)) if call == Call::Describe => name == self.name,
            _ => {
                return Answer::error(
                    400,
                    "InvalidArgumentException",
                    "ChannelARN or ChannelName is missing",
                );
            }
        };
        if !is_known {
            return Answer::error(
                404,
                "ResourceNotFoundException",
                "The requested channel is not found",
            );
        }
        match call {
            Call::Describe => Answer::ok(self.description()),
            Call::Endpoint => endpoints(&body, port),
            Call::Ice => {
                Answer::ok(json!({"IceServerList": ice.iter().map(IceServer::to_json).collect::<Value>()}))
            }
            Call::Connect => Answer::error(400, "InvalidArgumentException", "websockets connect by GET"),
        }
    }

    fn description(&self) -> Value {
        json!({"ChannelInfo": {
            "ChannelName": self.name,
            "ChannelARN": self.arn,
            "ChannelType": "SINGLE_MASTER",
            "ChannelStatus": "ACTIVE",
            "CreationTime": 1_700_000_000.0,
            "SingleMasterConfiguration": {"MessageTtlSeconds": 60},
            "Version": "abc",
        }})
    }
}

impl Answer {
    pub(super) fn ok(body: Value) -> Self {
        Self {
            status: 200,
            error: None,
            body,
        }
    }

    pub(super) fn error(status: u16, kind: &str, message: &str) -> Self {
        Self {
            status,
            error: Some(kind.to_owned()),
            body: json!({"Message": message}),
        }
    }
}

/// The call a path stands for.
pub(super) fn call(path: &str) -> Option<Call> {
    match path {
        "/describeSignalingChannel" => Some(Call::Describe),
        "/getSignalingChannelEndpoint" => Some(Call::Endpoint),
        "/v1/get-ice-server-config" => Some(Call::Ice),
        _ => None,
    }
}

fn endpoints(body: &Value, port: u16) -> Answer {
    let wanted = &body["SingleMasterChannelEndpointConfiguration"];
    if !matches!(wanted["Role"].as_str(), Some("MASTER" | "VIEWER")) {
        return Answer::error(
            400,
            "InvalidArgumentException",
            "Role is neither MASTER nor VIEWER",
        );
    }
    let protocols = wanted["Protocols"].as_array().cloned().unwrap_or_default();
    let entry = |protocol: &Value| match protocol.as_str()? {
        "WSS" => Some(json!({"Protocol": "WSS", "ResourceEndpoint": format!("wss://localhost:{port}")})),
        "HTTPS" => {
            Some(json!({"Protocol": "HTTPS", "ResourceEndpoint": format!("https://localhost:{port}")}))
        }
        _ => None,
    };
    Answer::ok(json!({"ResourceEndpointList": protocols.iter().filter_map(entry).collect::<Value>()}))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(call: Call, body: Value) -> Answer {
        Channel::new("demo", "eu-west-1").answer(call, body.to_string().as_bytes(), 1, &[])
    }

    #[test]
    fn a_channel_is_found_by_name_and_by_arn() {
        let by_name = answer(Call::Describe, json!({"ChannelName": "demo"}));
        let arn = by_name.body["ChannelInfo"]["ChannelARN"].as_str().unwrap();
        assert_eq!(answer(Call::Describe, json!({"ChannelARN": arn})), by_name);
        let other = answer(Call::Describe, json!({"ChannelName": "other"}));
        assert_eq!(
            (other.status, other.error.as_deref()),
            (404, Some("ResourceNotFoundException"))
        );
    }

    #[test]
    fn only_the_protocols_asked_for_are_given() {
        let arn = Channel::new("demo", "eu-west-1").arn;
        let ask = |configuration: Value| {
            let body = json!({"ChannelARN": arn, "SingleMasterChannelEndpointConfiguration": configuration});
            answer(Call::Endpoint, body)
        };
        let both = ask(json!({"Protocols": ["WSS", "HTTPS"], "Role": "MASTER"}));
        assert_eq!(
            both.body["ResourceEndpointList"][0]["ResourceEndpoint"],
            "wss://localhost:1"
        );
        assert_eq!(
            both.body["ResourceEndpointList"][1]["ResourceEndpoint"],
            "https://localhost:1"
        );
        let one = ask(json!({"Protocols": ["WSS"], "Role": "VIEWER"}));
        assert_eq!(one.body["ResourceEndpointList"].as_array().unwrap().len(), 1);
        assert_eq!(ask(json!({"Protocols": ["WSS"]})).status, 400);
    }

    #[test]
    fn incomplete_requests_are_invalid() {
        for call in [Call::Describe, Call::Endpoint, Call::Ice] {
            assert_eq!(answer(call, json!({})).status, 400, "{call:?}");
        }
        let no_json = Channel::new("demo", "r").answer(Call::Describe, b"{", 1, &[]);
        assert_eq!(no_json.status, 400);
    }

    #[test]
    fn paths_stand_for_calls() {
        assert_eq!(call("/describeSignalingChannel"), Some(Call::Describe));
        assert_eq!(call("/v1/get-ice-server-config"), Some(Call::Ice));
        assert_eq!(call("/"), None);
    }
}
