// SPDX-License-Identifier: MPL-2.0
//! How a real `webrtcsink` does over an emulated link, in real time: RFC 8867, section 5.1, with each way of congestion
//! control, random loss, and the cost of pacing. `scripts/bench/congestion` runs it.
//!
//! Consumers are a stock webrtcbin and Chromium; the link is `testkit`'s, without privileges. Arguments choose cases by
//! their names, none chooses all. Each prints its figures and draws a plot into `target/congestion`.

mod cases;
#[path = "../../tests/common/mod.rs"]
mod common;
mod cost;
mod figures;
mod plot;
mod run;
mod viewer;

use anyhow::Result;

fn main() -> Result<()> {
    common::init();
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|it| !it.starts_with("--"))
        .collect();
    let is_wanted =
        |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| name.contains(wanted.as_str()));
    for case in cases::all().iter().filter(|case| is_wanted(case.name)) {
        case.measure()?;
    }
    if is_wanted("cost") {
        cost::print()?;
    }
    Ok(())
}
