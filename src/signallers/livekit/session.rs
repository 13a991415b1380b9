// SPDX-License-Identifier: MPL-2.0
//! What happens between start and stop: the client, and its reports turned into signals, properties and settings of the
//! session's webrtcbin.
//!
//! Reports come on the client's task, webrtcbins on whatever thread makes them. Owns what the application sees of a
//! participation. What the server's messages mean is `machine`'s, the socket `client`'s; the lock of the session is let
//! go before signals are emitted or properties notified.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use gst::glib;
use gst::glib::prelude::*;
use gst::glib::subclass::prelude::*;
use gst_webrtc::{WebRTCDataChannel, WebRTCSDPType};
use livekit_protocol as proto;

use super::channels::{self, Channel};
use super::client::{self, Client, Endpoint, Host};
use super::imp::Signaller;
use super::machine::{Config, DescriptionKind, Input, PEER_ID, Report};
use super::mute::MutedPad;
use super::protocol::Candidate;
use super::settings::{Settings, SettingsError};
use super::{ConnectionState, LiveKitSignaller, ice_servers, participant};
use crate::end_reason::{EndReason, SessionEndReason};
use crate::gst_ext::promise;
use crate::signaller::{CAT, Signallable, WebRTCSignallerRole, signals};
use crate::webrtcbin::ice;

/// State of one signaller; everything but `state` is empty while it is stopped.
#[derive(Debug, Default)]
pub(super) struct Session {
    pub(super) client: Option<Client>,
    pub(super) state: ConnectionState,
    /// By session id.
    participants: BTreeMap<String, proto::ParticipantInfo>,
    /// Track ids by the mid of the m-line they come on.
    tracks: BTreeMap<String, String>,
    /// As the server gave them last; for the next webrtcbin.
    ice_servers: Vec<proto::IceServer>,
    /// Whether the server wants media by relays only.
    relay_only: bool,
    /// Of the session at hand.
    webrtcbin: glib::WeakRef<gst::Element>,
    reliable: Option<WebRTCDataChannel>,
    lossy: Option<WebRTCDataChannel>,
    /// Of our own tracks, by the mid of their m-line.
    muted: BTreeMap<String, MutedPad>,
}

impl Session {
    /// The channel, once there is one.
    pub(super) fn channel(&self, channel: Channel) -> Option<WebRTCDataChannel> {
        match channel {
            Channel::Reliable => self.reliable.clone(),
            Channel::Lossy => self.lossy.clone(),
        }
    }

    /// Keeps an opened channel.
    fn set_channel(&mut self, channel: Channel, opened: Option<WebRTCDataChannel>) {
        match channel {
            Channel::Reliable => self.reliable = opened,
            Channel::Lossy => self.lossy = opened,
        }
    }

    /// Another webrtcbin: what belonged to the one before is gone.
    fn renew(&mut self, webrtcbin: &gst::Element) -> BTreeMap<String, MutedPad> {
        self.webrtcbin.set(Some(webrtcbin));
        std::mem::take(&mut self.muted)
    }

    /// Keeps what was muted in `webrtcbin`, unless that is not the session's any more: then it is given back, to be let
    /// go of without the lock.
    fn keep_muted(&mut self, webrtcbin: &gst::Element, mid: &str, muted: MutedPad) -> Option<MutedPad> {
        if self.webrtcbin != *webrtcbin {
            return Some(muted);
        }
        self.muted.insert(mid.to_owned(), muted)
    }
}

impl Signaller {
    /// Starts the client, or reports what is missing.
    pub(super) fn begin(&self, settings: &Settings) {
        let endpoint = match endpoint(settings) {
            Ok(endpoint) => endpoint,
            Err(error) => return signals::emit_error(self.obj().upcast_ref(), &error.to_string()),
        };
        let config = Config {
            is_publisher: settings.role == WebRTCSignallerRole::Producer,
            filter: settings.filter(),
            sources: settings.sources(),
            publish_timeout: Duration::from_secs(settings.timeout.into()),
            room_timeout: settings.room_timeout(),
            reconnect_timeout: settings.reconnect_timeout(),
        };
        let host = Arc::new(Reporter {
            signaller: self.obj().downgrade(),
        });
        // The client reports on another thread, perhaps before this statement ends: it waits for the lock then.
        let former = self
            .session()
            .client
            .replace(client::start(endpoint, config, host));
        drop(former);
    }

    /// Stops the client and forgets what it told.
    pub(super) fn finish(&self) {
        let client = self.session().client.take();
        if let Some(client) = client {
            client.stop();
        }
        let former = std::mem::take(&mut *self.session());
        if former.state != ConnectionState::ServerDisconnected {
            self.obj().notify_connection_state();
        }
        self.notify_channels();
    }

