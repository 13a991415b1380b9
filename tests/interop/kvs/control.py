# SPDX-License-Identifier: MPL-2.0
"""Calls the control plane with botocore, whose model of the API checks the shapes of the answers.

    control.py URL REGION CHANNEL ARN KEY-ID SECRET CAFILE
"""
import sys

import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError

URL, REGION, CHANNEL, ARN, KEY_ID, SECRET, CAFILE = sys.argv[1:]


def client(service, endpoint, secret=SECRET):
    """A client of one of the two services."""
    return botocore.session.Session().create_client(
        service,
        region_name=REGION,
        endpoint_url=endpoint,
        aws_access_key_id=KEY_ID,
        aws_secret_access_key=secret,
        verify=CAFILE,
        config=Config(retries={"max_attempts": 0}),
    )


def error_of(call, **arguments):
    """The code a call fails with."""
    try:
        call(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return None


control = client("kinesisvideo", URL)
channel = control.describe_signaling_channel(ChannelName=CHANNEL)["ChannelInfo"]
assert channel["ChannelARN"] == ARN, channel
assert channel["ChannelType"] == "SINGLE_MASTER", channel
assert channel["CreationTime"].year == 2023, channel

wanted = {"Protocols": ["WSS", "HTTPS"], "Role": "VIEWER"}
endpoints = control.get_signaling_channel_endpoint(
    ChannelARN=ARN, SingleMasterChannelEndpointConfiguration=wanted
)["ResourceEndpointList"]
by_protocol = {entry["Protocol"]: entry["ResourceEndpoint"] for entry in endpoints}
assert set(by_protocol) == {"WSS", "HTTPS"}, endpoints

signaling = client("kinesis-video-signaling", by_protocol["HTTPS"])
servers = signaling.get_ice_server_config(ChannelARN=ARN, ClientId="viewer-1")["IceServerList"]
assert isinstance(servers, list), servers

assert error_of(control.describe_signaling_channel, ChannelName="other") == "ResourceNotFoundException"
forged = client("kinesisvideo", URL, secret="wrong")
assert error_of(forged.describe_signaling_channel, ChannelName=CHANNEL) == "InvalidSignatureException"
