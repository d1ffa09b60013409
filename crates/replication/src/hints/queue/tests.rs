use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const ROOM: usize = 1 << 20;

fn taken(queue: &mut Queue) -> Vec<String> {
    let mut keys = Vec::new();
    while let Next::Hint { key, .. } = queue.take() {
        keys.push(String::from_utf8(key.to_vec()).unwrap());
    }
    keys
}

fn queue_of(keys: &[&str]) -> Queue {
    let mut queue = Queue::default();
    for (second, key) in keys.iter().enumerate() {
        assert_eq!(queue.note(key.as_bytes(), second as u32, ROOM), Noted::New);
    }
    queue
}

#[test]
fn keys_come_in_the_order_in_which_they_were_first_noted() {
    let mut queue = queue_of(&["a", "b", "c"]);
    assert_eq!(queue.note(b"a", 9, ROOM), Noted::Known);
    assert_eq!((queue.len(), queue.oldest_s()), (3, Some(0)));
    assert_eq!(taken(&mut queue), ["a", "b", "c"]);
    assert_eq!((queue.take(), queue.replaying_count(), queue.has_waiting()), (Next::Nothing, 3, false));
}

#[test]
fn a_key_noted_while_it_is_replayed_stays() {
    let mut queue = queue_of(&["a", "b"]);
    assert_eq!(taken(&mut queue), ["a", "b"]);
    queue.note(b"a", 7, ROOM);
    assert!(!queue.replayed(b"a") && queue.replayed(b"b"));
    assert_eq!(taken(&mut queue), ["a"]);
    assert!(queue.replayed(b"a"));
    assert_eq!((queue.len(), queue.bytes(), queue.key_bytes()), (0, 0, 0));
}

#[test]
fn what_is_put_back_comes_next_and_what_is_postponed_comes_last() {
    let mut queue = queue_of(&["a", "b", "c", "d"]);
    let Next::Hint { key, .. } = queue.take() else { panic!() };
    queue.take();
    queue.postpone(&key);
    queue.put_back(b"b");
    assert_eq!(taken(&mut queue), ["b", "c", "d"]);
    queue.note(b"e", 9, ROOM);
    assert_eq!(taken(&mut queue), ["a", "e"], "the pass was over before them");
}

#[test]
fn a_pass_ends_where_what_was_postponed_in_it_begins() {
    let mut queue = queue_of(&["a", "b"]);
    queue.take();
    queue.postpone(b"a");
    assert_eq!(queue.take(), Next::Hint { key: "b".into(), noted_s: 1 });
    assert_eq!(queue.take(), Next::PassOver);
    assert_eq!(queue.take(), Next::Hint { key: "a".into(), noted_s: 0 });
    queue.postpone(b"a");
    assert!(queue.replayed(b"b"));
    assert_eq!(queue.take(), Next::PassOver);
}

#[test]
fn the_oldest_that_waits_expires_first() {
    let mut queue = queue_of(&["a", "b", "c"]);
    queue.take();
    assert_eq!(queue.expire(1), None, "a is being replayed, b is not old enough");
    assert_eq!(queue.expire(2).as_deref(), Some(&b"b"[..]));
    assert_eq!((queue.oldest_s(), queue.contains(b"b"), queue.contains(b"a")), (Some(2), false, true));
}

#[test]
fn what_does_not_fit_is_refused_and_room_comes_back_with_whole_chunks() {
    let mut queue = Queue::default();
    let key = |n: usize| format!("key:{n:05}").into_bytes();
    let size = HINT_BYTES + key(0).len();
    let many = 2 * CHUNK_LEN as usize;
    for n in 0..many {
        assert_eq!(queue.note(&key(n), 0, many * size), Noted::New);
    }
    assert_eq!(queue.note(&key(many), 0, many * size), Noted::NoRoom);
    assert_eq!((queue.bytes(), queue.len()), (many * size, many));
    for n in 0..CHUNK_LEN as usize {
        assert_eq!(queue.bytes(), many * size);
        assert!(queue.forget(&key(n)));
    }
    assert_eq!(queue.bytes(), many * size / 2);
    assert_eq!(queue.note(&key(many), 0, many * size), Noted::New);
}

