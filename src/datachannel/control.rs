// SPDX-License-Identifier: MPL-2.0
//! The `control` channel: requests of the consumer, the sink's replies, and its notices about buffer metadata.
//!
//! Pure codecs. A request is answered once it was understood and carried out or refused; one that is malformed but
//! bears an id is answered too.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::navigation::NavigationEvent;
use super::{MAX_MESSAGE_BYTES, MessageError, json};

/// A request of the consumer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct ControlRequest {
    /// Chosen by the consumer, repeated in the reply.
    pub(crate) id: u64,
    /// `a=mid` of the stream meant; without one, every stream. Always written, as null too: receivers exist that ask
    /// for the field.
    pub(crate) mid: Option<String>,
    /// What is asked for.
    pub(crate) request: Request,
}

/// What a consumer can ask for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub(crate) enum Request {
    /// Input of the user.
    NavigationEvent {
        /// What happened.
        event: NavigationEvent,
    },
    /// An event of the application's own.
    #[serde(rename_all = "camelCase")]
    CustomUpstreamEvent {
        /// Name of the event's structure.
        structure_name: String,
        /// Its fields.
        structure: Map<String, Value>,
    },
}

/// What the sink says on the channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub(crate) enum ControlMessage {
    /// The reply to a request.
    ControlResponseMessage {
        /// Id of the request.
        id: u64,
        /// Why it was not carried out; nothing when it was.
        error: Option<String>,
    },
    /// A notice about a stream.
    InfoMessage {
        /// `a=mid` of the stream.
        mid: String,
        /// What there is to say.
        info: Info,
    },
}

/// A notice about a stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Info {
    /// Metadata of the buffer that was just sent.
    Meta(Meta),
}

/// Metadata of a buffer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub(crate) enum Meta {
    /// SMPTE time code (ST 12-1).
    TimeCode(TimeCode),
}

/// A time code; names of its fields as on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TimeCode {
    pub(crate) hours: u32,
    pub(crate) minutes: u32,
    pub(crate) seconds: u32,
    pub(crate) frames: u32,
    pub(crate) field_count: u32,
    /// Frames per second as numerator and denominator.
    pub(crate) fps: (i32, i32),
    /// `none`, `drop-frame`, `interlaced` or `drop-frame+interlaced`.
    pub(crate) flags: String,
    /// ISO 8601, or nothing.
    pub(crate) latest_daily_jam: Option<String>,
}

/// A malformed message, with the id to answer it by where there is one.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub(crate) struct Malformed {
    /// Id of the request.
    pub(crate) id: Option<u64>,
    /// What is wrong with it.
    #[source]
    pub(crate) error: MessageError,
}

impl ControlRequest {
    /// Reads a message of the consumer.
    ///
    /// # Errors
    /// When the message is too large or no request.
    pub(crate) fn parse(text: &str) -> Result<Self, Malformed> {
        if text.len() > MAX_MESSAGE_BYTES {
            return Err(Malformed {
                id: None,
                error: MessageError::TooLarge(text.len()),
            });
        }
        let envelope: Envelope = serde_json::from_str(text).map_err(|error| Malformed {
            id: None,
            error: error.into(),
        })?;
        let request = envelope.request().map_err(|error| Malformed {
            id: Some(envelope.id),
            error: error.into(),
        })?;
        Ok(Self {
            id: envelope.id,
            mid: envelope.mid,
            request,
        })
    }

    /// Writes the request.
    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("strings and numbers always serialise")
    }
}

impl Request {
    /// The event that goes upstream for this request.
    ///
    /// # Errors
    /// When something in it has no counterpart in GStreamer.
    pub(crate) fn to_event(&self) -> Result<gst::Event, MessageError> {
        match self {
            Self::NavigationEvent { event } => Ok(gst::event::Navigation::new(event.to_structure()?)),
            Self::CustomUpstreamEvent {
                structure_name,
                structure,
            } => Ok(gst::event::CustomUpstream::new(json::to_structure(
                structure_name,
                structure,
            )?)),
        }
    }
}

impl ControlMessage {
    /// The reply to request `id`. What a refusal repeats of the request is cut short.
    pub(crate) fn reply(id: u64, outcome: Result<(), String>) -> Self {
        let error = outcome.err().map(|mut error| {
            error.truncate(error.floor_char_boundary(MAX_ERROR_BYTES));
            error
        });
        Self::ControlResponseMessage { id, error }
    }

    /// Writes the message.
    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("strings and numbers always serialise")
    }
}

impl From<&gst_video::ValidVideoTimeCode> for TimeCode {
    fn from(code: &gst_video::ValidVideoTimeCode) -> Self {
        let flags = code.flags();
        let names = [
            (gst_video::VideoTimeCodeFlags::DROP_FRAME, "drop-frame"),
            (gst_video::VideoTimeCodeFlags::INTERLACED, "interlaced"),
        ];
        let set: Vec<_> = names
            .iter()
            .filter(|(flag, _)| flags.contains(*flag))
            .map(|(_, name)| *name)
            .collect();
        Self {
            hours: code.hours(),
            minutes: code.minutes(),
            seconds: code.seconds(),
            frames: code.frames(),
            field_count: code.field_count(),
            fps: (code.fps().numer(), code.fps().denom()),
            flags: if set.is_empty() {
                "none".to_owned()
            } else {
                set.join("+")
            },
            latest_daily_jam: code
                .latest_daily_jam()
                .and_then(|jam| jam.format("%Y-%m-%dT%H:%M:%S%:z").ok())
                .map(Into::into),
        }
    }
}

/// A message before its request is looked at, so that a malformed one can be answered.
#[derive(Deserialize)]
struct Envelope {
    id: u64,
    #[serde(default)]
    mid: Option<String>,
    request: Value,
}

