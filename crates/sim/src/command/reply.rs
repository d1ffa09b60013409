//! What a reply shows of its key.

use dynomite_codec::ReplyView;

use super::{Action, Command, Key, Kind, elements_of_sum};

/// What a client learned of a key from a reply that was no error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Saw {
    /// Nothing: the write was done, whatever was there.
    Done,
    /// The write was not done, because its condition did not hold.
    Declined,
    /// A register's value before the command, or at the time of a read: the command that wrote it.
    Value(Option<u32>),
    /// All elements of a collection after the command, or at the time of a read.
    Elements(Vec<u32>),
    /// The element that was taken away, if there was one.
    Popped(Option<u32>),
    /// Whether an element was added or taken away, or the number of elements; not more.
    Count(i64),
}

/// Reads a reply that is no error. `None` when it does not fit the command: it belongs to another one.
pub(crate) fn saw(command: &Command, reply: &[u8]) -> Option<Saw> {
    let view = ReplyView::parse(reply)?;
    let key = command.key;
    if matches!(command.action, Action::Raw(_)) {
        return Some(Saw::Done);
    }
    match (&command.action, view) {
        (Action::Read, view) if key.kind.is_register() => value(key, view).map(Saw::Value),
        (Action::Read, view) => elements(key, view).map(Saw::Elements),
        (
            Action::Set
            | Action::SetPair
            | Action::SetExpiring { .. }
            | Action::SetIfAbsent
            | Action::SetIfPresent
            | Action::SetKeepingExpiry,
            ReplyView::Simple(b"OK"),
        ) => Some(Saw::Done),
        (Action::SetIfAbsent | Action::SetIfPresent, ReplyView::Null) => Some(Saw::Declined),
        (Action::SetAndGet | Action::GetAndDelete, view) => value(key, view).map(Saw::Value),
        (
            Action::Delete | Action::Unlink | Action::Expire { .. } | Action::Persist | Action::Remove { .. },
            ReplyView::Integer(count @ 0..=1),
        ) => Some(Saw::Count(count)),
        (Action::Add, view) => added(key, view),
        (Action::Pop, view) => popped(key, view),
        _ => None,
    }
}

fn value(key: Key, view: ReplyView<'_>) -> Option<Option<u32>> {
    match view {
        ReplyView::Null => Some(None),
        ReplyView::Bulk(text) => element(key, text).map(Some),
        _ => None,
    }
}

fn added(key: Key, view: ReplyView<'_>) -> Option<Saw> {
    match (key.kind, view) {
        (Kind::Counter, ReplyView::Integer(sum)) => elements_of_sum(sum).map(Saw::Elements),
        (Kind::Float | Kind::HashFloat, ReplyView::Bulk(text)) => sum_of(text).map(Saw::Elements),
        (Kind::Set | Kind::Hash | Kind::Sorted, ReplyView::Integer(1)) => Some(Saw::Count(1)),
        (Kind::List | Kind::Text, ReplyView::Integer(count @ 1..)) => Some(Saw::Count(count)),
        _ => None,
    }
}

fn popped(key: Key, view: ReplyView<'_>) -> Option<Saw> {
    match view {
        ReplyView::Null => Some(Saw::Popped(None)),
        ReplyView::Bulk(text) => element(key, text).map(|element| Saw::Popped(Some(element))),
        ReplyView::Array(mut elements) => match elements.next() {
            None => Some(Saw::Popped(None)),
            Some(ReplyView::Bulk(text)) => element(key, text).map(|element| Saw::Popped(Some(element))),
            Some(_) => None,
        },
        _ => None,
    }
}

fn elements(key: Key, view: ReplyView<'_>) -> Option<Vec<u32>> {
    match (key.kind, view) {
        (Kind::Counter | Kind::Float | Kind::HashFloat | Kind::Text, ReplyView::Null) => Some(Vec::new()),
        (Kind::Counter | Kind::Float | Kind::HashFloat, ReplyView::Bulk(text)) => sum_of(text),
        (Kind::Text, ReplyView::Bulk(text)) => {
            text.strip_suffix(b",")?.split(|byte| *byte == b',').map(|part| element(key, part)).collect()
        }
        (Kind::Hash, ReplyView::Array(parts)) => {
            let texts: Vec<&[u8]> = parts.map(bulk).collect::<Option<_>>()?;
            texts.chunks(2).map(|pair| field_element(key, pair)).collect()
        }
        (Kind::List | Kind::Set | Kind::Sorted, ReplyView::Array(parts)) => {
            parts.map(|part| element(key, bulk(part)?)).collect()
        }
        _ => None,
    }
}

