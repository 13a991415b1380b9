// SPDX-License-Identifier: MPL-2.0
//! The properties of a client's GObject: what they are called, what they mean, and the setting behind each.
//!
//! Built by hand rather than derived: the two protocols have the same ones, but for the name of the endpoint.

use gst::{
    glib::{self, ParamSpec, prelude::*},
    prelude::*,
};

use super::super::{non_empty, server::Kind, shell::typed};
use super::settings::Settings;

const WHIP_ENDPOINT: &str = "whip-endpoint";
const WHEP_ENDPOINT: &str = "whep-endpoint";
const USE_LINK_HEADERS: &str = "use-link-headers";
const AUTH_TOKEN: &str = "auth-token";
const TIMEOUT: &str = "timeout";
const CAFILE: &str = "cafile";
const INSECURE_TLS: &str = "insecure-tls";
const HEADERS: &str = "headers";
const MANUAL_SDP_MUNGING: &str = "manual-sdp-munging";

/// The properties of a client of `kind`.
pub(crate) fn declare(kind: Kind) -> Vec<ParamSpec> {
    let (endpoint, endpoint_blurb, munging_blurb) = match kind {
        Kind::Whip => (
            WHIP_ENDPOINT,
            "URL of the WHIP endpoint to publish to, http:// or https://; read when the element starts",
            "The signaller lets handlers of munge-session-description change the offer right before it is sent",
        ),
        Kind::Whep => (
            WHEP_ENDPOINT,
            "URL of the WHEP endpoint to play from, http:// or https://; read when the element starts",
            "Whether the signaller changes session descriptions itself before sending them",
        ),
    };
    let (text, flag) = (glib::ParamSpecString::builder, glib::ParamSpecBoolean::builder);
    let links = flag(USE_LINK_HEADERS).blurb(
        "Use the STUN and TURN servers that the server announces, asking for them by OPTIONS before the offer is made; read when \
         the element starts",
    );
    let token = text(AUTH_TOKEN).blurb(
        "Bearer token sent with every request, though not to another origin after a redirect; read when the element starts",
    );
    // As released: only the WHIP client's say that they may change in READY.
    let (endpoint, links, token) = match kind {
        Kind::Whip => (
            text(endpoint).blurb(endpoint_blurb).mutable_ready().build(),
            links.mutable_ready().build(),
            token.mutable_ready().build(),
        ),
        Kind::Whep => (
            text(endpoint).blurb(endpoint_blurb).build(),
            links.build(),
            token.build(),
        ),
    };
    vec![
        endpoint,
        links,
        token,
        glib::ParamSpecUInt::builder(TIMEOUT)
            .maximum(3600)
            .default_value(Settings::TIMEOUT)
            .blurb(
                "How long the server may take to answer the offer, redirects included, in seconds; 0 waits for ever. Read when \
                 the element starts",
            )
            .build(),
        text(CAFILE)
            .blurb(
                "PEM file of certificates to trust beside those of the system, for https://; read when the element starts",
            )
            .build(),
        flag(INSECURE_TLS)
            .blurb("Accept any certificate the server shows, for https://; read when the element starts")
            .build(),
        flag(MANUAL_SDP_MUNGING)
            .default_value(kind == Kind::Whip)
            .blurb(munging_blurb)
            .read_only()
            .build(),
        glib::ParamSpecBoxed::builder::<gst::Structure>(HEADERS)
            .blurb(
                "HTTP headers to add to every request that may carry the token, a field each; read when the element starts",
            )
            .build(),
    ]
}

/// Sets the property `name`.
pub(super) fn set(settings: &mut Settings, name: &str, value: &glib::Value) {
    match name {
        USE_LINK_HEADERS => settings.use_link_headers = typed(value),
        AUTH_TOKEN => settings.auth_token = non_empty(typed(value)),
        TIMEOUT => settings.timeout = typed(value),
        CAFILE => settings.cafile = non_empty(typed(value)),
        INSECURE_TLS => settings.insecure_tls = typed(value),
        HEADERS => settings.headers = typed(value),
        WHIP_ENDPOINT | WHEP_ENDPOINT => settings.endpoint = non_empty(typed(value)),
        _ => unreachable!("`{name}` is declared read-only, or not at all"),
    }
}

/// Reads the property `name` of a client of `kind`.
pub(super) fn get(settings: &Settings, kind: Kind, name: &str) -> glib::Value {
    match name {
        USE_LINK_HEADERS => settings.use_link_headers.to_value(),
        AUTH_TOKEN => settings.auth_token.to_value(),
        TIMEOUT => settings.timeout.to_value(),
        CAFILE => settings.cafile.to_value(),
        INSECURE_TLS => settings.insecure_tls.to_value(),
        HEADERS => settings.headers.to_value(),
        MANUAL_SDP_MUNGING => (kind == Kind::Whip).to_value(),
        WHIP_ENDPOINT | WHEP_ENDPOINT => settings.endpoint.to_value(),
        _ => unreachable!("`{name}` is not declared"),
    }
}
