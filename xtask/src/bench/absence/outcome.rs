//! What came of an absence, as people and programs read it.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use super::How;
use super::samples::{Samples, Summary};
use crate::bench::{machine, table};

/// A node that was away for a minute has caught up so soon after its return.
const CATCH_UP_SECONDS_MAX: f64 = 30.0;
/// Meanwhile the 99th percentile of latencies is less than so many times what it was before.
const P99_GROWTH_MAX: f64 = 2.0;

const HEADING: [&str; 11] = [
    "phase",
    "seconds",
    "requests/s",
    "errors",
    "p50 ms",
    "p99 ms",
    "p99.9 ms",
    "max ms",
    "worst second's p99",
    "p99 / before",
    "busy cores",
];

/// Since the load began.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Moment {
    pub(super) at: Duration,
    /// What the machine's processors had worked by then.
    pub(super) busy: Duration,
}

/// When things happened.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Moments {
    pub(super) begun: Moment,
    pub(super) left: Moment,
    pub(super) returned: Moment,
    /// It answered clients again.
    pub(super) answered: Moment,
    pub(super) caught_up: Moment,
    pub(super) ended: Moment,
    /// What the other nodes had noted for it when it came back.
    pub(super) hints: u64,
    pub(super) buckets_marked: u64,
}

/// Requests of one kind in one phase.
struct Phase {
    name: &'static str,
    kind: &'static str,
    seconds: f64,
    summary: Summary,
    p99_growth: f64,
    busy_cores: f64,
}

pub(super) struct Outcome {
    moments: Moments,
    how: How,
    phases: Vec<Phase>,
    errors: Vec<(String, u64)>,
}

impl Outcome {
    pub(super) fn new(moments: &Moments, samples: &Samples, how: How) -> Self {
        let mut phases = Vec::new();
        for (kind, is_write) in [("writes", true), ("reads", false)] {
            let before = samples.summary(moments.begun.at, moments.left.at, is_write);
            for (name, from, to) in moments.phases() {
                let summary = samples.summary(from.at, to.at, is_write);
                let p99_growth = summary.p99_ms / before.p99_ms;
                let seconds = (to.at - from.at).as_secs_f64();
                let busy_cores = (to.busy - from.busy).as_secs_f64() / seconds;
                phases.push(Phase { name, kind, seconds, summary, p99_growth, busy_cores });
            }
        }
        let errors = samples.errors().iter().map(|(text, count)| (text.clone(), *count)).collect();
        Self { moments: *moments, how, phases, errors }
    }

    pub(super) fn text(&self) -> String {
        let row = |phase: &Phase| {
            let summary = &phase.summary;
            vec![
                format!("{} {}", phase.kind, phase.name),
                format!("{:.1}", phase.seconds),
                format!("{:.0}", summary.per_second),
                summary.error_count.to_string(),
                format!("{:.2}", summary.p50_ms),
                format!("{:.2}", summary.p99_ms),
                format!("{:.2}", summary.p999_ms),
                format!("{:.1}", summary.max_ms),
                format!("{:.2}", summary.worst_second_p99_ms()),
                format!("{:.2}", phase.p99_growth),
                format!("{:.2}", phase.busy_cores),
            ]
        };
        let phases: Vec<Vec<String>> =
            self.phases.iter().filter(|phase| phase.summary.count > 0).map(row).collect();
        let mut text = table::aligned(&HEADING, &phases);
        for (error, count) in &self.errors {
            text.push_str(&format!("{count} x {error}\n"));
        }
        let targets: Vec<Vec<String>> = self
            .targets()
            .iter()
            .map(|target| {
                let word = if target.is_kept() { "ok" } else { "MISSED" };
                vec![target.name.clone(), format!("{:.2}", target.reached), target.bound(), word.to_owned()]
            })
            .collect();
        text.push('\n');
        text.push_str(&table::aligned(&["target", "reached", "", ""], &targets));
        text
    }

