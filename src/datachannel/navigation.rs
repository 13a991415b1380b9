// SPDX-License-Identifier: MPL-2.0
//! Navigation events as JSON, as the consumer's page or `webrtcsrc` sends them, and as GStreamer's structures.
//!
//! Pure codecs both ways: the sink reads, the source writes. Coordinates are pixels of the received picture; the wire
//! is `{"mid":"video0","event":"MouseMove","x":1.0,"y":2.0,"modifier_state":""}`. Which stream an event is for, and
//! whether it is believed, is decided in `sink/channels`; the names are those of GStreamer's GstNavigation, in the
//! spelling that pages have always sent.

use gst::glib;
use gst::prelude::*;
use serde::{Deserialize, Serialize};

use super::{MAX_MESSAGE_BYTES, MessageError};

/// An event, and the stream it is meant for; without one it is meant for every video stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct NavigationMessage {
    /// `a=mid` of the stream. Always written, as null too: receivers exist that ask for the field.
    #[serde(default)]
    pub(crate) mid: Option<String>,
    /// What happened.
    #[serde(flatten)]
    pub(crate) event: NavigationEvent,
}

/// What happened, with the modifiers that were held meanwhile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct NavigationEvent {
    /// What happened.
    #[serde(flatten)]
    pub(crate) kind: EventKind,
    /// Nicks of `GstNavigationModifierType` joined by `+`, or nothing.
    #[serde(default)]
    pub(crate) modifier_state: String,
}

/// The events that GStreamer knows; fields as on the wire.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event")]
pub(crate) enum EventKind {
    KeyPress {
        key: String,
    },
    KeyRelease {
        key: String,
    },
    MouseMove {
        x: f64,
        y: f64,
    },
    MouseButtonPress {
        button: i32,
        x: f64,
        y: f64,
    },
    MouseButtonRelease {
        button: i32,
        x: f64,
        y: f64,
    },
    MouseDoubleClick {
        button: i32,
        x: f64,
        y: f64,
    },
    MouseScroll {
        x: f64,
        y: f64,
        delta_x: f64,
        delta_y: f64,
    },
    TouchDown {
        identifier: u32,
        x: f64,
        y: f64,
        pressure: f64,
    },
    TouchMotion {
        identifier: u32,
        x: f64,
        y: f64,
        pressure: f64,
    },
    TouchUp {
        identifier: u32,
        x: f64,
        y: f64,
    },
    TouchFrame,
    TouchCancel,
    Command {
        command: String,
    },
}

impl NavigationMessage {
    /// Reads a message of the `input` channel.
    ///
    /// # Errors
    /// When it is too large or not a navigation event.
    pub(crate) fn parse(text: &str) -> Result<Self, MessageError> {
        if text.len() > MAX_MESSAGE_BYTES {
            return Err(MessageError::TooLarge(text.len()));
        }
        Ok(serde_json::from_str(text)?)
    }

    /// Writes the message.
    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("strings and numbers always serialise")
    }
}

impl NavigationEvent {
    /// The structure that a NAVIGATION event carries.
    ///
    /// # Errors
    /// When a modifier or command is unknown to GStreamer.
    pub(crate) fn to_structure(&self) -> Result<gst::Structure, MessageError> {
        let mut structure = gst::Structure::new_empty("application/x-gst-navigation");
        self.kind.write(&mut structure)?;
        if !matches!(self.kind, EventKind::Command { .. }) {
            structure.set_value("state", modifiers(&self.modifier_state)?);
        }
        Ok(structure)
    }

    /// Reads the structure of a NAVIGATION event; nothing for events without a form on the wire.
    pub(crate) fn from_structure(structure: &gst::StructureRef) -> Option<Self> {
        let kind = EventKind::read(structure)?;
        let modifier_state = structure.value("state").ok().and_then(nicks).unwrap_or_default();
        Some(Self { kind, modifier_state })
    }
}

