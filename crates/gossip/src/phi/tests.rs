use super::*;

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A detector after `count` heartbeats exactly `interval` apart, and the time of the last.
fn regular(interval: Duration, count: u32) -> (PhiAccrual, Duration) {
    let mut detector = PhiAccrual::new(PhiConfig::for_interval(interval));
    for beat in 1..=count {
        detector.heartbeat(interval * beat);
    }
    (detector, interval * count)
}

/// How long after `last` the detector becomes suspicious.
fn detection_time(detector: &PhiAccrual, last: Duration) -> Duration {
    let at = (0..100_000).map(|step| last + millis(step)).find(|now| detector.is_suspect(*now));
    at.expect("silence becomes suspicious") - last
}

/// A small generator of numbers below `bound` (SplitMix64).
fn random(state: &mut u64, bound: u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mixed = (*state ^ *state >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    (mixed ^ mixed >> 27) % bound
}

#[test]
fn a_silent_peer_is_suspected_within_a_second() {
    for interval in [100, 150, 200].map(millis) {
        for count in [1, 2, 10, 1000] {
            let (detector, last) = regular(interval, count);
            let time = detection_time(&detector, last);
            assert!(time > interval * 7 / 2 && time < millis(1000), "{interval:?} {count}: {time:?}");
        }
    }
}

#[test]
fn gaps_of_three_intervals_are_never_suspected() {
    for (seed, interval) in [(1, 100), (2, 150), (3, 200)] {
        let mut state = seed;
        let mut detector = PhiAccrual::new(PhiConfig::for_interval(millis(interval)));
        let mut last = Duration::ZERO;
        detector.heartbeat(last);
        for beat in 1..50_000 {
            // Sent on time, delayed by up to two intervals, never overtaking.
            let arrival = millis(beat * interval + random(&mut state, 2 * interval)).max(last);
            assert!(!detector.is_suspect(arrival), "beat {beat} after {:?}", arrival - last);
            detector.heartbeat(arrival);
            last = arrival;
        }
        let time = detection_time(&detector, last);
        assert!(time < millis(1100), "after jitter at {interval} ms: {time:?}");
    }
}

#[test]
fn one_long_pause_does_not_blind() {
    let (mut detector, last) = regular(millis(150), 200);
    let before = detection_time(&detector, last);
    let back = last + Duration::from_secs(3600);
    assert!(detector.is_suspect(back));
    detector.heartbeat(back);
    assert!(!detector.is_suspect(back));
    let after = detection_time(&detector, back);
    assert!(after < before * 11 / 10, "{before:?} {after:?}");
}

#[test]
fn slower_heartbeats_are_learnt() {
    let mut detector = PhiAccrual::new(PhiConfig::for_interval(millis(100)));
    for beat in 0..200 {
        detector.heartbeat(millis(250) * beat);
    }
    let learnt = detection_time(&detector, millis(250) * 199);
    let (fresh, last) = regular(millis(100), 200);
    assert!(learnt > detection_time(&fresh, last) + millis(140), "{learnt:?}");
}

#[test]
fn phi_grows_with_silence_from_nearly_nothing() {
    let (detector, last) = regular(millis(150), 50);
    let phis: Vec<f64> = (0..200).map(|step| detector.phi(last + millis(step * 50))).collect();
    assert!(phis[0] < 0.1, "{}", phis[0]);
    assert!(phis.windows(2).all(|pair| pair[0] < pair[1]));
    assert!(phis[199].is_finite() && phis[199] > 1000.0);
}

#[test]
fn phi_is_the_logarithm_of_the_chance_of_a_longer_silence() {
    // Upper tails of the normal distribution: 0.5, 0.1, 0.01.
    for (deviations, phi) in [(0.0, 0.301), (1.2816, 1.0), (2.3263, 2.0)] {
        assert!((phi_at(deviations) - phi).abs() < 0.02, "{deviations}: {}", phi_at(deviations));
    }
}

#[test]
fn suspicion_begins_where_phi_passes_the_threshold() {
    for threshold in [0.5, 1.0, 3.0, 8.0, 12.0] {
        let mut detector = PhiAccrual::new(PhiConfig { threshold, ..PhiConfig::default() });
        for beat in 0..20 {
            detector.heartbeat(millis(150) * beat);
        }
        let at = detector.suspect_at().unwrap();
        assert!((detector.phi(at) - threshold).abs() < 1e-4, "{threshold}");
        assert!(!detector.is_suspect(at) && detector.is_suspect(at + millis(1)));
    }
}

#[test]
fn nobody_is_suspected_before_the_first_heartbeat() {
    let mut detector = PhiAccrual::new(PhiConfig::default());
    let late = Duration::from_secs(1_000_000);
    assert_eq!((detector.phi(late), detector.suspect_at(), detector.last_heartbeat()), (0.0, None, None));
    assert!(!detector.is_suspect(late));
    detector.heartbeat(late);
    assert!(!detector.is_suspect(late + millis(150)) && detector.is_suspect(late + millis(1000)));
}

#[test]
fn an_older_heartbeat_is_ignored() {
    let (mut detector, last) = regular(millis(150), 10);
    let before = detector.suspect_at();
    detector.heartbeat(last - millis(1));
    assert_eq!((detector.suspect_at(), detector.last_heartbeat()), (before, Some(last)));
    assert!(detector.phi(Duration::ZERO) < 0.1);
}

#[test]
fn memory_is_bounded_by_the_window() {
    for (asked, kept) in [(0, 2), (10, 10), (usize::MAX, 1000)] {
        let mut detector = PhiAccrual::new(PhiConfig { window: asked, ..PhiConfig::default() });
        for beat in 0..3000 {
            detector.heartbeat(millis(beat));
        }
        assert_eq!(detector.intervals.len(), kept);
    }
}

#[test]
fn senseless_configurations_do_not_panic() {
    for (interval, threshold) in
        [(Duration::ZERO, 0.0), (Duration::ZERO, f64::NAN), (Duration::MAX, f64::INFINITY)]
    {
        let config = PhiConfig { threshold, ..PhiConfig::for_interval(interval) };
        let mut detector = PhiAccrual::new(config);
        for beat in 0..10 {
            detector.heartbeat(millis(beat));
        }
        assert!(detector.phi(Duration::MAX) >= 0.0);
        let _ = detector.is_suspect(Duration::MAX);
    }
}