#[test]
fn a_key_larger_than_a_chunk_has_one_of_its_own() {
    let mut queue = queue_of(&["a"]);
    let large = vec![b'x'; 3 * CHUNK_BYTES];
    queue.note(&large, 5, ROOM);
    queue.note(b"b", 6, ROOM);
    assert!(queue.contains(&large) && queue.forget(&large) && !queue.contains(&large));
    assert!(queue.bytes() < CHUNK_BYTES);
    assert_eq!(taken(&mut queue), ["a", "b"]);
}

#[derive(Debug, Clone)]
enum Step {
    Note(u8),
    Take,
    Replayed(u8),
    PutBack(u8),
    Postpone(u8),
    Expire(u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => any::<u8>().prop_map(Step::Note),
        3 => Just(Step::Take),
        2 => any::<u8>().prop_map(Step::Replayed),
        1 => any::<u8>().prop_map(Step::PutBack),
        1 => any::<u8>().prop_map(Step::Postpone),
        1 => (0..2000_u32).prop_map(Step::Expire),
    ]
}

/// A hint of the naive queue.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Plain {
    noted_s: u32,
    is_replaying: bool,
    is_again: bool,
}

/// Everything is compared after so many steps.
const STEPS: usize = 100;

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn it_holds_what_a_plain_map_holds(steps in proptest::collection::vec(step(), 0..2000)) {
        let key = |n: u8| vec![n; 1 + 40 * usize::from(n)];
        let (mut queue, mut plain) = (Queue::default(), BTreeMap::<Vec<u8>, Plain>::new());
        for (second, step) in steps.into_iter().enumerate() {
            match step {
                Step::Note(n) => {
                    queue.note(&key(n), second as u32, usize::MAX);
                    let new = Plain { noted_s: second as u32, is_replaying: false, is_again: false };
                    plain.entry(key(n)).and_modify(|hint| hint.is_again = hint.is_replaying).or_insert(new);
                }
                Step::Take => match queue.take() {
                    Next::Hint { key, noted_s } => {
                        let hint = plain.get_mut(&key[..]).unwrap();
                        prop_assert!(!hint.is_replaying && hint.noted_s == noted_s);
                        hint.is_replaying = true;
                    }
                    Next::PassOver => prop_assert!(plain.values().any(|hint| !hint.is_replaying)),
                    Next::Nothing => prop_assert!(plain.values().all(|hint| hint.is_replaying)),
                },
                Step::Replayed(n) => {
                    let is_gone = queue.replayed(&key(n));
                    let hint = plain.get_mut(&key(n)).filter(|hint| hint.is_replaying);
                    let goes = hint.as_ref().is_some_and(|hint| !hint.is_again);
                    if let Some(hint) = hint {
                        (hint.is_replaying, hint.is_again) = (false, false);
                    }
                    prop_assert_eq!(is_gone, goes);
                    if goes {
                        plain.remove(&key(n));
                    }
                }
                Step::PutBack(n) | Step::Postpone(n) => {
                    match step {
                        Step::PutBack(_) => queue.put_back(&key(n)),
                        _ => queue.postpone(&key(n)),
                    }
                    if let Some(hint) = plain.get_mut(&key(n)) {
                        (hint.is_replaying, hint.is_again) = (false, false);
                    }
                }
                Step::Expire(before_s) => {
                    if let Some(key) = queue.expire(before_s) {
                        let hint = plain.remove(&key[..]).unwrap();
                        prop_assert!(!hint.is_replaying && hint.noted_s < before_s);
                    }
                }
            }
            let (len, replaying) = (plain.len(), plain.values().filter(|hint| hint.is_replaying).count());
            prop_assert_eq!((queue.len(), queue.replaying_count()), (len, replaying));
            prop_assert_eq!(queue.bytes() == 0, len == 0);
            if second % STEPS != 0 {
                continue;
            }
            let all: BTreeMap<Vec<u8>, u32> =
                queue.hints_from(queue.first()).map(|(_, key, noted_s)| (key.to_vec(), noted_s)).collect();
            let wanted: BTreeMap<Vec<u8>, u32> =
                plain.iter().map(|(key, hint)| (key.clone(), hint.noted_s)).collect();
            prop_assert_eq!(all, wanted);
            let key_bytes: usize = plain.keys().map(Vec::len).sum();
            prop_assert_eq!(queue.key_bytes(), key_bytes);
            prop_assert!(queue.bytes() >= key_bytes + len * HINT_BYTES);
        }
    }
}
