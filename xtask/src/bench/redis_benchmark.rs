//! `redis-benchmark`: how it is called, what it says, and that it does not pass over errors.

use std::net::SocketAddr;
use std::process::{Child, Command, Output, Stdio};

use anyhow::{Context, Result, bail, ensure};

use super::loads::{CONNECTION_COUNT, Load, MGET_KEY_COUNT, MIXED_WRITER_COUNT, Operation};

/// What it prints when a reply is an error. Some versions end at the first one, some go on.
const ERROR_REPLY: &str = "Error from server";
/// In which part of the requests of [`Operation::Mixed`] write.
const MIXED_WRITE_SHARE: f64 = MIXED_WRITER_COUNT as f64 / CONNECTION_COUNT as f64;

/// One run, as the clients saw it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Measured {
    /// Requests that were answered.
    pub(crate) request_count: u64,
    /// From the first request to the last reply.
    pub(crate) seconds: f64,
    /// Of the reads, where there are reads and writes.
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
}

impl Measured {
    pub(crate) fn requests_per_second(&self) -> f64 {
        self.request_count as f64 / self.seconds
    }
}

/// Sends about `request_count` requests of this load, and waits for all the replies.
///
/// # Errors
/// When a reply is an error, the connection breaks, or the program is not there.
pub(crate) fn run(address: SocketAddr, load: &Load, request_count: u64) -> Result<Measured> {
    if load.operation != Operation::Mixed {
        return Running::start(address, load, load.operation, CONNECTION_COUNT, request_count)?.finish();
    }
    let write_count = (request_count as f64 * MIXED_WRITE_SHARE) as u64;
    let (readers, writers) = (CONNECTION_COUNT - MIXED_WRITER_COUNT, MIXED_WRITER_COUNT);
    let reads = Running::start(address, load, Operation::Get, readers, request_count - write_count)?;
    let writes = Running::start(address, load, Operation::Set, writers, write_count)?.finish();
    let (reads, writes) = (reads.finish()?, writes?);
    Ok(Measured {
        request_count: reads.request_count + writes.request_count,
        seconds: reads.seconds.max(writes.seconds),
        ..reads
    })
}

/// Fails unless an error reply of the server at `address` makes a run fail.
///
/// # Errors
/// When the installed version takes error replies for answers like any other.
pub(crate) fn prove_that_errors_fail(address: SocketAddr) -> Result<()> {
    let mut command = command(address, 1, 1, 1);
    let output = command.arg("LPUSH").output().context("cannot start redis-benchmark")?;
    ensure!(check(&output).is_err(), "this redis-benchmark passes over error replies; a newer one is needed");
    Ok(())
}

