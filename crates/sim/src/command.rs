//! The commands that simulated clients send, so made that their replies can be judged: every value is unique and names its
//! key and its command.
//!
//! A key's kind decides what is done with it. *Registers* hold one value. *Collections* (counters too) hold elements, one
//! from each command that adds; a counter adds a power of four, so that its value tells which commands are in it, and how
//! often.

mod reply;

use std::fmt;

use dynomite_codec::Request;
use dynomite_replication::Level;

pub(crate) use reply::state_words;
pub(crate) use reply::{Saw, saw};

/// What a key is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A register that is only overwritten.
    Plain,
    /// A register with conditional writes too.
    Register,
    /// INCRBY.
    Counter,
    /// INCRBYFLOAT.
    Float,
    /// APPEND.
    Text,
    /// RPUSH, LPUSH.
    List,
    /// SADD.
    Set,
    /// HSET.
    Hash,
    /// HINCRBYFLOAT, of one field.
    HashFloat,
    /// ZADD.
    Sorted,
    /// Commands of all types on one key; only convergence is judged.
    Mixed,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 11] = [
        Self::Plain,
        Self::Register,
        Self::Counter,
        Self::Float,
        Self::Text,
        Self::List,
        Self::Set,
        Self::Hash,
        Self::HashFloat,
        Self::Sorted,
        Self::Mixed,
    ];

    /// Whether keys of this kind hold one value.
    pub fn is_register(self) -> bool {
        matches!(self, Self::Plain | Self::Register)
    }

    /// Whether keys of this kind hold elements.
    pub fn is_collection(self) -> bool {
        !self.is_register() && self != Self::Mixed
    }

    /// How many elements the value can tell apart; `None` when any number.
    pub fn elements_max(self) -> Option<u32> {
        match self {
            Self::Counter => Some(COUNTER_ELEMENTS_MAX),
            Self::Float | Self::HashFloat => Some(FLOAT_ELEMENTS_MAX),
            _ => None,
        }
    }

    /// Whether a single element can be taken away.
    pub fn can_remove(self) -> bool {
        matches!(self, Self::List | Self::Set | Self::Hash | Self::Sorted)
    }

    /// Whether there is a command that takes an element away and tells which.
    pub fn can_pop(self) -> bool {
        matches!(self, Self::List | Self::Set | Self::Sorted)
    }

    fn letter(self) -> char {
        match self {
            Self::Plain => 'p',
            Self::Register => 'r',
            Self::Counter => 'c',
            Self::Float => 'f',
            Self::Text => 't',
            Self::List => 'l',
            Self::Set => 's',
            Self::Hash => 'h',
            Self::HashFloat => 'd',
            Self::Sorted => 'z',
            Self::Mixed => 'm',
        }
    }
}

/// Digits to base four in an integer of 64 bits that stays positive.
const COUNTER_ELEMENTS_MAX: u32 = 31;
/// Digits to base four in the 53 bits that a double keeps exactly.
const FLOAT_ELEMENTS_MAX: u32 = 26;
/// The field that [`Kind::HashFloat`] counts in.
const FLOAT_FIELD: &str = "n";

/// A key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// What it is used for.
    pub kind: Kind,
    /// Tells keys of one kind apart.
    pub number: u32,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.kind.letter(), self.number)
    }
}

/// What a command does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// The whole value, or all elements.
    Read,
    /// Register: SET.
    Set,
    /// Register: MSET of one pair.
    SetPair,
    /// Register: SET with PX.
    SetExpiring {
        /// Milliseconds.
        after_ms: u64,
    },
    /// Register: SET NX.
    SetIfAbsent,
    /// Register: SET XX.
    SetIfPresent,
    /// Register: SET GET.
    SetAndGet,
    /// Register: SET KEEPTTL.
    SetKeepingExpiry,
    /// Register: GETDEL.
    GetAndDelete,
    /// PEXPIRE.
    Expire {
        /// Milliseconds.
        after_ms: u64,
    },
    /// PERSIST.
    Persist,
    /// DEL.
    Delete,
    /// UNLINK.
    Unlink,
    /// Collection: one element more, this command's own.
    Add,
    /// Collection: an element less, that of another command.
    Remove {
        /// The other command's element.
        element: u32,
    },
    /// Collection: any element less; the reply tells which.
    Pop,
    /// [`Kind::Mixed`]: a command without its key, which becomes the first argument.
    Raw(&'static str),
}

