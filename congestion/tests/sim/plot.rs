// SPDX-License-Identifier: MPL-2.0
//! A run as an SVG: capacity, targets and received rates over time above, queueing delay below.

use congestion::units::Timestamp;
use testkit::plot::Plot;

use super::world::Outcome;

/// Draws a run under a title.
pub fn svg(title: &str, outcome: &Outcome) -> String {
    let seconds = outcome.plan.duration.as_secs_f64();
    let rates = &outcome.plan.forward.rates;
    let highest = rates
        .iter()
        .map(|(_, rate)| rate.as_f64() / 1000.0)
        .fold(0.0, f64::max)
        * 1.2;
    let plot = Plot::new(seconds, highest);
    let capacity: Vec<(f64, f64)> = (0..=(seconds * 10.0) as u64)
        .map(|n| {
            (
                n as f64 / 10.0,
                outcome
                    .plan
                    .forward
                    .rate_at(Timestamp::from_millis(n * 100))
                    .as_f64()
                    / 1000.0,
            )
        })
        .collect();
    let mut lines = plot.upper.line("black", 1.5, &capacity);
    for (flow, colour) in outcome.flows.iter().zip(COLOURS.iter().cycle()) {
        let samples = flow.series(outcome.plan.duration);
        let pick = |value: fn(&super::report::Sample) -> f64| -> Vec<(f64, f64)> {
            samples
                .iter()
                .map(|sample| (sample.seconds, value(sample)))
                .collect()
        };
        lines += &plot.upper.line(colour, 0.8, &pick(|sample| sample.target_kbps));
        lines += &plot.upper.line(colour, 2.0, &pick(|sample| sample.received_kbps));
        lines += &plot.lower.line(colour, 1.0, &pick(|sample| sample.queued_ms));
    }
    let title = format!(
        "{title}: capacity (black), target (thin), received (thick), kbit/s; below, queueing delay, ms"
    );
    plot.document(&title, 20.0, &lines)
}

const COLOURS: [&str; 5] = ["#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e"];