    /// Prepares every webrtcbin that the element makes for us.
    pub(super) fn watch_webrtcbins(&self) {
        let this = self.obj();
        signals::connect_webrtcbin_ready(this.upcast_ref(), |this, _, webrtcbin| {
            if let Some(this) = this.downcast_ref::<LiveKitSignaller>() {
                this.imp().prepare(&webrtcbin);
            }
        });
    }

    /// The room is told how large pictures are.
    pub(super) fn watch_sizes(&self) {
        let this = self.obj();
        signals::connect_picture_size(this.upcast_ref(), |this, session, mid, size| {
            if let Some(this) = this.downcast_ref::<LiveKitSignaller>() {
                this.imp().handle(Input::PictureSize { session, mid, size });
            }
        });
    }

    /// A webrtcbin that has not negotiated yet: relays and data channels.
    fn prepare(&self, webrtcbin: &gst::Element) {
        let (servers, relay_only, former) = {
            let mut session = self.session();
            let former = session.renew(webrtcbin);
            (session.ice_servers.clone(), session.relay_only, former)
        };
        drop(former);
        ice_servers::apply(webrtcbin, &servers, relay_only);
        let is_publisher = self.settings().role == WebRTCSignallerRole::Producer;
        if is_publisher {
            for channel in Channel::ALL {
                let opened = channels::create(webrtcbin, channel);
                self.session().set_channel(channel, opened);
            }
            return self.notify_channels();
        }
        let this = self.obj().downgrade();
        channels::watch(webrtcbin, move |channel, opened| {
            if let Some(this) = this.upgrade() {
                this.imp().session().set_channel(channel, Some(opened));
                this.imp().notify_channels();
            }
        });
    }

    /// Whoever waits for a channel looks again.
    fn notify_channels(&self) {
        self.obj().notify_reliable_channel();
        self.obj().notify_lossy_channel();
    }

    /// Another participant of the room.
    pub(super) fn participant(&self, sid: &str) -> Option<proto::ParticipantInfo> {
        self.session().participants.get(sid).cloned()
    }

    /// The track that comes on the m-line with this mid.
    pub(super) fn track_of_mid(&self, mid: &str) -> Option<String> {
        self.session().tracks.get(mid).cloned()
    }

    /// A track and its publisher's session id.
    pub(super) fn track(&self, sid: &str) -> Option<(String, proto::TrackInfo)> {
        let session = self.session();
        session.participants.values().find_map(|participant| {
            let track = participant.tracks.iter().find(|track| track.sid == sid)?;
            Some((participant.sid.clone(), track.clone()))
        })
    }

    /// Asks the server not to forward a track, or to.
    pub(super) fn set_track_disabled(&self, sid: &str, disabled: bool) {
        self.handle(Input::DisableTrack {
            sid: sid.to_owned(),
            disabled,
        });
    }

    /// Asks the server for another layer of a track.
    pub(super) fn set_track_quality(&self, sid: &str, quality: proto::VideoQuality) {
        self.handle(Input::TrackQuality {
            sid: sid.to_owned(),
            quality,
        });
    }

    /// Turns what the machine reports into what applications and elements see.
    fn report(&self, report: Report) {
        let obj = self.obj();
        let this: &Signallable = obj.upcast_ref();
        match report {
            Report::State(state) => self.set_state(state),
            Report::IceServers { servers, relay_only } => {
                let mut session = self.session();
                session.ice_servers = servers;
                session.relay_only = relay_only;
            }
            Report::SessionRequested { session } => {
                signals::emit_session_requested(this, &session, PEER_ID, None)
            }
            Report::SessionStarted { session } => signals::emit_session_started(this, &session, PEER_ID),
            Report::Tracks(tracks) => self.session().tracks = tracks,
            Report::IceRestarted { sdp } => self.restart_ice(&sdp),
            Report::Description { session, kind, sdp } => self.describe(this, &session, kind, &sdp),
            Report::Candidate { session, candidate } => hand_over(this, &session, &candidate),
            Report::SessionEnded { session, reason } => {
                signals::emit_session_ended_with_error(this, &session, Some(&reason.to_wire()));
            }
            Report::Participant(info) => {
                self.session().participants.insert(info.sid.clone(), *info);
            }
            Report::ParticipantLeft(sid) => {
                self.session().participants.remove(&sid);
            }
            Report::ProducerAdded {
                sid,
                metadata,
                is_new,
            } => {
                signals::emit_producer_added(this, &sid, participant::metadata(&metadata).as_ref(), is_new);
            }
            Report::ProducerRemoved { sid, metadata } => {
                signals::emit_producer_removed(this, &sid, participant::metadata(&metadata).as_ref());
            }
            Report::TrackMuted { mid, muted } => self.mute(&mid, muted),
            Report::LayersWanted { session, mid, rids } => {
                signals::emit_layers_wanted(this, &session, &mid, rids);
            }
            Report::SilenceExpected { session, is_expected } => {
                signals::emit_silence_expected(this, &session, is_expected);
            }
            Report::Warning(text) => signals::emit_warning(this, &text),
            Report::Oddity(text) => gst::warning!(CAT, imp = self, "{text}"),
            Report::Progress(text) => gst::info!(CAT, imp = self, "{text}"),
            Report::Failed(failure) => signals::emit_error(this, &failure.to_string()),
        }
    }