/// A command as a client sends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Its key.
    pub key: Key,
    /// Its value or element; unique among the commands on its key.
    pub element: u32,
    /// What it does.
    pub action: Action,
    /// At which level.
    pub level: Level,
}

impl Command {
    /// Whether it changes nothing.
    pub fn is_read(&self) -> bool {
        match self.action {
            Action::Read => true,
            Action::Raw(line) => ["GET", "TYPE", "EXISTS", "PEXPIRETIME"]
                .iter()
                .any(|name| line.split(' ').next() == Some(*name)),
            _ => false,
        }
    }

    /// Whether it is an acknowledged majority that its reply stands for.
    pub fn is_at_quorum(&self) -> bool {
        self.level != Level::DcOne
    }

    /// Whether it only makes sense when one datacenter sequences the key.
    pub fn is_sequenced(&self) -> bool {
        use Action::{Delete, Raw, Read, Set, SetExpiring, SetPair, Unlink};
        !matches!(self.action, Read | Set | SetPair | SetExpiring { .. } | Delete | Unlink | Raw(_))
    }

    /// The words of the command.
    pub fn words(&self) -> Vec<String> {
        let key = self.key.to_string();
        let value = value_of(self.key, self.element);
        let words = |words: &[&str]| words.iter().map(ToString::to_string).collect();
        match &self.action {
            Action::Read => self.read_words(),
            Action::Set => words(&["SET", &key, &value]),
            Action::SetPair => words(&["MSET", &key, &value]),
            Action::SetExpiring { after_ms } => words(&["SET", &key, &value, "PX", &after_ms.to_string()]),
            Action::SetIfAbsent => words(&["SET", &key, &value, "NX"]),
            Action::SetIfPresent => words(&["SET", &key, &value, "XX"]),
            Action::SetAndGet => words(&["SET", &key, &value, "GET"]),
            Action::SetKeepingExpiry => words(&["SET", &key, &value, "KEEPTTL"]),
            Action::GetAndDelete => words(&["GETDEL", &key]),
            Action::Expire { after_ms } => words(&["PEXPIRE", &key, &after_ms.to_string()]),
            Action::Persist => words(&["PERSIST", &key]),
            Action::Delete => words(&["DEL", &key]),
            Action::Unlink => words(&["UNLINK", &key]),
            Action::Add => self.add_words(self.element),
            Action::Remove { element } => self.remove_words(*element),
            Action::Pop => words(&[self.pop_name(), &key]),
            Action::Raw(line) => {
                let mut parts: Vec<String> = line.split(' ').map(ToString::to_string).collect();
                parts.insert(1, key);
                parts
            }
        }
    }

    /// The command as it goes into an engine.
    pub fn request(&self) -> Request {
        Request::from_args(self.words())
    }

    fn read_words(&self) -> Vec<String> {
        let key = self.key.to_string();
        let (name, rest): (&str, &[&str]) = match self.key.kind {
            Kind::List => ("LRANGE", &["0", "-1"]),
            Kind::Set => ("SMEMBERS", &[]),
            Kind::Hash => ("HGETALL", &[]),
            Kind::HashFloat => ("HGET", &[FLOAT_FIELD]),
            Kind::Sorted => ("ZRANGE", &["0", "-1"]),
            _ => ("GET", &[]),
        };
        let mut words = vec![name.to_owned(), key];
        words.extend(rest.iter().map(ToString::to_string));
        words
    }

    fn add_words(&self, element: u32) -> Vec<String> {
        let (key, value) = (self.key.to_string(), value_of(self.key, element));
        let words = |words: &[&str]| words.iter().map(ToString::to_string).collect();
        match self.key.kind {
            Kind::Counter => words(&["INCRBY", &key, &power_of(element).to_string()]),
            Kind::Float => words(&["INCRBYFLOAT", &key, &power_of(element).to_string()]),
            Kind::HashFloat => words(&["HINCRBYFLOAT", &key, FLOAT_FIELD, &power_of(element).to_string()]),
            Kind::Text => words(&["APPEND", &key, &format!("{value},")]),
            Kind::List if element.is_multiple_of(4) => words(&["LPUSH", &key, &value]),
            Kind::List => words(&["RPUSH", &key, &value]),
            Kind::Hash => words(&["HSET", &key, &element.to_string(), &value]),
            Kind::Sorted => words(&["ZADD", &key, &element.to_string(), &value]),
            _ => words(&["SADD", &key, &value]),
        }
    }