fn field_element(key: Key, pair: &[&[u8]]) -> Option<u32> {
    let [field, text] = pair else { return None };
    let element = element(key, text)?;
    (element.to_string().as_bytes() == *field).then_some(element)
}

fn bulk(view: ReplyView<'_>) -> Option<&[u8]> {
    match view {
        ReplyView::Bulk(text) => Some(text),
        _ => None,
    }
}

/// The element that a text stands for, if it is one of this key.
fn element(key: Key, text: &[u8]) -> Option<u32> {
    let text = str::from_utf8(text).ok()?;
    let (name, element) = text.rsplit_once(':')?;
    (name == key.to_string()).then(|| element.parse().ok()).flatten()
}

fn sum_of(text: &[u8]) -> Option<Vec<u32>> {
    elements_of_sum(str::from_utf8(text).ok()?.parse().ok()?)
}

/// The commands that show a key's whole state of the kind `type_name`; what they give is compared between replicas.
pub(crate) fn state_words(type_name: &[u8]) -> &'static [&'static str] {
    match type_name {
        b"list" => &["LRANGE", "0", "-1"],
        b"set" => &["SMEMBERS"],
        b"hash" => &["HGETALL"],
        b"zset" => &["ZRANGE", "0", "-1", "WITHSCORES"],
        _ => &["GET"],
    }
}

#[cfg(test)]
mod tests {
    use dynomite_replication::Level;

    use super::*;

    fn command(kind: Kind, action: Action) -> Command {
        Command { key: Key { kind, number: 2 }, element: 7, action, level: Level::DcQuorum }
    }

    #[test]
    fn a_reply_with_another_keys_value_does_not_fit() {
        let read = command(Kind::Register, Action::Read);
        assert_eq!(saw(&read, b"$4\r\nr2:5\r\n"), Some(Saw::Value(Some(5))));
        assert_eq!(saw(&read, b"$-1\r\n"), Some(Saw::Value(None)));
        assert_eq!(saw(&read, b"$4\r\nr3:5\r\n"), None);
        assert_eq!(saw(&read, b":5\r\n"), None);
        assert_eq!(saw(&command(Kind::Register, Action::Set), b":1\r\n"), None);
    }

    #[test]
    fn collections_show_their_elements() {
        let read = |kind| command(kind, Action::Read);
        let elements = |elements: &[u32]| Some(Saw::Elements(elements.to_vec()));
        assert_eq!(saw(&read(Kind::List), b"*2\r\n$4\r\nl2:5\r\n$4\r\nl2:1\r\n"), elements(&[5, 1]));
        assert_eq!(saw(&read(Kind::Text), b"$10\r\nt2:5,t2:1,\r\n"), elements(&[5, 1]));
        assert_eq!(saw(&read(Kind::Hash), b"*2\r\n$1\r\n5\r\n$4\r\nh2:5\r\n"), elements(&[5]));
        assert_eq!(saw(&read(Kind::Hash), b"*2\r\n$1\r\n6\r\n$4\r\nh2:5\r\n"), None);
        assert_eq!(saw(&read(Kind::Float), b"$1\r\n5\r\n"), elements(&[0, 1]));
        assert_eq!(saw(&command(Kind::Counter, Action::Add), b":17\r\n"), elements(&[0, 2]));
        let popped = saw(&command(Kind::Sorted, Action::Pop), b"*2\r\n$4\r\nz2:5\r\n$1\r\n5\r\n");
        assert_eq!(popped, Some(Saw::Popped(Some(5))));
        assert_eq!(saw(&command(Kind::Set, Action::Pop), b"$4\r\ns1:5\r\n"), None);
    }
}
