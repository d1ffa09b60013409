//! Waiting until all copies are equal, after everything was mended: first for what nodes heal by themselves, then for what they
//! find when they are asked to compare.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::class::Class;
use super::cluster::Host;
use super::copies::{self, Copies, Difference};
use super::repairs::{self, Comparison};
use super::run::Run;
use super::violations::Kind;

/// Between two looks at what is not equal yet.
const POLL_INTERVAL: Duration = Duration::from_millis(500);
const TELL_INTERVAL: Duration = Duration::from_secs(5);
/// What has not changed for so long, while nobody has hints left, does not heal by itself any more.
const QUIET: Duration = Duration::from_secs(5);
/// What nodes have not healed by themselves by then is left to comparing.
const BY_THEMSELVES_MAX: Duration = Duration::from_secs(45);
/// Comparing leaves out what was written so shortly before it (docs/operations.md).
const UNCOMPARED: Duration = Duration::from_secs(16);
/// States that were found on one side travel to the other datacenter after the comparison has ended.
const ARRIVAL_MAX: Duration = Duration::from_secs(10);
/// Comparisons that follow each other sooner are of the same moment, and tell nothing new.
const BETWEEN_COMPARISONS: Duration = Duration::from_secs(11);
/// Keys that needed comparing, and are told one by one.
const TOLD_MAX: usize = 20;

/// Where waiting for equal copies has led.
pub(super) struct Convergence {
    /// When all were equal without comparing, if they were; times are since everything was mended.
    pub(super) by_themselves: Option<Duration>,
    /// When all were equal for good.
    pub(super) took: Option<Duration>,
    /// What was not equal when comparing began.
    pub(super) needed_comparing: Vec<Difference>,
    /// What comparing has found, each time.
    pub(super) comparisons: Vec<Comparison>,
    pub(super) copies: Vec<Copies>,
    pub(super) differences: Vec<Difference>,
}

/// Waits until all datastores hold the same and comparing finds no difference, at most for `deadline`. Before `settled_at`
/// keys are still expiring.
pub(super) fn converge(run: &Run, deadline: Duration, settled_at: Instant) -> Result<Convergence> {
    let mut watch = Watch::new(run, settled_at);
    let until = watch.began_at + deadline;
    let (by_themselves, needed_comparing) = wait_for_heals(&mut watch, until)?;
    match by_themselves {
        Some(took) => run.journal.line(&format!("all copies are equal after {:.1} s", took.as_secs_f64())),
        None => tell(run, &needed_comparing),
    }
    wait_until(settled_at.max(watch.began_at + UNCOMPARED))?;
    let mut equal_after = by_themselves;
    let mut comparisons = Vec::new();
    loop {
        let found = repairs::compare_all(run, until)?;
        run.journal.line(&format!("comparing: {}", found.shown()));
        comparisons.push(found);
        let compared_at = Instant::now();
        let seen = wait_for_arrivals(&mut watch)?;
        let are_equal = seen.differences.is_empty();
        equal_after = are_equal.then(|| equal_after.unwrap_or_else(|| watch.began_at.elapsed()));
        let is_late = Instant::now() >= until;
        if are_equal && is_late && !found.is_clean() {
            let text = format!("all copies are equal, and comparing still finds: {}", found.shown());
            run.violations.add(Kind::Compared, "cluster", text);
        }
        if are_equal && found.is_clean() || is_late {
            return Ok(Convergence {
                by_themselves,
                took: equal_after,
                needed_comparing,
                comparisons,
                copies: seen.copies,
                differences: seen.differences,
            });
        }
        wait_until(compared_at + BETWEEN_COMPARISONS)?;
    }
}

/// Looks at all copies until they are equal, or what a comparison has sent should have arrived.
fn wait_for_arrivals(watch: &mut Watch<'_>) -> Result<Seen> {
    let until = Instant::now() + ARRIVAL_MAX;
    loop {
        let seen = watch.look()?;
        if seen.are_all_equal() {
            return Ok(seen);
        }
        if Instant::now() >= until {
            return watch.look_at_all();
        }
        thread::sleep(POLL_INTERVAL);
    }
}

