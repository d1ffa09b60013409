//! How fast the hints of one target are replayed: a window that grows by one for each round of answers that come in their
//! usual time, shrinks when they take longer, halves when one fails; and a pause that doubles while nothing succeeds.

/// An answer is slow when it took more than twice the least time of late, and this on top of it.
const SLACK_MS: u64 = 4;
/// The least time is that of this period and the one before.
const PERIOD_MS: u64 = 10_000;
/// The first pause, and the longest.
pub(super) const PAUSE_MS: u64 = 1000;
pub(super) const PAUSE_MS_MAX: u64 = 30_000;
/// So many failures in a row for reasons of the keys make a pause, too.
const FAILURES_IN_A_ROW_MAX: u32 = 16;
/// The window is counted in parts of one.
const ONE: u32 = 1 << 10;

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Pace {
    /// In parts of [`ONE`].
    window: u32,
    /// Replays that began before this do not shrink the window once more.
    shrunk_at_ms: u64,
    least: Least,
    paused_until_ms: u64,
    pause_ms: u64,
    failures_in_a_row: u32,
}

/// The least time of late.
#[derive(Debug, Default)]
struct Least {
    since_ms: u64,
    ms: Option<u64>,
    before_ms: Option<u64>,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            window: ONE,
            shrunk_at_ms: 0,
            least: Least::default(),
            paused_until_ms: 0,
            pause_ms: 0,
            failures_in_a_row: 0,
        }
    }
}

impl Pace {
    /// How many may be under way, of `limit` at most.
    pub(super) fn window(&self, limit: usize) -> usize {
        ((self.window / ONE) as usize).min(limit).max(1)
    }

    /// From when on replays may begin, in `Now::ms`.
    pub(super) fn paused_until_ms(&self) -> u64 {
        self.paused_until_ms
    }

    /// The target can be reached again.
    pub(super) fn resume(&mut self) {
        self.paused_until_ms = 0;
    }

    /// A replay that began at `began_ms` was successful. The window grows only when it is what bounded them (`is_full`).
    pub(super) fn succeeded(&mut self, now_ms: u64, began_ms: u64, limit: usize, is_full: bool) {
        self.failures_in_a_row = 0;
        self.pause_ms = 0;
        let took_ms = now_ms.saturating_sub(began_ms);
        let least_ms = self.least.of_late(now_ms, took_ms);
        if took_ms > 2 * least_ms + SLACK_MS {
            self.shrink(now_ms, began_ms, self.window / 8);
        } else if is_full {
            let limit = u32::try_from(limit).unwrap_or(u32::MAX).saturating_mul(ONE);
            self.window = (self.window + ONE * ONE / self.window).min(limit.max(ONE));
        }
    }

    /// A replay that began at `began_ms` failed, because of the target itself or of the one key.
    pub(super) fn failed(&mut self, now_ms: u64, began_ms: u64, is_target: bool) {
        self.shrink(now_ms, began_ms, self.window / 2);
        self.failures_in_a_row += 1;
        if is_target || self.failures_in_a_row >= FAILURES_IN_A_ROW_MAX {
            self.pause(now_ms);
        }
    }

    /// Nothing is to begin for a while: longer each time, until something succeeds.
    pub(super) fn pause(&mut self, now_ms: u64) {
        if now_ms < self.paused_until_ms {
            return;
        }
        self.failures_in_a_row = 0;
        self.pause_ms = (2 * self.pause_ms).clamp(PAUSE_MS, PAUSE_MS_MAX);
        self.paused_until_ms = now_ms + self.pause_ms;
    }

    fn shrink(&mut self, now_ms: u64, began_ms: u64, by: u32) {
        if began_ms >= self.shrunk_at_ms {
            self.window = (self.window - by).max(ONE);
            // What began in this millisecond began before the window shrank.
            self.shrunk_at_ms = now_ms + 1;
        }
    }
}

