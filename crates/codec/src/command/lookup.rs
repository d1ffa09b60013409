//! Finds a row by its name in any case: one probe of a hash table that the compiler builds, no allocation.

use super::Command;
use super::table::{COMMANDS, COUNT};

/// A power of two, sparse enough for one probe to be the rule.
const SLOT_COUNT: usize = 2048;
const EMPTY: u16 = u16::MAX;

static COMMAND_SLOTS: [u16; SLOT_COUNT] = build(false);
static SUBCOMMAND_SLOTS: [u16; SLOT_COUNT] = build(true);

/// The command of this name, in any case. Subcommands are found with [`lookup_subcommand`] only.
#[inline]
pub fn lookup(name: &[u8]) -> Option<&'static Command> {
    find(&COMMAND_SLOTS, hash(name), |found| name.eq_ignore_ascii_case(found.name.as_bytes()))
}

/// The subcommand `name` of `container`, in any case.
pub fn lookup_subcommand(container: &Command, name: &[u8]) -> Option<&'static Command> {
    find(&SUBCOMMAND_SLOTS, hash(name), |found| {
        let (of, own_name) = found.name.split_at(container.name.len().min(found.name.len()));
        of == container.name
            && own_name.len() == name.len() + 1
            && own_name.as_bytes()[1..].eq_ignore_ascii_case(name)
    })
}

#[inline]
fn find(slots: &[u16], mut slot: usize, matches: impl Fn(&Command) -> bool) -> Option<&'static Command> {
    loop {
        let index = slots[slot % SLOT_COUNT];
        if index == EMPTY {
            return None;
        }
        let found = &COMMANDS[index as usize];
        if matches(found) {
            return Some(found);
        }
        slot += 1;
    }
}

/// A slot from a name's first and last bytes and its length, letters being equal in any case. What it does not look at
/// only makes collisions: the name found is compared as a whole.
#[inline]
const fn hash(name: &[u8]) -> usize {
    let word = if let (Some(first), Some(last)) = (name.first_chunk::<8>(), name.last_chunk::<8>()) {
        lower(u64::from_le_bytes(*first)) ^ lower(u64::from_le_bytes(*last)).rotate_left(29)
    } else if let (Some(first), Some(last)) = (name.first_chunk::<4>(), name.last_chunk::<4>()) {
        lower(u32::from_le_bytes(*first) as u64 | (u32::from_le_bytes(*last) as u64) << 32)
    } else if let [first, .., last] = name {
        lower(*first as u64 | (name[name.len() / 2] as u64) << 8 | (*last as u64) << 16)
    } else {
        0
    };
    let mixed = (word ^ (name.len() as u64) << 59).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 53) as usize % SLOT_COUNT
}

/// Sets the bit that tells a small letter from a capital one.
const fn lower(letters: u64) -> u64 {
    letters | 0x2020_2020_2020_2020
}

const fn build(subcommands: bool) -> [u16; SLOT_COUNT] {
    let mut slots = [EMPTY; SLOT_COUNT];
    let mut index = 0;
    while index < COUNT {
        let (name, is_subcommand) = own_name(COMMANDS[index].name.as_bytes());
        if is_subcommand == subcommands {
            let mut slot = hash(name);
            while slots[slot] != EMPTY {
                slot = (slot + 1) % SLOT_COUNT;
            }
            slots[slot] = index as u16;
        }
        index += 1;
    }
    slots
}

/// What follows the container's name, and whether there is a container.
const fn own_name(full: &[u8]) -> (&[u8], bool) {
    let mut rest = full;
    while let [byte, after @ ..] = rest {
        if *byte == b'|' {
            return (after, true);
        }
        rest = after;
    }
    (full, false)
}
