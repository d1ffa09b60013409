//! What a key holds, in a form that can be compared.

use std::collections::{BTreeMap, BTreeSet};

use super::load::reply::Reply;

/// What of a value is shown to people.
const SHOWN_TEXT_BYTES: usize = 120;
const SHOWN_PARTS: usize = 12;
const SHOWN_PART_BYTES: usize = 30;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    Absent,
    Text(Vec<u8>),
    List(Vec<Vec<u8>>),
    /// Fields with their values, or members with their scores.
    Fields(BTreeMap<Vec<u8>, Vec<u8>>),
    Members(BTreeSet<Vec<u8>>),
}

/// How a key is asked for what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Text,
    List,
    Hash,
    SortedSet,
    Set,
}

impl Form {
    /// The form of what Redis's `TYPE` calls so.
    pub(super) fn of_type(name: &str) -> Option<Self> {
        Some(match name {
            "string" => Self::Text,
            "list" => Self::List,
            "hash" => Self::Hash,
            "zset" => Self::SortedSet,
            "set" => Self::Set,
            _ => return None,
        })
    }

    /// The command that reads all of it.
    pub(super) fn command(self, key: &str) -> Vec<&str> {
        match self {
            Self::Text => vec!["GET", key],
            Self::List => vec!["LRANGE", key, "0", "-1"],
            Self::Hash => vec!["HGETALL", key],
            Self::SortedSet => vec!["ZRANGE", key, "0", "-1", "WITHSCORES"],
            Self::Set => vec!["SMEMBERS", key],
        }
    }

    /// What the answer to that command says; `None` when it has the wrong shape.
    pub(super) fn state(self, reply: Reply) -> Option<State> {
        if self == Self::Text {
            return match reply {
                Reply::Bulk(None) => Some(State::Absent),
                Reply::Bulk(Some(text)) => Some(State::Text(text)),
                _ => None,
            };
        }
        let Reply::Array(items) = reply else { return None };
        let items: Vec<Vec<u8>> = items.into_iter().map(Reply::into_bulk).collect::<Option<_>>()?;
        let count = items.len();
        if items.is_empty() {
            return Some(State::Absent);
        }
        Some(match self {
            Self::Text | Self::List => State::List(items),
            Self::Hash | Self::SortedSet => {
                let mut items = items.into_iter();
                let mut fields = BTreeMap::new();
                while let Some(field) = items.next() {
                    fields.insert(field, items.next()?);
                }
                // A field that comes twice is none of a hash.
                if fields.len() * 2 != count {
                    return None;
                }
                State::Fields(fields)
            }
            Self::Set => {
                let members: BTreeSet<_> = items.into_iter().collect();
                if members.len() != count {
                    return None;
                }
                State::Members(members)
            }
        })
    }
}

impl State {
    /// Some of it, for people.
    pub(super) fn shown(&self) -> String {
        let some = |bytes: &[u8], len_max: usize| {
            let end = if bytes.len() > len_max { "…" } else { "" };
            format!("{}{end}", bytes[..bytes.len().min(len_max)].escape_ascii())
        };
        let parts = |parts: &mut dyn Iterator<Item = String>, count: usize| {
            let end = if count > SHOWN_PARTS { " …" } else { "" };
            format!("{count}: {}{end}", parts.take(SHOWN_PARTS).collect::<Vec<_>>().join(" "))
        };
        let part = |bytes: &[u8]| some(bytes, SHOWN_PART_BYTES);
        match self {
            Self::Absent => "nothing".to_owned(),
            Self::Text(value) => some(value, SHOWN_TEXT_BYTES),
            Self::List(items) => parts(&mut items.iter().map(|item| part(item)), items.len()),
            Self::Members(members) => parts(&mut members.iter().map(|member| part(member)), members.len()),
            Self::Fields(fields) => {
                let pair = |(field, value): (&Vec<u8>, &Vec<u8>)| format!("{}={}", part(field), part(value));
                parts(&mut fields.iter().map(pair), fields.len())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulks(items: &[&str]) -> Reply {
        Reply::Array(items.iter().map(|item| Reply::Bulk(Some(item.as_bytes().to_vec()))).collect())
    }

    #[test]
    fn order_does_not_count_where_there_is_none() {
        let state = |form: Form, items: &[&str]| form.state(bulks(items)).expect("the shape is right");
        assert_eq!(state(Form::Set, &["a", "b"]), state(Form::Set, &["b", "a"]));
        assert_eq!(state(Form::Hash, &["a", "1", "b", "2"]), state(Form::Hash, &["b", "2", "a", "1"]));
        assert_ne!(state(Form::List, &["a", "b"]), state(Form::List, &["b", "a"]));
        for form in [Form::Set, Form::Hash, Form::List, Form::SortedSet] {
            assert_eq!(state(form, &[]), State::Absent);
        }
    }

    #[test]
    fn wrong_shapes_are_none() {
        assert_eq!(Form::Text.state(Reply::Integer(1)), None);
        assert_eq!(Form::Text.state(bulks(&["a"])), None);
        assert_eq!(Form::List.state(Reply::Bulk(None)), None);
        assert_eq!(Form::Hash.state(bulks(&["a"])), None);
        assert_eq!(Form::Hash.state(bulks(&["a", "1", "a", "2"])), None);
        assert_eq!(Form::Set.state(bulks(&["a", "a"])), None);
        assert_eq!(Form::Set.state(Reply::Array(vec![Reply::Integer(1)])), None);
    }

    #[test]
    fn little_is_shown_of_what_is_long() {
        assert_eq!(State::Text(b"a\r\n".to_vec()).shown(), "a\\r\\n");
        assert_eq!(State::Text(vec![b'x'; 1_000]).shown().chars().count(), SHOWN_TEXT_BYTES + 1);
        let list = State::List(vec![vec![b'x'; 1_000]; 100]).shown();
        assert!(list.starts_with("100: ") && list.ends_with(" …") && list.len() < 600, "{list}");
    }
}
