// SPDX-License-Identifier: MPL-2.0
//! What a run is judged by, in numbers.

use std::fmt;
use std::time::Duration;

use testkit::relay::{INTERVAL, Passed};

use super::cases::Case;
use super::run::{Run, Sample};
use super::viewer::Seen;

/// A phase is judged once it has lasted this long.
const SETTLED: Duration = Duration::from_secs(10);
const SECOND: usize = 10;

/// The figures of a run. Shares are 0.0–1.0.
pub(crate) struct Figures {
    /// Used of the capacity by phase of constant capacity, after [`SETTLED`]; and over the whole run.
    used: Vec<f64>,
    used_overall: f64,
    /// 95th percentiles: of the mean wait of packets per second, and of the longest wait per interval.
    mean_wait: Duration,
    longest_wait: Duration,
    lost: f64,
    /// From each raise until 80 % of it pass, from each drop until no more than that is sent.
    reactions: Vec<Option<Duration>>,
    /// The highest ratio of what entered the link in a second to the mean estimate of it.
    over_estimate: f64,
    seen: Option<Seen>,
    /// When the picture was found to have been frozen.
    froze: Vec<Duration>,
    length: Duration,
}

impl Figures {
    pub(crate) fn of(case: &Case, run: &Run) -> Self {
        let passed = &run.passed;
        let phases = phases(case);
        let settled = phases.iter().map(|&(from, until)| (from + SETTLED, until));
        Self {
            used: settled.map(|phase| used(case, passed, phase)).collect(),
            used_overall: used(case, passed, (Duration::ZERO, case.length)),
            mean_wait: percentile_95(passed.chunks(SECOND).map(mean_wait)),
            longest_wait: percentile_95(passed.iter().map(|it| it.queued)),
            lost: lost(passed),
            reactions: phases
                .windows(2)
                .map(|pair| reaction(case, passed, pair[0].0, pair[1]))
                .collect(),
            over_estimate: over_estimate(passed, &run.samples),
            seen: run.seen,
            froze: froze(&run.samples),
            length: case.length,
        }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |ratio: &f64| format!("{:.0}", ratio * 100.0);
        let used: Vec<_> = self.used.iter().map(percent).collect();
        write!(
            f,
            "used {} %, overall {:.0} %; ",
            used.join(", "),
            self.used_overall * 100.0
        )?;
        let (mean, longest) = (self.mean_wait.as_millis(), self.longest_wait.as_millis());
        write!(
            f,
            "p95 of queueing {mean} ms a second, {longest} ms at its longest; lost {:.2} %; ",
            self.lost * 100.0
        )?;
        write!(f, "at most {:.2} of the estimate in a second", self.over_estimate)?;
        for reaction in &self.reactions {
            match reaction {
                Some(time) => write!(f, ", {:.1} s", time.as_secs_f64())?,
                None => f.write_str(", never")?,
            }
        }
        if let Some(seen) = &self.seen {
            write!(
                f,
                "; {seen}, {:.2} % of the time",
                seen.frozen.as_secs_f64() / self.length.as_secs_f64() * 100.0
            )?;
            let at: Vec<_> = self
                .froze
                .iter()
                .map(|at| format!("{:.0}", at.as_secs_f64()))
                .collect();
            if !at.is_empty() {
                write!(f, " (at {} s)", at.join(", "))?;
            }
        }
        Ok(())
    }
}

fn froze(samples: &[Sample]) -> Vec<Duration> {
    let pairs = samples.windows(2).filter(|pair| pair[0].frozen < pair[1].frozen);
    pairs.map(|pair| pair[1].at).collect()
}

/// Beginnings and ends of the times of one capacity.
fn phases(case: &Case) -> Vec<(Duration, Duration)> {
    let starts: Vec<Duration> = case.forward.rates.iter().map(|(from, _)| *from).collect();
    let ends = starts.iter().skip(1).copied().chain([case.length]);
    starts.iter().copied().zip(ends).collect()
}

fn intervals(passed: &[Passed], (from, until): (Duration, Duration)) -> &[Passed] {
    let index = |time: Duration| ((time.as_millis() / INTERVAL.as_millis()) as usize).min(passed.len());
    &passed[index(from).min(index(until))..index(until)]
}

fn bits(passed: &[Passed]) -> f64 {
    passed.iter().map(|it| it.passed_bytes as f64 * 8.0).sum()
}

fn used(case: &Case, passed: &[Passed], span: (Duration, Duration)) -> f64 {
    let share = |&(from, until): &(Duration, Duration)| {
        let (from, until) = (from.max(span.0), until.min(span.1));
        case.forward.rate_at(from) as f64 * until.saturating_sub(from).as_secs_f64()
    };
    let capacity: f64 = phases(case).iter().map(share).sum();
    bits(intervals(passed, span)) / capacity.max(1.0)
}

fn mean_wait(second: &[Passed]) -> Duration {
    let packets: u64 = second.iter().map(|it| it.packets).sum();
    let waited: Duration = second.iter().map(|it| it.queued_sum).sum();
    waited / u32::try_from(packets.max(1)).unwrap_or(u32::MAX)
}

fn lost(passed: &[Passed]) -> f64 {
    let sum = |count: fn(&Passed) -> u64| passed.iter().map(count).sum::<u64>() as f64;
    sum(|it| it.dropped) / sum(|it| it.dropped + it.packets).max(1.0)
}

/// How long after a change of capacity half a second's rate is right: 80 % of what it was raised to, or no more enters
/// than passes.
fn reaction(
    case: &Case,
    passed: &[Passed],
    before: Duration,
    (from, until): (Duration, Duration),
) -> Option<Duration> {
    let (old, new) = (
        case.forward.rate_at(before) as f64,
        case.forward.rate_at(from) as f64,
    );
    let windows = intervals(passed, (from, until)).windows(SECOND / 2);
    let length = INTERVAL.as_secs_f64() * (SECOND / 2) as f64;
    let is_right = |window: &[Passed]| {
        let entered: f64 = window.iter().map(|it| it.sent_bytes as f64 * 8.0).sum();
        if new > old {
            bits(window) >= 0.8 * new * length
        } else {
            entered <= new * length
        }
    };
    let found = windows.enumerate().find(|(_, window)| is_right(window))?.0;
    Some(INTERVAL * (found + SECOND / 2) as u32)
}

/// An interval counts with the higher of the estimates at its ends.
fn over_estimate(passed: &[Passed], samples: &[Sample]) -> f64 {
    let estimates: Vec<f64> = samples
        .windows(2)
        .map(|ends| ends[0].estimate.max(ends[1].estimate) as f64)
        .collect();
    let seconds = passed
        .get(1..)
        .unwrap_or_default()
        .windows(SECOND)
        .zip(estimates.windows(SECOND));
    let ratio = |(passed, estimates): (&[Passed], &[f64])| {
        let sent: f64 = passed.iter().map(|it| it.sent_bytes as f64 * 8.0).sum();
        let estimate = estimates.iter().sum::<f64>() / SECOND as f64;
        if estimate > 0.0 { sent / estimate } else { 0.0 }
    };
    seconds.map(ratio).fold(0.0, f64::max)
}

fn percentile_95(times: impl Iterator<Item = Duration>) -> Duration {
    let mut times: Vec<_> = times.collect();
    times.sort();
    times.get(times.len() * 95 / 100).copied().unwrap_or_default()
}
