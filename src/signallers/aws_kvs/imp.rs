// SPDX-License-Identifier: MPL-2.0
//! The GObject of the Kinesis Video Streams signaller: properties in, client started and stopped.
//!
//! Owns the properties and the servers that the next viewer's connection is given. Finding the channel is `channel`'s,
//! messages are `protocol`'s, what they mean `machine`'s and the connection `client`'s. The master role of Kinesis
//! Video Streams WebRTC: viewers offer, this side answers, and a viewer's client id is its session id.
//!
//! Verbs come from any thread and only enqueue; actions come on the client's task. Three locks, each taken alone.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gst::glib;
use gst::glib::prelude::*;
use gst::glib::subclass::prelude::*;
use gst_webrtc::{WebRTCSDPType, WebRTCSessionDescription};

use super::channel::{IceServers, stun_server};
use super::client::{self, Client, Host, Options};
use super::machine::{Action, Input};
use super::settings::Settings;
use crate::end_reason::{EndReason, SessionEndReason};
use crate::gst_ext::promise;
use crate::signaller::{CAT, Signallable, SignallableImpl, signals};
use crate::webrtcbin::stun::StunServer;

/// Implementation of `GstAwsKvsWebRTCSinkSignaller`.
#[derive(Default, glib::Properties)]
#[properties(wrapper_type = super::AwsKvsSignaller)]
pub struct Signaller {
    #[property(name = "address", type = Option<String>, get, set, member = address, default = Some(Settings::ADDRESS),
        blurb = "Not used: the service says where to connect. Kept so that older launch lines still work")]
    #[property(name = "channel-name", type = Option<String>, get, set, member = channel_name,
        blurb = "Name of the signalling channel to be the master of; needed, read when the element starts")]
    #[property(name = "region", type = Option<String>, get, set, member = region,
        blurb = "Region of the channel, such as eu-west-1; NULL asks the SDK's default chain (AWS_REGION, profile), then \
us-east-1. Read when the element starts")]
    #[property(name = "endpoint", type = Option<String>, get, set, member = endpoint,
        blurb = "Base address of the control plane instead of the region's own; NULL for AWS, or what AWS_ENDPOINT_URL says. \
Read when the element starts")]
    #[property(name = "access-key", type = Option<String>, get, set, member = access_key,
        blurb = "Access key id; with secret-access-key it is used instead of the SDK's default chain of credentials")]
    #[property(name = "secret-access-key", type = Option<String>, get, set, member = secret_access_key,
        blurb = "Secret of the access key")]
    #[property(name = "session-token", type = Option<String>, get, set, member = session_token,
        blurb = "Session token of temporary credentials, beside access-key and secret-access-key")]
    #[property(name = "cafile", type = Option<String>, get, set, member = cafile,
        blurb = "PEM file of certificates to trust beside those of the system; read when the element starts")]
    #[property(name = "ping-timeout", type = i32, get, set, member = ping_timeout, minimum = 1, maximum = i32::MAX,
        default = Settings::PING_TIMEOUT, blurb = "Seconds without a message sent after which the connection is pinged")]
    settings: Mutex<Settings>,
    #[property(name = "manual-sdp-munging", type = bool, get = Self::is_munging_manually, default = false,
        blurb = "Whether the signaller changes session descriptions itself before sending them")]
    _manual_sdp_munging: (),
    /// Present between start and stop. Taken alone.
    client: Mutex<Option<Client>>,
    /// What the next viewer's connection is given. Taken alone.
    servers: Mutex<Servers>,
}

#[derive(Default)]
struct Servers {
    /// With credentials that expire; the client fetches new ones in time.
    turn: Vec<String>,
    stun: Option<StunServer>,
    region: String,
}

#[glib::object_subclass]
impl ObjectSubclass for Signaller {
    const NAME: &'static str = "GstAwsKvsWebRTCSinkSignaller";
    type Type = super::AwsKvsSignaller;
    type ParentType = glib::Object;
    type Interfaces = (Signallable,);
}

#[glib::derived_properties]
impl ObjectImpl for Signaller {
    fn constructed(&self) {
        self.parent_constructed();
        let weak = self.obj().downgrade();
        signals::connect_webrtcbin_ready(self.obj().upcast_ref(), move |_, viewer, webrtcbin| {
            if let Some(this) = weak.upgrade() {
                this.imp().give_servers(&viewer, &webrtcbin);
            }
        });
    }
}

impl SignallableImpl for Signaller {
    fn start(&self) {
        let settings = self.settings().clone();
        let access = match settings.access() {
            Ok(access) => access,
            Err(error) => return signals::emit_error(self.obj().upcast_ref(), &error.to_string()),
        };
        let options = Options {
            access,
            ping_after: settings.ping_after(),
        };
        let host = Arc::new(Reporter {
            signaller: self.obj().downgrade(),
        });
        let former = self.client().replace(client::start(options, host));
        drop(former);
    }

    fn stop(&self) {
        let client = self.client().take();
        if let Some(client) = client {
            client.stop();
        }
    }