impl Envelope {
    /// The request, given as an object or as a string that holds one.
    fn request(&self) -> Result<Request, serde_json::Error> {
        match &self.request {
            Value::String(text) => serde_json::from_str(text),
            value => Request::deserialize(value),
        }
    }
}

/// A refusal is for people to read; a name the request made up may be as long as the request.
const MAX_ERROR_BYTES: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_repeats_only_so_much_of_a_request() {
        let long = "ü".repeat(40_000);
        let ControlMessage::ControlResponseMessage { id, error } = ControlMessage::reply(7, Err(long)) else {
            panic!("a reply is a response");
        };
        assert_eq!((id, error.map(|error| error.len())), (7, Some(256)));
        let accepted = ControlMessage::reply(8, Ok(())).to_json();
        assert_eq!(
            accepted,
            r#"{"type":"ControlResponseMessage","id":8,"error":null}"#
        );
    }

    const NAVIGATION: &str = r#"{"id":7,"mid":"video0","request":{"type":"navigationEvent","event":{"event":"MouseMove","x":1.0,"y":2.5,"modifier_state":""}}}"#;
    const CUSTOM: &str = r#"{"id":8,"mid":null,"request":{"type":"customUpstreamEvent","structureName":"app/foo","structure":{"a":1,"c":[1,2.5],"d":{"x":"y"}}}}"#;

    fn init() {
        gst::init().expect("GStreamer initialises");
    }

    #[test]
    fn requests_survive_the_wire() {
        for wire in [NAVIGATION, CUSTOM] {
            let request = ControlRequest::parse(wire).expect(wire);
            assert_eq!(request.to_json(), wire);
        }
    }

    #[test]
    fn a_navigation_request_becomes_a_navigation_event() {
        init();
        let request = ControlRequest::parse(NAVIGATION).expect("valid");
        assert_eq!((request.id, request.mid.as_deref()), (7, Some("video0")));
        let event = request.request.to_event().expect("valid");
        assert_eq!(event.type_(), gst::EventType::Navigation);
    }

    #[test]
    fn a_custom_request_becomes_a_custom_upstream_event() {
        init();
        let event = ControlRequest::parse(CUSTOM)
            .expect("valid")
            .request
            .to_event()
            .expect("valid");
        assert_eq!(event.type_(), gst::EventType::CustomUpstream);
        let structure = event.structure().expect("has a structure");
        assert_eq!(structure.name(), "app/foo");
        assert_eq!(structure.get::<u64>("a"), Ok(1));
    }

    #[test]
    fn a_request_may_be_written_as_a_string() {
        let inner = r#"{\"type\":\"customUpstreamEvent\",\"structureName\":\"a\",\"structure\":{}}"#;
        let wire = format!(r#"{{"id":1,"mid":null,"request":"{inner}"}}"#);
        let request = ControlRequest::parse(&wire).expect("valid");
        assert!(matches!(request.request, Request::CustomUpstreamEvent { .. }));
    }

    #[test]
    fn malformed_requests_keep_their_id() {
        let cases = [
            ("", None),
            ("{}", None),
            (r#"{"id":-1,"request":{}}"#, None),
            (r#"{"id":3,"request":{}}"#, Some(3)),
            (r#"{"id":3,"request":"nonsense"}"#, Some(3)),
            (r#"{"id":3,"request":{"type":"dance"}}"#, Some(3)),
        ];
        for (wire, id) in cases {
            assert_eq!(ControlRequest::parse(wire).expect_err(wire).id, id, "{wire}");
        }
    }

    #[test]
    fn an_unusable_structure_is_an_error_not_a_crash() {
        init();
        for (name, structure) in [("1 2", "{}"), ("a", r#"{"x":null}"#)] {
            let wire = format!(
                r#"{{"id":1,"request":{{"type":"customUpstreamEvent","structureName":"{name}","structure":{structure}}}}}"#
            );
            assert!(
                ControlRequest::parse(&wire)
                    .expect("readable")
                    .request
                    .to_event()
                    .is_err(),
                "{wire}"
            );
        }
    }

    #[test]
    fn replies_and_notices_look_as_documented() {
        let reply = ControlMessage::ControlResponseMessage { id: 8, error: None };
        assert_eq!(
            reply.to_json(),
            r#"{"type":"ControlResponseMessage","id":8,"error":null}"#
        );
        let code = TimeCode {
            hours: 0,
            minutes: 0,
            seconds: 5,
            frames: 17,
            field_count: 0,
            fps: (30, 1),
            flags: "none".into(),
            latest_daily_jam: None,
        };
        let notice = ControlMessage::InfoMessage {
            mid: "video0".into(),
            info: Info::Meta(Meta::TimeCode(code)),
        };
        assert_eq!(
            notice.to_json(),
            r#"{"type":"InfoMessage","mid":"video0","info":{"meta":{"type":"timeCode","hours":0,"minutes":0,"seconds":5,"frames":17,"field_count":0,"fps":[30,1],"flags":"none","latest_daily_jam":null}}}"#
        );
    }

    proptest::proptest! {
        #[test]
        fn nothing_a_peer_sends_panics(name in ".{0,20}", field in ".{0,20}", value in "-?[0-9.e]{1,12}|null|\\[\\]|\\{\\}") {
            init();
            let text = serde_json::json!({"id": 1, "request": {
                "type": "customUpstreamEvent", "structureName": name, "structure": {field: "VALUE"},
            }});
            if let Ok(request) = ControlRequest::parse(&text.to_string().replace("\"VALUE\"", &value)) {
                // What has no counterpart in GStreamer is an error like any other.
                let _ = request.request.to_event();
            }
        }
    }
}
