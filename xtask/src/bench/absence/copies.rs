//! What the datastores hold, read from them directly.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use dynomite_testkit::{RawClient, Redis};

use super::open_loop::{reply_length, write_number};
use crate::bench::redis_benchmark::key;

const BATCH_KEYS: usize = 500;
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// Keys whose copy in a datastore may be older than what was acknowledged.
#[derive(Debug)]
pub(super) struct Behind {
    /// With the number of the write that must be there, or a later one.
    keys: Vec<(u32, u32)>,
}

impl Behind {
    /// All keys, with what was acknowledged of each.
    pub(super) fn new(acknowledged: &[u32]) -> Self {
        Self { keys: (0..).zip(acknowledged.iter().copied()).collect() }
    }

    pub(super) fn count(&self) -> usize {
        self.keys.len()
    }

    /// Asks the datastore for those that were behind; leaves those that still are.
    pub(super) fn look(&mut self, redis: &Redis) -> Result<()> {
        let mut client = redis.client().with_deadline(ANSWER_MAX);
        let mut behind = Vec::new();
        for batch in self.keys.chunks(BATCH_KEYS) {
            let numbers: Vec<u32> = batch.iter().map(|(key, _)| *key).collect();
            let values = values(&mut client, &numbers)?;
            for (value, entry) in values.iter().zip(batch) {
                let held = value.as_deref().and_then(write_number);
                if held.is_none_or(|held| held < entry.1) {
                    behind.push(*entry);
                }
            }
        }
        self.keys = behind;
        Ok(())
    }
}

/// How many keys do not have the same value in all datastores, or have none in one.
pub(super) fn differing_count(stores: &[&Redis], key_count: u32) -> Result<usize> {
    let mut clients: Vec<RawClient> =
        stores.iter().map(|redis| redis.client().with_deadline(ANSWER_MAX)).collect();
    let numbers: Vec<u32> = (0..key_count).collect();
    let mut count = 0;
    for batch in numbers.chunks(BATCH_KEYS) {
        let copies = clients.iter_mut().map(|client| values(client, batch)).collect::<Result<Vec<_>>>()?;
        let is_equal =
            |at: usize| copies[0][at].is_some() && copies.iter().all(|copy| copy[at] == copies[0][at]);
        count += (0..batch.len()).filter(|at| !is_equal(*at)).count();
    }
    Ok(count)
}

/// The values of some keys, in their order.
fn values(client: &mut RawClient, numbers: &[u32]) -> Result<Vec<Option<Vec<u8>>>> {
    let mut command = vec!["MGET".to_owned()];
    command.extend(numbers.iter().map(|number| key(*number)));
    let reply = client.try_command(&command)?;
    let heading = format!("*{}\r\n", numbers.len());
    let mut rest = reply.strip_prefix(heading.as_bytes()).context("no reply to MGET")?;
    let mut values = Vec::with_capacity(numbers.len());
    while !rest.is_empty() {
        let length = reply_length(rest)?.context("a value that is not whole")?;
        let (value, left) = rest.split_at(length);
        let start = value.iter().position(|byte| *byte == b'\n').unwrap_or(0) + 1;
        values.push((start < length).then(|| value[start..length - 2].to_vec()));
        rest = left;
    }
    ensure!(values.len() == numbers.len(), "MGET gave {} values of {}", values.len(), numbers.len());
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::absence::open_loop::value;

    fn set(redis: &Redis, number: u32, write: u32) {
        let reply = redis.client().command(&[b"SET", key(number).as_bytes(), &value(write, 32)]);
        assert_eq!(reply, b"+OK\r\n");
    }

    #[test]
    fn keys_are_behind_until_what_was_acknowledged_or_more_is_there() {
        let redis = Redis::start();
        (0..1000).for_each(|key| set(&redis, key, 5));
        let mut acknowledged = vec![5; 1000];
        acknowledged[3] = 6;
        acknowledged[4] = 4;
        let mut behind = Behind::new(&acknowledged);
        assert_eq!(behind.count(), 1000);
        behind.look(&redis).expect("it answers");
        assert_eq!(behind.keys, [(3, 6)]);
        set(&redis, 3, 7);
        behind.look(&redis).expect("it answers");
        assert_eq!(behind.count(), 0);
    }

    #[test]
    fn a_key_that_is_missing_or_different_anywhere_is_counted() {
        let stores = [Redis::start(), Redis::start()];
        for redis in &stores {
            (0..10).for_each(|key| set(redis, key, 1));
        }
        let count = |keys| differing_count(&[&stores[0], &stores[1]], keys).expect("they answer");
        assert_eq!((count(10), count(11)), (0, 1));
        set(&stores[1], 2, 2);
        assert_eq!(count(10), 1);
    }
}
