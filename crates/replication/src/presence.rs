//! From when a key is absent, as far as its writes tell.
//!
//! What an overwrite or a whole state leaves is known. A sequenced write may have created or deleted its key, or changed its
//! expiry: then the datastore has to be asked, and until then the key counts as present.
//!
//! A key that may be about to expire may be there for its primary, and gone a moment later for another replica. So of a
//! sequenced write on it the primary tells not only the reply, but until when the key is there afterwards: where both are
//! equal, the write found the same state.

use dynomite_codec::{KeyState, Operation as LaneOperation, Request};

use crate::{KeyRequest, Mark, Version, records::Entry};

/// In `absent_from`: the datastore has to be asked; if the key is there, it does not expire.
pub(crate) const UNKNOWN: Option<u32> = Some(0);
/// In `absent_from`: the datastore has to be asked; the key may expire.
pub(crate) const MAY_EXPIRE: Option<u32> = Some(1);
/// The least second that is one.
const SECOND_MIN: u32 = 2;

/// Sequenced writes that create their key without an expiry, or leave its expiry as it is.
const KEEPING: [&str; 21] = [
    "append",
    "decr",
    "decrby",
    "geoadd",
    "hincrby",
    "hincrbyfloat",
    "hmset",
    "hset",
    "hsetnx",
    "incr",
    "incrby",
    "incrbyfloat",
    "lpush",
    "pfadd",
    "rpush",
    "sadd",
    "setbit",
    "setnx",
    "setrange",
    "zadd",
    "zincrby",
];

/// Sequenced writes that may give their key an expiry; `SET` may with one of these words.
const EXPIRING: [&str; 6] = ["expire", "expireat", "getex", "pexpire", "pexpireat", "restore"];
const SET_TIMES: [&str; 4] = ["EX", "EXAT", "PX", "PXAT"];

/// From when the key is absent after a canonical overwrite: `SET key value [PXAT ms]` or a deletion.
pub(crate) fn after_overwrite(command: &KeyRequest, version: Version) -> Option<u32> {
    let request = command.request();
    match request.arg_count() {
        2 => Some(deleted(version)),
        5 => str::from_utf8(request.arg(4)).ok()?.parse().ok().map(expired),
        _ => None,
    }
}

/// From when the key is absent after a state was installed at `wall_ms`. Since when it was absent elsewhere is not known; it
/// is agreed with the other replicas from now on.
pub(crate) fn after_install(state: Option<&KeyState>, wall_ms: u64) -> Option<u32> {
    match state {
        None => Some(Mark::at(wall_ms).0.max(SECOND_MIN)),
        Some(state) => state.expires_at_ms.map(expired),
    }
}

/// The same of a state that is not absent.
pub(crate) fn after_staged(expires_at_ms: Option<u64>) -> Option<u32> {
    expires_at_ms.map(expired)
}

/// The same after a sequenced write, or what it amounts to; without one, nothing was changed but the record. The write is
/// near an expiry when `is_expiring`.
pub(crate) fn after_step(before: &Entry, request: Option<&Request>, is_expiring: bool) -> Option<u32> {
    let Some(request) = request else {
        return if before.record.is_blank() { UNKNOWN } else { before.absent_from };
    };
    if is_expiring || may_set_expiry(request) {
        return MAY_EXPIRE;
    }
    match before.absent_from {
        None if keeps_present(request) => None,
        None | UNKNOWN => UNKNOWN,
        known if keeps_present(request) => known,
        _ => MAY_EXPIRE,
    }
}

/// Whether the key may expire within `spread_ms` of `wall_ms`, or may have: then a write may find it on one replica and not
/// on another.
pub(crate) fn is_expiring(before: &Entry, wall_ms: u64, spread_ms: u64) -> bool {
    match before.absent_from {
        None | UNKNOWN => false,
        MAY_EXPIRE => true,
        // It has long been absent, or there is time enough; what was absent counts as expiring until that is known.
        Some(second) => u64::from(second) * 1000 <= wall_ms + spread_ms,
    }
}

