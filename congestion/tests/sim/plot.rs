// SPDX-License-Identifier: MPL-2.0
//! A run as an SVG: capacity, targets and received rates over time above, queueing delay below.

use std::fmt::Write;

use congestion::units::Timestamp;

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
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"480\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"24\" font-size=\"15\">{title}: capacity (black), target (thin), received (thick), \
         kbit/s; below, queueing delay, ms</text>\n"
    );
    upper.frame(&mut out);
    lower.frame(&mut out);
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
    upper.line(&mut out, "black", 1.5, &capacity);
    for (flow, colour) in outcome.flows.iter().zip(COLOURS.iter().cycle()) {
        let samples = flow.series(outcome.plan.duration);
        let pick = |value: fn(&super::report::Sample) -> f64| -> Vec<(f64, f64)> {
            samples
                .iter()
                .map(|sample| (sample.seconds, value(sample)))
                .collect()
        };
        upper.line(&mut out, colour, 0.8, &pick(|sample| sample.target_kbps));
        upper.line(&mut out, colour, 2.0, &pick(|sample| sample.received_kbps));
        lower.line(&mut out, colour, 1.0, &pick(|sample| sample.queued_ms));
    }
    out.push_str("</svg>\n");
    out
}

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

    fn frame(&self, out: &mut String) {
        for step in 0..=4 {
            let value = self.highest * f64::from(step) / 4.0;
            let (left, y) = self.at((0.0, value));
            let (right, _) = self.at((self.seconds, value));
            let _ = writeln!(
                out,
                "<line x1=\"{left}\" y1=\"{y:.1}\" x2=\"{right}\" y2=\"{y:.1}\" stroke=\"#ddd\"/>\
                 <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{value:.0}</text>",
                left - 6.0,
                y + 4.0
            );
        }
        for tick in 0..=(self.seconds / 20.0) as u32 {
            let (x, y) = self.at((f64::from(tick) * 20.0, 0.0));
            let _ = writeln!(
                out,
                "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{} s</text>",
                y + 16.0,
                tick * 20
            );
        }
    }

    fn line(&self, out: &mut String, colour: &str, width: f64, points: &[(f64, f64)]) {
        let _ = write!(
            out,
            "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\" points=\""
        );
        for &point in points {
            let (x, y) = self.at(point);
            let _ = write!(out, "{x:.1},{y:.1} ");
        }
        out.push_str("\"/>\n");
    }
}

const WIDTH: f64 = 900.0;
const LEFT: f64 = 60.0;
const COLOURS: [&str; 5] = ["#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e"];
