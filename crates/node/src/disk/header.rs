//! What a segment begins with: whose it is, and where in its log it belongs.
//!
//! Little-endian: magic (8 bytes), version `u16`, kind `u8`, a zero, worker `u16`, worker count `u16`, node id `u32`,
//! generation `u32`, sequence `u64`, first frame `u64`, previous frame `u64`, CRC-32 of all that `u32`.

use dynomite_ring::NodeId;

use super::LogKind;

const MAGIC: &[u8; 8] = b"DYNOLOG\n";
const VERSION: u16 = 1;
const CRC_AT: usize = 48;
/// Bytes of a header.
pub(super) const HEADER_BYTES: usize = CRC_AT + 4;

/// The log that a segment belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LogId {
    pub(super) kind: LogKind,
    pub(super) node: NodeId,
    pub(super) generation: u32,
    pub(super) worker: u16,
    pub(super) worker_count: u16,
}

/// The first bytes of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) log: LogId,
    /// Number of the segment in its log, from 1.
    pub(super) sequence: u64,
    /// Number of the first frame; 0 for a segment that was begun before there was one.
    pub(super) first_frame: u64,
    /// Number of the last frame of the segment before; 0 when there is none.
    pub(super) previous_frame: u64,
}

/// A segment does not begin as it should: the disk's fault, or that of whoever moved files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// It is shorter than a header.
    #[error("it ends within its header")]
    CutOff,
    /// It is no segment.
    #[error("it does not begin like a segment of a log")]
    Magic,
    /// It was written by another version.
    #[error("a segment of version {0} is unknown here")]
    Version(u16),
    /// Bytes of the header are not what was written.
    #[error("its header's CRC-32 is wrong")]
    WrongCrc,
    /// It was moved here from elsewhere.
    #[error("it belongs elsewhere: its header names another {0}")]
    Misplaced(&'static str),
}

impl Header {
    pub(super) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        let log = &self.log;
        let fields: [&[u8]; 10] = [
            MAGIC,
            &VERSION.to_le_bytes(),
            &[log.kind.code(), 0],
            &log.worker.to_le_bytes(),
            &log.worker_count.to_le_bytes(),
            &log.node.0.to_le_bytes(),
            &log.generation.to_le_bytes(),
            &self.sequence.to_le_bytes(),
            &self.first_frame.to_le_bytes(),
            &self.previous_frame.to_le_bytes(),
        ];
        for (byte, value) in bytes.iter_mut().zip(fields.into_iter().flatten()) {
            *byte = *value;
        }
        let crc = crc32fast::hash(&bytes[..CRC_AT]);
        bytes[CRC_AT..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads the header that `bytes` begin with, of the segment `sequence` of `log`.
    pub(super) fn decode(bytes: &[u8], log: &LogId, sequence: u64) -> Result<Self, HeaderError> {
        let bytes: &[u8; HEADER_BYTES] = bytes.first_chunk().ok_or(HeaderError::CutOff)?;
        let mut fields = Fields(bytes);
        if fields.take() != *MAGIC {
            return Err(HeaderError::Magic);
        }
        let version = u16::from_le_bytes(fields.take());
        if version != VERSION {
            return Err(HeaderError::Version(version));
        }
        let [kind, _] = fields.take();
        let worker = u16::from_le_bytes(fields.take());
        let worker_count = u16::from_le_bytes(fields.take());
        let node = u32::from_le_bytes(fields.take());
        let generation = u32::from_le_bytes(fields.take());
        let [stored_sequence, first_frame, previous_frame] =
            [(); 3].map(|()| u64::from_le_bytes(fields.take()));
        if u32::from_le_bytes(fields.take()) != crc32fast::hash(&bytes[..CRC_AT]) {
            return Err(HeaderError::WrongCrc);
        }
        for (name, is_right) in [
            ("kind", kind == log.kind.code()),
            ("node", node == log.node.0),
            ("generation", generation == log.generation),
            ("worker", (worker, worker_count) == (log.worker, log.worker_count)),
            ("sequence", stored_sequence == sequence),
        ] {
            if !is_right {
                return Err(HeaderError::Misplaced(name));
            }
        }
        Ok(Self { log: *log, sequence, first_frame, previous_frame })
    }
}

/// What of a header is still to be read.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    /// The next field; zeros behind the end, which a header of the right length does not reach.
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let Some((field, rest)) = self.0.split_first_chunk() else { return [0; N] };
        self.0 = rest;
        *field
    }
}
