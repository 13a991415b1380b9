// SPDX-License-Identifier: MPL-2.0
//! Runs the test cases of RFC 8867 on the simulated link, prints their figures and plots the first run of each.
//!
//! `cargo run -p gst-plugin-webrtc-congestion --example rmcat [DIRECTORY]`; plots go to `target/rmcat` by default.

#[path = "../tests/sim/mod.rs"]
mod sim;

use std::path::PathBuf;
use std::time::Duration;

use congestion::Algorithm;
use congestion::units::Bitrate;
use sim::figures::{Figures, TITLES};
use sim::world::{Plan, run};
use sim::{plans, plot};

const SEEDS: std::ops::RangeInclusive<u64> = 1..=5;

fn main() -> std::io::Result<()> {
    let directory = PathBuf::from(
        std::env::args()
            .nth(1)
            .unwrap_or_else(|| "target/rmcat".to_owned()),
    );
    std::fs::create_dir_all(&directory)?;
    println!("| case, seed {TITLES}");
    for (name, plan) in cases() {
        for seed in SEEDS {
            let outcome = run(&plan, seed);
            println!("| {name} {seed} {}", Figures::of(&outcome));
            if seed == *SEEDS.start() {
                let file = directory.join(format!("{}.svg", name.replace(' ', "-")));
                std::fs::write(file, plot::svg(name, &outcome))?;
            }
        }
    }
    println!("plots are in {}", directory.display());
    Ok(())
}

fn cases() -> Vec<(&'static str, Plan)> {
    vec![
        ("5.1", plans::variable_capacity()),
        (
            "5.1 from 2048",
            starting_at(plans::variable_capacity(), Bitrate::from_kbps(2048)),
        ),
        (
            "5.1 homegrown",
            with(plans::variable_capacity(), Some(Algorithm::Homegrown)),
        ),
        ("5.1 disabled", with(plans::variable_capacity(), None)),
        ("5.2", plans::variable_capacity_two_flows()),
        ("5.3", plans::congested_feedback()),
        ("5.4", plans::competing_flows()),
        ("5.5", plans::round_trip_fairness()),
        ("5.6", plans::long_tcp()),
        ("5.7", plans::short_tcp()),
        ("5.8", plans::pause_and_resume()),
        ("5 % loss", plans::random_loss(0.05, Duration::from_millis(25))),
    ]
}

fn with(mut plan: Plan, algorithm: Option<Algorithm>) -> Plan {
    plan.flows.iter_mut().for_each(|flow| flow.algorithm = algorithm);
    plan
}

fn starting_at(mut plan: Plan, rate: Bitrate) -> Plan {
    plan.flows.iter_mut().for_each(|flow| flow.start_rate = rate);
    plan
}
