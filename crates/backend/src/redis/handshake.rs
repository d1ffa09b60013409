//! From nothing to a connection that takes operations: connect, authenticate, wait until the data is loaded, and ask
//! who is there.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{sleep, timeout};

use super::RedisConfig;
use super::broken::Broken;
use super::connection::Connection;
use super::owed::error_text;
use super::stream::Stream;
use crate::StoreIdentity;

/// How often a server that is not ready is asked again.
const READY_INTERVAL: Duration = Duration::from_millis(100);

pub(super) async fn open(config: &RedisConfig, worker: usize) -> Result<(Connection, StoreIdentity), Broken> {
    let limit = config.connect_timeout;
    let stream = timeout(limit, Stream::connect(&config.address))
        .await
        .map_err(|_| Broken::ConnectTimeout(limit))?
        .map_err(Broken::Connect)?;
    let mut connection = Connection::new(stream, config.reply_limits);
    authenticate(config, &mut connection).await?;
    // For `CLIENT LIST`. An old server, or an ACL, may refuse it; that costs a name and nothing else.
    let name = format!("dynomite-{worker}");
    let _ = ask(limit, &mut connection, &[b"CLIENT", b"SETNAME", name.as_bytes()]).await?;
    wait_until_ready(limit, &mut connection).await?;
    let info = ask(limit, &mut connection, &[b"INFO", b"server"]).await?;
    let identity = identity(&info)?;
    Ok((connection, identity))
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

async fn ask(limit: Duration, connection: &mut Connection, args: &[&[u8]]) -> Result<Bytes, Broken> {
    within(limit, connection.round_trip(args)).await
}

async fn within<T>(limit: Duration, answer: impl Future<Output = Result<T, Broken>>) -> Result<T, Broken> {
    timeout(limit, answer).await.unwrap_or(Err(Broken::AnswerTimeout(limit)))
}

fn identity(info: &[u8]) -> Result<StoreIdentity, Broken> {
    if let Some(text) = error_text(info) {
        return Err(Broken::Identity(text));
    }
    let info = String::from_utf8_lossy(info);
    let field = |name: &str| {
        info.lines().find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim_end().to_owned()))
    };
    let run_id = field("run_id").ok_or_else(|| Broken::Identity("no such field".to_owned()))?;
    // Valkey tells the version of Redis that it is compatible with, and its own.
    let kind = match field("valkey_version") {
        Some(version) => format!("valkey {version}"),
        None => format!("redis {}", field("redis_version").as_deref().unwrap_or("of unknown version")),
    };
    Ok(StoreIdentity { kind, run_id })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identity_is_read_from_the_info_section() {
        let redis = b"$60\r\n# Server\r\nredis_version:7.0.15\r\nrun_id:abc\r\ntcp_port:0\r\n\r\n";
        let expected = StoreIdentity { kind: "redis 7.0.15".into(), run_id: "abc".into() };
        assert_eq!(identity(redis).unwrap(), expected);
        let valkey = b"$60\r\nredis_version:7.2.4\r\nvalkey_version:8.0.1\r\nrun_id:d\r\n\r\n";
        assert_eq!(identity(valkey).unwrap().kind, "valkey 8.0.1");
    }

    #[test]
    fn server_without_a_run_id_is_not_used() {
        assert!(matches!(identity(b"$3\r\nx:y\r\n"), Err(Broken::Identity(_))));
        assert!(matches!(identity(b"-NOPERM no\r\n"), Err(Broken::Identity(text)) if text == "NOPERM no"));
    }
}
