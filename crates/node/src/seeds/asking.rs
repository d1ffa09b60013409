//! One source, asked again and again.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::entries::Entries;
use super::error::AskError;
use super::names::Names;
use super::union::Union;
use super::{SeedSource, file, florida, http};
use crate::backoff::Backoff;

/// The first wait after a try that failed; later ones double, up to the interval.
const RETRY_MIN: Duration = Duration::from_secs(1);

/// Something that can be asked for addresses.
pub(super) trait Source: Send + 'static {
    fn ask(&mut self) -> impl Future<Output = Result<Answer, AskError>> + Send;
}

/// What a source knows.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) addresses: Vec<SocketAddr>,
    /// What of it could not be used, for the log.
    pub(super) complaints: Vec<String>,
}

/// A source as it is configured, with what is remembered between two questions.
pub(super) struct Asker {
    source: SeedSource,
    names: Names,
}

impl Asker {
    pub(super) fn new(source: SeedSource) -> Self {
        Self { source, names: Names::default() }
    }
}

impl Source for Asker {
    async fn ask(&mut self) -> Result<Answer, AskError> {
        let entries = match &self.source {
            SeedSource::Host(host) => Entries::one(host.clone()),
            SeedSource::File(path) => file::read(path).await?,
            SeedSource::Http(url) => florida::parse(&http::fetch(url).await?),
            #[cfg(feature = "srv")]
            SeedSource::Srv(name) => super::srv::look_up(name).await?,
            #[cfg(not(feature = "srv"))]
            SeedSource::Srv(name) => {
                let reason = "this program was built without the feature `srv`".to_owned();
                return Err(AskError::Service { name: name.clone(), reason });
            }
        };
        self.names.resolve(&entries).await
    }
}

/// Asks `source`, which is number `index` of the union, every `interval`, until nobody wants to know any more.
pub(super) async fn keep_asking(
    mut source: impl Source,
    name: String,
    index: usize,
    union: Arc<Union>,
    interval: Duration,
) {
    let mut backoff = Backoff::new(RETRY_MIN, interval);
    let mut log = Log { name, is_silent: None, complaints: Vec::new() };
    loop {
        let asked = tokio::select! {
            biased;
            () = union.unwanted() => return,
            asked = source.ask() => asked,
        };
        let wait = match asked {
            Ok(answer) => {
                log.note_answer(&answer);
                union.replace(index, answer.addresses);
                backoff.reset();
                // Nodes that were started together do not ask together for ever.
                interval - interval / 5 + backoff.spread(interval / 5)
            }
            Err(error) => {
                log.note_failure(&error);
                backoff.next()
            }
        };
        tokio::select! {
            biased;
            () = union.unwanted() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// Says what changes, and nothing of what stays as it was.
struct Log {
    name: String,
    /// `None` before the first answer.
    is_silent: Option<bool>,
    complaints: Vec<String>,
}

impl Log {
    fn note_answer(&mut self, answer: &Answer) {
        let (seeds, count) = (&self.name, answer.addresses.len());
        if self.is_silent != Some(false) {
            tracing::info!(%seeds, addresses = count, "seeds found");
        }
        self.is_silent = Some(false);
        if answer.complaints != self.complaints {
            if !answer.complaints.is_empty() {
                tracing::warn!(%seeds, "not all seeds can be used: {}", answer.complaints.join("; "));
            }
            self.complaints.clone_from(&answer.complaints);
        }
    }

    fn note_failure(&mut self, error: &AskError) {
        let seeds = &self.name;
        if self.is_silent == Some(true) {
            tracing::debug!(%seeds, "still no seeds: {error}");
            return;
        }
        let before = if self.is_silent.is_some() { "; what it told before holds meanwhile" } else { "" };
        tracing::warn!(%seeds, "no seeds: {error}; it is asked again and again{before}");
        self.is_silent = Some(true);
    }
}