    fn send_sdp(&self, session_id: &str, sdp: &WebRTCSessionDescription) {
        let Ok(text) = sdp.sdp().as_text() else {
            return gst::error!(
                CAT,
                imp = self,
                "{session_id}: a description that cannot be printed is not sent"
            );
        };
        let mids = sdp
            .sdp()
            .medias()
            .map(|media| media.attribute_val("mid").unwrap_or_default().to_owned());
        let mids = mids.collect();
        self.handle(Input::Answer {
            session: session_id.to_owned(),
            sdp: text,
            mids,
        });
    }

    fn add_ice(&self, session_id: &str, candidate: &str, sdp_m_line_index: u32, _sdp_mid: Option<String>) {
        self.handle(Input::Candidate {
            session: session_id.to_owned(),
            candidate: candidate.to_owned(),
            index: sdp_m_line_index,
        });
    }

    /// The protocol has no message for it: the viewer notices by ICE or DTLS.
    fn end_session(&self, session_id: &str) {
        self.handle(Input::End {
            session: session_id.to_owned(),
        });
    }
}

impl Signaller {
    fn settings(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn client(&self) -> MutexGuard<'_, Option<Client>> {
        self.client.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn servers(&self) -> MutexGuard<'_, Servers> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Descriptions go out as the element made them.
    fn is_munging_manually(&self) -> bool {
        false
    }

    /// Tells the client, if it runs.
    fn handle(&self, input: Input) {
        let is_queued = self.client().as_ref().is_none_or(|client| client.handle(input));
        if !is_queued {
            gst::error!(CAT, imp = self, "a message is lost, the service takes none");
        }
    }

    /// Gives a viewer's connection the region's STUN server and the channel's TURN servers of the moment.
    fn give_servers(&self, viewer: &str, webrtcbin: &gst::Element) {
        let (turn, stun) = {
            let servers = self.servers();
            (
                servers.turn.clone(),
                servers.stun.as_ref().and_then(StunServer::address),
            )
        };
        if let Some(stun) = stun {
            webrtcbin.set_property("stun-server", stun);
        }
        for server in turn {
            if !webrtcbin.emit_by_name::<bool>("add-turn-server", &[&server]) {
                gst::warning!(
                    CAT,
                    imp = self,
                    "{viewer}: a TURN server of the channel is not accepted"
                );
            }
        }
    }

    /// Keeps what the next viewer gets; the region's STUN server is looked up once.
    fn take_servers(&self, servers: IceServers, region: &str) {
        let is_new_region = self.servers().region != region;
        let stun = is_new_region.then(|| StunServer::look_up(Some(&stun_server(region))));
        let mut current = self.servers();
        current.turn = servers.turn;
        if let Some(stun) = stun {
            current.stun = Some(stun);
            current.region = region.to_owned();
        }
    }

    /// Turns what the machine decided into the signals that the element listens to.
    fn perform(&self, action: Action) {
        let object = self.obj();
        let this: &Signallable = object.upcast_ref();
        match action {
            Action::Request {
                session,
                viewer,
                offer,
            } => self.request(this, &session, &viewer, &offer),
            Action::RemoteCandidate {
                session,
                candidate,
                index,
                mid,
            } => {
                signals::emit_handle_ice(this, &session, index, mid.as_deref(), &candidate);
            }
            Action::Ended {
                session,
                reason: None,
            } => {
                signals::emit_session_ended(this, &session);
            }
            Action::Ended {
                session,
                reason: Some(text),
            } => {
                let reason = EndReason::new(SessionEndReason::PeerGone, text).to_wire();
                signals::emit_session_ended_with_error(this, &session, Some(&reason));
            }
            Action::Note(text) => gst::warning!(CAT, imp = self, "{text}"),
            // The client's own.
            Action::Reconnect | Action::RefreshIceServers => {}
        }
    }

    /// A viewer whose offer is no SDP is forgotten; the others hear nothing of it.
    fn request(&self, this: &Signallable, session: &str, viewer: &str, offer: &str) {
        match promise::parsed(WebRTCSDPType::Offer, offer) {
            Some(offer) => signals::emit_session_requested(this, session, viewer, Some(&offer)),
            None => {
                gst::warning!(CAT, imp = self, "{viewer}: the offer cannot be parsed");
                self.handle(Input::End {
                    session: session.to_owned(),
                });
            }
        }
    }
}

/// The client's way back to the object; the object may be gone.
struct Reporter {
    signaller: glib::WeakRef<super::AwsKvsSignaller>,
}

impl Host for Reporter {
    fn perform(&self, action: Action) {
        if let Some(signaller) = self.signaller.upgrade() {
            signaller.imp().perform(action);
        }
    }

    fn ice_servers(&self, servers: IceServers, region: &str) {
        if let Some(signaller) = self.signaller.upgrade() {
            signaller.imp().take_servers(servers, region);
        }
    }

    fn warn(&self, text: &str) {
        if let Some(signaller) = self.signaller.upgrade() {
            signals::emit_warning(signaller.upcast_ref(), text);
        }
    }

    fn fail(&self, text: &str) {
        if let Some(signaller) = self.signaller.upgrade() {
            signals::emit_error(signaller.upcast_ref(), text);
        }
    }
}
