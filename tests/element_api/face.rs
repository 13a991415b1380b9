// SPDX-License-Identifier: MPL-2.0
//! The outside of a live class as JSON, in the form of the contract, and the comparison.

use gst::glib;
use gst::prelude::*;
use serde_json::{Map, Value, json};

/// Makes an element, if there is one of this name.
pub(crate) fn make(name: &str) -> Option<gst::Element> {
    gst::ElementFactory::make(name).build().ok()
}

/// Everything the contract says about an element; `None` if there is none of this name.
pub(crate) fn element(name: &str) -> Option<Value> {
    let element = make(name)?;
    let factory = element.factory()?;
    let mut face = json!({
        "rank": i32::from(factory.rank()),
        "klass": factory.metadata("klass"),
        "hierarchy": hierarchy(element.type_()),
        "interfaces": interfaces(element.type_()),
        "uri": {"type": uri_type(&factory), "protocols": protocols(&factory)},
        "pads": pads(&element),
        "properties": properties(element.upcast_ref(), own_properties(&element)),
        "signals": signals(element.type_()),
    });
    if let Some(signaller) = signaller(&element) {
        let declared = signaller.list_properties().to_vec();
        face["signaller"] = json!({
            "hierarchy": hierarchy(signaller.type_()),
            "interfaces": interfaces(signaller.type_()),
            "properties": properties(&signaller, declared),
            "signals": signals(signaller.type_()),
        });
    }
    Some(face)
}

/// The element's signaller, if it has one.
pub(crate) fn signaller(element: &gst::Element) -> Option<glib::Object> {
    element.find_property("signaller")?;
    element.property::<Option<glib::Object>>("signaller")
}

/// The properties that are not inherited from GStreamer's own classes.
pub(crate) fn own_properties(element: &gst::Element) -> Vec<glib::ParamSpec> {
    let inherited = ["GstBin", "GstElement", "GstObject"];
    let properties = element.list_properties().to_vec();
    properties
        .into_iter()
        .filter(|it| !inherited.contains(&it.owner_type().name()))
        .collect()
}

/// Adds to `failures` every fact of the contract that doesn't hold.
pub(crate) fn compare(path: &str, wanted: &Value, live: &Value, failures: &mut Vec<String>) {
    let Some(facts) = wanted.as_object() else {
        if wanted != live {
            failures.push(format!("{path}: want {wanted}, got {live}"));
        }
        return;
    };
    for (name, fact) in facts {
        let path = format!("{path}/{name}");
        match live.get(name) {
            None => failures.push(format!("{path}: missing")),
            // Declaring what is read back is better than declaring something else.
            Some(live) if name == "default" && Some(live) == facts.get("fresh") => {}
            Some(live) => compare(&path, fact, live, failures),
        }
    }
}

fn hierarchy(type_: glib::Type) -> Vec<String> {
    std::iter::successors(Some(type_), |type_| type_.parent())
        .map(|type_| type_.name().to_owned())
        .take_while(|name| name != "GObject")
        .collect()
}

fn interfaces(type_: glib::Type) -> Vec<String> {
    let mut names: Vec<_> = type_.interfaces().iter().map(|it| it.name().to_owned()).collect();
    names.sort();
    names
}

fn uri_type(factory: &gst::ElementFactory) -> u32 {
    match factory.uri_type() {
        gst::URIType::Sink => 1,
        gst::URIType::Src => 2,
        _ => 0,
    }
}

fn protocols(factory: &gst::ElementFactory) -> Vec<String> {
    factory.uri_protocols().iter().map(|it| it.to_string()).collect()
}

fn pads(element: &gst::Element) -> Value {
    let templates = element.pad_template_list();
    let facts = |template: &gst::PadTemplate| {
        json!({
            "direction": if template.direction() == gst::PadDirection::Src { "src" } else { "sink" },
            "presence": match template.presence() {
                gst::PadPresence::Always => "always",
                gst::PadPresence::Sometimes => "sometimes",
                _ => "request",
            },
            "caps": template.caps().to_string(),
            "gtype": template.property::<glib::Type>("gtype").name(),
        })
    };
    Value::Object(
        templates
            .iter()
            .map(|it| (it.name_template().to_string(), facts(it)))
            .collect(),
    )
}

fn properties(object: &glib::Object, declared: Vec<glib::ParamSpec>) -> Value {
    let facts = |property: &glib::ParamSpec| {
        let flags = property.flags();
        let mut facts = json!({
            "type": property.value_type().name(),
            "flags": flags.bits() & 3,
            "mutable": (flags.bits() >> 10) & 7,
            "construct_only": flags.contains(glib::ParamFlags::CONSTRUCT_ONLY),
            "default": default(property),
            "owner": property.owner_type().name(),
        });
        let map = facts.as_object_mut().unwrap();
        map.extend(range(property));
        map.extend(values(property.value_type()));
        if flags.contains(glib::ParamFlags::READABLE) {
            map.insert("fresh".to_owned(), plain(&object.property_value(property.name())));
        }
        facts
    };
    Value::Object(
        declared
            .iter()
            .map(|it| (it.name().to_owned(), facts(it)))
            .collect(),
    )
}