impl Least {
    /// The least, with what was just observed.
    fn of_late(&mut self, now_ms: u64, took_ms: u64) -> u64 {
        if now_ms >= self.since_ms + PERIOD_MS {
            self.before_ms = if now_ms < self.since_ms + 2 * PERIOD_MS { self.ms } else { None };
            self.ms = None;
            self.since_ms = now_ms;
        }
        let least = self.ms.map_or(took_ms, |ms| ms.min(took_ms));
        self.ms = Some(least);
        self.before_ms.map_or(least, |before| before.min(least))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 64;

    /// As many rounds of replays as asked for, each as wide as the window; the time after them.
    fn rounds(pace: &mut Pace, from_ms: u64, took_ms: u64, count: usize) -> u64 {
        let mut now_ms = from_ms;
        for _ in 0..count {
            let began_ms = now_ms;
            now_ms += took_ms.max(1);
            for _ in 0..pace.window(LIMIT) {
                pace.succeeded(began_ms + took_ms, began_ms, LIMIT, true);
            }
        }
        now_ms
    }

    #[test]
    fn the_window_grows_by_about_one_a_round_up_to_the_limit() {
        let mut pace = Pace::default();
        assert_eq!(pace.window(LIMIT), 1);
        let now_ms = rounds(&mut pace, 0, 2, 20);
        assert!((15..=21).contains(&pace.window(LIMIT)), "{pace:?}");
        rounds(&mut pace, now_ms, 2, 200);
        assert_eq!((pace.window(LIMIT), pace.window(3), pace.window(0)), (LIMIT, 3, 1));
        let mut unused = Pace::default();
        (0..100).for_each(|ms| unused.succeeded(ms, ms, LIMIT, false));
        assert_eq!(unused.window(LIMIT), 1, "something else was the bound");
    }

    #[test]
    fn the_window_shrinks_once_a_round_when_answers_take_longer() {
        let mut pace = Pace::default();
        let now_ms = rounds(&mut pace, 0, 2, 200);
        for _ in 0..LIMIT {
            pace.succeeded(now_ms + 50, now_ms, LIMIT, true);
        }
        assert_eq!(pace.window(LIMIT), LIMIT - LIMIT / 8);
        rounds(&mut pace, now_ms + 60, 50, 60);
        assert!(pace.window(LIMIT) < 5, "{pace:?}");
    }

    #[test]
    fn what_is_usual_is_learned_anew_after_a_while() {
        let mut pace = Pace::default();
        let now_ms = rounds(&mut pace, 0, 2, 50);
        rounds(&mut pace, now_ms, 50, 2 * PERIOD_MS as usize / 50 + 300);
        assert_eq!(pace.window(LIMIT), LIMIT);
    }

    #[test]
    fn failures_of_the_target_halve_the_window_once_and_pause_ever_longer() {
        let mut pace = Pace::default();
        let mut now_ms = rounds(&mut pace, 0, 2, 200);
        for _ in 0..LIMIT {
            pace.failed(now_ms + 1, now_ms, true);
        }
        assert_eq!((pace.window(LIMIT), pace.paused_until_ms()), (LIMIT / 2, now_ms + 1 + PAUSE_MS));
        for pause_ms in [2, 4, 8, 16, 30, 30].map(|seconds| seconds * 1000) {
            now_ms = pace.paused_until_ms();
            pace.failed(now_ms, now_ms, true);
            assert_eq!(pace.paused_until_ms(), now_ms + pause_ms);
        }
        assert_eq!(pace.window(LIMIT), 1);
        now_ms = pace.paused_until_ms();
        pace.succeeded(now_ms, now_ms, LIMIT, true);
        pace.failed(now_ms, now_ms, true);
        assert_eq!(pace.paused_until_ms(), now_ms + PAUSE_MS);
    }

    #[test]
    fn failures_of_single_keys_pause_when_nothing_else_happens() {
        let mut pace = Pace::default();
        for _ in 1..FAILURES_IN_A_ROW_MAX {
            pace.failed(5, 5, false);
        }
        assert_eq!(pace.paused_until_ms(), 0);
        pace.failed(5, 5, false);
        assert_eq!(pace.paused_until_ms(), 5 + PAUSE_MS);
        pace.resume();
        assert_eq!(pace.paused_until_ms(), 0);
    }
}
