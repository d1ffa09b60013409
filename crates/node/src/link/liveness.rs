//! Whether the other side of a link is still there, and when to tell it that this side is.

use std::time::Duration;

use dynomite_gossip::{PhiAccrual, PhiConfig};

/// Watches one link. Times are milliseconds of the worker's clock.
#[derive(Debug)]
pub(crate) struct Liveness {
    detector: PhiAccrual,
    interval_ms: u64,
    heard: bool,
    sent_at_ms: u64,
    ticked_at_ms: u64,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing.
    Fine,
    /// The other side has heard nothing for an interval.
    SendHeartbeat,
    /// The other side has been silent for this long and must be taken for dead.
    Dead { silent_ms: u64 },
}

impl Liveness {
    /// For a link that came up at `now_ms`, with heartbeats every `interval`.
    pub(crate) fn new(interval: Duration, now_ms: u64) -> Self {
        // Regular heartbeats: suspected after the interval and 5.6 deviations, 1.2 s at 200 ms. Machines that are busy pause
        // processes for several 100 ms.
        let config = PhiConfig {
            min_std_deviation: interval * 9 / 10,
            max_interval: interval * 2,
            ..PhiConfig::for_interval(interval)
        };
        let mut detector = PhiAccrual::new(config);
        detector.heartbeat(Duration::from_millis(now_ms));
        let interval_ms = interval.as_millis() as u64;
        Self { detector, interval_ms, heard: false, sent_at_ms: now_ms, ticked_at_ms: now_ms }
    }

    /// Bytes came; any byte is a sign of life.
    pub(crate) fn received(&mut self) {
        self.heard = true;
    }

    /// Bytes were given to the socket.
    pub(crate) fn sent(&mut self, now_ms: u64) {
        self.sent_at_ms = now_ms;
    }

    /// Whether bytes came within the last two intervals, as of the last tick.
    pub(crate) fn is_heard(&self) -> bool {
        let last = self.detector.last_heartbeat().unwrap_or_default().as_millis() as u64;
        self.heard || self.ticked_at_ms.saturating_sub(last) <= self.interval_ms * 2
    }

    /// Time passed. Call several times an interval, after the socket was read.
    pub(crate) fn tick(&mut self, now_ms: u64) -> Verdict {
        // If this process itself was stopped or starved, the others have not been silent: it has not listened.
        let was_away = now_ms.saturating_sub(self.ticked_at_ms) > self.interval_ms * 2;
        self.ticked_at_ms = now_ms;
        let now = Duration::from_millis(now_ms);
        // Dense traffic shall not make the detector expect it to stay dense, so it hears once an interval.
        let last = self.detector.last_heartbeat().unwrap_or_default();
        let is_due = now.saturating_sub(last).as_millis() as u64 >= self.interval_ms;
        if was_away || (self.heard && is_due) {
            self.heard = false;
            self.detector.heartbeat(now);
        }
        if self.detector.is_suspect(now) {
            let last = self.detector.last_heartbeat().unwrap_or(now);
            return Verdict::Dead { silent_ms: now.saturating_sub(last).as_millis() as u64 };
        }
        if now_ms.saturating_sub(self.sent_at_ms) >= self.interval_ms {
            return Verdict::SendHeartbeat;
        }
        Verdict::Fine
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_millis(200);
    const STEP: u64 = 50;

    /// Ticks from `from` to `to`; gives when the other side was taken for dead.
    fn run(liveness: &mut Liveness, from: u64, to: u64, heard_at: impl Fn(u64) -> bool) -> Option<u64> {
        (from..to).step_by(STEP as usize).find(|now| {
            if heard_at(*now) {
                liveness.received();
            }
            matches!(liveness.tick(*now), Verdict::Dead { .. })
        })
    }

    #[test]
    fn a_peer_that_falls_silent_is_dead_after_about_a_second() {
        let mut liveness = Liveness::new(INTERVAL, 0);
        assert_eq!(run(&mut liveness, STEP, 20_000, |now| now % 200 == 0), None);
        let dead_at = run(&mut liveness, 20_000, 30_000, |_| false).unwrap();
        assert!((20_900..=21_600).contains(&dead_at), "{dead_at}");
    }

    #[test]
    fn pauses_below_a_second_are_forgiven_even_after_dense_traffic() {
        let mut liveness = Liveness::new(INTERVAL, 0);
        assert_eq!(run(&mut liveness, STEP, 10_000, |_| true), None);
        assert_eq!(run(&mut liveness, 10_000, 10_850, |_| false), None);
        assert_eq!(run(&mut liveness, 10_850, 20_000, |now| (now - 10_850) % 800 == 0), None);
    }

    #[test]
    fn own_absence_is_not_the_peers_silence() {
        let mut liveness = Liveness::new(INTERVAL, 0);
        assert_eq!(run(&mut liveness, STEP, 5_000, |now| now % 200 == 0), None);
        assert!(!matches!(liveness.tick(60_000), Verdict::Dead { .. }));
        let dead_at = run(&mut liveness, 60_050, 70_000, |_| false).unwrap();
        assert!(dead_at < 62_000, "{dead_at}");
    }

    #[test]
    fn who_was_silent_for_more_than_two_intervals_is_not_heard() {
        let mut liveness = Liveness::new(INTERVAL, 0);
        assert_eq!(run(&mut liveness, STEP, 5_000, |now| now % 200 == 0), None);
        assert!(liveness.is_heard());
        assert_eq!(run(&mut liveness, 5_000, 5_600, |_| false), None, "not dead for that long");
        assert!(!liveness.is_heard());
        liveness.received();
        assert!(liveness.is_heard());
    }

    #[test]
    fn heartbeats_are_sent_on_idle_links_only() {
        let mut liveness = Liveness::new(INTERVAL, 0);
        liveness.received();
        assert_eq!(liveness.tick(199), Verdict::Fine);
        assert_eq!(liveness.tick(200), Verdict::SendHeartbeat);
        liveness.sent(200);
        assert_eq!(liveness.tick(300), Verdict::Fine);
    }
}
