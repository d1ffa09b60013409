use std::time::Duration;

use super::*;

#[test]
fn after_any_fault_all_agree_on_who_is_there() {
    for scenario in GOSSIP_SCENARIOS {
        for seed in 0..3 {
            let wrong = play_gossip(scenario, 12, seed);
            assert!(
                wrong.is_empty(),
                "{scenario:?}, seed {seed}: {:#?}",
                wrong.iter().take(5).collect::<Vec<_>>()
            );
        }
    }
}

#[test]
fn a_hundred_members_are_as_fast_and_as_quiet_as_is_asked() {
    let figures = measure(Members::start(100, 1), Duration::from_secs(60));
    assert!(figures.missed().is_empty(), "{figures:#?}");
    // What it costs is known well: less would mean that something is not told.
    assert!((500..2000).contains(&figures.sent_bytes), "{figures:#?}");
}