impl EventKind {
    /// Field names are those that `GstNavigation` parses, so elements upstream read the event like any other.
    fn write(&self, structure: &mut gst::StructureRef) -> Result<(), MessageError> {
        structure.set("event", self.name());
        match self {
            Self::KeyPress { key } | Self::KeyRelease { key } => structure.set("key", text(key)),
            Self::MouseMove { x, y } => set_position(structure, *x, *y),
            Self::MouseButtonPress { button, x, y }
            | Self::MouseButtonRelease { button, x, y }
            | Self::MouseDoubleClick { button, x, y } => {
                structure.set("button", *button);
                set_position(structure, *x, *y);
            }
            Self::MouseScroll {
                x,
                y,
                delta_x,
                delta_y,
            } => {
                set_position(structure, *x, *y);
                structure.set("delta_pointer_x", *delta_x);
                structure.set("delta_pointer_y", *delta_y);
            }
            Self::TouchDown {
                identifier,
                x,
                y,
                pressure,
            }
            | Self::TouchMotion {
                identifier,
                x,
                y,
                pressure,
            } => {
                structure.set("identifier", *identifier);
                set_position(structure, *x, *y);
                structure.set("pressure", *pressure);
            }
            Self::TouchUp { identifier, x, y } => {
                structure.set("identifier", *identifier);
                set_position(structure, *x, *y);
            }
            Self::TouchFrame | Self::TouchCancel => {}
            Self::Command { command } => structure.set("command-code", command_code(command)?),
        }
        Ok(())
    }

    /// An event that lacks one of its fields is none.
    fn read(structure: &gst::StructureRef) -> Option<Self> {
        let (x, y) = (number(structure, "pointer_x"), number(structure, "pointer_y"));
        let button = structure.get::<i32>("button").ok();
        let key = structure.get::<String>("key").ok();
        let identifier = structure.get::<u32>("identifier").ok();
        let pressure = number(structure, "pressure").unwrap_or_default();
        Some(match structure.get::<&str>("event").ok()? {
            "key-press" => Self::KeyPress { key: key? },
            "key-release" => Self::KeyRelease { key: key? },
            "mouse-move" => Self::MouseMove { x: x?, y: y? },
            "mouse-button-press" => Self::MouseButtonPress {
                button: button?,
                x: x?,
                y: y?,
            },
            "mouse-button-release" => Self::MouseButtonRelease {
                button: button?,
                x: x?,
                y: y?,
            },
            "mouse-double-click" => Self::MouseDoubleClick {
                button: button?,
                x: x?,
                y: y?,
            },
            "mouse-scroll" => Self::MouseScroll {
                x: x?,
                y: y?,
                delta_x: number(structure, "delta_pointer_x")?,
                delta_y: number(structure, "delta_pointer_y")?,
            },
            "touch-down" => Self::TouchDown {
                identifier: identifier?,
                x: x?,
                y: y?,
                pressure,
            },
            "touch-motion" => Self::TouchMotion {
                identifier: identifier?,
                x: x?,
                y: y?,
                pressure,
            },
            "touch-up" => Self::TouchUp {
                identifier: identifier?,
                x: x?,
                y: y?,
            },
            "touch-frame" => Self::TouchFrame,
            "touch-cancel" => Self::TouchCancel,
            "command" => Self::Command {
                command: command_nick(structure.get::<u32>("command-code").ok()?)?,
            },
            _ => return None,
        })
    }

    /// The value of the structure's field `event`.
    fn name(&self) -> &'static str {
        match self {
            Self::KeyPress { .. } => "key-press",
            Self::KeyRelease { .. } => "key-release",
            Self::MouseMove { .. } => "mouse-move",
            Self::MouseButtonPress { .. } => "mouse-button-press",
            Self::MouseButtonRelease { .. } => "mouse-button-release",
            Self::MouseDoubleClick { .. } => "mouse-double-click",
            Self::MouseScroll { .. } => "mouse-scroll",
            Self::TouchDown { .. } => "touch-down",
            Self::TouchMotion { .. } => "touch-motion",
            Self::TouchUp { .. } => "touch-up",
            Self::TouchFrame => "touch-frame",
            Self::TouchCancel => "touch-cancel",
            Self::Command { .. } => "command",
        }
    }
}

fn set_position(structure: &mut gst::StructureRef, x: f64, y: f64) {
    structure.set("pointer_x", x);
    structure.set("pointer_y", y);
}