    fn remove_words(&self, element: u32) -> Vec<String> {
        let (key, value) = (self.key.to_string(), value_of(self.key, element));
        let words = |words: &[&str]| words.iter().map(ToString::to_string).collect();
        match self.key.kind {
            Kind::List => words(&["LREM", &key, "0", &value]),
            Kind::Hash => words(&["HDEL", &key, &element.to_string()]),
            Kind::Sorted => words(&["ZREM", &key, &value]),
            _ => words(&["SREM", &key, &value]),
        }
    }

    fn pop_name(&self) -> &'static str {
        match self.key.kind {
            Kind::List if self.element.is_multiple_of(2) => "LPOP",
            Kind::List => "RPOP",
            Kind::Sorted => "ZPOPMIN",
            _ => "SPOP",
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.words().join(" "), self.level)
    }
}

/// The text that stands for an element in a key's value.
fn value_of(key: Key, element: u32) -> String {
    format!("{key}:{element}")
}

fn power_of(element: u32) -> i64 {
    1 << (2 * (element % COUNTER_ELEMENTS_MAX))
}

/// The elements in a counter's value, each as often as it was added; `None` when the value is no sum of elements.
fn elements_of_sum(mut sum: i64) -> Option<Vec<u32>> {
    if sum < 0 {
        return None;
    }
    let mut elements = Vec::new();
    for element in 0.. {
        if sum == 0 {
            break;
        }
        for _ in 0..sum % 4 {
            elements.push(element);
        }
        sum /= 4;
    }
    Some(elements)
}

#[cfg(test)]
mod tests {
    use dynomite_codec::{Class, classify};

    use super::*;

    fn command(kind: Kind, element: u32, action: Action) -> Command {
        Command { key: Key { kind, number: 0 }, element, action, level: Level::DcQuorum }
    }

    #[test]
    fn every_command_is_one_that_the_table_knows() {
        use Action::{Add, Delete, Expire, Persist, Pop, Read, Remove, Unlink};
        for kind in Kind::ALL.into_iter().filter(|kind| kind.is_collection()) {
            let mut actions = vec![Read, Add, Delete, Unlink, Persist, Expire { after_ms: 5 }];
            actions.extend(kind.can_remove().then_some(Remove { element: 1 }));
            actions.extend(kind.can_pop().then_some(Pop));
            for action in actions {
                let command = command(kind, 3, action);
                let class = classify(&command.request()).unwrap_or_else(|_| panic!("{command}")).class;
                assert_eq!(class == Class::Read, command.is_read(), "{command}");
                assert_eq!(
                    matches!(class, Class::Sequenced | Class::Effect),
                    command.is_sequenced(),
                    "{command}"
                );
            }
        }
        use Action::{
            GetAndDelete, Set, SetAndGet, SetExpiring, SetIfAbsent, SetIfPresent, SetKeepingExpiry, SetPair,
        };
        let plain = [Set, SetPair, SetExpiring { after_ms: 5 }, Delete, Unlink];
        let conditional = [SetIfAbsent, SetIfPresent, SetAndGet, SetKeepingExpiry, GetAndDelete];
        for action in plain.into_iter().chain(conditional) {
            let command = command(Kind::Register, 3, action);
            let class = classify(&command.request()).unwrap().class;
            assert_eq!(class == Class::Overwrite, !command.is_sequenced(), "{command}");
        }
    }

    #[test]
    fn a_sum_tells_what_was_added_and_how_often() {
        assert_eq!(elements_of_sum(power_of(0) + power_of(30)), Some(vec![0, 30]));
        assert_eq!(elements_of_sum(2 * power_of(5)), Some(vec![5, 5]));
        assert_eq!((elements_of_sum(0), elements_of_sum(-1)), (Some(vec![]), None));
    }
}
