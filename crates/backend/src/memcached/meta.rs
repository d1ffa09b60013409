//! The meta commands that operations are made of, and what their replies say.

use bytes::Bytes;
use dynomite_codec::WriteQueue;

use super::key::KeyWord;

/// `T` is a time from now up to this many seconds; what is more is a time since the Unix epoch.
const RELATIVE_SECONDS_MAX: u64 = 30 * 24 * 3600;
/// The last second that `T` can name. A later one would be taken for one that is past.
const ABSOLUTE_SECONDS_MAX: u64 = i32::MAX as u64;
const MS_PER_SECOND: u64 = 1000;

/// When a value expires, as memcached is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expiry {
    Never,
    /// Seconds from when the server runs the command.
    After(u64),
    /// Seconds since the Unix epoch.
    At(u64),
}

/// What `mg` gave of a key that is there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) flags: u32,
    /// Whole seconds that remain, rounded up; `None` when the value does not expire.
    pub(super) seconds: Option<u64>,
    pub(super) value: Bytes,
}

impl Expiry {
    /// How to tell that a value expires at `at_ms`; `None` when it has.
    ///
    /// A value is dead when the server's clock, which ticks once a second, has reached the second. Of `After` the first
    /// second is cut short by what has passed since the last tick, so rounding down lets it live too short by less than
    /// two seconds, and never too long unless less than a second is left. Of `At` the server's clock may be behind by up to two
    /// seconds, one of which is taken off.
    pub(super) fn new(now_ms: u64, at_ms: Option<u64>) -> Option<Self> {
        let Some(at_ms) = at_ms else { return Some(Self::Never) };
        let remaining_ms = at_ms.checked_sub(now_ms).filter(|remaining_ms| *remaining_ms > 0)?;
        // Zero would be never.
        let seconds = (remaining_ms / MS_PER_SECOND).max(1);
        Some(if seconds <= RELATIVE_SECONDS_MAX {
            Self::After(seconds)
        } else {
            Self::At((at_ms / MS_PER_SECOND - 1).min(ABSOLUTE_SECONDS_MAX))
        })
    }

    fn seconds(self) -> u64 {
        match self {
            Self::Never => 0,
            Self::After(seconds) | Self::At(seconds) => seconds,
        }
    }
}

/// Queues the command that reads a value with its flags and its expiry: `u` so that it is no access.
pub(super) fn append_read(output: &mut WriteQueue, key: &KeyWord<'_>) {
    append_words(output, &[b"mg ", &key.word, key.flag, b" u f t v\r\n"]);
}

/// Queues the command that tells of a key without touching it.
pub(super) fn append_inspect(output: &mut WriteQueue, key: &KeyWord<'_>) {
    append_words(output, &[b"me ", &key.word, key.flag, b"\r\n"]);
}

/// Queues the command that deletes a key.
pub(super) fn append_delete(output: &mut WriteQueue, key: &KeyWord<'_>) {
    append_words(output, &[b"md ", &key.word, key.flag, b"\r\n"]);
}

/// Queues the command that replaces a value.
pub(super) fn append_write(
    output: &mut WriteQueue,
    key: &KeyWord<'_>,
    flags: u32,
    expiry: Expiry,
    value: Bytes,
) {
    let mut digits = [itoa::Buffer::new(), itoa::Buffer::new(), itoa::Buffer::new()];
    let [len, flags_digits, seconds] = &mut digits;
    let len = len.format(value.len()).as_bytes();
    let flags = flags_digits.format(flags).as_bytes();
    let seconds = seconds.format(expiry.seconds()).as_bytes();
    append_words(output, &[b"ms ", &key.word, b" ", len, key.flag, b" F", flags, b" T", seconds, b"\r\n"]);
    output.append_bytes(value);
    output.append(b"\r\n");
}

fn append_words(output: &mut WriteQueue, words: &[&[u8]]) {
    output.append_with(|out| words.iter().for_each(|word| out.extend_from_slice(word)));
}

/// The item in a reply to [`append_read`], which begins with `VA`; `None` when it is none.
pub(super) fn read_item(reply: &Bytes) -> Option<Item> {
    let (line, block) = split_line(reply)?;
    let mut words = line.split(|byte| *byte == b' ').skip(2);
    let flags = number(words.next()?, b'f')?;
    let seconds = number(words.next()?, b't')?;
    Some(Item {
        flags: u32::try_from(flags).ok()?,
        // -1: it does not expire.
        seconds: if seconds == -1 { None } else { Some(u64::try_from(seconds).ok()?) },
        value: reply.slice_ref(block.strip_suffix(b"\r\n")?),
    })
}

/// A reply's first line, and what is after it.
fn split_line(reply: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr::memchr(b'\n', reply)?;
    Some((reply[..end].trim_ascii_end(), &reply[end + 1..]))
}

fn number(word: &[u8], flag: u8) -> Option<i64> {
    std::str::from_utf8(word.strip_prefix(&[flag])?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn item_is_read_with_its_flags_and_expiry() {
        let item = |flags, seconds, value: &'static str| Item { flags, seconds, value: value.into() };
        for (reply, expected) in [
            ("VA 1 f0 t-1\r\nx\r\n", Some(item(0, None, "x"))),
            ("VA 0 f4294967295 t17\r\n\r\n", Some(item(u32::MAX, Some(17), ""))),
            ("VA 4 f1 t0 X W\r\n\r\n\r\n\r\n", Some(item(1, Some(0), "\r\n\r\n"))),
            ("VA 1 f4294967296 t-1\r\nx\r\n", None),
            ("VA 1 f0 t-2\r\nx\r\n", None),
            ("VA 1 t5 f0\r\nx\r\n", None),
        ] {
            assert_eq!(read_item(&reply.into()), expected, "{reply:?}");
        }
    }

    #[test]
    fn expiry_is_never_rounded_to_immortality_or_death() {
        let now_ms = 1_800_000_000_500;
        let in_ms = |remaining_ms: u64| Expiry::new(now_ms, Some(now_ms + remaining_ms));
        assert_eq!(Expiry::new(now_ms, None), Some(Expiry::Never));
        assert_eq!(in_ms(0), None);
        assert_eq!(Expiry::new(now_ms, Some(0)), None);
        assert_eq!(Expiry::new(now_ms, Some(now_ms - 1)), None);
        for remaining_ms in [1, 999, 1000, 1999] {
            assert_eq!(in_ms(remaining_ms), Some(Expiry::After(1)), "{remaining_ms}");
        }
        assert_eq!(in_ms(60_000), Some(Expiry::After(60)));
        let month_ms = RELATIVE_SECONDS_MAX * MS_PER_SECOND;
        assert_eq!(in_ms(month_ms + 999), Some(Expiry::After(RELATIVE_SECONDS_MAX)));
        assert_eq!(in_ms(month_ms + 1000), Some(Expiry::At(1_800_000_000 + RELATIVE_SECONDS_MAX)));
        assert_eq!(Expiry::new(now_ms, Some(u64::MAX)), Some(Expiry::At(ABSOLUTE_SECONDS_MAX)));
    }
}
