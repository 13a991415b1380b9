// SPDX-License-Identifier: MPL-2.0
//! Custom structures of the control channel: JSON to GStreamer values, with their types kept apart.
//!
//! Stricter than the conversion for metadata: null and arrays of mixed kinds are errors, and the numbers of an array
//! are brought to one type (unsigned, then signed, then floating point). Pure. Called on webrtcbin's SCTP threads with
//! text of a peer, whose size `control` has bounded.

use gst::glib;
use gst::prelude::*;
use serde_json::{Map, Value};

use crate::gst_ext::names::{self, NameError};

/// Name of structures made from JSON objects inside of other structures.
const NESTED_NAME: &str = "webrtcsink-deserialized";

/// Nesting that a peer may cause; the conversion recurses.
const MAX_DEPTH: usize = 32;

/// Why JSON has no counterpart in GStreamer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum JsonError {
    /// There is no such thing as null in a structure.
    #[error("field {0} is null")]
    Null(String),
    /// An array's items are of different kinds.
    #[error("array {0} mixes kinds of values")]
    Mixed(String),
    /// Too many levels.
    #[error("field {0} is nested too deep")]
    TooDeep(String),
    /// A name is not let in.
    #[error(transparent)]
    Name(#[from] NameError),
    /// GStreamer has no way to hold this text.
    #[error("field {0} has a NUL in it")]
    Text(String),
}

/// A structure called `name` with the fields of `object`.
///
/// # Errors
/// [`JsonError`] names the field that cannot be converted.
pub(crate) fn to_structure(name: &str, object: &Map<String, Value>) -> Result<gst::Structure, JsonError> {
    structure(name, object, 0)
}

fn structure(name: &str, object: &Map<String, Value>, depth: usize) -> Result<gst::Structure, JsonError> {
    names::admit_structure(name)?;
    let mut structure = gst::Structure::new_empty(name);
    for (field, value) in object {
        names::admit_field(field)?;
        structure.set_value(field.as_str(), convert(field, value, depth + 1)?);
    }
    Ok(structure)
}

fn convert(field: &str, value: &Value, depth: usize) -> Result<glib::SendValue, JsonError> {
    if depth > MAX_DEPTH {
        return Err(JsonError::TooDeep(field.to_owned()));
    }
    match value {
        Value::Null => Err(JsonError::Null(field.to_owned())),
        Value::Bool(flag) => Ok(flag.to_send_value()),
        Value::Number(number) => Ok(NumberKind::of(number).value(number)),
        Value::String(text) if text.contains('\0') => Err(JsonError::Text(field.to_owned())),
        Value::String(text) => Ok(text.to_send_value()),
        Value::Array(items) => array(field, items, number_kind(items), depth),
        Value::Object(object) => Ok(structure(NESTED_NAME, object, depth)?.to_send_value()),
    }
}

/// GStreamer's arrays may mix types, but who reads them mostly looks at the first item. `kind` is that of all numbers
/// inside, those of inner arrays too: the rows of a matrix must not differ.
fn array(field: &str, items: &[Value], kind: NumberKind, depth: usize) -> Result<glib::SendValue, JsonError> {
    if depth > MAX_DEPTH {
        return Err(JsonError::TooDeep(field.to_owned()));
    }
    let is_mixed = items
        .windows(2)
        .any(|pair| std::mem::discriminant(&pair[0]) != std::mem::discriminant(&pair[1]));
    if is_mixed {
        return Err(JsonError::Mixed(field.to_owned()));
    }
    let item = |item: &Value| match item {
        Value::Number(number) => Ok(kind.value(number)),
        Value::Array(inner) => array(field, inner, kind, depth + 1),
        other => convert(field, other, depth + 1),
    };
    let values = items.iter().map(item).collect::<Result<Vec<_>, _>>()?;
    Ok(gst::Array::from_iter(values).to_send_value())
}

/// The kind that every number in an array, and in arrays inside of it, can be written as. The parser of the text bounds
/// how deep they are.
fn number_kind(items: &[Value]) -> NumberKind {
    let kind = |item: &Value| match item {
        Value::Number(number) => NumberKind::of(number),
        Value::Array(inner) => number_kind(inner),
        _ => NumberKind::Unsigned,
    };
    items.iter().map(kind).max().unwrap_or(NumberKind::Unsigned)
}

/// The three kinds of numbers, each able to take the place of those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum NumberKind {
    Unsigned,
    Signed,
    Float,
}

impl NumberKind {
    fn of(number: &serde_json::Number) -> Self {
        if number.is_u64() {
            Self::Unsigned
        } else if number.is_i64() {
            Self::Signed
        } else {
            Self::Float
        }
    }

