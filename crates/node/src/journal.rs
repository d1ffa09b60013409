//! What a node remembers over a restart: engines are made of what its data directory has, and write to it.

use std::sync::Arc;
use std::thread;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use dynomite_replication::{Engine, LogError, Now, Recovery};

use crate::disk::{DataDir, DiskError, LogKind, LogSource, Logs, ReadError, SegmentLog, Taken};
use crate::node::StartError;
use crate::shared::Shared;
use crate::slice::slice_of;
use crate::worker::engine_of;

/// A worker's engine, and where what it wants kept goes; nowhere without a data directory.
pub(crate) struct Remembering {
    pub(crate) engine: Engine,
    pub(crate) journal: Option<Journal>,
}

/// A worker's record log and hint log.
#[derive(Debug)]
pub(crate) struct Journal {
    records: SegmentLog,
    hints: SegmentLog,
    /// Frames of records that are not in their log yet.
    frames: Vec<u8>,
    /// Room for frames of hints.
    hint_frames: Vec<u8>,
    is_failing: bool,
}

/// What became of the records that the engine wanted kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    /// All are in the log.
    All,
    /// The log cannot be written, and there are new ones: nothing that the engine wanted with them may be carried out.
    Nothing,
    /// The log cannot be written, but there was nothing new.
    NothingNew,
}

impl Journal {
    fn new(records: SegmentLog, hints: SegmentLog) -> Self {
        Self { records, hints, frames: Vec::new(), hint_frames: Vec::new(), is_failing: false }
    }

    /// Brings to the logs what the engine wants kept. Hints that cannot be written stay in memory, and hold up nobody.
    pub(crate) fn keep(&mut self, engine: &mut Engine) -> Kept {
        if engine.seal_hints(&mut self.hint_frames).is_some() {
            if self.hints.append(&self.hint_frames).is_err() {
                engine.handle_hint_log_failed();
            }
            self.hint_frames.clear();
        }
        let is_new = engine.seal_log(&mut self.frames).is_some();
        if self.frames.is_empty() {
            return Kept::All;
        }
        let is_kept = self.records.append(&self.frames).is_ok();
        if is_kept {
            self.frames.clear();
        }
        if is_kept == self.is_failing {
            self.is_failing = !is_kept;
            engine.handle_log_failing(self.is_failing);
        }
        match (is_kept, is_new) {
            (true, _) => Kept::All,
            (false, true) => Kept::Nothing,
            (false, false) => Kept::NothingNew,
        }
    }

    /// Notes that the node stops in an orderly way, if nothing is in flight, and who has not got what is.
    pub(crate) fn close(&mut self, engine: &mut Engine, now: Now) {
        engine.handle_stop(now);
        if self.keep(engine) == Kept::All {
            engine.seal_clean(&mut self.frames);
            // Without that frame the next start is as after a crash, which it can be.
            let _ = self.records.append(&self.frames);
        }
    }

    /// Lets go of what is not needed any more.
    pub(crate) fn tidy(&mut self, engine: &Engine) {
        self.records.drop_below(engine.log_floor());
        self.hints.drop_below(engine.hints_floor());
    }

    /// Bytes of the record log on the disk.
    pub(crate) fn record_bytes(&self) -> u64 {
        self.records.byte_count()
    }

    /// Bytes of the hint log on the disk.
    pub(crate) fn hint_bytes(&self) -> u64 {
        self.hints.byte_count()
    }

    /// Whether it could not be written the last time.
    pub(crate) fn is_failing(&self) -> bool {
        self.is_failing
    }
}

