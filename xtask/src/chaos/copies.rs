//! What the datastores hold, read from them directly, and whether all hold the same.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use dynomite_testkit::request;

use super::class::PREFIX;
use super::cluster::RACKS_PER_DC;
use super::load::reply::{Connection, Reply};
use super::run::Run;
use super::state::{Form, State};

/// Keys that are asked about at once.
const PIPELINE_KEYS: usize = 500;
const SCAN_COUNT: &str = "2000";
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// Two copies expire at the same moment when they do so within this many milliseconds.
const EXPIRY_SLACK_MS: i64 = 1_000;

/// What one datastore holds of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Copy {
    pub(super) state: State,
    /// In milliseconds since 1970.
    pub(super) expires_at: Option<i64>,
}

/// All keys of one datastore.
pub(super) type Copies = BTreeMap<String, Copy>;

/// All copies of one key that are not equal, in the order of the hosts.
pub(super) struct Difference {
    pub(super) key: String,
    pub(super) copies: Vec<Copy>,
}

impl Difference {
    /// Whether copies of one datacenter differ, and not only those of two.
    pub(super) fn is_within_a_datacenter(&self) -> bool {
        self.copies.chunks(RACKS_PER_DC).any(|copies| !are_equal(&copies.iter().collect::<Vec<_>>()))
    }
}

/// Reads some keys of all datastores, or all; in the order of the hosts.
pub(super) fn read_all(run: &Run, only: Option<&BTreeSet<String>>) -> Result<Vec<Copies>> {
    thread::scope(|scope| {
        let readers: Vec<_> = run
            .cluster
            .hosts
            .iter()
            .map(|host| scope.spawn(move || read(host.store_address, only)))
            .collect();
        let names = run.cluster.hosts.iter().map(|host| &host.name);
        let join = |(reader, name): (thread::ScopedJoinHandle<'_, Result<Copies>>, &String)| {
            let copies = reader.join().map_err(|_| anyhow!("a reader panicked"))?;
            copies.with_context(|| format!("the datastore of {name} cannot be read"))
        };
        readers.into_iter().zip(names).map(join).collect()
    })
}

/// Reads some keys of one datastore, or all.
fn read(address: SocketAddr, only: Option<&BTreeSet<String>>) -> Result<Copies> {
    let mut connection = Connection::open(address)?;
    let keys = match only {
        Some(keys) => keys.iter().cloned().collect(),
        None => scan(&mut connection)?,
    };
    let mut copies = Copies::new();
    for keys in keys.chunks(PIPELINE_KEYS) {
        let questions = keys.iter().flat_map(|key| [vec!["TYPE", key], vec!["PEXPIRETIME", key]]);
        let mut kinds = ask(&mut connection, questions)?.into_iter();
        let mut found = Vec::new();
        for key in keys {
            let (Some(Reply::Simple(name)), Some(Reply::Integer(expiry))) = (kinds.next(), kinds.next())
            else {
                bail!("no type or no expiry of {key}");
            };
            if name != "none" {
                let form = Form::of_type(&name).with_context(|| format!("{key} is of type {name}"))?;
                found.push((key, form, expiry));
            }
        }
        let values = ask(&mut connection, found.iter().map(|(key, form, _)| form.command(key)))?;
        for ((key, form, expiry), value) in found.into_iter().zip(values) {
            // It may have expired or got another type in between; the next look sees that.
            let state = form.state(value).unwrap_or(State::Absent);
            if state != State::Absent {
                copies.insert(key.clone(), Copy { state, expires_at: (expiry >= 0).then_some(expiry) });
            }
        }
    }
    Ok(copies)
}

fn scan(connection: &mut Connection) -> Result<Vec<String>> {
    let pattern = format!("{PREFIX}*");
    let mut keys = BTreeSet::new();
    let mut cursor = "0".to_owned();
    loop {
        let question = vec!["SCAN", &cursor, "MATCH", &pattern, "COUNT", SCAN_COUNT];
        let Some(Reply::Array(parts)) = ask(connection, [question])?.pop() else { bail!("no reply to SCAN") };
        let Ok([next, Reply::Array(found)]) = <[Reply; 2]>::try_from(parts) else {
            bail!("SCAN has other parts")
        };
        for key in found {
            keys.insert(String::from_utf8(key.into_bulk().context("a key that is none")?)?);
        }
        cursor = String::from_utf8(next.into_bulk().context("a cursor that is none")?)?;
        if cursor == "0" {
            return Ok(keys.into_iter().collect());
        }
    }
}

