//! One client: a connection to a node of its datacenter, and to another when that breaks.

use std::io;
use std::time::{Duration, Instant};

use crate::chaos::cluster::REQUEST_TIMEOUT;
use crate::chaos::history::{Key, Look, Micros, Outcome};
use crate::chaos::judge;
use crate::chaos::ledger::Place;
use crate::chaos::random::Random;
use crate::chaos::run::Run;
use crate::chaos::violations::Kind;

use super::batch::{Asked, Batch, What};
use super::command::{end_write, form};
use super::reply::{Connection, Reply};

/// Commands that are sent together at most.
const BATCH_MAX: u64 = 16;
/// What an answer may take beyond its deadline: the machine is busy, and clocks are swept, not set.
const ANSWER_SLACK: Duration = Duration::from_secs(2);
/// How long a client waits that no node took.
const CONNECT_PAUSE: Duration = Duration::from_millis(50);

pub(super) struct Client<'a> {
    run: &'a Run,
    host: usize,
    dc: u8,
    random: Random,
    connection: Option<Connection>,
}

impl<'a> Client<'a> {
    pub(super) fn new(run: &'a Run, host: usize, random: Random) -> Self {
        Self { run, host, dc: run.cluster.hosts[host].dc, random, connection: None }
    }

    /// Sends one batch and waits for its answers; gives the number of commands.
    pub(super) fn round(&mut self) -> usize {
        let Some(mut connection) = self.connection.take().or_else(|| self.connect()) else {
            self.run.pause(CONNECT_PAUSE);
            return 0;
        };
        let count = self.random.between(1..BATCH_MAX + 1) as usize;
        let batch = Batch::new(self.run, self.dc, count, &mut self.random);
        let sent_at = Instant::now();
        let mut until = sent_at;
        let mut broken = connection.send(&batch.bytes, REQUEST_TIMEOUT + ANSWER_SLACK).err();
        for asked in &batch.asked {
            until = until.max(sent_at + REQUEST_TIMEOUT * asked.turn + ANSWER_SLACK);
            if broken.is_none() {
                match connection.reply(until) {
                    Ok(reply) => {
                        self.answered(asked, &reply, batch.begun_at);
                        continue;
                    }
                    Err(error) => broken = Some(error),
                }
            }
            self.unanswered(asked, batch.begun_at);
        }
        match broken {
            None => self.connection = Some(connection),
            Some(error) => self.blame(&error, batch.begun_at),
        }
        count
    }

    /// Connects to the node it was connected to before, or else to another of the datacenter.
    fn connect(&mut self) -> Option<Connection> {
        if let Ok(connection) = Connection::open(self.run.cluster.hosts[self.host].client_address) {
            return Some(connection);
        }
        let others: Vec<usize> = self.run.cluster.hosts_of(self.dc).collect();
        self.host = others[self.random.index(others.len())];
        None
    }

    fn answered(&self, asked: &Asked, reply: &Reply, begun_at: Micros) {
        let run = self.run;
        let now = run.clock.now();
        let took = now - begun_at;
        if let Reply::Error(text) = reply {
            run.tally.error(text);
        }
        match &asked.what {
            What::Echo { text } => {
                if *reply != Reply::Bulk(Some(text.clone().into_bytes())) {
                    self.misshapen("ECHO", &format!("answered {} to ECHO {text}", reply.shown()));
                }
            }
            What::Write { place, write } => {
                let ended = run.ledger.at(*place, |key| {
                    end_write(key, *write, reply, now).map_err(|shown| {
                        let text = format!("#{write} was answered {shown}");
                        run.violations.add_key(Kind::Misshapen, key, text);
                    })
                });
                let outcome = ended.unwrap_or(Outcome::Unknown);
                if outcome == Outcome::Other {
                    self.misshapen(place.class.name(), &format!("a write was answered {}", reply.shown()));
                }
                run.tally.write(place.class, outcome, took);
            }
            What::Read { place } => {
                let is_error = matches!(reply, Reply::Error(_));
                run.tally.read(place.class, is_error, took);
                if !is_error {
                    let look = Look { dc: Some(self.dc), begun_at, answered_at: now };
                    run.ledger.at(*place, |key| self.has_read(*place, key, &look, reply));
                }
            }
        }
    }

    fn has_read(&self, place: Place, key: &mut Key, look: &Look, reply: &Reply) {
        let violations = &self.run.violations;
        let Some(state) = form(place.class).state(reply.clone()) else {
            violations.add_key(Kind::Misshapen, key, format!("was read as {}", reply.shown()));
            return;
        };
        if key.is_reported {
            return;
        }
        if let Some(contradiction) = judge::contradiction(key, look, &state) {
            key.is_reported = true;
            let text = format!(
                "a read at {}, from {:.6} to {:.6}: {contradiction}",
                self.run.cluster.hosts[self.host].name,
                look.begun_at as f64 / 1e6,
                look.answered_at as f64 / 1e6,
            );
            violations.add_key(Kind::Read, key, text);
        }
    }

    fn unanswered(&self, asked: &Asked, begun_at: Micros) {
        let run = self.run;
        let took = run.clock.now() - begun_at;
        match &asked.what {
            What::Echo { .. } => {}
            What::Read { place } => run.tally.read(place.class, true, took),
            What::Write { place, write } => {
                run.ledger.at(*place, |key| {
                    key.writes[*write].outcome = Outcome::Unknown;
                    key.writes[*write].answered_at = run.clock.now();
                });
                run.tally.write(place.class, Outcome::Unknown, took);
            }
        }
    }

    /// A broken connection is the node's fault unless something was done to the node.
    fn blame(&self, error: &io::Error, begun_at: Micros) {
        let run = self.run;
        let host = &run.cluster.hosts[self.host];
        if host.was_disturbed(begun_at, run.clock.now()) {
            return;
        }
        let seconds = begun_at as f64 / 1e6;
        match error.kind() {
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => run.violations.add(
                Kind::Late,
                &host.name,
                format!("no answer after {:.1} s to what was asked at {seconds:.6}", {
                    (run.clock.now() - begun_at) as f64 / 1e6
                }),
            ),
            io::ErrorKind::InvalidData => {
                run.violations.add(
                    Kind::Misshapen,
                    &host.name,
                    format!("answered what is no reply: {error}"),
                );
            }
            _ => run.violations.add(
                Kind::Closed,
                &host.name,
                format!("closed a connection, in use since {seconds:.6}: {error}"),
            ),
        }
    }

    fn misshapen(&self, subject: &str, text: &str) {
        let text = format!("{} {text}", self.run.cluster.hosts[self.host].name);
        self.run.violations.add(Kind::Misshapen, subject, text);
    }
}
