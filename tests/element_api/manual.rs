// SPDX-License-Identifier: MPL-2.0
//! `docs/element-api.md`, made from the live classes.

use std::fmt::Write;

use gst::prelude::*;
use serde_json::Value;

use super::face;

const HEAD: &str = "# Properties, signals and pads

Made from the registered classes by `UPDATE_GOLDEN=1 cargo test --test element_api`; do not edit.
`gst-inspect-1.0 ELEMENT` shows the same. Properties of the signaller are set as `signaller::name`.
";

/// The manual of all `elements` that exist.
pub(crate) fn write<'a>(elements: impl Iterator<Item = &'a String>) -> String {
    let mut text = HEAD.to_owned();
    for name in elements {
        if let Some(face) = face::element(name) {
            section(&mut text, name, &face).expect("a string takes any text");
        }
    }
    text
}

fn section(text: &mut String, name: &str, face: &Value) -> std::fmt::Result {
    writeln!(text, "\n## {name}\n")?;
    writeln!(
        text,
        "Class `{}`, rank {}, {}.",
        face["hierarchy"][0].as_str().unwrap_or_default(),
        face["rank"],
        face["klass"]
    )?;
    let element = face::make(name).expect("it was made before");
    writeln!(text, "\n### Pads of {name}\n")?;
    for (pad, facts) in entries(&face["pads"]) {
        writeln!(
            text,
            "- `{pad}`: {}, {}. `{}`",
            word(&facts["direction"]),
            word(&facts["presence"]),
            word(&facts["caps"])
        )?;
    }
    writeln!(text, "\n### Properties of {name}\n")?;
    properties(text, &face["properties"], |property| {
        blurb(element.find_property(property))
    })?;
    signals(text, name, &face["signals"])?;
    if let Some(signaller) = face::signaller(&element) {
        writeln!(
            text,
            "\n### `signaller::` of {name}: `{}`\n",
            word(&face["signaller"]["hierarchy"][0])
        )?;
        properties(text, &face["signaller"]["properties"], |property| {
            blurb(signaller.find_property(property))
        })?;
    }
    Ok(())
}

fn properties(text: &mut String, facts: &Value, blurb: impl Fn(&str) -> String) -> std::fmt::Result {
    writeln!(
        text,
        "| property | type | default | access | |\n|---|---|---|---|---|"
    )?;
    for (name, facts) in entries(facts) {
        let access = match facts["flags"].as_u64() {
            Some(1) => "read",
            Some(2) => "write",
            _ if facts["construct_only"] == true => "at construction",
            _ => "read, write",
        };
        let default = facts.get("fresh").unwrap_or(&facts["default"]);
        writeln!(
            text,
            "| `{name}` | {} | {} | {access} | {} |",
            word(&facts["type"]),
            code(default),
            blurb(name)
        )?;
    }
    Ok(())
}

fn signals(text: &mut String, name: &str, facts: &Value) -> std::fmt::Result {
    writeln!(text, "\n### Signals of {name}\n")?;
    for (signal, facts) in entries(facts) {
        let params: Vec<_> = facts["params"]
            .as_array()
            .into_iter()
            .flatten()
            .map(word)
            .collect();
        let action = if facts["action"] == true {
            ", an action"
        } else {
            ""
        };
        writeln!(
            text,
            "- `{signal}({})` → `{}`{action}",
            params.join(", "),
            word(&facts["returns"])
        )?;
    }
    Ok(())
}

fn blurb(property: Option<gst::glib::ParamSpec>) -> String {
    property
        .and_then(|it| it.blurb().map(|it| it.replace('|', "\\|")))
        .unwrap_or_default()
}

fn entries(object: &Value) -> impl Iterator<Item = (&str, &Value)> {
    object
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, facts)| (name.as_str(), facts))
}

fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn code(value: &Value) -> String {
    if value.is_null() || value == "" {
        "none".to_owned()
    } else {
        format!("`{}`", word(value).replace('|', "\\|"))
    }
}
