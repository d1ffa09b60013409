//! A lane's second connection, on which the server lists its keys, and the pages that are cut from the list.
//!
//! A cursor is a place in the order of the keys' hashes, so it stays good whatever becomes of the connection. Invariants:
//! a key that is there from a scan's beginning to its end is given; what is kept of the list is bounded
//! ([`MemcachedConfig::scan_bytes_max`]).

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use dynomite_codec::Output;
use tokio::time::{Sleep, sleep};

use super::crawl::{Crawl, CrawlEnd};
use super::found::{Collection, Found};
use super::{MemcachedConfig, handshake};
use crate::broken::Broken;
use crate::pipe::Pipe;

/// A crawler that is busy, or a list that came in pieces, is asked for again after this …
const AGAIN_INTERVAL: Duration = Duration::from_millis(100);
/// … and so many times in all.
const ATTEMPTS_MAX: u32 = 50;
/// The cursor that means the beginning where 0 would mean the end.
const FIRST: u64 = 1;

/// The connection and what was found on it.
pub(super) struct Scanner {
    config: Arc<MemcachedConfig>,
    state: State,
    /// Keys that the pages to come are cut from.
    found: Option<Found>,
    /// Why there is no page.
    failure: Option<String>,
    attempt_count: u32,
    /// Whether something was begun that the next poll has to go on with.
    is_due: bool,
}

enum State {
    Closed,
    Opening(Pin<Box<dyn Future<Output = Result<Pipe, Broken>>>>, u64),
    Idle(Box<Pipe>),
    Crawling(Box<Pipe>, Box<Crawl>),
    /// Asks again for the keys from a hash on.
    Pausing(Box<Pipe>, Pin<Box<Sleep>>, u64),
}

impl Scanner {
    pub(super) fn new(config: Arc<MemcachedConfig>) -> Self {
        Self { config, state: State::Closed, found: None, failure: None, attempt_count: 0, is_due: false }
    }

    /// A page was asked for. The first one of a scan makes the server list its keys from now on.
    pub(super) fn begin(&mut self, cursor: u64) {
        if cursor == 0 {
            self.found = None;
            self.failure = None;
            self.attempt_count = 0;
            if let State::Crawling(_, crawl) = &mut self.state {
                crawl.give_up();
            }
        }
    }

    /// The page from `cursor` on, with about `count` keys; `None` while the server lists them. Somebody who does not want to
    /// wait (`is_urgent`) gets an empty page.
    pub(super) fn page(&mut self, cursor: u64, count: usize, is_urgent: bool) -> Option<Output> {
        let cursor = cursor.max(FIRST);
        if let Some(text) = self.failure.take() {
            self.attempt_count = 0;
            return Some(Output::Failed(text));
        }
        if let Some(found) = self.found.as_mut().filter(|found| found.covers(cursor)) {
            let (keys, next) = found.take(cursor, count.max(1));
            if next == 0 {
                self.found = None;
            }
            return Some(Output::Scanned { keys, cursor: next });
        }
        self.want(cursor);
        is_urgent.then(|| Output::Scanned { keys: Vec::new(), cursor })
    }

    /// Whether there is something that only a poll can go on with.
    pub(super) fn is_due(&self) -> bool {
        self.is_due
    }

    /// Goes on with connecting, and with the list.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) {
        self.is_due = false;
        loop {
            let is_on = match &mut self.state {
                State::Closed | State::Idle(_) => false,
                State::Opening(opening, from) => {
                    let from = *from;
                    match opening.as_mut().poll(cx) {
                        Poll::Ready(Ok(pipe)) => self.crawl(Box::new(pipe), from),
                        Poll::Ready(Err(broken)) => self.fail(&broken),
                        Poll::Pending => return,
                    }
                    true
                }
                State::Crawling(pipe, crawl) => {
                    match crawl.poll(pipe, self.config.reserved.as_ref(), cx) {
                        Poll::Ready(Ok(end)) => self.crawled(end),
                        Poll::Ready(Err(broken)) => self.fail(&broken),
                        Poll::Pending => return,
                    }
                    true
                }
                State::Pausing(_, delay, from) => {
                    let from = *from;
                    if delay.as_mut().poll(cx).is_pending() {
                        return;
                    }
                    if let State::Pausing(pipe, ..) = std::mem::replace(&mut self.state, State::Closed) {
                        self.crawl(pipe, from);
                    }
                    true
                }
            };
            if !is_on {
                return;
            }
        }
    }

    /// Ends the connection. A scan that goes on later makes the server list its keys again.
    pub(super) fn close(&mut self) {
        self.state = State::Closed;
        self.found = None;
        self.failure = None;
        self.attempt_count = 0;
    }

    /// Makes the server list the keys from `from` on, unless it does so.
    fn want(&mut self, from: u64) {
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Closed => {
                let config = Arc::clone(&self.config);
                let opening = Box::pin(async move { handshake::open_side(&config).await });
                self.state = State::Opening(opening, from);
                self.is_due = true;
            }
            State::Idle(pipe) => {
                self.crawl(pipe, from);
                self.is_due = true;
            }
            State::Opening(opening, _) => self.state = State::Opening(opening, from),
            State::Pausing(pipe, delay, _) => self.state = State::Pausing(pipe, delay, from),
            State::Crawling(pipe, mut crawl) => {
                if crawl.from().is_some_and(|begun| begun != from) {
                    crawl.give_up();
                }
                self.state = State::Crawling(pipe, crawl);
            }
        }
    }

    fn crawl(&mut self, mut pipe: Box<Pipe>, from: u64) {
        let collection = Collection::new(from, self.config.scan_bytes_max);
        let crawl = Crawl::begin(collection, pipe.output());
        self.found = None;
        self.state = State::Crawling(pipe, Box::new(crawl));
    }

    fn crawled(&mut self, end: CrawlEnd) {
        let State::Crawling(pipe, crawl) = std::mem::replace(&mut self.state, State::Closed) else { return };
        let failure = match end {
            CrawlEnd::Found(found) => {
                // Of what goes to the end no more is needed, and the server has only so many connections.
                self.state = if found.is_last() { State::Closed } else { State::Idle(pipe) };
                self.found = Some(found);
                self.attempt_count = 0;
                return;
            }
            // Whoever asks next says from where on.
            CrawlEnd::Void if self.attempt_count < ATTEMPTS_MAX => {
                self.attempt_count += 1;
                self.state = State::Idle(pipe);
                return;
            }
            CrawlEnd::Void => {
                "ERR the datastore's list of keys could not be read without a pause: retry".to_owned()
            }
            CrawlEnd::Busy(text) if self.attempt_count < ATTEMPTS_MAX => {
                self.attempt_count += 1;
                tracing::debug!(reason = text, "waiting for the datastore's crawler");
                let from = crawl.from().unwrap_or(FIRST);
                self.state = State::Pausing(pipe, Box::pin(sleep(AGAIN_INTERVAL)), from);
                return;
            }
            CrawlEnd::Busy(text) => format!("{text}: retry"),
            CrawlEnd::Refused(text) => {
                format!("{text}: keys are listed by the crawler, start memcached with -o lru_crawler")
            }
        };
        self.failure = Some(failure);
        self.state = State::Idle(pipe);
    }

    /// The lane lives on: the page that is waited for fails, and the next one opens a connection.
    fn fail(&mut self, broken: &Broken) {
        self.state = State::Closed;
        self.failure = Some(format!("ERR no list of keys: {broken}"));
    }
}