    /// Notifies of a change only.
    fn set_state(&self, state: ConnectionState) {
        let former = std::mem::replace(&mut self.session().state, state);
        if former != state {
            self.obj().notify_connection_state();
        }
    }

    /// Hands the server's description over; one that cannot be read ends the session.
    fn describe(&self, this: &Signallable, session_id: &str, kind: DescriptionKind, sdp: &str) {
        let type_ = match kind {
            DescriptionKind::Offer => WebRTCSDPType::Offer,
            DescriptionKind::Answer => WebRTCSDPType::Answer,
        };
        match promise::parsed(type_, sdp) {
            Some(description) => signals::emit_session_description(this, session_id, &description),
            None => {
                let reason = EndReason::new(SessionEndReason::BadDescription, "the SDP cannot be parsed");
                signals::emit_session_ended_with_error(this, session_id, Some(&reason.to_wire()));
                self.handle(Input::Ended {
                    session: session_id.to_owned(),
                    reason: Some(reason),
                });
            }
        }
    }

    /// The server restarted ICE with the offer `sdp`: do the same beneath webrtcbin, which only takes the credentials over.
    ///
    /// Our own credentials stay the same: webrtcbin 1.22 describes the first ones in its answer and sets them again.
    fn restart_ice(&self, sdp: &str) {
        let Some(webrtcbin) = self.session().webrtcbin.upgrade() else {
            return;
        };
        let is_restarted = ice::restart(&webrtcbin).is_some();
        if let Some(theirs) = ice::credentials_of(sdp).filter(|_| is_restarted) {
            ice::set_remote_credentials(&webrtcbin, &theirs);
        }
        gst::info!(
            CAT,
            imp = self,
            "the server restarted ICE, done here as well: {is_restarted}"
        );
    }

    /// Stops or resumes the media of one of our tracks.
    fn mute(&self, mid: &str, muted: bool) {
        if !muted {
            let former = self.session().muted.remove(mid);
            return former.into_iter().for_each(MutedPad::unmute);
        }
        let webrtcbin = {
            let session = self.session();
            let is_muted = session.muted.contains_key(mid);
            session.webrtcbin.upgrade().filter(|_| !is_muted)
        };
        let Some(webrtcbin) = webrtcbin else { return };
        if let Some(muted) = MutedPad::new(&webrtcbin, mid) {
            let unwanted = self.session().keep_muted(&webrtcbin, mid, muted);
            drop(unwanted);
        }
    }
}

/// Where and as whom to connect.
fn endpoint(settings: &Settings) -> Result<Endpoint, SettingsError> {
    if settings.role == WebRTCSignallerRole::Listener {
        return Err(SettingsError::Listener);
    }
    Ok(Endpoint {
        url: settings.url()?,
        credentials: settings.credentials()?,
        cafile: settings
            .cafile
            .clone()
            .filter(|path| !path.is_empty())
            .map(PathBuf::from),
        is_insecure: settings.insecure_tls,
        headers: settings.headers(),
    })
}

/// A candidate of the server, in the form the elements take.
fn hand_over(this: &Signallable, session_id: &str, candidate: &Candidate) {
    let index = candidate.sdp_m_line_index.unwrap_or_default();
    let mid = candidate.sdp_mid.as_deref().filter(|mid| !mid.is_empty());
    signals::emit_handle_ice(this, session_id, index, mid, &candidate.candidate);
}

/// The client's way back to the object, which may be gone.
struct Reporter {
    signaller: glib::WeakRef<LiveKitSignaller>,
}

impl Host for Reporter {
    fn report(&self, report: Report) {
        if let Some(signaller) = self.signaller.upgrade() {
            signaller.imp().report(report);
        }
    }
}