/// Waits for what nodes do when they are not asked: until all is equal, which is told with its time, or nothing more
/// happens; then what is not equal.
fn wait_for_heals(watch: &mut Watch<'_>, until: Instant) -> Result<(Option<Duration>, Vec<Difference>)> {
    let until = until.min(watch.began_at + BY_THEMSELVES_MAX);
    let mut last = (BTreeSet::new(), Instant::now());
    loop {
        let seen = watch.look()?;
        if seen.are_all_equal() {
            return Ok((Some(watch.began_at.elapsed()), Vec::new()));
        }
        let keys: BTreeSet<String> = seen.differences.iter().map(|one| one.key.clone()).collect();
        if keys != last.0 || has_hints(watch.run) {
            last = (keys, Instant::now());
        }
        if last.1.elapsed() > QUIET || Instant::now() >= until {
            let seen = watch.look_at_all()?;
            if !seen.differences.is_empty() {
                return Ok((None, seen.differences));
            }
        }
        thread::sleep(POLL_INTERVAL);
    }
}

fn has_hints(run: &Run) -> bool {
    let hints = |host: &Host| host.facts().and_then(|facts| facts.count("hints_pending"));
    // A node that does not answer has been noticed before.
    run.cluster.hosts.iter().any(|host| hints(host).is_ok_and(|count| count > 0))
}

fn wait_until(moment: Instant) -> Result<()> {
    while Instant::now() < moment {
        super::interrupt::check()?;
        thread::sleep(POLL_INTERVAL.min(moment.saturating_duration_since(Instant::now())));
    }
    Ok(())
}

/// Keys that do not heal by themselves, for whoever looks for the cause.
fn tell(run: &Run, needed_comparing: &[Difference]) {
    let within = needed_comparing.iter().filter(|one| one.is_within_a_datacenter()).count();
    run.journal.line(&format!(
        "{} keys do not become equal by themselves, {within} of them within a datacenter",
        needed_comparing.len()
    ));
    for difference in needed_comparing.iter().take(TOLD_MAX) {
        let copies: Vec<String> = difference.copies.iter().map(|copy| copy.state.shown()).collect();
        run.journal.line(&format!("  {}: {}", difference.key, copies.join(" | ")));
    }
}

/// Looks at all copies again and again: at all keys, and while some are not equal at those alone.
struct Watch<'a> {
    run: &'a Run,
    began_at: Instant,
    settled_at: Instant,
    watched: Option<BTreeSet<String>>,
    told_at: Instant,
}

/// What one look has shown.
struct Seen {
    copies: Vec<Copies>,
    differences: Vec<Difference>,
    /// Whether all keys were looked at.
    is_whole: bool,
}

impl Seen {
    fn are_all_equal(&self) -> bool {
        self.is_whole && self.differences.is_empty()
    }
}

impl<'a> Watch<'a> {
    fn new(run: &'a Run, settled_at: Instant) -> Self {
        let now = Instant::now();
        Self { run, began_at: now, settled_at, watched: None, told_at: now }
    }

    fn look_at_all(&mut self) -> Result<Seen> {
        self.watched = None;
        self.look()
    }

    fn look(&mut self) -> Result<Seen> {
        super::interrupt::check()?;
        let is_settled = Instant::now() >= self.settled_at;
        let is_whole = self.watched.is_none();
        let copies = copies::read_all(self.run, self.watched.as_ref())?;
        let mut differences = copies::differences(&copies);
        if !is_settled {
            // Two datastores are never asked at the same moment.
            differences.retain(|difference| !difference.key.starts_with(&Class::Expiry.prefix()));
        }
        if self.told_at.elapsed() > TELL_INTERVAL && !differences.is_empty() {
            self.told_at = Instant::now();
            self.run.journal.line(&format!("{} keys are not equal on all copies", differences.len()));
        }
        // When the few that are watched have become equal, all are looked at.
        let keys: BTreeSet<String> = differences.iter().map(|difference| difference.key.clone()).collect();
        self.watched = (!keys.is_empty()).then_some(keys);
        Ok(Seen { copies, differences, is_whole })
    }
}
