//! The stages of a lane: keys of its own in which pieces of a state are collected until they are put into their place.
//!
//! Invariant: a stage is installed only if the server has said, after each of its pieces, that it holds all that was sent
//! so far. So neither eviction nor an expiry nor a forgotten left-over makes a state that is not whole.

use std::sync::Arc;
use std::task::Context;

use bytes::Bytes;
use dynomite_codec::{Output, STAGE_COUNT, WriteQueue};

use super::RedisConfig;
use super::commands::{append_arg, append_command, append_header};
use super::page::PagePayload;
use super::side::{Given, Side, StringNumber};

/// A stage to which nothing was added for so long is the server's to remove: nobody will come back for it.
pub(super) const IDLE_MS: &[u8] = b"3600000";
/// Strings from this size on go by the side. Moving a shorter one takes a real server 5 ms at worst.
const LONG_BYTES_MIN: u64 = 8 << 20;

/// All stages of a lane.
#[derive(Debug)]
pub(super) struct Stages {
    config: Arc<RedisConfig>,
    worker: usize,
    stages: [Stage; STAGE_COUNT as usize],
    side: Side,
}

#[derive(Debug, Clone, Copy, Default)]
struct Stage {
    /// Grows when the stage becomes empty, so that late answers about what it held are told apart.
    generation: u64,
    /// Pieces sent, and those that the server has confirmed. One that failed never is.
    sent_count: u32,
    confirmed_count: u32,
    /// What the counting command must say after the pieces that were sent.
    amount: u64,
    /// What it must say in the end, where that is known.
    whole: Option<u64>,
    by_side: Option<StringNumber>,
}

/// A piece that was sent, and what its confirmation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StagedPiece {
    stage: u8,
    generation: u64,
    amount: u64,
    pub(super) way: Way,
}

/// How a piece was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// By the lane; the server owes so many replies, the last but one of which is the count.
    Lane {
        reply_count: u8,
    },
    Side(Given),
}

impl Stages {
    pub(super) fn new(config: Arc<RedisConfig>, worker: usize) -> Self {
        let side = Side::new(Arc::clone(&config), worker);
        Self { config, worker, stages: [Stage::default(); STAGE_COUNT as usize], side }
    }

    /// Whether `key` is the node's own, and nothing for a scan to give.
    pub(super) fn hides(&self, key: &[u8]) -> bool {
        self.config.reserved.as_ref().is_some_and(|reserved| reserved.contains(key))
    }

    /// The lane has a new connection, on which all stages were removed.
    pub(super) fn lane_opened(&mut self) {
        self.lane_closed();
        if self.config.reserved.is_some() {
            self.side.open();
        }
    }

    /// The lane broke, and its stages with it.
    pub(super) fn lane_closed(&mut self) {
        self.stages.iter_mut().for_each(Stage::empty);
        self.side.close();
    }

    /// Goes on with what is under way by the side.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) {
        self.side.poll(cx);
    }

    /// Queues the commands that add a piece. An error says why it can't be added, and then nothing was queued.
    pub(super) fn append_piece(
        &mut self,
        stage: u8,
        payload: &Bytes,
        output: &mut WriteQueue,
    ) -> Result<StagedPiece, Output> {
        let key = self.key(stage)?;
        let state = &mut self.stages[usize::from(stage)];
        let page =
            PagePayload::read(payload).filter(|page| state.sent_count == 0 || state.whole == page.whole);
        let is_first = state.sent_count == 0;
        // A piece that is refused counts as sent, and is never confirmed: the stage is not whole without it.
        state.sent_count += 1;
        let page =
            page.ok_or_else(|| failed("ERR the piece can't be understood, or belongs to another value"))?;
        state.amount += page.amount;
        state.whole = page.whole;
        if let (true, Some(len @ LONG_BYTES_MIN..)) = (is_first, page.whole) {
            state.by_side = self.side.begin(&key, len);
        }
        let way = match state.by_side {
            Some(string) => Way::Side(self.side.give(string, page.block).ok_or_else(|| {
                failed("ERR the stage's connection broke, or all bytes of its value are there")
            })?),
            None => append_by_lane(&key, page, output),
        };
        Ok(StagedPiece { stage, generation: state.generation, amount: state.amount, way })
    }

    /// What to answer for a piece of which the server says that the stage now counts `count`.
    pub(super) fn confirm(&mut self, piece: StagedPiece, count: i64) -> Output {
        if u64::try_from(count) != Ok(piece.amount) {
            return failed(format!("ERR stage {} counts {count} and not {}", piece.stage, piece.amount));
        }
        self.confirmed(piece)
    }

    /// What to answer for a piece that went by the side; `None` while it is on its way.
    pub(super) fn outcome(&mut self, piece: StagedPiece, given: Given) -> Option<Output> {
        let outcome = self.side.outcome(given)?;
        Some(outcome.map_or_else(Output::Failed, |()| self.confirmed(piece)))
    }

    fn confirmed(&mut self, piece: StagedPiece) -> Output {
        let state = &mut self.stages[usize::from(piece.stage)];
        if state.generation == piece.generation {
            state.confirmed_count += 1;
        }
        Output::Staged
    }

    /// Queues the command that empties a stage.
    pub(super) fn append_clear(&mut self, stage: u8, output: &mut WriteQueue) -> Result<(), Output> {
        let key = self.key(stage)?;
        let state = &mut self.stages[usize::from(stage)];
        if let Some(string) = state.by_side {
            self.side.give_up(string);
        }
        state.empty();
        append_command(output, &[b"UNLINK", &key]);
        Ok(())
    }

    /// Gives the key of a stage that is whole, and counts it as empty: what follows takes its content away.
    pub(super) fn take(&mut self, stage: u8) -> Result<Bytes, Output> {
        let key = self.key(stage)?;
        let state = &mut self.stages[usize::from(stage)];
        if state.sent_count == 0 || state.confirmed_count != state.sent_count {
            let Stage { sent_count, confirmed_count, .. } = state;
            return Err(failed(format!(
                "ERR of {sent_count} pieces of stage {stage} {confirmed_count} are there"
            )));
        }
        if let Some(whole) = state.whole.filter(|whole| *whole != state.amount) {
            return Err(failed(format!("ERR of {whole} bytes of stage {stage} {} are there", state.amount)));
        }
        state.empty();
        Ok(key)
    }

    /// The key of a stage that the lane has.
    fn key(&self, stage: u8) -> Result<Bytes, Output> {
        let reserved =
            self.config.reserved.as_ref().ok_or_else(|| failed("ERR no keys are reserved for stages"))?;
        if stage >= STAGE_COUNT {
            return Err(failed("ERR no such stage"));
        }
        Ok(reserved.stage(self.worker, stage))
    }
}

impl Stage {
    fn empty(&mut self) {
        *self = Self { generation: self.generation + 1, ..Self::default() };
    }
}

fn append_by_lane(key: &[u8], page: PagePayload, output: &mut WriteQueue) -> Way {
    let has_elements = page.arg_count > 0;
    if has_elements {
        append_header(output, b'*', page.arg_count + 2);
        append_arg(output, page.kind.adding());
        append_arg(output, key);
        output.append_bytes(page.args);
    }
    append_command(output, &[page.kind.counting(), key]);
    append_command(output, &[b"PEXPIRE", key, IDLE_MS]);
    Way::Lane { reply_count: 2 + u8::from(has_elements) }
}

fn failed(text: impl Into<String>) -> Output {
    Output::Failed(text.into())
}
