//! Finds the handler of a command by its name.
//!
//! A name fits into 16 bytes, so it is compared as one number; a table built at compile time is probed, mostly once.

use bytes::BytesMut;
use dynomite_codec::{Request, encode};

use super::fault::{Answer, Fault};
use super::keyspace::Keyspace;

/// Runs a command whose number of arguments was checked.
pub(crate) type Handler = fn(&mut Keyspace, &Request, &mut BytesMut) -> Answer;

/// One row of the command table.
pub(crate) struct Command {
    /// In lower case, as errors name it.
    name: &'static str,
    /// As in Redis: the number of arguments with the name; at least so many when negative.
    arity: i8,
    /// Whether it can make the data larger, so that room must be made first.
    grows: bool,
    handler: Handler,
}

/// Slots of the index; a power of two, sparse enough that most names are found at once.
const INDEX_LEN: usize = 1024;
const INDEX_SHIFT: u32 = 64 - INDEX_LEN.trailing_zeros();
const VACANT: u8 = u8::MAX;

pub(crate) const fn reads(name: &'static str, arity: i8, handler: Handler) -> Command {
    Command { name, arity, grows: false, handler }
}

pub(crate) const fn grows(name: &'static str, arity: i8, handler: Handler) -> Command {
    Command { name, arity, grows: true, handler }
}

/// The commands of the store, ready to be looked up.
pub(crate) struct CommandTable<const N: usize> {
    commands: [Command; N],
    packed: [u128; N],
    index: [u8; INDEX_LEN],
}

impl<const N: usize> CommandTable<N> {
    /// Builds the index, at compile time.
    pub(crate) const fn new(commands: [Command; N]) -> Self {
        assert!(N < VACANT as usize);
        let mut packed = [0; N];
        let mut index = [VACANT; INDEX_LEN];
        let mut number = 0;
        while number < N {
            packed[number] = pack(commands[number].name.as_bytes()).expect("names have 1 to 16 letters");
            let mut slot = slot_of(packed[number]);
            while index[slot] != VACANT {
                slot = (slot + 1) % INDEX_LEN;
            }
            index[slot] = number as u8;
            number += 1;
        }
        Self { commands, packed, index }
    }

    /// Runs a request, appending one reply.
    pub(crate) fn execute(&self, keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) {
        let start = reply.len();
        let answer = match self.find(request.name()) {
            Some(command) => command.run(keys, request, reply),
            None => Err(unknown(request)),
        };
        if let Err(fault) = answer {
            reply.truncate(start);
            encode::error(reply, fault.text());
        }
    }

    fn find(&self, name: &[u8]) -> Option<&Command> {
        let name = pack(name)?;
        let mut slot = slot_of(name);
        while self.index[slot] != VACANT {
            let number = usize::from(self.index[slot]);
            if self.packed[number] == name {
                return Some(&self.commands[number]);
            }
            slot = (slot + 1) % INDEX_LEN;
        }
        None
    }
}

impl Command {
    fn run(&self, keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
        let wanted = usize::from(self.arity.unsigned_abs());
        let count = request.arg_count();
        if count < wanted || (self.arity > 0 && count > wanted) {
            return Err(Fault::arity(self.name));
        }
        if self.grows {
            keys.make_room(request)?;
        }
        (self.handler)(keys, request, reply)
    }
}

/// A name in lower case as a number; different names give different numbers.
const fn pack(name: &[u8]) -> Option<u128> {
    if name.is_empty() || name.len() > 16 {
        return None;
    }
    let mut packed = 0;
    let mut at = 0;
    while at < name.len() {
        packed = packed << 8 | name[at].to_ascii_lowercase() as u128;
        at += 1;
    }
    Some(packed)
}

const fn slot_of(name: u128) -> usize {
    let folded = (name as u64) ^ ((name >> 64) as u64).wrapping_mul(0xFF51_AFD7_ED55_8CCD);
    (folded.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> INDEX_SHIFT) as usize
}

/// Redis quotes the name and the first arguments, about 128 bytes of them.
fn unknown(request: &Request) -> Fault {
    const QUOTED_MAX: usize = 128;
    let mut args = String::new();
    for arg in request.args().skip(1) {
        if args.len() >= QUOTED_MAX {
            break;
        }
        args.push_str(&format!("'{}' ", Fault::quote(arg, QUOTED_MAX - args.len())));
    }
    let name = Fault::quote(request.name(), QUOTED_MAX);
    Fault::owned(format!("ERR unknown command '{name}', with args beginning with: {args}"))
}