/// Whether a sequenced write may give its key an expiry.
fn may_set_expiry(request: &Request) -> bool {
    let is = |arg: &[u8], other: &str| arg.eq_ignore_ascii_case(other.as_bytes());
    let name = request.name();
    let has_time =
        || (3..request.arg_count()).any(|index| SET_TIMES.iter().any(|word| is(request.arg(index), word)));
    EXPIRING.iter().any(|other| is(name, other)) || is(name, "set") && has_time()
}

fn keeps_present(request: &Request) -> bool {
    let is = |arg: &[u8], other: &str| arg.eq_ignore_ascii_case(other.as_bytes());
    let name = request.name();
    // `ZADD key XX …` does not create it. A member of that name costs a question.
    let may_create = !(2..request.arg_count()).any(|index| is(request.arg(index), "XX"));
    // INCRBYFLOAT is followed as `SET key value KEEPTTL`.
    let keeps_expiry = is(name, "set") && request.arg_count() == 4 && is(request.arg(3), "KEEPTTL");
    keeps_expiry || may_create && KEEPING.iter().any(|other| is(name, other))
}

/// What is to be asked of the datastore.
pub(crate) fn question(key: &[u8]) -> LaneOperation {
    LaneOperation::Command(Request::from_args([&b"PEXPIRETIME"[..], key]))
}

/// The number in the datastore's answer; `None` when that was no answer.
pub(crate) fn expiry(reply: &[u8]) -> Option<i64> {
    let number = reply.strip_prefix(b":")?.strip_suffix(b"\r\n")?;
    str::from_utf8(number).ok()?.parse().ok()
}

/// What the datastore's answer at `wall_ms` tells; `None` when that was no answer.
pub(crate) fn asked(reply: &[u8], wall_ms: u64) -> Option<Option<u32>> {
    match expiry(reply)? {
        -2 => Some(Some(Mark::at(wall_ms).0.max(SECOND_MIN))),
        -1 => Some(None),
        at_ms => Some(Some(expired(at_ms.max(0) as u64))),
    }
}

/// Whether only the datastore knows.
pub(crate) fn has_to_be_asked(absent_from: Option<u32>) -> bool {
    matches!(absent_from, UNKNOWN | MAY_EXPIRE)
}

/// The later of two replicas' words on the same state; a replica that has to ask has none.
pub(crate) fn later(one: Option<u32>, other: Option<u32>) -> Option<u32> {
    let is_open = has_to_be_asked(one) || has_to_be_asked(other);
    if is_open { one } else { one.zip(other).map(|(one, other)| one.max(other)) }
}

impl Entry {
    /// Whether the key is known to have been absent at `mark`.
    pub(crate) fn is_absent_at(&self, mark: Mark) -> bool {
        let since = self.absent_from.filter(|_| !has_to_be_asked(self.absent_from));
        self.record.is_blank() || since.is_some_and(|since| since <= mark.0)
    }
}

/// The second of a deletion. A mark that covers the version is not before it.
fn deleted(version: Version) -> u32 {
    Mark::at(version.millis()).0.max(SECOND_MIN)
}

