// SPDX-License-Identifier: MPL-2.0
//! The figures of a run that the limits are written for, and the table of them.

use std::fmt;
use std::time::Duration;

use congestion::units::Bitrate;

use super::report::{FlowLog, jain};
use super::world::Outcome;

/// What a run is judged by.
#[derive(Clone, Debug)]
pub struct Figures {
    /// Share of the capacity that media used, per phase of the capacity, each after its first 10 s.
    pub utilisation: Vec<f64>,
    /// The worst flow's 95th percentile of queueing delay.
    pub queueing_p95_ms: f64,
    /// The worst flow's loss over the whole run.
    pub loss_ratio: f64,
    /// Over the second half of the run.
    pub jain: f64,
    /// Received by each flow in that half.
    pub received: Vec<Bitrate>,
    /// The most any flow sent in a second, in multiples of its estimate.
    pub worst_second: f64,
    /// How long the oldest packet of the pacers waited, on average over the run, and the longest any did.
    pub mean_pacing: Duration,
    pub pacing: Duration,
}

impl Figures {
    pub fn of(outcome: &Outcome) -> Self {
        let end = outcome.plan.duration.as_secs();
        let flows = &outcome.flows;
        let most = |figure: &dyn Fn(&FlowLog) -> f64| flows.iter().map(figure).fold(0.0, f64::max);
        let received: Vec<_> = flows.iter().map(|flow| flow.received(end / 2, end)).collect();
        Self {
            utilisation: phases(outcome)
                .into_iter()
                .map(|(from, until)| used(outcome, from, until))
                .collect(),
            queueing_p95_ms: most(&|flow| flow.queueing_ms(0.95, 0, end)),
            loss_ratio: most(&|flow| flow.loss_ratio()),
            jain: jain(&received),
            received,
            worst_second: most(&|flow| flow.worst_second()),
            mean_pacing: mean(flows.iter().flat_map(|flow| flow.pacing.iter().copied())),
            pacing: flows
                .iter()
                .flat_map(|flow| flow.pacing.iter().copied())
                .max()
                .unwrap_or_default(),
        }
    }

    pub fn least_utilisation(&self) -> f64 {
        self.utilisation.iter().copied().fold(1.0, f64::min)
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |ratio: &f64| format!("{:.0}", ratio * 100.0);
        let used: Vec<_> = self.utilisation.iter().map(percent).collect();
        let received: Vec<_> = self
            .received
            .iter()
            .map(|rate| (rate.bps() / 1000).to_string())
            .collect();
        write!(
            f,
            "| {:>15} | {:>4.0} | {:>5.2} | {:.3} | {:>5.2} | {:>2} {:>4} | {} |",
            used.join(" "),
            self.queueing_p95_ms,
            self.loss_ratio * 100.0,
            self.jain,
            self.worst_second,
            self.mean_pacing.as_millis(),
            self.pacing.as_millis(),
            received.join(" ")
        )
    }
}

/// The column titles of [`Figures`].
pub const TITLES: &str =
    "| use per phase % | p95 ms | loss % | Jain | x estimate | pacer, mean and most ms | kbit/s each |";

fn mean(times: impl Iterator<Item = Duration>) -> Duration {
    let (count, sum) = times.fold((0, Duration::ZERO), |(count, sum), time| (count + 1, sum + time));
    sum / count.max(1)
}

/// The phases of the capacity, without the first 10 s of each, in seconds.
fn phases(outcome: &Outcome) -> Vec<(u64, u64)> {
    let starts: Vec<u64> = outcome
        .plan
        .forward
        .rates
        .iter()
        .map(|(from, _)| from.as_secs())
        .collect();
    let ends = starts
        .iter()
        .skip(1)
        .copied()
        .chain([outcome.plan.duration.as_secs()]);
    starts
        .iter()
        .zip(ends)
        .map(|(&from, until)| (from + 10, until))
        .collect()
}

fn used(outcome: &Outcome, from: u64, until: u64) -> f64 {
    let forward = outcome
        .flows
        .iter()
        .zip(&outcome.plan.flows)
        .filter(|(_, plan)| !plan.backward);
    forward
        .map(|(flow, _)| flow.utilisation(&outcome.plan.forward, from, until))
        .sum()
}