fn ask<'a>(
    connection: &mut Connection,
    questions: impl IntoIterator<Item = Vec<&'a str>>,
) -> Result<Vec<Reply>> {
    let mut bytes = Vec::new();
    let mut count = 0;
    for question in questions {
        bytes.extend(request(&question));
        count += 1;
    }
    connection.send(&bytes, ANSWER_MAX)?;
    let until = Instant::now() + ANSWER_MAX;
    (0..count).map(|_| Ok(connection.reply(until)?)).collect()
}

/// The keys that are not the same everywhere.
pub(super) fn differences(all: &[Copies]) -> Vec<Difference> {
    let keys: BTreeSet<&String> = all.iter().flat_map(Copies::keys).collect();
    let mut differences = Vec::new();
    for key in keys {
        let absent = Copy { state: State::Absent, expires_at: None };
        let copies: Vec<&Copy> = all.iter().map(|copies| copies.get(key).unwrap_or(&absent)).collect();
        if !are_equal(&copies) {
            differences.push(Difference { key: key.clone(), copies: copies.into_iter().cloned().collect() });
        }
    }
    differences
}

fn are_equal(copies: &[&Copy]) -> bool {
    let expiries: Vec<i64> = copies.iter().filter_map(|copy| copy.expires_at).collect();
    let spread = expiries.iter().max().zip(expiries.iter().min()).map_or(0, |(max, min)| max - min);
    copies.iter().all(|copy| copy.state == copies[0].state)
        && (expiries.is_empty() || expiries.len() == copies.len())
        && spread <= EXPIRY_SLACK_MS
}

#[cfg(test)]
mod tests {
    use dynomite_testkit::Redis;

    use super::*;

    fn filled(commands: &[&str]) -> Copies {
        let redis = Redis::start();
        for command in commands {
            let reply = redis.client().command(&command.split(' ').collect::<Vec<_>>());
            assert!(!reply.starts_with(b"-"), "{command}: {}", reply.escape_ascii());
        }
        read(redis.address(), None).expect("readable")
    }

    const ALL_TYPES: [&str; 7] = [
        "SET chaos:text v",
        "RPUSH chaos:list a b",
        "HSET chaos:hash a 1 b 2",
        "SADD chaos:set a b c",
        "ZADD chaos:sorted 1 a 2 b",
        "SET chaos:expiring v PXAT 99999999999999",
        "SET elsewhere v",
    ];

    #[test]
    fn every_type_is_read_and_foreign_keys_are_not() {
        let copies = filled(&ALL_TYPES);
        assert_eq!(copies.len(), 6);
        assert_eq!(copies["chaos:expiring"].expires_at, Some(99_999_999_999_999));
        assert_eq!(copies["chaos:list"].state, State::List(vec![b"a".to_vec(), b"b".to_vec()]));
        assert_eq!(copies["chaos:text"], Copy { state: State::Text(b"v".to_vec()), expires_at: None });
    }

    #[test]
    fn only_differing_keys_are_told() {
        let one = filled(&ALL_TYPES);
        let other = filled(&[&ALL_TYPES[..], &["HSET chaos:hash a 3", "SET chaos:more v"]].concat());
        assert!(differences(&[one.clone(), filled(&ALL_TYPES)]).is_empty());
        let differing: Vec<String> =
            differences(&[one.clone(), one, other]).into_iter().map(|difference| difference.key).collect();
        assert_eq!(differing, ["chaos:hash", "chaos:more"]);
    }

    #[test]
    fn datacenters_may_differ_while_their_racks_do_not() {
        let copy = |text: &str| Copy { state: State::Text(text.into()), expires_at: None };
        let is_within = |texts: [&str; 6]| {
            Difference { key: "k".into(), copies: texts.map(copy).into() }.is_within_a_datacenter()
        };
        assert!(!is_within(["a", "a", "a", "b", "b", "b"]));
        assert!(is_within(["a", "a", "a", "b", "a", "b"]));
    }

    #[test]
    fn expiries_may_differ_by_a_second() {
        let copy = |expires_at| Copy { state: State::Text(b"v".to_vec()), expires_at };
        let equal = |one, other| are_equal(&[&copy(one), &copy(other)]);
        assert!(equal(Some(5_000), Some(6_000)) && equal(None, None));
        assert!(!equal(Some(5_000), Some(6_001)) && !equal(Some(5_000), None));
    }

    #[test]
    fn many_keys_are_read() {
        let redis = Redis::start();
        let bytes: Vec<u8> =
            (0..3_210).flat_map(|key| request(&["SET", &format!("chaos:{key}"), "v"])).collect();
        redis.client().exchange(&bytes, 3_210);
        assert_eq!(read(redis.address(), None).expect("readable").len(), 3_210);
        let some = BTreeSet::from(["chaos:7".to_owned(), "chaos:none".to_owned()]);
        assert_eq!(read(redis.address(), Some(&some)).expect("readable").len(), 1);
    }
}
