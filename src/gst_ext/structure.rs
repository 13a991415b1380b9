// SPDX-License-Identifier: MPL-2.0
//! GStreamer structures as JSON and back, for metadata and control messages.
//!
//! Structure to JSON drops the structure's name. What has no JSON form is written as GStreamer's own text, what cannot
//! even be written so is left out. JSON to structure names every object [`OBJECT_NAME`]; null is dropped. Pure but for
//! GObject's types; any thread. The limits are for JSON of a peer, which decides its depth and names.

use gst::glib;
use gst::prelude::*;
use serde_json::{Map, Number, Value};

use super::names::{self, NameError};

/// The name structures made from JSON objects get.
pub const OBJECT_NAME: &str = "v";

/// Objects and arrays nest no deeper than this: what a peer sends is converted by recursion.
const MAX_DEPTH: usize = 32;

/// The structure's fields as a JSON object.
pub fn to_json(structure: &gst::StructureRef) -> Value {
    let fields = structure
        .iter()
        .filter_map(|(name, value)| Some((name.to_string(), value_to_json(value)?)));
    Value::Object(fields.collect::<Map<_, _>>())
}

/// A JSON object as a structure called [`OBJECT_NAME`]; `None` for anything but an object, and past the depth limit.
pub fn from_json(value: &Value) -> Option<gst::Structure> {
    object_to_structure(value, OBJECT_NAME, 0)
}

/// As [`from_json`], with a name of the caller's choice for the outermost structure.
pub fn from_json_named(value: &Value, name: &str) -> Option<gst::Structure> {
    object_to_structure(value, name, 0)
}

/// In the order of how exactly JSON can hold the type; the text form comes last.
fn value_to_json(value: &glib::Value) -> Option<Value> {
    if let Some(number) = number_to_json(value) {
        return Some(number);
    }
    if let Ok(text) = value.get::<Option<String>>() {
        return Some(text.map_or(Value::Null, Value::String));
    }
    if let Ok(flag) = value.get::<bool>() {
        return Some(Value::Bool(flag));
    }
    if let Ok(structure) = value.get::<Option<gst::Structure>>() {
        return structure.map(|structure| to_json(&structure));
    }
    if let Ok(array) = value.get::<gst::Array>() {
        return Some(Value::Array(
            array.iter().filter_map(|item| value_to_json(item)).collect(),
        ));
    }
    if let Ok(array) = value.get::<glib::ValueArray>() {
        return Some(Value::Array(array.iter().filter_map(value_to_json).collect()));
    }
    if let Some((_, flags)) = glib::FlagsValue::from_value(value) {
        return Some(Value::String(
            flags.iter().map(|flag| flag.nick()).collect::<Vec<_>>().join("+"),
        ));
    }
    value.serialize().ok().map(|text| Value::String(text.to_string()))
}

fn number_to_json(value: &glib::Value) -> Option<Value> {
    let integer = |n: i64| Some(Value::Number(n.into()));
    let unsigned = |n: u64| Some(Value::Number(n.into()));
    let float = |n: f64| Some(Number::from_f64(n).map_or(Value::Null, Value::Number));
    match value.type_() {
        glib::Type::I32 => integer(value.get::<i32>().ok()?.into()),
        glib::Type::I64 => integer(value.get::<i64>().ok()?),
        glib::Type::I_LONG => integer(value.get::<glib::ILong>().ok()?.0),
        glib::Type::U32 => unsigned(value.get::<u32>().ok()?.into()),
        glib::Type::U64 => unsigned(value.get::<u64>().ok()?),
        glib::Type::U_LONG => unsigned(value.get::<glib::ULong>().ok()?.0),
        glib::Type::F32 => float(value.get::<f32>().ok()?.into()),
        glib::Type::F64 => float(value.get::<f64>().ok()?),
        _ => None,
    }
}

fn object_to_structure(value: &Value, name: &str, depth: usize) -> Option<gst::Structure> {
    let object = value.as_object()?;
    if depth > MAX_DEPTH || is_refused(names::admit_structure(name)) {
        return None;
    }
    let mut structure = gst::Structure::new_empty(name);
    for (name, value) in object {
        if let Some(value) = json_to_value(value, depth + 1)
            && !is_refused(names::admit_field(name))
        {
            structure.set_value(name.as_str(), value);
        }
    }
    Some(structure)
}

/// Says in the log which name of a peer's is left out.
fn is_refused(admission: Result<(), NameError>) -> bool {
    if let Err(error) = &admission {
        gst::warning!(gst::CAT_RUST, "metadata is left out: {error}");
    }
    admission.is_err()
}

fn json_to_value(value: &Value, depth: usize) -> Option<glib::SendValue> {
    if depth > MAX_DEPTH {
        return None;
    }
    match value {
        Value::Null => None,
        Value::Bool(flag) => Some(flag.to_send_value()),
        Value::Number(number) => number_to_value(number),
        // A structure field cannot hold text with a NUL in it.
        Value::String(text) => (!text.contains('\0')).then(|| text.to_send_value()),
        Value::Array(items) => Some(array_to_value(items, depth).to_send_value()),
        Value::Object(_) => Some(object_to_structure(value, OBJECT_NAME, depth)?.to_send_value()),
    }
}