    pub(super) fn json(&self, settings: &Value) -> Result<String> {
        let since_return = |moment: Moment| (moment.at - self.moments.returned.at).as_secs_f64();
        let phase = |phase: &Phase| {
            let summary = &phase.summary;
            json!({
                "requests": phase.kind,
                "phase": phase.name,
                "seconds": phase.seconds,
                "count": summary.count,
                "errors": summary.error_count,
                "requests_per_second": summary.per_second,
                "p50_ms": summary.p50_ms,
                "p99_ms": summary.p99_ms,
                "p999_ms": summary.p999_ms,
                "max_ms": summary.max_ms,
                "p99_ms_by_second": summary.p99_ms_by_second,
                "p99_times_before": phase.p99_growth,
                "busy_cores": phase.busy_cores,
            })
        };
        let target = |target: &Target| {
            json!({
                "target": target.name,
                "reached": target.reached,
                "bound": target.bound(),
                "is_kept": target.is_kept(),
            })
        };
        let all = json!({
            "date": machine::now()?,
            "machine": machine::machine()?,
            "settings": settings,
            "hints_at_return": self.moments.hints,
            "buckets_needing_repair_at_return": self.moments.buckets_marked,
            "answered_seconds": since_return(self.moments.answered),
            "caught_up_seconds": since_return(self.moments.caught_up),
            "phases": self.phases.iter().map(phase).collect::<Vec<_>>(),
            "errors": self.errors,
            "targets": self.targets().iter().map(target).collect::<Vec<_>>(),
        });
        Ok(format!("{all:#}\n"))
    }

    pub(super) fn missed_count(&self) -> usize {
        self.targets().iter().filter(|target| !target.is_kept()).count()
    }

    fn targets(&self) -> Vec<Target> {
        let caught_up = (self.moments.caught_up.at - self.moments.returned.at).as_secs_f64();
        let what = match self.how {
            How::Kill => "seconds from the node's start",
            How::Freeze => "seconds from the node's thaw",
            How::Datastore => "seconds from its datastore's thaw",
        };
        let mut targets = vec![Target {
            name: format!("{what} until its copies are equal"),
            reached: caught_up,
            max: CATCH_UP_SECONDS_MAX,
            is_exclusive: false,
        }];
        for phase in self.phases.iter().filter(|phase| phase.name == RETURN && phase.summary.count > 0) {
            targets.push(Target {
                name: format!("p99 of {} meanwhile, as a multiple of before", phase.kind),
                reached: phase.p99_growth,
                max: P99_GROWTH_MAX,
                is_exclusive: true,
            });
        }
        targets
    }
}

const RETURN: &str = "while it catches up";

impl Moments {
    fn phases(&self) -> [(&'static str, Moment, Moment); 4] {
        [
            ("before", self.begun, self.left),
            ("while it is away", self.left, self.returned),
            (RETURN, self.returned, self.caught_up),
            ("after", self.caught_up, self.ended),
        ]
    }
}

struct Target {
    name: String,
    reached: f64,
    max: f64,
    /// The bound itself is a miss.
    is_exclusive: bool,
}

impl Target {
    /// What is no number keeps no bound.
    fn is_kept(&self) -> bool {
        if self.is_exclusive { self.reached < self.max } else { self.reached <= self.max }
    }

    fn bound(&self) -> String {
        format!("{} {}", if self.is_exclusive { "<" } else { "<=" }, self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::absence::samples::Sample;

    /// One write a second, of so many milliseconds before and while the node catches up, which takes a while.
    fn outcome(before_ms: u64, return_ms: u64, seconds: u64) -> Outcome {
        let at = Duration::from_secs;
        // Half of a core works.
        let moment = |seconds| Moment { at: at(seconds), busy: at(seconds) / 2 };
        let moments = Moments {
            begun: moment(0),
            left: moment(10),
            returned: moment(70),
            answered: moment(71),
            caught_up: moment(70 + seconds),
            ended: moment(80 + seconds),
            hints: 1,
            buckets_marked: 0,
        };
        let mut samples = Samples::default();
        for due in 0..80 + seconds {
            let ms = if (70..70 + seconds).contains(&due) { return_ms } else { before_ms };
            samples.push(Sample::new(at(due), Duration::from_millis(ms), true, false));
        }
        Outcome::new(&moments, &samples, How::Kill)
    }

    #[test]
    fn targets_are_missed_beyond_their_bounds() {
        assert_eq!(outcome(5, 9, 30).missed_count(), 0);
        assert_eq!(outcome(5, 10, 30).missed_count(), 1, "doubled");
        assert_eq!(outcome(5, 9, 31).missed_count(), 1, "late");
        assert_eq!(outcome(5, 50, 31).missed_count(), 2);
    }

    #[test]
    fn outcome_is_json() {
        let text = outcome(5, 10, 12).json(&json!({})).expect("a machine");
        let parsed: Value = serde_json::from_str(&text).expect("it is JSON");
        assert_eq!((&parsed["caught_up_seconds"], &parsed["answered_seconds"]), (&json!(12.0), &json!(1.0)));
        assert_eq!(parsed["phases"][2]["p99_times_before"], 2.0);
        assert_eq!(parsed["phases"][2]["busy_cores"], 0.5);
        assert_eq!(parsed["targets"][1]["is_kept"], false);
    }
}
