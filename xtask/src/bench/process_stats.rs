//! What the kernel knows of processes: CPU time, context switches, resident memory.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

/// Written to `clear_refs`, this sets the peak of resident memory back to what is resident now. See proc(5).
const RESET_PEAK: &str = "5";
/// The fields of `/proc/PID/stat` behind the program's name, from 0: time in user mode; time in the kernel follows.
const USER_TIME_FIELD: usize = 11;

/// What some processes have used since they began; of interest is the difference of two.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// In user mode and in the kernel, in the steps of the kernel's clock (usually 10 ms).
    pub(crate) cpu: Duration,
    /// Of all threads that live, of their own accord or not.
    pub(crate) switch_count: u64,
}

impl Usage {
    /// What was used between `earlier` and this.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            cpu: self.cpu.saturating_sub(earlier.cpu),
            switch_count: self.switch_count.saturating_sub(earlier.switch_count),
        }
    }
}

/// What these processes have used, all together.
///
/// # Errors
/// When one of them is gone.
pub(crate) fn usage(processes: &[u32]) -> Result<Usage> {
    let mut sum = Usage::default();
    for process in processes {
        sum.cpu += cpu_time(&read(*process, "stat")?)?;
        let threads = format!("/proc/{process}/task");
        for thread in fs::read_dir(&threads).with_context(|| threads.clone())? {
            // A thread may end between being listed and being looked at.
            let Ok(status) = fs::read_to_string(thread?.path().join("status")) else { continue };
            sum.switch_count += number(&status, "voluntary_ctxt_switches:")?;
            sum.switch_count += number(&status, "nonvoluntary_ctxt_switches:")?;
        }
    }
    Ok(sum)
}

/// Time that the machine's processors have worked, all together, since it began.
///
/// # Errors
/// When the kernel does not tell.
pub(crate) fn machine_busy() -> Result<Duration> {
    let stat = fs::read_to_string("/proc/stat").context("/proc/stat")?;
    busy_time(&stat)
}

/// Peaks of resident memory count from now.
///
/// # Errors
/// When a process is gone or belongs to another user.
pub(crate) fn reset_peaks(processes: &[u32]) -> Result<()> {
    for process in processes {
        let file = format!("/proc/{process}/clear_refs");
        fs::write(&file, RESET_PEAK).context(file)?;
    }
    Ok(())
}

/// The sum of the processes' peaks since [`reset_peaks`], in bytes.
///
/// # Errors
/// When one of them is gone.
pub(crate) fn peak_bytes(processes: &[u32]) -> Result<u64> {
    sum_of(processes, "VmHWM:")
}

/// What is resident now, in bytes.
///
/// # Errors
/// When one of them is gone.
pub(crate) fn resident_bytes(processes: &[u32]) -> Result<u64> {
    sum_of(processes, "VmRSS:")
}

fn sum_of(processes: &[u32], name: &str) -> Result<u64> {
    const KIB: u64 = 1024;
    let mut sum = 0;
    for process in processes {
        sum += number(&read(*process, "status")?, name)? * KIB;
    }
    Ok(sum)
}

fn read(process: u32, file: &str) -> Result<String> {
    let path = format!("/proc/{process}/{file}");
    fs::read_to_string(&path).context(path)
}

/// The number of the line that begins with `name`.
fn number(status: &str, name: &str) -> Result<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let word = line.and_then(|rest| rest.split_whitespace().next());
    word.and_then(|word| word.parse().ok()).with_context(|| format!("no {name} in {status:?}"))
}

/// Of the first line: user, nice, system, idle, waiting for I/O, interrupts, soft interrupts, and what others took.
fn busy_time(stat: &str) -> Result<Duration> {
    const WORKING: [usize; 5] = [0, 1, 2, 5, 6];
    let line =
        stat.lines().find_map(|line| line.strip_prefix("cpu ")).context("no line of all processors")?;
    let ticks: Vec<u64> = line.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    let busy: u64 = WORKING.iter().filter_map(|field| ticks.get(*field)).sum();
    Ok(Duration::from_secs_f64(busy as f64 / rustix::param::clock_ticks_per_second() as f64))
}

fn cpu_time(stat: &str) -> Result<Duration> {
    // The program's name comes in parentheses and may hold blanks and parentheses itself.
    let fields = stat.rsplit_once(')').map(|(_, fields)| fields);
    let ticks = fields.and_then(|fields| {
        let mut fields = fields.split_whitespace().skip(USER_TIME_FIELD);
        let (user, system): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        Some(user + system)
    });
    let ticks = ticks.with_context(|| format!("no CPU times in {stat:?}"))?;
    Ok(Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn cpu_time_is_found_behind_any_name() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194560 100 0 0 0 40 2 9 9 20 0 3 0 1 2 3";
        let per_second = rustix::param::clock_ticks_per_second() as f64;
        assert_eq!(cpu_time(stat).expect("two times"), Duration::from_secs_f64(42.0 / per_second));
        assert!(cpu_time("7 (a) S 1").is_err() && cpu_time("").is_err());
    }

    #[test]
    fn a_machine_is_busy_when_it_neither_rests_nor_waits() {
        let stat = "cpu  10 1 5 1000 100 2 3 50 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n";
        let per_second = rustix::param::clock_ticks_per_second() as f64;
        assert_eq!(busy_time(stat).expect("times"), Duration::from_secs_f64(21.0 / per_second));
        assert!(busy_time("cpu0 1 2 3\n").is_err());
    }

    #[test]
    fn lines_are_told_apart_by_their_whole_name() {
        let status = "VmHWM:\t  2048 kB\nvoluntary_ctxt_switches:\t5\nnonvoluntary_ctxt_switches:\t3\n";
        assert_eq!(number(status, "VmHWM:").expect("a line"), 2048);
        assert_eq!(number(status, "voluntary_ctxt_switches:").expect("a line"), 5);
        assert!(number(status, "VmRSS:").is_err());
    }

    #[test]
    fn work_of_this_process_is_seen() {
        let own = [std::process::id()];
        let before = usage(&own).expect("it runs");
        let (enough, started_at) = (Duration::from_millis(20), Instant::now());
        // A busy machine may give this thread little of its time.
        while started_at.elapsed() < Duration::from_secs(10) {
            if usage(&own).expect("it runs").since(before).cpu >= enough {
                return;
            }
        }
        panic!("no CPU time is seen: {:?}", usage(&own).expect("it runs").since(before));
    }

    #[test]
    fn peak_is_at_least_what_was_allocated() {
        let own = [std::process::id()];
        reset_peaks(&own).expect("our own");
        let block = std::hint::black_box(vec![1_u8; 8 << 20]);
        let peak = peak_bytes(&own).expect("it runs");
        assert!(peak as usize > block.len(), "{peak}");
    }
}
