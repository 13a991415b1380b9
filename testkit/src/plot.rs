// SPDX-License-Identifier: MPL-2.0
//! Plots of a run over time as SVG: two panels, rates above and delays below.

use std::fmt::Write as _;

/// A picture of `seconds` whose upper panel reaches to `highest`, the lower one to 320.
#[derive(Debug)]
pub struct Plot {
    /// For rates.
    pub upper: Panel,
    /// For delays.
    pub lower: Panel,
}

impl Plot {
    /// Two empty panels of one length.
    pub fn new(seconds: f64, highest: f64) -> Self {
        let panel = |top, height, highest| Panel {
            top,
            height,
            seconds,
            highest,
        };
        Self {
            upper: panel(40.0, 260.0, highest),
            lower: panel(340.0, 110.0, 320.0),
        }
    }

    /// The document: a title, both panels' scales with a time each `tick` seconds, and the `lines`.
    pub fn document(&self, title: &str, tick: f64, lines: &str) -> String {
        let (upper, lower) = (self.upper.grid(tick), self.lower.grid(tick));
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"480\" font-family=\"sans-serif\" \
             font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
             <text x=\"{LEFT}\" y=\"24\" font-size=\"15\">{title}</text>\n{upper}{lower}{lines}</svg>\n"
        )
    }
}

/// A part of the picture with its own scale.
#[derive(Debug)]
pub struct Panel {
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

    /// Four lines with their values, and the time each `tick` seconds.
    fn grid(&self, tick: f64) -> String {
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
        for index in 0..=(self.seconds / tick) as u32 {
            let time = tick * f64::from(index);
            let (x, y) = self.at((time, 0.0));
            let _ = writeln!(
                out,
                "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{time:.0} s</text>",
                y + 16.0
            );
        }
        out
    }

    /// A line through points of seconds and values.
    pub fn line(&self, colour: &str, width: f64, points: &[(f64, f64)]) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_spans_its_panels_and_names_its_times() {
        let plot = Plot::new(100.0, 2000.0);
        let line = plot
            .upper
            .line("black", 1.5, &[(0.0, 0.0), (100.0, 2000.0), (50.0, 9000.0)]);
        assert!(
            line.contains("points=\"60.0,300.0 880.0,40.0 470.0,40.0\""),
            "{line}"
        );
        let document = plot.document("title", 20.0, &line);
        assert!(document.starts_with("<svg") && document.ends_with("</svg>\n"));
        assert_eq!(document.matches(" s</text>").count(), 12);
    }
}