    /// `number` as this kind. An unsigned one too large for a signed one saturates.
    fn value(self, number: &serde_json::Number) -> glib::SendValue {
        match self {
            Self::Unsigned => number.as_u64().unwrap_or(u64::MAX).to_send_value(),
            Self::Signed => number.as_i64().unwrap_or(i64::MAX).to_send_value(),
            Self::Float => number.as_f64().unwrap_or(f64::MAX).to_send_value(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn structure(value: Value) -> Result<gst::Structure, JsonError> {
        gst::init().expect("GStreamer initialises");
        to_structure("app/foo", value.as_object().expect("an object"))
    }

    #[test]
    fn scalars_get_their_type() {
        let made = structure(json!({"a": 1, "b": -1, "c": 1.5, "d": "x", "e": true})).unwrap();
        assert_eq!(made.name(), "app/foo");
        assert_eq!(made.get::<u64>("a"), Ok(1));
        assert_eq!(made.get::<i64>("b"), Ok(-1));
        assert_eq!(made.get::<f64>("c"), Ok(1.5));
        assert_eq!(made.get::<String>("d").as_deref(), Ok("x"));
        assert_eq!(made.get::<bool>("e"), Ok(true));
    }

    #[test]
    fn objects_nest_under_a_name_of_their_own() {
        let made = structure(json!({"d": {"x": "y"}})).unwrap();
        let nested = made.get::<gst::Structure>("d").unwrap();
        assert_eq!(nested.name(), NESTED_NAME);
        assert_eq!(nested.get::<String>("x").as_deref(), Ok("y"));
    }

    #[test]
    fn numbers_of_an_array_get_one_type() {
        let made = structure(json!({"u": [1, 2], "s": [1, -2], "f": [1, 2.5], "n": [[1, 0.5]]})).unwrap();
        let first = |field| made.get::<gst::Array>(field).unwrap().first().cloned().unwrap();
        assert_eq!(first("u").get::<u64>().ok(), Some(1));
        assert_eq!(first("s").get::<i64>().ok(), Some(1));
        assert_eq!(first("f").get::<f64>().ok(), Some(1.0));
        let nested = first("n").get::<gst::Array>().unwrap();
        assert_eq!(
            nested.first().and_then(|value| value.get::<f64>().ok()),
            Some(1.0)
        );
    }

    #[test]
    fn numbers_of_nested_arrays_get_one_type() {
        gst::init().unwrap();
        let object = json!({"matrix": [[1, 0], [0.5, -2]], "empty": [[], []]});
        let structure = to_structure("a", object.as_object().unwrap()).unwrap();
        let rows = structure.get::<gst::Array>("matrix").unwrap();
        let row = |index: usize| rows[index].get::<gst::Array>().unwrap();
        let numbers = |row: gst::Array| row.iter().map(|it| it.get::<f64>().unwrap()).collect::<Vec<_>>();
        assert_eq!(numbers(row(0)), [1.0, 0.0]);
        assert_eq!(numbers(row(1)), [0.5, -2.0]);
    }

    #[test]
    fn arrays_of_text_are_allowed() {
        let made = structure(json!({"names": ["a", "b", "c"], "none": []})).unwrap();
        assert_eq!(made.get::<gst::Array>("names").unwrap().len(), 3);
        assert_eq!(made.get::<gst::Array>("none").unwrap().len(), 0);
    }

    #[test]
    fn what_gstreamer_cannot_hold_is_an_error() {
        let cases = [
            (json!({"a": null}), JsonError::Null("a".into())),
            (json!({"a": [1, null]}), JsonError::Mixed("a".into())),
            (json!({"a": [1, "x"]}), JsonError::Mixed("a".into())),
            (json!({"a": [[null]]}), JsonError::Null("a".into())),
            (json!({"a": "x\0"}), JsonError::Text("a".into())),
            (json!({"a\0": 1}), NameError::Invalid("a\0".into()).into()),
        ];
        for (value, error) in cases {
            assert_eq!(structure(value.clone()), Err(error), "{value}");
        }
    }

    #[test]
    fn bad_names_are_refused() {
        gst::init().expect("GStreamer initialises");
        for name in ["", "1", "a b", "a\0", "ä"] {
            let refused = JsonError::Name(NameError::Invalid(name.into()));
            assert_eq!(to_structure(name, &Map::new()), Err(refused));
        }
    }

    #[test]
    fn deep_nesting_ends_in_an_error() {
        let mut value = json!(1);
        for _ in 0..100 {
            value = json!({ "a": value });
        }
        assert_eq!(structure(value), Err(JsonError::TooDeep("a".into())));
    }
}
