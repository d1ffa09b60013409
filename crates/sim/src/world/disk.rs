//! A node's disk: append-only bytes that survive the process, and a tail that does not survive the machine.

use dynomite_replication::frame;

use crate::{plan::Micros, random::Random};

/// A file is synced about so often, in microseconds.
const SYNC_EVERY: Micros = 1_000_000;

/// What a node has written of its log.
#[derive(Debug, Clone, Default)]
pub struct Disk {
    bytes: Vec<u8>,
    /// Frames with lower numbers were deleted.
    floor: u64,
    /// Frames with lower numbers are deleted when what was written since is synced.
    next_floor: u64,
    synced: usize,
    sync_due: Micros,
    is_lost: bool,
}

impl Disk {
    /// Appends whole frames at `now`. From here on they survive a crash of the process. Frames below `floor` are not needed
    /// any more.
    pub fn append(&mut self, now: Micros, frames: &[u8], floor: u64) {
        if now >= self.sync_due {
            self.synced = self.bytes.len();
            self.floor = self.next_floor;
            self.sync_due = now + SYNC_EVERY;
        }
        self.bytes.extend_from_slice(frames);
        self.next_floor = floor;
    }

    /// What a starting process reads.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The payloads that a starting process finds; a frame that is torn off at the end is taken away.
    pub fn take_frames(&mut self) -> Vec<Vec<u8>> {
        let (mut payloads, mut at) = (Vec::new(), 0);
        while let Ok(Some(frame)) = frame::first(&self.bytes[at..]) {
            at += frame.size();
            if frame.number >= self.floor {
                payloads.push(frame.payload.to_vec());
            }
        }
        self.bytes.truncate(at);
        self.synced = self.synced.min(at);
        self.is_lost = false;
        payloads
    }

    /// Whether the file is gone since it was last written to.
    pub fn is_lost(&self) -> bool {
        self.is_lost
    }

    /// Starts a new file: what was there was read, or is given up.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// The file is gone.
    pub fn lose(&mut self) {
        *self = Self { is_lost: true, ..Self::default() };
    }

    /// The machine dies: of what was not synced any part may be there, the last frame torn.
    pub fn lose_power(&mut self, mut random: Random) {
        let unsynced = self.bytes.len() - self.synced;
        self.next_floor = self.floor;
        self.bytes.truncate(self.synced + random.between(0, unsynced as u64) as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_synced_survives_the_machine() {
        let mut disk = Disk::default();
        disk.append(0, b"old frame", 0);
        disk.append(SYNC_EVERY, b"new frame", 0);
        let shortest = (0..200).map(|seed| {
            let mut disk = disk.clone();
            disk.lose_power(Random::new(seed));
            assert!(b"old framenew frame".starts_with(disk.bytes()));
            disk.bytes().len()
        });
        assert_eq!(shortest.min(), Some(b"old frame".len()));
    }

    #[test]
    fn a_lost_file_is_empty_and_known_to_be_lost() {
        let mut disk = Disk::default();
        disk.append(0, b"frame", 0);
        disk.lose();
        assert!(disk.is_lost() && disk.bytes().is_empty());
        disk.clear();
        assert!(!disk.is_lost());
    }
}
