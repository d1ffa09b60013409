//! What a node remembers over a restart: engines are made of what its data directory has, and write to it.

use std::sync::Arc;
use std::thread;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use dynomite_replication::{Engine, LogError, Now, Recovery};

use crate::disk::{DataDir, DiskError, DiskSettings, LogKind, LogSource, Logs, ReadError, SegmentLog, Taken};
use crate::node::StartError;
use crate::shared::Shared;
use crate::slice::slice_of;
use crate::worker::engine_of;

/// A worker's engine, and where what it wants kept goes; nowhere without a data directory.
pub(crate) struct Remembering {
    pub(crate) engine: Engine,
    pub(crate) journal: Option<Journal>,
}

/// A worker's record log.
#[derive(Debug)]
pub(crate) struct Journal {
    log: SegmentLog,
    /// Frames that are not in the log yet.
    frames: Vec<u8>,
    is_failing: bool,
}

impl Journal {
    fn new(log: SegmentLog) -> Self {
        Self { log, frames: Vec::new(), is_failing: false }
    }

    /// Brings to the log what the engine wants kept. Whether all of it is there: until then nothing that came out of the engine
    /// may be carried out.
    pub(crate) fn keep(&mut self, engine: &mut Engine) -> bool {
        engine.seal_log(&mut self.frames);
        if self.frames.is_empty() {
            return true;
        }
        let is_kept = self.log.append(&self.frames).is_ok();
        if is_kept {
            self.frames.clear();
        }
        if is_kept == self.is_failing {
            self.is_failing = !is_kept;
            engine.handle_log_failing(self.is_failing);
        }
        is_kept
    }

    /// Notes that the node stops in an orderly way, if nothing is in flight.
    pub(crate) fn close(&mut self, engine: &mut Engine) {
        if self.keep(engine) {
            engine.seal_clean(&mut self.frames);
            // Without that frame the next start is as after a crash, which it can be.
            let _ = self.log.append(&self.frames);
        }
    }

    /// Lets go of what is not needed any more.
    pub(crate) fn tidy(&mut self, engine: &Engine) {
        self.log.drop_below(engine.log_floor());
    }

    /// Whether it could not be written the last time.
    pub(crate) fn is_failing(&self) -> bool {
        self.is_failing
    }
}

/// Makes the engines of all workers of what the data directory has. Takes as long as reading that takes.
///
/// # Errors
/// When the directory cannot be used, or the system refuses. Logs that are damaged are no error: what they said counts as lost.
pub(crate) fn remember(shared: &Arc<Shared>) -> Result<(Option<DataDir>, Vec<Remembering>), StartError> {
    let Some(settings) = DiskSettings::of(&shared.config).filter(|_| shared.is_replicated()) else {
        let engines = (0..shared.worker_count).map(|worker| {
            let mut engine = engine_of(shared, worker);
            engine.finish_recovery(now(), Recovery::Log);
            Remembering { engine, journal: None }
        });
        return Ok((None, engines.collect()));
    };
    let directory = DataDir::open(settings)?;
    let logs = directory.logs(LogKind::Records, shared.worker_count as u16)?;
    let started_at = Instant::now();
    let read: Vec<Result<(Engine, Option<Taken>), DiskError>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..shared.worker_count)
            .map(|worker| {
                scope.spawn({
                    let logs = &logs;
                    move || recover(shared, logs, worker)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("recovery does not panic")).collect()
    });
    let (engines, taken): (Vec<_>, Vec<_>) =
        read.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
    tracing::info!(
        path = %directory.path().display(),
        records = engines.iter().map(|engine| engine.stats().records).sum::<u64>(),
        ms = started_at.elapsed().as_millis() as u64,
        "records are read"
    );
    let journals = logs.open(taken.into_iter().flatten().collect())?;
    let both = engines.into_iter().zip(journals);
    Ok((
        Some(directory),
        both.map(|(engine, log)| Remembering { engine, journal: Some(Journal::new(log)) }).collect(),
    ))
}

fn recover(shared: &Shared, logs: &Logs, worker: usize) -> Result<(Engine, Option<Taken>), DiskError> {
    let mut engine = engine_of(shared, worker);
    let is_own = |key: &[u8]| slice_of(shared.ring.token(key), shared.worker_count) == worker;
    let mut source: Option<LogSource> = None;
    let read = logs.read(worker as u16, |from, frame| -> Result<(), LogError> {
        if source.replace(from).is_some_and(|before| before != from) {
            engine.recover_next_log();
        }
        engine.recover_frame(frame.payload, is_own)
    });
    match read {
        Ok(taken) => {
            let in_doubt = engine.finish_recovery(now(), Recovery::Log);
            if in_doubt > 0 {
                tracing::info!(
                    worker,
                    keys = in_doubt,
                    "writes on these keys were under way when the node ended"
                );
            }
            Ok((engine, Some(taken)))
        }
        Err(ReadError::Damaged(damage)) => {
            tracing::error!(worker, %damage, "the record log is damaged; this worker's copies are rebuilt from the other racks");
            engine.finish_recovery(now(), Recovery::LogLost);
            Ok((engine, None))
        }
        Err(ReadError::Disk(error)) => Err(error),
    }
}

fn now() -> Now {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Now { ms: 0, wall_us: wall.as_micros() as u64 }
}