/// Arrays declare nothing: their type has no place for it.
fn default(property: &glib::ParamSpec) -> Value {
    if property.value_type() == gst::Array::static_type() {
        return Value::Null;
    }
    plain(property.default_value())
}

fn range(property: &glib::ParamSpec) -> Map<String, Value> {
    let pair = |minimum: Value, maximum: Value| {
        Map::from_iter([("minimum".to_owned(), minimum), ("maximum".to_owned(), maximum)])
    };
    macro_rules! numeric {
        ($($type:ty),*) => {
            $(if let Some(it) = property.downcast_ref::<$type>() {
                return pair(it.minimum().into(), it.maximum().into());
            })*
        };
    }
    numeric!(
        glib::ParamSpecUInt,
        glib::ParamSpecInt,
        glib::ParamSpecUInt64,
        glib::ParamSpecInt64
    );
    Map::new()
}

fn values(type_: glib::Type) -> Map<String, Value> {
    let mut table = Map::new();
    if let Some(class) = glib::EnumClass::with_type(type_) {
        table.extend(
            class
                .values()
                .iter()
                .map(|it| (it.value().to_string(), Value::from(it.nick()))),
        );
    }
    if let Some(class) = glib::FlagsClass::with_type(type_) {
        table.extend(
            class
                .values()
                .iter()
                .map(|it| (it.value().to_string(), Value::from(it.nick()))),
        );
    }
    if table.is_empty() {
        table
    } else {
        Map::from_iter([("values".to_owned(), Value::Object(table))])
    }
}

fn plain(value: &glib::Value) -> Value {
    if let Some(number) = number(value) {
        return number;
    }
    if let Ok(flag) = value.get::<bool>() {
        return flag.into();
    }
    if let Ok(text) = value.get::<Option<String>>() {
        return text.into();
    }
    if let Some((_, it)) = glib::EnumValue::from_value(value) {
        return it.nick().into();
    }
    if let Some(class) = glib::FlagsClass::with_type(value.type_()) {
        return flags(&class, value);
    }
    if let Ok(object) = value.get::<Option<glib::Object>>() {
        return object.map(|it| it.type_().name().to_owned()).into();
    }
    if let Ok(caps) = value.get::<Option<gst::Caps>>() {
        return caps.map(|it| it.to_string()).into();
    }
    if let Ok(structure) = value.get::<Option<gst::Structure>>() {
        return structure.map(|it| it.to_string()).into();
    }
    if let Ok(array) = value.get::<gst::Array>() {
        return array.iter().map(|it| plain(it)).collect();
    }
    Value::Null
}

fn number(value: &glib::Value) -> Option<Value> {
    match value.type_() {
        glib::Type::U32 => Some(value.get::<u32>().ok()?.into()),
        glib::Type::I32 => Some(value.get::<i32>().ok()?.into()),
        glib::Type::U64 => Some(value.get::<u64>().ok()?.into()),
        glib::Type::I64 => Some(value.get::<i64>().ok()?.into()),
        glib::Type::F64 => Some(value.get::<f64>().ok()?.into()),
        _ => None,
    }
}

/// Every flag contained, zero included.
fn flags(class: &glib::FlagsClass, value: &glib::Value) -> Value {
    let set = glib::FlagsValue::from_value(value)
        .map(|(_, set)| set)
        .unwrap_or_default();
    let bits = set.iter().fold(0, |bits, it| bits | it.value());
    let nicks = class
        .values()
        .iter()
        .filter(|it| it.value() & bits == it.value())
        .map(|it| it.nick());
    nicks.collect::<Vec<_>>().join("+").into()
}

/// Every signal of the contract and the additions that the type or one of its parents and interfaces has.
fn signals(type_: glib::Type) -> Value {
    let names = super::contract().into_iter().flat_map(|(_, face)| {
        let of = |face: &Value| {
            face["signals"]
                .as_object()
                .map(|it| it.keys().cloned().collect::<Vec<_>>())
        };
        let mut names = of(&face).unwrap_or_default();
        names.extend(face.get("signaller").and_then(of).unwrap_or_default());
        names
    });
    let names = names.chain(super::additions::SIGNALS.iter().map(|it| (*it).to_owned()));
    Value::Object(
        names
            .filter_map(|name| signal(type_, &name).map(|facts| (name, facts)))
            .collect(),
    )
}

fn signal(type_: glib::Type, name: &str) -> Option<Value> {
    let query = glib::subclass::SignalId::lookup(name, type_)?.query();
    let params: Vec<_> = query
        .param_types()
        .iter()
        .map(|it| glib::Type::from(*it).name())
        .collect();
    Some(json!({
        "returns": glib::Type::from(query.return_type()).name(),
        "params": params,
        "action": query.flags().contains(glib::SignalFlags::ACTION),
        "owner": query.type_().name(),
    }))
}
