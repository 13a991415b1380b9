// SPDX-License-Identifier: MPL-2.0
//! A run as an SVG: capacity, estimate and what passed over time above, the longest wait below.

use std::fmt::Write as _;

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
    let upper = Panel {
        top: 40.0,
        height: 260.0,
        seconds,
        highest,
    };
    let lower = Panel {
        top: 340.0,
        height: 110.0,
        seconds,
        highest: 320.0,
    };
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
    [
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"480\" font-family=\"sans-serif\" \
             font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
             <text x=\"{LEFT}\" y=\"24\" font-size=\"15\">{}: capacity (black), estimate (thin), passed (thick), \
             kbit/s; below, longest wait, ms</text>\n",
            case.name
        ),
        upper.grid(),
        lower.grid(),
        upper.line("black", 1.5, &capacity),
        upper.line("#d62728", 0.8, &estimate),
        upper.line("#1f77b4", 2.0, &passed(&run.passed)),
        lower.line("#1f77b4", 1.0, &waits),
        "</svg>\n".to_owned(),
    ]
    .concat()
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

/// A part of the picture with its own scale.
struct Panel {
    top: f64,
    height: f64,
    seconds: f64,
    highest: f64,
}

impl Panel {
    fn at(&self, (x, y): (f64, f64)) -> (f64, f64) {
        let across = LEFT + (WIDTH - LEFT - 20.0) * x / self.seconds;
        (
            across,
            self.top + self.height * (1.0 - (y / self.highest).min(1.0)),
        )
    }

    /// Four lines with their values, and the time every tenth of the run.
    fn grid(&self) -> String {
        let mut out = String::new();
        for step in 0..=4 {
            let value = self.highest * f64::from(step) / 4.0;
            let ((left, y), (right, _)) = (self.at((0.0, value)), self.at((self.seconds, value)));
            let _ = writeln!(
                out,
                "<line x1=\"{left}\" y1=\"{y:.1}\" x2=\"{right}\" y2=\"{y:.1}\" stroke=\"#ddd\"/>\
                 <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{value:.0}</text>",
                left - 6.0,
                y + 4.0
            );
        }
        for tick in 0..=10 {
            let time = self.seconds * f64::from(tick) / 10.0;
            let (x, y) = self.at((time, 0.0));
            let _ = writeln!(
                out,
                "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{time:.0} s</text>",
                y + 16.0
            );
        }
        out
    }

    fn line(&self, colour: &str, width: f64, points: &[(f64, f64)]) -> String {
        let points: Vec<String> = points
            .iter()
            .map(|&point| {
                let (x, y) = self.at(point);
                format!("{x:.1},{y:.1}")
            })
            .collect();
        format!(
            "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\" points=\"{}\"/>\n",
            points.join(" ")
        )
    }
}

const WIDTH: f64 = 900.0;
const LEFT: f64 = 60.0;
