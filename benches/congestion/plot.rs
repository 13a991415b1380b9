// SPDX-License-Identifier: MPL-2.0
//! A run as an SVG: capacity, estimate and what passed over time above, the longest wait below.

use testkit::plot::Plot;
use testkit::relay::{INTERVAL, Passed};

use super::cases::Case;
use super::run::Run;

/// Draws a run.
pub(crate) fn svg(case: &Case, run: &Run) -> String {
    let seconds = case.length.as_secs_f64();
    let highest = case
        .forward
        .rates
        .iter()
        .map(|&(_, bps)| kbps(bps))
        .fold(0.0, f64::max)
        * 1.2;
    let plot = Plot::new(seconds, highest);
    let times = || (0..run.passed.len() as u32).map(|index| INTERVAL * index);
    let capacity: Vec<_> = times()
        .map(|at| (at.as_secs_f64(), kbps(case.forward.rate_at(at))))
        .collect();
    let estimate: Vec<_> = run
        .samples
        .iter()
        .map(|it| (it.at.as_secs_f64(), kbps(it.estimate)))
        .collect();
    let wait = |(at, it): (_, &Passed)| (at, it.queued.as_secs_f64() * 1000.0);
    let waits: Vec<_> = times()
        .map(|at| at.as_secs_f64())
        .zip(&run.passed)
        .map(wait)
        .collect();
    let title = format!(
        "{}: capacity (black), estimate (thin), passed (thick), kbit/s; below, longest wait, ms",
        case.name
    );
    let lines = [
        plot.upper.line("black", 1.5, &capacity),
        plot.upper.line("#d62728", 0.8, &estimate),
        plot.upper.line("#1f77b4", 2.0, &passed(&run.passed)),
        plot.lower.line("#1f77b4", 1.0, &waits),
    ];
    plot.document(&title, seconds / 10.0, &lines.concat())
}

/// What passed, over half a second.
fn passed(passed: &[Passed]) -> Vec<(f64, f64)> {
    let rate = |(index, window): (usize, &[Passed])| {
        let bits: u64 = window.iter().map(|it| it.passed_bytes * 8).sum();
        let length = INTERVAL.as_secs_f64() * window.len() as f64;
        (
            INTERVAL.as_secs_f64() * index as f64,
            bits as f64 / length / 1000.0,
        )
    };
    passed.windows(5).enumerate().map(rate).collect()
}

fn kbps(bps: u64) -> f64 {
    bps as f64 / 1000.0
}
