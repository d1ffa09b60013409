use proptest::prelude::*;

use super::*;

const BOUNDS: ItemBounds = ItemBounds { count_max: 16, bytes_max: 4096 };
const GRACE: Duration = Duration::from_secs(10);

fn at(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn set(items: &mut Items, now: u64, key: u16, value: &str) {
    assert!(items.set(at(now), key, Some(value.as_bytes()), BOUNDS));
}

/// What `to` lacks goes there, in as many deltas as it takes with this room.
fn tell(from: &Items, to: &mut Items, now: u64, room: usize) -> Vec<u16> {
    let mut changed = Vec::new();
    for _ in 0..100 {
        let Some(start) = from.missing_from(to.version(), to.collected()) else { break };
        let delta = from.delta(start, room).expect("there is room for one");
        assert_eq!(to.apply(at(now), &delta, BOUNDS, &mut changed), Applied::Changed);
    }
    assert_eq!(to.version(), from.version());
    changed
}

fn values(items: &Items) -> Vec<(u16, String)> {
    items.values().map(|(key, value)| (key, String::from_utf8_lossy(value).into_owned())).collect()
}

#[test]
fn changes_arrive_whole_and_in_parts() {
    let mut owner = Items::default();
    for key in 0..10 {
        set(&mut owner, 0, key, "some value");
    }
    owner.set(at(0), 3, None, BOUNDS);
    set(&mut owner, 0, 4, "another value");
    for room in [60, 100, 10_000] {
        let mut other = Items::default();
        tell(&owner, &mut other, 0, room);
        assert_eq!(values(&other), values(&owner));
        assert_eq!(values(&other).len(), 9);
    }
}

#[test]
fn a_delta_after_a_gap_changes_nothing() {
    let mut owner = Items::default();
    set(&mut owner, 0, 1, "one");
    set(&mut owner, 0, 2, "two");
    let delta = owner.delta(1, 1000).expect("there is room");
    let mut other = Items::default();
    assert_eq!(other.apply(at(0), &delta, BOUNDS, &mut Vec::new()), Applied::Nothing);
    assert_eq!((other.version(), values(&other).len()), (0, 0));
}

#[test]
fn an_old_delta_changes_nothing() {
    let mut owner = Items::default();
    set(&mut owner, 0, 1, "old");
    let early = owner.clone();
    let old = early.delta(0, 1000).expect("there is room");
    set(&mut owner, 0, 1, "new");
    let mut other = Items::default();
    tell(&owner, &mut other, 0, 1000);
    assert_eq!(other.apply(at(0), &old, BOUNDS, &mut Vec::new()), Applied::Nothing);
    assert_eq!(values(&other), [(1, "new".into())]);
}

#[test]
fn what_was_removed_does_not_return_after_its_tombstone_went() {
    let mut owner = Items::default();
    set(&mut owner, 0, 1, "stays");
    set(&mut owner, 0, 2, "goes");
    let mut away = Items::default();
    tell(&owner, &mut away, 0, 1000);
    owner.set(at(1), 2, None, BOUNDS);
    owner.collect(at(100), GRACE);
    assert_eq!(owner.collected(), 3);
    // Who was away is told everything afresh, and learns that one is gone from its not being told.
    assert_eq!(owner.missing_from(away.version(), away.collected()), Some(0));
    assert_eq!(tell(&owner, &mut away, 100, 1000), [2]);
    assert_eq!(values(&away), [(1, "stays".into())]);
}

#[test]
fn while_all_is_told_afresh_nothing_that_stays_is_missing() {
    let mut owner = Items::default();
    for key in 0..8 {
        set(&mut owner, 0, key, "value");
    }
    let mut away = Items::default();
    tell(&owner, &mut away, 0, 1000);
    owner.set(at(1), 7, None, BOUNDS);
    set(&mut owner, 1, 0, "later");
    owner.collect(at(100), GRACE);
    let mut changed = Vec::new();
    for _ in 0..100 {
        let Some(start) = owner.missing_from(away.version(), away.collected()) else { break };
        let delta = owner.delta(start, ItemsDelta::BYTES_AROUND + 20).expect("there is room for one");
        away.apply(at(100), &delta, BOUNDS, &mut changed);
        assert!((0..7).all(|key| away.value(key).is_some()), "{away:?}");
    }
    assert_eq!(values(&away), values(&owner));
    changed.sort_unstable();
    assert_eq!(changed, [0, 7]);
}

#[test]
fn who_is_told_afresh_does_not_pass_on_what_may_be_gone() {
    let mut owner = Items::default();
    set(&mut owner, 0, 1, "goes");
    let mut middle = Items::default();
    tell(&owner, &mut middle, 0, 1000);
    owner.set(at(1), 1, None, BOUNDS);
    set(&mut owner, 1, 2, "stays");
    set(&mut owner, 1, 3, "stays");
    owner.set(at(1), 9, None, BOUNDS);
    owner.collect(at(100), GRACE);
    // The first part of it only.
    let delta = owner.delta(0, ItemsDelta::BYTES_AROUND + 10).expect("there is room for one");
    assert_eq!(middle.apply(at(100), &delta, BOUNDS, &mut Vec::new()), Applied::Changed);
    assert!(middle.version() < owner.collected() && middle.value(1).is_some());
    let mut other = Items::default();
    tell(&middle, &mut other, 100, 1000);
    assert_eq!(values(&other), [(2, "stays".into())]);
}

#[test]
fn who_is_told_afresh_believes_only_those_who_collected_as_much() {
    let mut owner = Items::default();
    set(&mut owner, 0, 1, "stays");
    set(&mut owner, 0, 2, "goes");
    let (mut late, mut renewing) = (Items::default(), Items::default());
    tell(&owner, &mut late, 0, 1000);
    tell(&owner, &mut renewing, 0, 1000);
    owner.set(at(1), 2, None, BOUNDS);
    set(&mut owner, 1, 3, "stays");
    owner.collect(at(100), GRACE);
    let first = owner.delta(0, ItemsDelta::BYTES_AROUND + 10).expect("there is room for one");
    renewing.apply(at(100), &first, BOUNDS, &mut Vec::new());
    let stale = late.delta(renewing.version(), 1000).expect("there is room");
    assert_eq!(renewing.apply(at(100), &stale, BOUNDS, &mut Vec::new()), Applied::Nothing);
    tell(&owner, &mut renewing, 100, 1000);
    assert_eq!(values(&renewing), values(&owner));
}

#[test]
fn bounds_hold_for_the_owner_and_for_what_is_told() {
    let small = ItemBounds { count_max: 2, bytes_max: 10 };
    let mut items = Items::default();
    assert!(items.set(at(0), 1, Some(b"12345"), small));
    assert!(!items.set(at(0), 2, Some(b"123456"), small));
    assert!(items.set(at(0), 2, Some(b"12345"), small));
    assert!(items.set(at(0), 2, Some(b"1234"), small));
    assert!(!items.set(at(0), 3, Some(b""), small));
    let mut owner = Items::default();
    for key in 0..3 {
        set(&mut owner, 0, key, "1");
    }
    let delta = owner.delta(0, 1000).expect("there is room");
    let mut other = Items::default();
    assert_eq!(other.apply(at(0), &delta, small, &mut Vec::new()), Applied::Refused);
    // The same key over and over, as nobody honest sends it.
    let item = |version| ItemChange { key: 1, version, value: Some(b"12345".as_slice()) };
    let items = (10..20).map(item).collect();
    let hostile = ItemsDelta { from: 0, upto: 20, collected: 0, items };
    other.apply(at(0), &hostile, BOUNDS, &mut Vec::new());
    other.apply(at(0), &hostile, BOUNDS, &mut Vec::new());
    assert_eq!(other.byte_count, 5);
}

#[derive(Debug, Clone)]
enum Step {
    Set {
        key: u16,
        value: u8,
    },
    Remove {
        key: u16,
    },
    /// From one replica to another, cut to some room; 0 is the owner.
    Tell {
        from: usize,
        to: usize,
        room: usize,
    },
    Collect {
        who: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (0..6u16, any::<u8>()).prop_map(|(key, value)| Step::Set { key, value }),
        2 => (0..6u16).prop_map(|key| Step::Remove { key }),
        6 => (0..4usize, 1..4usize, 40..90usize).prop_map(|(from, to, room)| Step::Tell { from, to, room }),
        2 => (0..4usize).prop_map(|who| Step::Collect { who }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn whoever_is_told_by_whomever_ends_with_the_owners_items(
        steps in proptest::collection::vec(step(), 0..120)
    ) {
        let mut replicas = vec![Items::default(); 4];
        let mut now = 0;
        for step in steps {
            now += 4;
            match step {
                Step::Set { key, value } => set(&mut replicas[0], now, key, &value.to_string()),
                Step::Remove { key } => {
                    replicas[0].set(at(now), key, None, BOUNDS);
                }
                Step::Collect { who } => replicas[who].collect(at(now), GRACE),
                Step::Tell { from, to, room } => {
                    let horizon = replicas[to].collected();
                    replicas[from].collect_upto(horizon);
                    let teller = replicas[from].clone();
                    let listener = &mut replicas[to];
                    if let Some(start) = teller.missing_from(listener.version(), listener.collected())
                        && let Some(delta) = teller.delta(start, room)
                    {
                        listener.apply(at(now), &delta, BOUNDS, &mut Vec::new());
                    }
                }
            }
        }
        let mut owner = replicas[0].clone();
        for other in &mut replicas[1..] {
            owner.collect_upto(other.collected());
            tell(&owner, other, now, 100);
            prop_assert_eq!(values(other), values(&owner));
        }
    }
}
