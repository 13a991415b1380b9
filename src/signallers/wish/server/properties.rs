// SPDX-License-Identifier: MPL-2.0
//! The properties of a server's GObject: what they are called, what they mean, and the setting behind each.
//!
//! Built by hand rather than derived: the two protocols have the same ones with other defaults, and one has one more.

use gst::{
    glib::{self, ParamSpec, prelude::*},
    prelude::*,
};

use super::super::{CAT, non_empty, shell::typed};
use super::protocol::Kind;
use super::settings::Settings;

/// Where to listen; reads the port in use.
pub(super) const HOST_ADDR: &str = "host-addr";
const STUN_SERVER: &str = "stun-server";
const TURN_SERVERS: &str = "turn-servers";
const TIMEOUT: &str = "timeout";
const AUTH_TOKEN: &str = "auth-token";
const TLS_CERT: &str = "tls-cert";
const TLS_KEY: &str = "tls-key";
const SEND_COUNTER_OFFER: &str = "send-counter-offer";
const MANUAL_SDP_MUNGING: &str = "manual-sdp-munging";

/// The properties of a server of `kind`.
pub(crate) fn declare(kind: Kind) -> Vec<ParamSpec> {
    let text = glib::ParamSpecString::builder;
    let defaults = Settings::new(kind);
    let mut properties = vec![
        text(HOST_ADDR)
            .default_value(defaults.host_addr.as_ref().map(|url| url.as_str()))
            .blurb(
                "Where to listen, http:// or https://, as a URL whose path is ignored; NULL or empty runs no server, for \
                 applications that forward requests through the action signals. With port 0 reads the port in use. Read when \
                 the element starts",
            )
            .build(),
        text(STUN_SERVER)
            .default_value(defaults.stun_server.as_deref())
            .blurb("STUN server announced to clients, stun://host:port; read when the element starts")
            .build(),
        gst::ParamSpecArray::builder(TURN_SERVERS)
            .blurb(
                "TURN servers announced to clients that may publish or play, each turn(s)://user:password@host:port; read when \
                 the element starts",
            )
            .mutable_ready()
            .build(),
        glib::ParamSpecUInt::builder(TIMEOUT)
            .maximum(3600)
            .default_value(defaults.timeout)
            .blurb(
                "How long a client's request waits for the element's description, in seconds; 0 waits for ever. Read when the \
                 element starts",
            )
            .build(),
        text(AUTH_TOKEN)
            .blurb(
                "Bearer token that every request must carry; NULL lets everybody in. Read when the element starts",
            )
            .build(),
        text(TLS_CERT)
            .blurb("PEM file of the certificate chain shown to clients, for https://; read when the element starts")
            .build(),
        text(TLS_KEY)
            .blurb("PEM file of the certificate's private key, for https://; read when the element starts")
            .build(),
        glib::ParamSpecBoolean::builder(MANUAL_SDP_MUNGING)
            .blurb("Whether the signaller changes session descriptions itself before sending them")
            .read_only()
            .build(),
    ];
    if kind == Kind::Whep {
        let counter_offer = glib::ParamSpecBoolean::builder(SEND_COUNTER_OFFER).blurb(
            "Answer every player's offer with an offer of our own, which the player answers; read when the element starts",
        );
        properties.push(counter_offer.build());
    }
    properties
}

/// Sets the property `name`.
pub(super) fn set(settings: &mut Settings, name: &str, value: &glib::Value) {
    match name {
        HOST_ADDR => {
            if let Err(error) = settings.set_host_addr(typed::<Option<&str>>(value)) {
                gst::error!(CAT, "the address stays as it was: {error}");
            }
        }
        STUN_SERVER => settings.stun_server = typed(value),
        TURN_SERVERS => settings.turn_servers = typed(value),
        TIMEOUT => settings.timeout = typed(value),
        AUTH_TOKEN => settings.auth_token = non_empty(typed(value)),
        TLS_CERT => settings.tls_cert = non_empty(typed(value)),
        TLS_KEY => settings.tls_key = non_empty(typed(value)),
        SEND_COUNTER_OFFER => settings.send_counter_offer = typed(value),
        _ => unreachable!("`{name}` is declared read-only, or not at all"),
    }
}

/// Reads the property `name`.
pub(super) fn get(settings: &Settings, name: &str) -> glib::Value {
    match name {
        HOST_ADDR => settings.host_addr.as_ref().map(|url| url.as_str()).to_value(),
        STUN_SERVER => settings.stun_server.to_value(),
        TURN_SERVERS => settings.turn_servers.to_value(),
        TIMEOUT => settings.timeout.to_value(),
        AUTH_TOKEN => settings.auth_token.to_value(),
        TLS_CERT => settings.tls_cert.to_value(),
        TLS_KEY => settings.tls_key.to_value(),
        SEND_COUNTER_OFFER => settings.send_counter_offer.to_value(),
        // The element munges before the description gets here.
        MANUAL_SDP_MUNGING => false.to_value(),
        _ => unreachable!("`{name}` is not declared"),
    }
}
