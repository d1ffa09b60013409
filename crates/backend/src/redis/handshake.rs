//! From nothing to a connection that takes operations: connect, authenticate, wait until the data is loaded, and ask
//! who is there and what is left of what was written.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use dynomite_codec::{ReplyFramer, ReplyView, STAGE_COUNT};
use tokio::time::{sleep, timeout};

use super::RedisConfig;
use super::commands::{append_command, error_text};
use super::connection::Connection;
use crate::StoreIdentity;
use crate::broken::Broken;
use crate::stream::Stream;

/// How often a server that is not ready is asked again.
const READY_INTERVAL: Duration = Duration::from_millis(100);

pub(super) async fn open(config: &RedisConfig, worker: usize) -> Result<(Connection, StoreIdentity), Broken> {
    let mut connection = connect(config, &format!("dynomite-{worker}")).await?;
    wait_until_ready(config.connect_timeout, &mut connection).await?;
    clear_stages(config, worker, &mut connection).await?;
    let identity = survey(config, worker, &mut connection).await?;
    Ok((connection, identity))
}

/// A connection beside that of a lane which is up.
pub(super) async fn open_side(config: &RedisConfig, worker: usize) -> Result<Connection, Broken> {
    connect(config, &format!("dynomite-{worker}-side")).await
}

async fn connect(config: &RedisConfig, name: &str) -> Result<Connection, Broken> {
    let limit = config.connect_timeout;
    let stream = timeout(limit, Stream::connect(&config.address))
        .await
        .map_err(|_| Broken::ConnectTimeout(limit))?
        .map_err(Broken::Connect)?;
    let mut connection = Connection::new(stream, ReplyFramer::new(config.reply_limits));
    authenticate(config, &mut connection).await?;
    // For `CLIENT LIST`. An old server, or an ACL, may refuse it; that costs a name and nothing else.
    let _ = ask(limit, &mut connection, &[b"CLIENT", b"SETNAME", name.as_bytes()]).await?;
    Ok(connection)
}

async fn authenticate(config: &RedisConfig, connection: &mut Connection) -> Result<(), Broken> {
    let Some(password) = &config.password else { return Ok(()) };
    let reply = match &config.username {
        Some(user) => {
            let args: [&[u8]; 3] = [b"AUTH", user.as_bytes(), password.as_bytes()];
            ask(config.connect_timeout, connection, &args).await?
        }
        None => ask(config.connect_timeout, connection, &[b"AUTH", password.as_bytes()]).await?,
    };
    error_text(&reply).map_or(Ok(()), |text| Err(Broken::Credentials(text)))
}

/// Waits as long as it takes: a large data set loads for minutes, and nothing can be done meanwhile.
async fn wait_until_ready(limit: Duration, connection: &mut Connection) -> Result<(), Broken> {
    let mut is_told = false;
    loop {
        let reply = ask(limit, connection, &[b"PING"]).await?;
        let Some(text) = error_text(&reply) else { return Ok(()) };
        match text.split(' ').next() {
            Some("LOADING" | "BUSY" | "MASTERDOWN") => {}
            Some("NOAUTH") => return Err(Broken::Credentials(text)),
            // MISCONF refuses writes and NOPERM this command; both concern the commands to come, not the connection.
            _ => return Ok(()),
        }
        if !is_told {
            tracing::info!(reason = text, "waiting for the datastore");
            is_told = true;
        }
        sleep(READY_INTERVAL).await;
    }
}

/// Removes what a worker of the same number left behind that ended, or lost its connection, in the middle of an install.
async fn clear_stages(
    config: &RedisConfig,
    worker: usize,
    connection: &mut Connection,
) -> Result<(), Broken> {
    let Some(reserved) = &config.reserved else { return Ok(()) };
    let keys: Vec<Bytes> = (0..STAGE_COUNT).map(|stage| reserved.stage(worker, stage)).collect();
    let args: Vec<&[u8]> = [&b"UNLINK"[..]].into_iter().chain(keys.iter().map(|key| &key[..])).collect();
    let reply = ask(config.connect_timeout, connection, &args).await?;
    // What stays is noticed by the first piece that meets it.
    if let Some(reason) = error_text(&reply) {
        tracing::warn!(worker, reason, "what may be left of unfinished installs could not be removed");
    }
    Ok(())
}

