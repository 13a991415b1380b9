// SPDX-License-Identifier: MPL-2.0
//! The pads of `livekitwebrtcsrc`: which track of which participant each one carries, as of now.
//!
//! Nothing is kept here: the signaller knows the room, the pad only the m-line its stream came by. Properties are read
//! on the application's threads; each reading asks the signaller, so a track that was muted meanwhile shows so.

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use crate::signallers::livekit::{LiveKitSignaller, TrackQuality};
use crate::source::{WebRTCSrcPad, WebRTCSrcPadImpl};

glib::wrapper! {
    /// One track of a participant.
    pub struct LiveKitWebRTCSrcPad(ObjectSubclass<imp::LiveKitWebRTCSrcPad>)
        @extends WebRTCSrcPad, gst::GhostPad, gst::ProxyPad, gst::Pad, gst::Object;
}

/// Participant and track of an msid's stream name, `PA_…|TR_…`. With the room option `sync_streams` the second part
/// names a stream instead.
fn ids_of(msid: &str) -> (&str, Option<&str>) {
    let (participant, rest) = msid.split_once('|').unwrap_or((msid, ""));
    (participant, Some(rest).filter(|rest| rest.starts_with("TR_")))
}

#[allow(
    missing_docs,
    reason = "the accessors the derive makes are described by the blurbs"
)]
mod imp {
    use std::sync::LazyLock;

    use super::*;

    /// A source pad that knows whose track it carries.
    #[derive(Default, glib::Properties)]
    #[properties(wrapper_type = super::LiveKitWebRTCSrcPad)]
    pub struct LiveKitWebRTCSrcPad {
        #[property(name = "participant-sid", type = Option<String>, get = Self::participant_sid,
            blurb = "Session id of the participant whose track this is; NULL when there is none")]
        #[property(name = "track-sid", type = Option<String>, get = Self::track_sid,
            blurb = "Id of the track; NULL when there is none")]
        _ids: (),
    }

    #[glib::object_subclass]
    impl ObjectSubclass for LiveKitWebRTCSrcPad {
        const NAME: &'static str = "GstLiveKitWebRTCSrcPad";
        type Type = super::LiveKitWebRTCSrcPad;
        type ParentType = WebRTCSrcPad;
    }

    impl ObjectImpl for LiveKitWebRTCSrcPad {
        fn properties() -> &'static [glib::ParamSpec] {
            static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
                // The derive has no form for structures.
                let structure = |name: &'static str, blurb: &'static str| {
                    glib::ParamSpecBoxed::builder::<gst::Structure>(name)
                        .blurb(blurb)
                        .read_only()
                        .build()
                };
                let mut properties = LiveKitWebRTCSrcPad::derived_properties().to_vec();
                properties.extend([
                    structure(
                        PARTICIPANT_INFO,
                        "What is known of the participant, as livekit/participant-info; NULL when nothing is",
                    ),
                    structure(
                        TRACK_INFO,
                        "What is known of the track, as livekit/track-info; NULL when nothing is",
                    ),
                ]);
                properties
            });
            &PROPERTIES
        }

        fn property(&self, id: usize, pspec: &glib::ParamSpec) -> glib::Value {
            match pspec.name() {
                PARTICIPANT_INFO => self.participant_info().to_value(),
                TRACK_INFO => self.track_info().to_value(),
                _ => self.derived_property(id, pspec),
            }
        }

        fn signals() -> &'static [glib::subclass::Signal] {
            static SIGNALS: LazyLock<Vec<glib::subclass::Signal>> = LazyLock::new(|| {
                let set_track_disabled = glib::subclass::Signal::builder(SET_TRACK_DISABLED)
                    .param_types([bool::static_type()])
                    .action()
                    .class_handler(|values| {
                        let pad = values.first()?.get::<super::LiveKitWebRTCSrcPad>().ok()?;
                        pad.imp().set_track_disabled(values.get(1)?.get().ok()?);
                        None
                    })
                    .build();
                let set_track_quality = glib::subclass::Signal::builder(SET_TRACK_QUALITY)
                    .param_types([TrackQuality::static_type()])
                    .action()
                    .class_handler(|values| {
                        let pad = values.first()?.get::<super::LiveKitWebRTCSrcPad>().ok()?;
                        pad.imp().set_track_quality(values.get(1)?.get().ok()?);
                        None
                    })
                    .build();
                vec![set_track_disabled, set_track_quality]
            });
            &SIGNALS
        }
    }

    impl GstObjectImpl for LiveKitWebRTCSrcPad {}
    impl PadImpl for LiveKitWebRTCSrcPad {}
    impl ProxyPadImpl for LiveKitWebRTCSrcPad {}
    impl GhostPadImpl for LiveKitWebRTCSrcPad {}
    impl WebRTCSrcPadImpl for LiveKitWebRTCSrcPad {}

    impl LiveKitWebRTCSrcPad {
        fn signaller(&self) -> Option<LiveKitSignaller> {
            let element = self.obj().parent_element()?;
            element
                .property::<Option<glib::Object>>("signaller")
                .and_downcast()
        }

        fn base(&self) -> WebRTCSrcPad {
            self.obj().clone().upcast()
        }

        /// By the m-line, as the server maps them; else as the msid says.
        fn track_sid(&self) -> Option<String> {
            let pad = self.base();
            let mapped = pad.mid().and_then(|mid| self.signaller()?.track_of_mid(&mid));
            mapped.or_else(|| ids_of(&pad.msid()?).1.map(str::to_owned))
        }

        fn participant_sid(&self) -> Option<String> {
            let known = self
                .track_sid()
                .and_then(|track| self.signaller()?.publisher_of(&track));
            known.or_else(|| Some(ids_of(&self.base().msid()?).0.to_owned()))
        }

        fn participant_info(&self) -> Option<gst::Structure> {
            self.signaller()?.participant_info(&self.participant_sid()?)
        }

        fn track_info(&self) -> Option<gst::Structure> {
            self.signaller()?.track_info(&self.track_sid()?)
        }

        fn set_track_quality(&self, quality: TrackQuality) {
            if let (Some(signaller), Some(track)) = (self.signaller(), self.track_sid()) {
                signaller.set_track_quality(&track, quality);
            }
        }

        fn set_track_disabled(&self, disabled: bool) {
            if let (Some(signaller), Some(track)) = (self.signaller(), self.track_sid()) {
                signaller.set_track_disabled(&track, disabled);
            }
        }
    }

    const PARTICIPANT_INFO: &str = "participant-info";
    const TRACK_INFO: &str = "track-info";
    /// Action: asks the server for another layer of a track that is published in several.
    const SET_TRACK_QUALITY: &str = "set-track-quality";
    /// Action: asks the server to stop or resume forwarding the track.
    const SET_TRACK_DISABLED: &str = "set-track-disabled";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_msid_names_the_participant_and_perhaps_the_track() {
        let cases = [
            ("PA_1|TR_2", ("PA_1", Some("TR_2"))),
            ("PA_1|camera", ("PA_1", None)),
            ("PA_1|", ("PA_1", None)),
            ("PA_1", ("PA_1", None)),
            ("", ("", None)),
        ];
        for (msid, expected) in cases {
            assert_eq!(ids_of(msid), expected, "{msid}");
        }
    }
}
