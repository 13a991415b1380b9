// SPDX-License-Identifier: MPL-2.0
//! The outside of the elements: compared with the contract, and written down.
//!
//! `tests/contract/face.json` is what must hold; no test rewrites it. What the live classes have beyond it is listed in
//! `additions.rs`. `docs/element-api.md` is made from the live classes: `UPDATE_GOLDEN=1 cargo test --test element_api`.

mod additions;
mod face;
mod manual;

use serde_json::Value;

/// Elements that are not part of this build or not written yet; each is named in docs/known-limits.md.
const ABSENT: &[&str] = &["janusvrwebrtcsink", "janusvrwebrtcsrc"];

/// Once: registering a second time replaces the factories that the classes still point to.
fn init() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        gst::init().unwrap();
        gstrswebrtc::plugin_register_static().unwrap();
    });
}

fn contract() -> serde_json::Map<String, Value> {
    let contract: Value = serde_json::from_str(include_str!("../contract/face.json")).unwrap();
    contract["elements"].as_object().unwrap().clone()
}

/// Whether the Cargo feature an element belongs to is part of this build.
fn is_built(element: &str) -> bool {
    match element {
        name if name.starts_with("whip") => cfg!(feature = "whip"),
        name if name.starts_with("whep") => cfg!(feature = "whep"),
        name if name.starts_with("livekit") => cfg!(feature = "livekit"),
        name if name.starts_with("awskvs") => cfg!(feature = "aws"),
        name if name.starts_with("janus") => cfg!(feature = "janus"),
        _ => true,
    }
}

#[test]
fn live_classes_contain_all_of_the_contract() {
    init();
    let mut failures = Vec::new();
    for (name, wanted) in contract() {
        if ABSENT.contains(&name.as_str()) || !is_built(&name) {
            println!("not compared: {name}");
            continue;
        }
        match face::element(&name) {
            Some(live) => face::compare(&name, &wanted, &live, &mut failures),
            None => failures.push(format!("{name}: no such element")),
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

#[test]
fn everything_beyond_the_contract_is_listed() {
    init();
    let mut unlisted = Vec::new();
    for (name, wanted) in contract() {
        let Some(live) = face::element(&name) else {
            continue;
        };
        for part in ["properties", "pads"] {
            let names = live[part].as_object().unwrap().keys();
            let added = names.filter(|added| wanted[part].get(added.as_str()).is_none());
            unlisted.extend(
                added
                    .filter(|added| !additions::is_listed(&name, added))
                    .map(|added| format!("{name}: {added}")),
            );
        }
    }
    assert!(unlisted.is_empty(), "\n{}", unlisted.join("\n"));
}

#[test]
fn every_property_reads_its_declared_default_when_fresh() {
    init();
    let mut failures = Vec::new();
    for name in contract().keys() {
        let Some(live) = face::element(name) else { continue };
        for (property, facts) in live["properties"].as_object().unwrap() {
            let (default, fresh) = (&facts["default"], facts.get("fresh"));
            let is_plain = !default.is_null() && fresh.is_some();
            if is_plain && Some(default) != fresh {
                failures.push(format!(
                    "{name}: {property} declares {default}, reads {}",
                    fresh.unwrap()
                ));
            }
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

#[test]
fn every_property_says_what_it_does() {
    init();
    for name in contract().keys() {
        let Some(element) = face::make(name) else { continue };
        for property in face::own_properties(&element) {
            let blurb = property.blurb().unwrap_or_default().to_owned();
            assert!(
                blurb.len() > 15,
                "{name}: {} has no description: {blurb:?}",
                property.name()
            );
        }
    }
}

#[test]
fn the_written_manual_is_up_to_date() {
    init();
    // Only the full build has every element.
    if ["whip", "whep", "livekit", "awskvs"]
        .into_iter()
        .any(|feature| !is_built(feature))
    {
        println!("not compared: a build without all signallers");
        return;
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/element-api.md");
    let live = manual::write(contract().keys().filter(|name| !ABSENT.contains(&name.as_str())));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, &live).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        written == live,
        "docs/element-api.md differs from the live classes: run with UPDATE_GOLDEN=1 and look at the difference"
    );
}