/// The items of a GStreamer array share one type: numbers take the widest among them, and where kinds are mixed each
/// item becomes text (its JSON form, strings as they are).
fn array_to_value(items: &[Value], depth: usize) -> gst::Array {
    let items: Vec<&Value> = items.iter().filter(|item| !item.is_null()).collect();
    let all = |is: fn(&Value) -> bool| items.iter().all(|item| is(item));
    if all(Value::is_u64)
        || all(Value::is_string)
        || all(Value::is_boolean)
        || all(Value::is_object)
        || all(Value::is_array)
    {
        return gst::Array::from_iter(items.iter().filter_map(|item| json_to_value(item, depth + 1)));
    }
    if all(|item| item.as_i64().is_some()) {
        return gst::Array::from_iter(
            items
                .iter()
                .filter_map(|item| item.as_i64())
                .map(|n| n.to_send_value()),
        );
    }
    if all(Value::is_number) {
        return gst::Array::from_iter(
            items
                .iter()
                .filter_map(|item| item.as_f64())
                .map(|n| n.to_send_value()),
        );
    }
    let text = |item: &&Value| item.as_str().map_or_else(|| item.to_string(), str::to_owned);
    gst::Array::from_iter(
        items
            .iter()
            .map(text)
            .filter(|text| !text.contains('\0'))
            .map(|text| text.to_send_value()),
    )
}

fn number_to_value(number: &Number) -> Option<glib::SendValue> {
    if let Some(unsigned) = number.as_u64() {
        return Some(unsigned.to_send_value());
    }
    if let Some(integer) = number.as_i64() {
        return Some(integer.to_send_value());
    }
    number.as_f64().map(|float| float.to_send_value())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn there_and_back(value: Value) -> Value {
        to_json(&from_json(&value).unwrap())
    }

    #[test]
    fn json_survives_a_structure() {
        gst::init().unwrap();
        for value in [
            json!({}),
            json!({"name": "cam", "flag": true, "n": 3, "negative": -4, "ratio": 0.5}),
            json!({"nested": {"deeper": {"list": [1, 2, 3]}}}),
            json!({"texts": ["a", "b"], "flags": [true, false], "none": [], "lists": [[1], [2]]}),
            json!({"objects": [{"a": 1}, {"b": 2}]}),
        ] {
            assert_eq!(there_and_back(value.clone()), value);
        }
    }

    #[test]
    fn the_items_of_an_array_get_one_type() {
        gst::init().unwrap();
        let arrays = json!({"a": [1, -2], "b": [1, 0.5], "c": [1, "two", false, {"three": 3}]});
        let expected = json!({"a": [1, -2], "b": [1.0, 0.5], "c": ["1", "two", "false", "{\"three\":3}"]});
        assert_eq!(there_and_back(arrays), expected);
    }

    #[test]
    fn null_is_dropped() {
        gst::init().unwrap();
        assert_eq!(there_and_back(json!({"a": null, "b": 1})), json!({"b": 1}));
    }

    #[test]
    fn only_objects_become_structures() {
        gst::init().unwrap();
        for value in [json!(null), json!(3), json!("text"), json!([1, 2])] {
            assert!(from_json(&value).is_none(), "{value}");
        }
    }

    #[test]
    fn hostile_json_is_refused_not_followed() {
        gst::init().unwrap();
        let mut deep = json!(1);
        for _ in 0..MAX_DEPTH * 2 {
            deep = json!({"d": deep});
        }
        assert!(from_json(&deep).is_some());
        assert!(from_json_named(&json!({}), "9 bad name").is_none());
        assert!(from_json_named(&json!({}), "").is_none());
        assert_eq!(
            there_and_back(json!({"a": "nul\u{0}byte", "b\u{0}": 1, "": 1, "sp ace": 2})),
            json!({"": 1, "sp ace": 2})
        );
    }

    #[test]
    fn every_gstreamer_type_finds_a_json_form() {
        gst::init().unwrap();
        let structure = gst::Structure::builder("any/name")
            .field("int", -3i32)
            .field("uint", 3u32)
            .field("float", 0.5f32)
            .field("fraction", gst::Fraction::new(30, 1))
            .field("flags", gst_webrtc::WebRTCICEComponent::Rtp)
            .field("caps", gst::Caps::new_empty_simple("video/x-vp8"))
            .build();
        let json = to_json(&structure);
        assert_eq!(json["int"], json!(-3));
        assert_eq!(json["fraction"], json!("30/1"));
        assert_eq!(json["caps"], json!("video/x-vp8"));
    }

    #[test]
    fn flags_are_written_by_their_nicks() {
        gst::init().unwrap();
        let flags = gst::PadFlags::EOS | gst::PadFlags::FLUSHING;
        let structure = gst::Structure::builder("f").field("flags", flags).build();
        let text = to_json(&structure)["flags"].as_str().unwrap().to_owned();
        assert_eq!(text.split('+').count(), 2, "{text}");
    }
}
