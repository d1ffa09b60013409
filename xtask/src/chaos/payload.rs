//! What is written: everything tells which write of which key it is from, so that a reader knows what it sees.

use super::history::{Action, Key, Write};

/// The shortest value of a `SET`; it has room for every token.
pub(super) const VALUE_BYTES_MIN: u32 = 24;
const PADDING: u8 = b'x';

/// The name of a write: `key.write`.
pub(super) fn token(key: &Key, write: usize) -> String {
    format!("{}.{write}", key.number)
}

/// The write of this key that a token names; `None` for another key's, and for what is no token.
pub(super) fn write_of(key: &Key, token: &[u8]) -> Option<usize> {
    let (number, write) = std::str::from_utf8(token).ok()?.split_once('.')?;
    let (number, write): (u32, usize) = (number.parse().ok()?, write.parse().ok()?);
    (number == key.number && write < key.writes.len()).then_some(write)
}

/// The value that a write sets.
pub(super) fn value(key: &Key, write: usize) -> Vec<u8> {
    let Write { action, detail, .. } = key.writes[write];
    let len = if action == Action::Set { detail } else { VALUE_BYTES_MIN };
    let mut value = token(key, write).into_bytes();
    value.push(b'.');
    value.resize(value.len().max(len as usize), PADDING);
    value
}

/// The write of this key that set exactly this value.
pub(super) fn write_of_value(key: &Key, seen: &[u8]) -> Option<usize> {
    let end = seen.iter().rposition(|byte| *byte == b'.')?;
    let index = write_of(key, &seen[..end])?;
    let is_set = matches!(key.writes[index].action, Action::Set | Action::SetExpiring);
    (is_set && seen == value(key, index)).then_some(index)
}

/// The score of what a `ZADD` puts.
pub(super) fn score(write: usize) -> String {
    (write * 3).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chaos::class::Class;
    use crate::chaos::history::Action;
    use crate::chaos::judge::scene::{Scene, done};

    #[test]
    fn value_names_its_write() {
        let key =
            Scene::of(Class::Overwrite).write(done(Action::Set).detail(40)).write(done(Action::Set)).key;
        assert_eq!(value(&key, 0).len(), 40);
        for write in 0..2 {
            let value = value(&key, write);
            assert_eq!(write_of_value(&key, &value), Some(write));
            // One byte less, one byte more, and somebody else's.
            assert_eq!(write_of_value(&key, &value[..value.len() - 1]), None);
            assert_eq!(write_of_value(&key, &[&value[..], b"x"].concat()), None);
        }
        assert_eq!(write_of_value(&key, b"7.0.xxxxxxxxxxxxxxxxxxxx"), None);
        assert_eq!(write_of_value(&key, b"1.9.xxxxxxxxxxxxxxxxxxxx"), None);
        assert_eq!(write_of_value(&key, b"x"), None);
    }
}
