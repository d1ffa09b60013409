//! Finds a row by its name in any case: one probe of a hash table that the compiler builds, no allocation.

use super::Command;
use super::table::{COMMANDS, COUNT};

/// A power of two, sparse enough for one probe to be the rule.
const SLOT_COUNT: usize = 2048;
const EMPTY: u16 = u16::MAX;

static SLOTS: [u16; SLOT_COUNT] = build();

/// The command of this name, in any case. Subcommands are found with [`lookup_subcommand`] only.
#[inline]
pub fn lookup(name: &[u8]) -> Option<&'static Command> {
    let matches = |found: &Command| name.eq_ignore_ascii_case(found.name.as_bytes()) && !name.contains(&b'|');
    find(hash(HASH_START, name), matches)
}

/// The subcommand `name` of `container`, in any case.
pub fn lookup_subcommand(container: &Command, name: &[u8]) -> Option<&'static Command> {
    let prefix = container.name.len();
    find(hash(hash(hash(HASH_START, container.name.as_bytes()), b"|"), name), |found| {
        let full = found.name.as_bytes();
        full.len() == prefix + 1 + name.len()
            && full[prefix] == b'|'
            && full[..prefix] == *container.name.as_bytes()
            && full[prefix + 1..].eq_ignore_ascii_case(name)
    })
}

#[inline]
fn find(hash: u32, matches: impl Fn(&Command) -> bool) -> Option<&'static Command> {
    let mut slot = slot_of(hash);
    loop {
        let index = SLOTS[slot];
        if index == EMPTY {
            return None;
        }
        let found = &COMMANDS[index as usize];
        if matches(found) {
            return Some(found);
        }
        slot = (slot + 1) % SLOT_COUNT;
    }
}

const HASH_START: u32 = 0x811c_9dc5;
/// A longer name is no command's.
const NAME_MAX: usize = 40;

/// FNV-1a over the bytes with the bit of lower case set, which makes letters equal in any case.
#[inline]
const fn hash(mut state: u32, text: &[u8]) -> u32 {
    let len = if text.len() < NAME_MAX { text.len() } else { NAME_MAX };
    let mut index = 0;
    while index < len {
        state = (state ^ (text[index] | 0x20) as u32).wrapping_mul(0x0100_0193);
        index += 1;
    }
    state
}

const fn slot_of(hash: u32) -> usize {
    (hash ^ (hash >> 15)) as usize % SLOT_COUNT
}

const fn build() -> [u16; SLOT_COUNT] {
    let mut slots = [EMPTY; SLOT_COUNT];
    let mut index = 0;
    while index < COUNT {
        let mut slot = slot_of(hash(HASH_START, COMMANDS[index].name.as_bytes()));
        while slots[slot] != EMPTY {
            slot = (slot + 1) % SLOT_COUNT;
        }
        slots[slot] = index as u16;
        index += 1;
    }
    slots
}