fn number(structure: &gst::StructureRef, field: &str) -> Option<f64> {
    structure.get::<f64>(field).ok()
}

/// A structure holds C strings: what a peer puts behind a NUL is dropped.
fn text(value: &str) -> &str {
    value.split('\0').next().unwrap_or_default()
}

/// `shift-mask+control-mask` as the flags of `GstNavigationModifierType`.
fn modifiers(state: &str) -> Result<glib::SendValue, MessageError> {
    let class = glib::FlagsClass::with_type(gst_video::NavigationModifierType::static_type())
        .expect("the type is a flags type");
    let mut builder = class.builder();
    for nick in state
        .split('+')
        .filter(|nick| !nick.is_empty() && *nick != "none")
    {
        if class.value_by_nick(nick).is_none() {
            return Err(MessageError::Modifier(nick.to_owned()));
        }
        builder = builder.set_by_nick(nick);
    }
    let value = builder.build().expect("only known nicks were set");
    let flags = value
        .get::<gst_video::NavigationModifierType>()
        .expect("built from its class");
    Ok(flags.to_send_value())
}

/// The set flags, in the form that `modifiers` reads.
fn nicks(value: &glib::SendValue) -> Option<String> {
    let (_, flags) = glib::FlagsValue::from_value(value)?;
    // The class also names no flag at all, and all of them together.
    let set = flags
        .iter()
        .filter(|flag| flag.value().count_ones() == 1)
        .map(|flag| flag.nick());
    Some(set.collect::<Vec<_>>().join("+"))
}

fn command_class() -> glib::EnumClass {
    glib::EnumClass::with_type(gst_video::NavigationCommand::static_type()).expect("the type is an enum type")
}

/// The code of a command by its nick, or by its number written as text.
fn command_code(nick: &str) -> Result<u32, MessageError> {
    let class = command_class();
    let found = class
        .value_by_nick(nick)
        .or_else(|| class.value(nick.parse().ok()?));
    let value = found.ok_or_else(|| MessageError::Command(nick.to_owned()))?;
    Ok(value.value().unsigned_abs())
}