/// Makes the engines of all workers of what the data directory has, if there is one. Takes as long as reading that takes.
/// Where no log was ever written, `anew` says what that means.
///
/// # Errors
/// When the directory cannot be used, or the system refuses. Logs that are damaged are no error: what they said counts as lost.
pub(crate) fn remember(
    shared: &Arc<Shared>,
    directory: Option<&DataDir>,
    anew: Recovery,
) -> Result<Vec<Remembering>, StartError> {
    // A node that keeps no logs owns its directory all the same: it may be replicated when it is started the next time.
    let Some(directory) = directory.filter(|_| shared.is_replicated()) else {
        let engines = (0..shared.worker_count).map(|worker| {
            let mut engine = engine_of(shared, worker);
            engine.finish_recovery(now(), anew);
            Remembering { engine, journal: None }
        });
        return Ok(engines.collect());
    };
    let records = directory.logs(LogKind::Records, shared.worker_count as u16)?;
    let hints = directory.logs(LogKind::Hints, shared.worker_count as u16)?;
    let started_at = Instant::now();
    let recovered: Vec<Result<Recovered, DiskError>> = thread::scope(|scope| {
        let (records, hints) = (&records, &hints);
        let recover = |worker| scope.spawn(move || recover(shared, records, hints, worker, anew));
        let threads: Vec<_> = (0..shared.worker_count).map(recover).collect();
        threads.into_iter().map(|thread| thread.join().expect("recovery does not panic")).collect()
    });
    let (mut engines, mut records_taken, mut hints_taken) = (Vec::new(), Vec::new(), Vec::new());
    for recovered in recovered {
        let recovered = recovered?;
        engines.push(recovered.engine);
        records_taken.extend(recovered.records);
        hints_taken.extend(recovered.hints);
    }
    tracing::info!(
        path = %directory.path().display(),
        records = engines.iter().map(|engine| engine.stats().records).sum::<u64>(),
        ms = started_at.elapsed().as_millis() as u64,
        "records are read"
    );
    let journals = records.open(records_taken)?.into_iter().zip(hints.open(hints_taken)?);
    let journals = journals.map(|(records, hints)| Some(Journal::new(records, hints)));
    let all = engines.into_iter().zip(journals).map(|(engine, journal)| Remembering { engine, journal });
    Ok(all.collect())
}

/// A worker's engine, and what was read of its logs; nothing of those that count as lost.
struct Recovered {
    engine: Engine,
    records: Option<Taken>,
    hints: Option<Taken>,
}

fn recover(
    shared: &Shared,
    records: &Logs,
    hints: &Logs,
    worker: usize,
    anew: Recovery,
) -> Result<Recovered, DiskError> {
    let mut engine = engine_of(shared, worker);
    let records = recover_records(&mut engine, shared, records, worker, anew)?;
    let hints = recover_hints(&mut engine, hints, worker)?;
    Ok(Recovered { engine, records, hints })
}

fn recover_records(
    engine: &mut Engine,
    shared: &Shared,
    logs: &Logs,
    worker: usize,
    anew: Recovery,
) -> Result<Option<Taken>, DiskError> {
    let is_own = |key: &[u8]| slice_of(shared.token(key), shared.worker_count) == worker;
    let mut source: Option<LogSource> = None;
    let read = logs.read(worker as u16, |from, frame| -> Result<(), LogError> {
        if source.replace(from).is_some_and(|before| before != from) {
            engine.recover_next_log();
        }
        engine.recover_frame(frame.payload, is_own)
    });
    match read {
        Ok(taken) if taken.is_fresh() => {
            engine.finish_recovery(now(), anew);
            Ok(Some(taken))
        }
        Ok(taken) => {
            let in_doubt = engine.finish_recovery(now(), Recovery::Log);
            if in_doubt > 0 {
                tracing::info!(
                    worker,
                    keys = in_doubt,
                    "writes on these keys were under way when the node ended"
                );
            }
            Ok(Some(taken))
        }
        Err(ReadError::Damaged(damage)) => {
            tracing::error!(worker, %damage, "the record log is damaged; this worker's copies are rebuilt from the other racks");
            engine.finish_recovery(now(), Recovery::LogLost);
            Ok(None)
        }
        Err(ReadError::Disk(error)) => Err(error),
    }
}

fn recover_hints(engine: &mut Engine, logs: &Logs, worker: usize) -> Result<Option<Taken>, DiskError> {
    engine.keep_hint_log();
    let mut sources: Vec<LogSource> = Vec::new();
    let read = logs.read(worker as u16, |from, frame| {
        if sources.last() != Some(&from) {
            sources.push(from);
        }
        engine.recover_hints_frame(frame.payload)
    });
    match read {
        Ok(taken) => {
            if sources.len() > 1 {
                engine.rewrite_hint_log();
            }
            Ok(Some(taken))
        }
        Err(ReadError::Damaged(damage)) => {
            tracing::error!(worker, %damage, "the hint log is damaged; all replicas are compared instead");
            engine.handle_hint_log_lost();
            Ok(None)
        }
        Err(ReadError::Disk(error)) => Err(error),
    }
}

fn now() -> Now {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Now { ms: 0, wall_us: wall.as_micros() as u64 }
}
