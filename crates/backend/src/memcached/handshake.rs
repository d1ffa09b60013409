//! From nothing to a connection that takes operations: connect, and ask who is there and what is left of what was
//! written.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;

use super::MemcachedConfig;
use super::connection::Connection;
use super::framer::{ReplyFramer, Shape};
use super::key::KeyWord;
use super::meta;
use crate::StoreIdentity;
use crate::broken::Broken;
use crate::pipe::Pipe;
use crate::stream::Stream;

/// Has the meta commands with their final syntax, keys in base64, and lists keys by walking its hash table.
const OLDEST_VERSION: [u32; 3] = [1, 6, 10];
const OLDEST_VERSION_TEXT: &str = "1.6.10";

pub(super) async fn open(
    config: &MemcachedConfig,
    worker: usize,
) -> Result<(Connection, StoreIdentity), Broken> {
    let stream = connect(config).await?;
    let mut connection = Connection::new(stream, ReplyFramer::new(config.reply_bytes_max));
    let identity = survey(config, worker, &mut connection).await?;
    Ok((connection, identity))
}

/// A connection beside that of a lane which is up.
pub(super) async fn open_side(config: &MemcachedConfig) -> Result<Pipe, Broken> {
    Ok(Pipe::new(connect(config).await?))
}

async fn connect(config: &MemcachedConfig) -> Result<Stream, Broken> {
    let limit = config.connect_timeout;
    timeout(limit, Stream::connect(&config.address))
        .await
        .map_err(|_| Broken::ConnectTimeout(limit))?
        .map_err(Broken::Connect)
}

/// One connection lies inside one life of the server, so that all answers are of the same.
async fn survey(
    config: &MemcachedConfig,
    worker: usize,
    connection: &mut Connection,
) -> Result<StoreIdentity, Broken> {
    let limit = config.connect_timeout;
    let version = version(&ask(limit, connection, b"version\r\n", Shape::Line).await?)?;
    let stats = Stats::read(&ask(limit, connection, b"stats\r\n", Shape::Stats).await?)?;
    let marker = match &config.reserved {
        Some(reserved) => marker(limit, connection, &reserved.marker(worker)).await?,
        None => None,
    };
    Ok(StoreIdentity {
        kind: format!("memcached {version}"),
        run_id: stats.run_id,
        keys: stats.key_count,
        marker,
    })
}

async fn ask(
    limit: Duration,
    connection: &mut Connection,
    line: &[u8],
    shape: Shape,
) -> Result<Bytes, Broken> {
    connection.output().append(line);
    timeout(limit, connection.round_trip(shape)).await.unwrap_or(Err(Broken::AnswerTimeout(limit)))
}

/// The version, unless it is too old.
fn version(reply: &[u8]) -> Result<String, Broken> {
    let text = String::from_utf8_lossy(reply.trim_ascii_end()).into_owned();
    let Some(version) = text.strip_prefix("VERSION ") else {
        return Err(Broken::Identity { what: "version", text });
    };
    // What comes after the numbers is the packager's.
    let mut parts = version
        .split(|character: char| !character.is_ascii_digit())
        .map(|digits| digits.parse().unwrap_or(0));
    let numbers: [u32; 3] = std::array::from_fn(|_| parts.next().unwrap_or(0));
    if numbers < OLDEST_VERSION {
        return Err(Broken::Version { found: format!("memcached {version}"), needed: OLDEST_VERSION_TEXT });
    }
    Ok(version.to_owned())
}

/// What `stats` says of the server's life and of what it holds.
#[derive(Debug, PartialEq, Eq)]
struct Stats {
    /// The process number and the second in which it started: another one for every life of the server.
    run_id: String,
    key_count: u64,
}

impl Stats {
    fn read(reply: &[u8]) -> Result<Self, Broken> {
        let text = String::from_utf8_lossy(reply);
        let field = |name: &str| -> Option<u64> {
            text.lines().find_map(|line| {
                line.strip_prefix("STAT ")?.strip_prefix(name)?.strip_prefix(' ')?.trim_end().parse().ok()
            })
        };
        let read = || {
            let started_at = field("time")?.checked_sub(field("uptime")?)?;
            let run_id = format!("{}-{started_at}", field("pid")?);
            Some(Self { run_id, key_count: field("curr_items")? })
        };
        read().ok_or_else(|| Broken::Identity {
            what: "process and number of keys (stats)",
            text: text.lines().next().unwrap_or_default().to_owned(),
        })
    }
}

/// A marker that is no number says nothing, as if it were gone: data that is there may count as lost, never the reverse.
async fn marker(limit: Duration, connection: &mut Connection, key: &[u8]) -> Result<Option<u64>, Broken> {
    const WHAT: &str = "node's marker (mg)";
    let key = KeyWord::of(key).map_err(|text| Broken::Identity { what: WHAT, text })?;
    meta::append_read(connection.output(), &key);
    let reply = ask(limit, connection, b"", Shape::Meta).await?;
    if reply.starts_with(b"EN") {
        return Ok(None);
    }
    if !reply.starts_with(b"VA ") {
        let text = String::from_utf8_lossy(reply.trim_ascii_end()).into_owned();
        return Err(Broken::Identity { what: WHAT, text });
    }
    let item = meta::read_item(&reply).ok_or(Broken::OutOfStep)?;
    Ok(std::str::from_utf8(&item.value).ok().and_then(|text| text.parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_told_apart_by_their_numbers() {
        for good in ["1.6.10", "1.6.18", "1.6.18_debian", "1.7.0-beta", "1.10.1", "2.0.0"] {
            assert_eq!(version(format!("VERSION {good}\r\n").as_bytes()).unwrap(), good);
        }
        for old in ["1.6.9", "1.5.22", "1.6", "0.0.0", "x"] {
            let broken = version(format!("VERSION {old}\r\n").as_bytes()).unwrap_err().to_string();
            assert_eq!(broken, format!("the datastore is memcached {old}, and 1.6.10 or later is needed"));
        }
        let broken = version(b"ERROR Too many open connections\r\n").unwrap_err().to_string();
        assert_eq!(broken, "the datastore does not tell its version: ERROR Too many open connections");
    }

    #[test]
    fn process_and_start_make_the_run_id() {
        let stats = |text: &str| Stats::read(text.as_bytes());
        let read = stats(
            "STAT pid 7\r\nSTAT uptime 18\r\nSTAT time 118\r\nSTAT curr_items 3\r\nSTAT total_items 9\r\nEND\r\n",
        );
        assert_eq!(read.unwrap(), Stats { run_id: "7-100".into(), key_count: 3 });
        assert!(stats("STAT pid 7\r\nSTAT uptime 18\r\nSTAT time 118\r\nEND\r\n").is_err());
        assert!(stats("ERROR\r\n").unwrap_err().to_string().ends_with("(stats): ERROR"));
    }
}