fn command_nick(code: u32) -> Option<String> {
    let class = command_class();
    class
        .value(i32::try_from(code).ok()?)
        .map(|value| value.nick().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn init() {
        gst::init().expect("GStreamer initialises");
    }

    /// One line of the wire per event.
    const WIRE: &[(&str, &str)] = &[
        (
            r#"{"mid":null,"event":"KeyPress","key":"a","modifier_state":"shift-mask+control-mask"}"#,
            "key-press",
        ),
        (
            r#"{"mid":null,"event":"KeyRelease","key":"Return","modifier_state":""}"#,
            "key-release",
        ),
        (
            r#"{"mid":"video0","event":"MouseMove","x":10.0,"y":20.0,"modifier_state":""}"#,
            "mouse-move",
        ),
        (
            r#"{"mid":null,"event":"MouseButtonPress","button":1,"x":1.0,"y":2.0,"modifier_state":""}"#,
            "mouse-button-press",
        ),
        (
            r#"{"mid":null,"event":"MouseButtonRelease","button":1,"x":1.0,"y":2.0,"modifier_state":""}"#,
            "mouse-button-release",
        ),
        (
            r#"{"mid":null,"event":"MouseDoubleClick","button":1,"x":1.0,"y":2.0,"modifier_state":""}"#,
            "mouse-double-click",
        ),
        (
            r#"{"mid":null,"event":"MouseScroll","x":1.0,"y":2.0,"delta_x":0.0,"delta_y":-120.0,"modifier_state":""}"#,
            "mouse-scroll",
        ),
        (
            r#"{"mid":null,"event":"TouchDown","identifier":3,"x":1.0,"y":2.0,"pressure":0.5,"modifier_state":""}"#,
            "touch-down",
        ),
        (
            r#"{"mid":null,"event":"TouchMotion","identifier":3,"x":1.0,"y":2.0,"pressure":0.5,"modifier_state":""}"#,
            "touch-motion",
        ),
        (
            r#"{"mid":null,"event":"TouchUp","identifier":3,"x":1.0,"y":2.0,"modifier_state":""}"#,
            "touch-up",
        ),
        (
            r#"{"mid":null,"event":"TouchFrame","modifier_state":""}"#,
            "touch-frame",
        ),
        (
            r#"{"mid":null,"event":"TouchCancel","modifier_state":""}"#,
            "touch-cancel",
        ),
        (
            r#"{"mid":null,"event":"Command","command":"menu1","modifier_state":""}"#,
            "command",
        ),
    ];

    #[test]
    fn every_event_survives_wire_structure_and_back() {
        init();
        for (wire, name) in WIRE {
            let message = NavigationMessage::parse(wire).expect(wire);
            let structure = message.event.to_structure().expect(wire);
            assert_eq!(structure.get::<&str>("event"), Ok(*name));
            assert_eq!(
                NavigationEvent::from_structure(&structure).as_ref(),
                Some(&message.event),
                "{structure}"
            );
            assert_eq!(&message.to_json(), wire);
        }
    }

    #[test]
    fn gstreamer_understands_the_structures() {
        init();
        for (wire, name) in WIRE {
            let structure = NavigationMessage::parse(wire)
                .expect(wire)
                .event
                .to_structure()
                .expect(wire);
            // The first is newer than the API that the crate asks for, the second the binding looks for as an enum,
            // which no release of GStreamer writes.
            if matches!(*name, "mouse-double-click" | "command") {
                continue;
            }
            let event = gst::event::Navigation::new(structure);
            assert!(gst_video::NavigationEvent::parse(&event).is_ok(), "{wire}");
        }
    }

    #[test]
    fn modifiers_may_be_left_out() {
        init();
        let message =
            NavigationMessage::parse(r#"{"mid":null,"event":"MouseMove","x":1,"y":2}"#).expect("valid");
        assert_eq!(message.mid, None);
        assert!(message.event.to_structure().is_ok());
    }

    #[test]
    fn nonsense_is_an_error_and_no_panic() {
        init();
        for text in [
            "",
            "{}",
            "[]",
            "null",
            r#"{"event":"Fly"}"#,
            r#"{"event":"MouseMove","x":"a","y":1}"#,
        ] {
            assert!(NavigationMessage::parse(text).is_err(), "{text}");
        }
        let huge = format!(
            r#"{{"event":"KeyPress","key":"{}"}}"#,
            "x".repeat(MAX_MESSAGE_BYTES)
        );
        assert!(matches!(
            NavigationMessage::parse(&huge),
            Err(MessageError::TooLarge(_))
        ));
    }

    #[test]
    fn unknown_modifiers_and_commands_are_named() {
        init();
        let event = |kind, state: &str| NavigationEvent {
            kind,
            modifier_state: state.into(),
        };
        let hyper = event(EventKind::TouchCancel, "hyper-hyper").to_structure();
        assert_eq!(hyper.unwrap_err().to_string(), "unknown modifier hyper-hyper");
        let dance = event(
            EventKind::Command {
                command: "dance".into(),
            },
            "",
        )
        .to_structure();
        assert_eq!(dance.unwrap_err().to_string(), "unknown command dance");
    }

    #[test]
    fn a_key_with_a_nul_is_cut_there() {
        init();
        let event = NavigationEvent {
            kind: EventKind::KeyPress { key: "a\0b".into() },
            modifier_state: String::new(),
        };
        assert_eq!(event.to_structure().expect("valid").get::<&str>("key"), Ok("a"));
    }

    proptest::proptest! {
        #[test]
        fn nothing_a_peer_sends_panics(
            event in "[A-Za-z]{0,20}",
            fields in proptest::collection::vec(("[a-z_]{1,14}", "-?[0-9.e]{1,12}|\"[a-z+-]{0,20}\"|null"), 0..6),
        ) {
            init();
            let fields: String = fields.iter().map(|(name, value)| format!(",\"{name}\":{value}")).collect();
            if let Ok(message) = NavigationMessage::parse(&format!("{{\"event\":\"{event}\"{fields}}}")) {
                // An unknown modifier or command is an error like any other.
                let _ = message.event.to_structure();
            }
        }
    }
}