/// What `redis-benchmark --version` says.
pub(crate) fn version() -> Result<String> {
    let output = Command::new("redis-benchmark").arg("--version").output()?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// A started program. Killed when dropped.
struct Running {
    child: Option<Child>,
    request_count: u64,
}

impl Running {
    fn start(
        address: SocketAddr,
        load: &Load,
        operation: Operation,
        connection_count: u32,
        request_count: u64,
    ) -> Result<Self> {
        // Whole pipelines: of a part of one, the rest would be sent and not counted.
        let request_count = request_count.max(1).next_multiple_of(u64::from(load.depth));
        let mut command = command(address, connection_count, load.depth, request_count);
        command.args(["-r", &load.key_count().to_string(), "-d", &load.value_bytes.to_string()]);
        match operation {
            Operation::Get => command.args(["-t", "get"]),
            Operation::Set => command.args(["-t", "set"]),
            Operation::Mget => command.arg("MGET").args([RANDOM_KEY; MGET_KEY_COUNT]),
            Operation::Mixed => bail!("two programs make a mixed load, not one"),
        };
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().context("cannot start redis-benchmark")?;
        Ok(Self { child: Some(child), request_count })
    }

    fn finish(mut self) -> Result<Measured> {
        let child = self.child.take().context("it was started")?;
        let output = child.wait_with_output()?;
        check(&output)?;
        let line = parse(&String::from_utf8_lossy(&output.stdout))?;
        Ok(Measured {
            request_count: self.request_count,
            seconds: self.request_count as f64 / line.requests_per_second,
            p50_ms: line.p50_ms,
            p99_ms: line.p99_ms,
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself in the meantime.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The key that the built-in tests use, with the part that is replaced by a random number.
const RANDOM_KEY: &str = "key:__rand_int__";

/// One of those keys, with its number.
pub(crate) fn key(number: u32) -> String {
    format!("key:{number:012}")
}

fn command(address: SocketAddr, connection_count: u32, depth: u32, request_count: u64) -> Command {
    let mut command = Command::new("redis-benchmark");
    command.args(["-h", &address.ip().to_string(), "-p", &address.port().to_string()]);
    command.args(["-c", &connection_count.to_string(), "-P", &depth.to_string()]);
    // `-e` makes old versions tell of error replies, and does nothing in those that end at the first.
    command.args(["-n", &request_count.to_string(), "--csv", "-e"]);
    command
}

fn check(output: &Output) -> Result<()> {
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "redis-benchmark: {}: {}", output.status, said.trim());
    ensure!(!said.contains(ERROR_REPLY), "redis-benchmark: {}", said.trim());
    Ok(())
}

/// What one line of the table says.
#[derive(Debug, PartialEq)]
struct Line {
    requests_per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
}

/// Reads a heading and one line: `"GET","930232.56","0.5",…`. Columns are found by their names.
fn parse(csv: &str) -> Result<Line> {
    let mut lines = csv.lines().map(|line| line.split(',').map(|field| field.trim_matches('"')));
    let heading: Vec<&str> = lines.next().context("redis-benchmark said nothing")?.collect();
    let fields: Vec<&str> =
        lines.next().with_context(|| format!("redis-benchmark only said {csv:?}"))?.collect();
    ensure!(lines.next().is_none(), "redis-benchmark measured more than one command: {csv:?}");
    let field = |name: &str| -> Result<f64> {
        let at = heading.iter().position(|column| *column == name);
        let text = at.and_then(|at| fields.get(at)).with_context(|| format!("no {name} in {csv:?}"))?;
        text.parse().with_context(|| format!("{name} of redis-benchmark is {text:?}"))
    };
    let line = Line {
        requests_per_second: field("rps")?,
        p50_ms: field("p50_latency_ms")?,
        p99_ms: field("p99_latency_ms")?,
    };
    ensure!(line.requests_per_second.is_finite() && line.requests_per_second > 0.0, "no rate in {csv:?}");
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADING: &str = "\"test\",\"rps\",\"avg_latency_ms\",\"min_latency_ms\",\"p50_latency_ms\",\
                           \"p95_latency_ms\",\"p99_latency_ms\",\"max_latency_ms\"\n";

    #[test]
    fn columns_are_found_by_name() {
        let csv = format!(
            "{HEADING}\"SET\",\"50000.00\",\"0.043\",\"0.024\",\"0.047\",\"0.079\",\"0.167\",\"0.2\"\n"
        );
        let line = parse(&csv).expect("a heading and a line");
        assert_eq!(line, Line { requests_per_second: 50_000.0, p50_ms: 0.047, p99_ms: 0.167 });
        let other_order = "\"p99_latency_ms\",\"rps\",\"p50_latency_ms\"\n3,1,2\n";
        let line = parse(other_order).expect("a heading and a line");
        assert_eq!(line, Line { requests_per_second: 1.0, p50_ms: 2.0, p99_ms: 3.0 });
    }

    #[test]
    fn what_is_no_figure_is_an_error() {
        assert!(parse("").is_err() && parse(HEADING).is_err() && parse("nonsense\nmore\n").is_err());
        assert!(
            parse("\"rps\",\"p50_latency_ms\",\"p99_latency_ms\"\n0,1,1\n").is_err(),
            "a rate of nothing"
        );
        assert!(parse("\"rps\",\"p50_latency_ms\",\"p99_latency_ms\"\n1,1,1\n2,1,1\n").is_err(), "two lines");
    }

    #[test]
    fn keys_are_those_of_the_built_in_tests() {
        assert_eq!(key(42), "key:000000000042");
    }
}
