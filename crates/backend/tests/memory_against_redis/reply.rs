//! Replies, and when two of them say the same.

use dynomite_codec::Request;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    Line(Vec<u8>),
    Integer(i64),
    Bulk(Option<Vec<u8>>),
    Array(Option<Vec<Reply>>),
}

impl Reply {
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let mut rest = bytes;
        if bytes.is_empty() {
            return Self::Line(Vec::new());
        }
        let reply = parse(&mut rest);
        assert!(rest.is_empty(), "one reply, no more: {}", bytes.escape_ascii());
        reply
    }

    /// All strings in it, in order.
    pub(crate) fn texts(&self) -> Vec<Vec<u8>> {
        match self {
            Self::Bulk(Some(text)) => vec![text.clone()],
            Self::Array(Some(items)) => items.iter().flat_map(Self::texts).collect(),
            _ => Vec::new(),
        }
    }

    /// The reply of a scan that needs one page.
    pub(crate) fn page(found: Vec<Vec<u8>>) -> Vec<u8> {
        let mut out = format!("*2\r\n$1\r\n0\r\n*{}\r\n", found.len()).into_bytes();
        for text in found {
            out.extend(format!("${}\r\n", text.len()).into_bytes());
            out.extend(text);
            out.extend(b"\r\n");
        }
        out
    }

    fn shape(&self) -> Self {
        match self {
            Self::Bulk(Some(_)) => Self::Bulk(Some(Vec::new())),
            Self::Array(Some(items)) => Self::Array(Some(items.iter().map(Self::shape).collect())),
            other => other.clone(),
        }
    }
}

/// How replies to a command are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Exact,
    /// Members come in any order, so many to a group.
    Unordered(usize),
    /// Numbers that depend on the clock: this much apart.
    About(i64),
    /// Pages of a scan, in any order.
    Pages,
    /// Random members; only how many.
    Picked,
    /// As `Picked`, and they are gone.
    Popped,
    Ignored,
}

impl Comparison {
    pub(crate) fn of(args: &[Vec<u8>]) -> Self {
        match &*args[0].to_ascii_uppercase() {
            b"HGETALL" => Self::Unordered(2),
            b"HKEYS" | b"HVALS" | b"SMEMBERS" | b"KEYS" => Self::Unordered(1),
            b"TTL" | b"EXPIRETIME" => Self::About(300),
            b"PTTL" | b"PEXPIRETIME" => Self::About(300_000),
            b"SCAN" | b"HSCAN" | b"SSCAN" | b"ZSCAN" => Self::Pages,
            b"RANDOMKEY" | b"SRANDMEMBER" | b"HRANDFIELD" | b"ZRANDMEMBER" => Self::Picked,
            b"SPOP" => Self::Popped,
            _ => Self::Exact,
        }
    }

    pub(crate) fn holds(self, ours: &Reply, real: &Reply, request: &Request) -> bool {
        match (self, ours, real) {
            (Self::Ignored, ..) => true,
            (Self::Unordered(group), Reply::Array(Some(ours)), Reply::Array(Some(real))) => {
                sorted_groups(ours, group) == sorted_groups(real, group)
            }
            (Self::About(distance), Reply::Integer(ours), Reply::Integer(real)) => {
                ours == real || (*ours > 0 && *real > 0 && ours.abs_diff(*real) <= distance as u64)
            }
            (Self::Pages, Reply::Array(_), Reply::Array(_)) => {
                let paired = matches!(&*request.name().to_ascii_uppercase(), b"HSCAN" | b"ZSCAN");
                let group = if paired { 2 } else { 1 };
                let groups = |reply: &Reply| {
                    let Reply::Array(Some(parts)) = reply else { return Vec::new() };
                    let Reply::Array(Some(items)) = &parts[1] else { return Vec::new() };
                    let mut groups = sorted_groups(items, group);
                    groups.dedup();
                    groups
                };
                groups(ours) == groups(real)
            }
            (Self::Picked | Self::Popped, ours, real) => ours.shape() == real.shape(),
            (_, ours, real) => ours == real,
        }
    }
}

fn sorted_groups(items: &[Reply], group: usize) -> Vec<Vec<Vec<u8>>> {
    let mut groups: Vec<_> =
        items.chunks(group).map(|chunk| chunk.iter().flat_map(Reply::texts).collect::<Vec<_>>()).collect();
    groups.sort();
    groups
}

fn parse(rest: &mut &[u8]) -> Reply {
    let end = rest.windows(2).position(|pair| pair == b"\r\n").expect("a line");
    let (line, tail) = (&rest[..end], &rest[end + 2..]);
    *rest = tail;
    let number = || std::str::from_utf8(&line[1..]).unwrap().parse::<i64>().unwrap();
    match line[0] {
        b':' => Reply::Integer(number()),
        b'$' if number() < 0 => Reply::Bulk(None),
        b'$' => {
            let (text, tail) = rest.split_at(number() as usize);
            *rest = tail.strip_prefix(b"\r\n").expect("a string ends");
            Reply::Bulk(Some(text.to_vec()))
        }
        b'*' if number() < 0 => Reply::Array(None),
        b'*' => Reply::Array(Some((0..number()).map(|_| parse(rest)).collect())),
        _ => Reply::Line(line.to_vec()),
    }
}
