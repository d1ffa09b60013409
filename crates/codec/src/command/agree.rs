//! Whether two replicas that hold the same would give these two replies.

use super::{Call, Order};
use crate::reply::ReplyView;

/// Whether two whole RESP2 replies to the same request agree, as far as the command lets one tell: some commands list
/// in any order, and some answer differently each time.
pub fn replies_agree(call: &Call, a: &[u8], b: &[u8]) -> bool {
    if a == b {
        return true;
    }
    match call.command.order {
        Order::Fixed => false,
        Order::Any => same_elements(a, b, 1),
        Order::AnyPairs => same_elements(a, b, 2),
        // A refusal and an answer never agree.
        Order::Free => (a.first() == Some(&b'-')) == (b.first() == Some(&b'-')),
    }
}

fn same_elements(a: &[u8], b: &[u8], group_len: usize) -> bool {
    let (Some(a), Some(b)) = (sorted_groups(a, group_len), sorted_groups(b, group_len)) else {
        return false;
    };
    a == b
}

/// The raw elements of an array, `group_len` of them kept together, in the order of their bytes.
fn sorted_groups(reply: &[u8], group_len: usize) -> Option<Vec<Vec<&[u8]>>> {
    let Some(ReplyView::Array(elements)) = ReplyView::parse(reply) else {
        return None;
    };
    let raw: Vec<&[u8]> = elements.raw().collect();
    let mut groups: Vec<Vec<&[u8]>> = raw.chunks(group_len).map(<[&[u8]]>::to_vec).collect();
    groups.sort_unstable();
    Some(groups)
}