/// The first whole second in which a key that expires is absent.
fn expired(at_ms: u64) -> u32 {
    Mark::at(at_ms.saturating_add(999)).0.max(SECOND_MIN)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use dynomite_codec::classify;
    use dynomite_ring::NodeId;

    use super::*;
    use crate::Record;

    fn request(line: &str) -> Request {
        Request::from_args(line.split(' ').collect::<Vec<_>>())
    }

    fn entry(absent_from: Option<u32>) -> Entry {
        let record = Record::overwritten(Version { clock: 1, node: NodeId(1) });
        Entry { record, absent_from, ..Entry::default() }
    }

    fn overwritten(line: &str) -> Option<u32> {
        let request = request(line);
        let command = KeyRequest::new(classify(&request).unwrap(), request).unwrap();
        after_overwrite(&command, Version { clock: 7_500 << 16, node: NodeId(1) })
    }

    #[test]
    fn overwrites_tell_from_when_their_key_is_absent() {
        assert_eq!(overwritten("SET k v"), None);
        assert_eq!(overwritten("SET k v PXAT 9001"), Some(10));
        assert_eq!(overwritten("SET k v PXAT 9000"), Some(9));
        assert_eq!([overwritten("DEL k"), overwritten("UNLINK k")], [Some(7), Some(7)]);
    }

    #[test]
    fn states_tell_it() {
        let state = |expires_at_ms| KeyState { payload: Bytes::new(), expires_at_ms };
        assert_eq!(after_install(None, 7_500), Some(7));
        assert_eq!(after_install(Some(&state(None)), 7_500), None);
        assert_eq!(after_install(Some(&state(Some(9_001))), 7_500), Some(10));
    }

    #[test]
    fn sequenced_writes_leave_it_open_unless_they_cannot_change_it() {
        let after = |entry: &Entry, line: &str| after_step(entry, Some(&request(line)), false);
        let present = entry(None);
        assert_eq!([after(&present, "incr k"), after(&present, "SET k 1.5 KEEPTTL")], [None, None]);
        assert_eq!(after(&Entry::default(), "HSET k f v"), None, "it is created");
        for line in ["LPOP k", "SET k v NX", "GETDEL k", "ZADD k XX 1 m", "LPUSHX k v"] {
            assert_eq!(after(&present, line), UNKNOWN, "{line}");
            assert_eq!(after(&entry(UNKNOWN), line), UNKNOWN, "{line}");
            assert_eq!(after(&entry(Some(9)), line), MAY_EXPIRE, "{line}");
        }
        for line in ["EXPIREAT k 5", "GETEX k PXAT 5", "SET k v NX px 5", "RESTORE k 5 x ABSTTL"] {
            assert_eq!(after(&present, line), MAY_EXPIRE, "{line}");
        }
        assert_eq!(after(&entry(Some(9)), "INCR k"), Some(9), "there is time until then");
        assert_eq!(after_step(&entry(Some(9)), Some(&request("INCR k")), true), MAY_EXPIRE);
        let after_nothing = |entry: &Entry| after_step(entry, None, false);
        assert_eq!([after_nothing(&entry(Some(9))), after_nothing(&present)], [Some(9), None]);
        assert_eq!(after_nothing(&Entry::default()), UNKNOWN);
    }

    #[test]
    fn a_write_meets_an_expiry_that_is_not_far_away() {
        let meets = |absent_from, wall_ms| is_expiring(&entry(absent_from), wall_ms, 5000);
        assert!(!meets(None, 0) && !meets(UNKNOWN, 0) && meets(MAY_EXPIRE, 0));
        assert!(!meets(Some(9), 3999) && meets(Some(9), 4000) && meets(Some(9), 60_000));
    }

    #[test]
    fn a_datastore_that_was_asked_tells_it() {
        assert_eq!(asked(b":-2\r\n", 7_500), Some(Some(7)));
        assert_eq!(asked(b":-1\r\n", 7_500), Some(None));
        assert_eq!(asked(b":9001\r\n", 7_500), Some(Some(10)));
        assert_eq!(asked(b"-ERR unknown command\r\n", 7_500), None);
    }

    #[test]
    fn of_two_that_know_the_later_is_right() {
        assert_eq!(later(Some(5), Some(7)), Some(7));
        assert_eq!([later(Some(5), None), later(None, Some(5))], [None, None]);
        assert_eq!([later(UNKNOWN, Some(5)), later(Some(5), UNKNOWN)], [UNKNOWN, Some(5)]);
        assert_eq!([later(MAY_EXPIRE, Some(5)), later(Some(5), MAY_EXPIRE)], [MAY_EXPIRE, Some(5)]);
    }

    #[test]
    fn what_is_not_known_counts_as_present() {
        let absent_at = |absent_from, mark| entry(absent_from).is_absent_at(Mark(mark));
        assert!(
            absent_at(Some(5), 5) && !absent_at(Some(6), 5) && !absent_at(None, 5) && !absent_at(UNKNOWN, 5)
        );
        assert!(Entry::default().is_absent_at(Mark(0)), "it was never written");
    }
}
