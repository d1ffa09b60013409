//! How fast a membership is, and what it costs, at its default settings.

use std::fmt;
use std::time::Duration;

use super::cluster::Cluster;
use super::network::Link;

/// After so long something is taken never to happen.
const LIMIT: Duration = Duration::from_secs(120);
/// So many members are killed, and so many changes made, with each seed; each when the one before is old news.
const TIMES: usize = 3;

/// What was measured of one protocol at one size, with one seed or with several.
#[derive(Debug, Clone)]
pub struct Figures {
    /// Members.
    pub size: usize,
    /// From the start of all of them until all know all.
    pub together: Times,
    /// From the death of a member until 99 % of the others call it down.
    pub down_for_most: Times,
    /// The same for all others.
    pub down_for_all: Times,
    /// From a change until all others have it.
    pub change: Times,
    /// What a member sends in a second when nothing happens, in bytes; with the seed with which it is most.
    pub sent_bytes: u64,
    /// What it receives in a second.
    pub received_bytes: u64,
    /// How often a live member was called down while there was loss and delay ([`Link::BAD`]), by whomever.
    pub false_down_count: u64,
}

/// How long something took each time; `None`: it never happened. Shown as median and worst.
#[derive(Debug, Clone, Default)]
pub struct Times(Vec<Option<Duration>>);

/// Measures a cluster that just starts, with `lossy_time` of loss and delay at the end.
pub fn measure<C: Cluster>(mut cluster: C, lossy_time: Duration) -> Figures {
    let size = cluster.size();
    let together = cluster.run_until(LIMIT, C::agree);
    cluster.run(Duration::from_secs(20));
    let (sent_bytes, received_bytes) = traffic(&mut cluster, Duration::from_secs(20));
    let down: Vec<_> = (1..=TIMES).map(|place| time_to_down(&mut cluster, place)).collect();
    let change = (1..=TIMES).map(|time| time_to_change(&mut cluster, size - time, time as u64)).collect();
    cluster.set_link(Link::BAD);
    let before = cluster.down_count();
    cluster.run(lossy_time);
    Figures {
        size,
        together: Times(vec![together]),
        down_for_most: Times(down.iter().map(|(most, _)| *most).collect()),
        down_for_all: Times(down.iter().map(|(_, all)| *all).collect()),
        change: Times(change),
        sent_bytes,
        received_bytes,
        false_down_count: cluster.down_count() - before,
    }
}

impl Figures {
    /// What stands above them when they are shown.
    pub const HEADER: &str =
        "members     together   down 99 %   down all     change  sent B/s  received B/s  false downs";

    /// The figures of several seeds together; `None`: of no seed.
    pub fn of_seeds(seeds: impl IntoIterator<Item = u64>, measure: impl FnMut(u64) -> Self) -> Option<Self> {
        seeds.into_iter().map(measure).reduce(|mut all, one| {
            all.join(one);
            all
        })
    }

    fn join(&mut self, other: Self) {
        self.together.0.extend(other.together.0);
        self.down_for_most.0.extend(other.down_for_most.0);
        self.down_for_all.0.extend(other.down_for_all.0);
        self.change.0.extend(other.change.0);
        self.sent_bytes = self.sent_bytes.max(other.sent_bytes);
        self.received_bytes = self.received_bytes.max(other.received_bytes);
        self.false_down_count += other.false_down_count;
    }

    /// What is asked for and was not reached.
    pub fn missed(&self) -> Vec<String> {
        let bytes_max = if self.size <= 100 { 4000 } else { 25_000 };
        let demands = [
            (self.down_for_most.are_within(8), "a dead member is called down by 99 % within 8 s"),
            (self.change.are_within(12), "a change reaches all within 12 s"),
            (self.false_down_count == 0, "no live member is called down"),
            (self.sent_bytes + self.received_bytes <= bytes_max, "what it sends and receives is bounded"),
        ];
        let missed = demands.into_iter().filter(|(is_met, _)| !is_met);
        missed.map(|(_, what)| format!("{} members: {what}", self.size)).collect()
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:7}  {:>11} {:>11} {:>10} {:>10}  {:8}  {:12}  {}",
            self.size,
            self.together,
            self.down_for_most,
            self.down_for_all,
            self.change,
            self.sent_bytes,
            self.received_bytes,
            self.false_down_count,
        )
    }
}

impl Times {
    fn are_within(&self, secs: u64) -> bool {
        self.0.iter().all(|time| time.is_some_and(|time| time <= Duration::from_secs(secs)))
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sorted: Vec<f64> =
            self.0.iter().map(|time| time.map_or(f64::INFINITY, |time| time.as_secs_f64())).collect();
        sorted.sort_by(f64::total_cmp);
        let show = |secs: f64| if secs.is_finite() { format!("{secs:.1}") } else { "never".to_owned() };
        match sorted.as_slice() {
            [] => Ok(()),
            [.., worst] => f.pad(&format!("{}/{} s", show(sorted[sorted.len() / 2]), show(*worst))),
        }
    }
}

/// Bytes that a member sends and receives in a second.
fn traffic(cluster: &mut impl Cluster, time: Duration) -> (u64, u64) {
    let before = cluster.byte_counts();
    cluster.run(time);
    let after = cluster.byte_counts();
    let per = cluster.size() as u64 * time.as_secs();
    ((after.0 - before.0) / per, (after.1 - before.1) / per)
}

fn time_to_down<C: Cluster>(cluster: &mut C, place: usize) -> (Option<Duration>, Option<Duration>) {
    cluster.kill(place);
    let others = cluster.size();
    let most = cluster.run_until(LIMIT, |cluster| cluster.down_at(place) * 100 >= others * 99);
    let rest = cluster.run_until(LIMIT, |cluster| cluster.down_at(place) >= others);
    let all = most.and_then(|most| Some(most + rest?));
    cluster.run(Duration::from_secs(5));
    (most, all)
}

fn time_to_change<C: Cluster>(cluster: &mut C, place: usize, value: u64) -> Option<Duration> {
    let all = cluster.size();
    cluster.change(place, value);
    let time = cluster.run_until(LIMIT, |cluster| cluster.know(place, value) >= all);
    cluster.run(Duration::from_secs(5));
    time
}