/// One connection lies inside one life of the server, so that all answers are of the same.
async fn survey(
    config: &RedisConfig,
    worker: usize,
    connection: &mut Connection,
) -> Result<StoreIdentity, Broken> {
    let limit = config.connect_timeout;
    let (kind, run_id) = server(&ask(limit, connection, &[b"INFO", b"server"]).await?)?;
    let keys = key_count(&ask(limit, connection, &[b"DBSIZE"]).await?)?;
    let marker = match &config.reserved {
        Some(reserved) => {
            let key = reserved.marker(worker);
            marker(&ask(limit, connection, &[b"GET", &key]).await?)?
        }
        None => None,
    };
    Ok(StoreIdentity { kind, run_id, keys, marker })
}

async fn ask(limit: Duration, connection: &mut Connection, args: &[&[u8]]) -> Result<Bytes, Broken> {
    append_command(connection.output(), args);
    within(limit, connection.round_trip(())).await
}

async fn within<T>(limit: Duration, answer: impl Future<Output = Result<T, Broken>>) -> Result<T, Broken> {
    timeout(limit, answer).await.unwrap_or(Err(Broken::AnswerTimeout(limit)))
}

/// Kind and `run_id`.
fn server(info: &[u8]) -> Result<(String, String), Broken> {
    const WHAT: &str = "run_id (INFO server)";
    if let Some(text) = error_text(info) {
        return Err(Broken::Identity { what: WHAT, text });
    }
    let info = String::from_utf8_lossy(info);
    let field = |name: &str| {
        info.lines().find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim_end().to_owned()))
    };
    let run_id =
        field("run_id").ok_or_else(|| Broken::Identity { what: WHAT, text: "no such field".to_owned() })?;
    // Valkey tells the version of Redis that it is compatible with, and its own.
    let kind = match field("valkey_version") {
        Some(version) => format!("valkey {version}"),
        None => format!("redis {}", field("redis_version").as_deref().unwrap_or("of unknown version")),
    };
    Ok((kind, run_id))
}

fn key_count(reply: &[u8]) -> Result<u64, Broken> {
    let text = match ReplyView::parse(reply) {
        Some(ReplyView::Integer(count)) if count >= 0 => return Ok(count.unsigned_abs()),
        _ => error_text(reply).ok_or(Broken::OutOfStep)?,
    };
    Err(Broken::Identity { what: "number of keys (DBSIZE)", text })
}

/// A marker that is no number says nothing, as if it were gone: data that is there may count as lost, never the reverse.
fn marker(reply: &[u8]) -> Result<Option<u64>, Broken> {
    let text = match ReplyView::parse(reply) {
        Some(ReplyView::Null) => return Ok(None),
        Some(ReplyView::Bulk(value)) => {
            return Ok(std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()));
        }
        _ => error_text(reply).ok_or(Broken::OutOfStep)?,
    };
    if text.starts_with("WRONGTYPE") {
        return Ok(None);
    }
    Err(Broken::Identity { what: "node's marker (GET)", text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kind_and_run_id_are_read_from_the_info_section() {
        let redis = b"$60\r\n# Server\r\nredis_version:7.0.15\r\nrun_id:abc\r\ntcp_port:0\r\n\r\n";
        assert_eq!(server(redis).unwrap(), ("redis 7.0.15".into(), "abc".into()));
        let valkey = b"$60\r\nredis_version:7.2.4\r\nvalkey_version:8.0.1\r\nrun_id:d\r\n\r\n";
        assert_eq!(server(valkey).unwrap().0, "valkey 8.0.1");
    }

    #[test]
    fn server_that_hides_what_it_is_or_holds_is_not_used() {
        assert!(matches!(server(b"$3\r\nx:y\r\n"), Err(Broken::Identity { .. })));
        assert!(
            matches!(server(b"-NOPERM no\r\n"), Err(Broken::Identity { text, .. }) if text == "NOPERM no")
        );
        assert!(matches!(key_count(b"-NOPERM no\r\n"), Err(Broken::Identity { .. })));
        assert!(matches!(key_count(b"+OK\r\n"), Err(Broken::OutOfStep)));
        assert!(matches!(marker(b"-NOPERM no\r\n"), Err(Broken::Identity { .. })));
        assert!(matches!(marker(b":5\r\n"), Err(Broken::OutOfStep)));
    }

    #[test]
    fn marker_that_is_no_number_is_as_good_as_none() {
        let cases: [(&[u8], Option<u64>); 6] = [
            (b"$2\r\n17\r\n", Some(17)),
            (b"$20\r\n18446744073709551615\r\n", Some(u64::MAX)),
            (b"$-1\r\n", None),
            (b"$0\r\n\r\n", None),
            (b"$2\r\n-1\r\n", None),
            (b"-WRONGTYPE Operation against a key\r\n", None),
        ];
        for (reply, expected) in cases {
            assert_eq!(marker(reply).unwrap(), expected, "{}", reply.escape_ascii());
        }
    }
}
