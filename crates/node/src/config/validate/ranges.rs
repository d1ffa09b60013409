//! Bounds of the numbers, sizes and durations.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::super::error::Problem;
use super::super::units::Millis;
use super::super::{ByteSize, Config, Limits, Repair, Timeouts};

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
/// A log that reaches the disk more rarely protects from nothing that ends the machine.
const LOG_SYNC_MAX: Duration = Duration::from_secs(60);
const WEEK: Duration = Duration::from_secs(7 * 86_400);
const DAY: Duration = Duration::from_secs(86_400);
const HOUR: Duration = Duration::from_secs(3_600);
/// Slots in tables that are allocated as they fill.
const TABLE_MAX: u32 = 1 << 24;
/// Comparing reads all records; more often, and it would never end.
const REPAIR_INTERVAL_MIN: Duration = Duration::from_secs(10);
/// More keys than that a node cannot heal in a second.
const REPAIR_KEYS_MAX: u32 = 1_000_000;

pub(super) fn check(config: &Config, problems: &mut Vec<Problem>) {
    timeouts(&config.timeouts, problems);
    limits(&config.limits, problems);
    repair(&config.repair, problems);
    if !config.discovery.sources.is_empty() {
        duration("discovery.interval", config.discovery.interval, SECOND..=HOUR, problems);
    }
}

fn timeouts(timeouts: &Timeouts, problems: &mut Vec<Problem>) {
    let Timeouts { request, failover, drain, client_stall, connect, heartbeat, hint_window, log_sync } =
        *timeouts;
    for (key, value, max) in [
        ("timeouts.request", request, HOUR),
        ("timeouts.failover", failover, HOUR),
        ("timeouts.drain", drain, HOUR),
        ("timeouts.client_stall", client_stall, DAY),
        ("timeouts.connect", connect, HOUR),
        ("timeouts.heartbeat", heartbeat, Duration::from_secs(10)),
        ("timeouts.hint_window", hint_window, WEEK),
    ] {
        duration(key, value, MILLISECOND..=max, problems);
    }
    duration("timeouts.log_sync", log_sync, Duration::ZERO..=LOG_SYNC_MAX, problems);
    if failover >= request && !failover.is_zero() && !request.is_zero() {
        let message = format!(
            "{} is not shorter than timeouts.request, {}: no read would ever be sent again",
            Millis(failover),
            Millis(request)
        );
        problems.push(Problem::new("timeouts.failover", message));
    }
}

fn limits(limits: &Limits, problems: &mut Vec<Problem>) {
    for (key, value, max) in [
        ("limits.clients_max", limits.clients_max, 1_000_000),
        ("limits.client_inflight_max", limits.client_inflight_max, TABLE_MAX),
        ("limits.args_max", limits.args_max, 1 << 20),
        ("limits.operations_max", limits.operations_max, TABLE_MAX),
        ("limits.link_window", limits.link_window, TABLE_MAX),
        ("limits.lane_window", limits.lane_window, TABLE_MAX),
    ] {
        if !(1..=max).contains(&value) {
            problems.push(Problem::new(key, format!("{value} is not 1 to {max}")));
        }
    }
    let tebibyte = ByteSize::gib(1_024);
    for (key, value, min, max) in [
        ("limits.client_output_max", limits.client_output_max, ByteSize::kib(16), tebibyte),
        ("limits.buffers_max", limits.buffers_max, ByteSize::mib(1), tebibyte),
        // The ceiling of Redis itself.
        ("limits.bulk_max", limits.bulk_max, ByteSize::kib(1), ByteSize::mib(512)),
        // Offsets inside a request have 32 bits.
        ("limits.request_max", limits.request_max, ByteSize::kib(1), ByteSize::gib(2)),
        ("limits.inline_max", limits.inline_max, ByteSize::new(64), ByteSize::mib(1)),
        ("limits.link_bytes_max", limits.link_bytes_max, ByteSize::mib(1), tebibyte),
        ("limits.hints_max", limits.hints_max, ByteSize::kib(64), tebibyte),
        // Each worker reads one whole segment at a time when it starts.
        ("limits.log_segment", limits.log_segment, ByteSize::kib(64), ByteSize::gib(1)),
    ] {
        if value < min || value > max {
            problems.push(Problem::new(key, format!("{value} is not {min} to {max}")));
        }
    }
    // What is larger than its container could never be used up.
    for (key, value, container_key, container) in [
        ("limits.bulk_max", limits.bulk_max, "limits.request_max", limits.request_max),
        ("limits.inline_max", limits.inline_max, "limits.request_max", limits.request_max),
        ("limits.client_output_max", limits.client_output_max, "limits.buffers_max", limits.buffers_max),
    ] {
        if value > container {
            problems.push(Problem::new(key, format!("{value} is more than {container_key}, {container}")));
        }
    }
    duration("limits.clock_skew_max", limits.clock_skew_max, MILLISECOND..=HOUR, problems);
}

fn repair(repair: &Repair, problems: &mut Vec<Problem>) {
    let Repair { interval, keys_per_s, bytes_per_s, rebuild_wait } = *repair;
    if !interval.is_zero() {
        duration("repair.interval", interval, REPAIR_INTERVAL_MIN..=WEEK, problems);
    }
    if !(1..=REPAIR_KEYS_MAX).contains(&keys_per_s) {
        let message = format!("{keys_per_s} is not 1 to {REPAIR_KEYS_MAX}");
        problems.push(Problem::new("repair.keys_per_s", message));
    }
    let (min, max) = (ByteSize::kib(1), ByteSize::gib(1_024));
    if bytes_per_s < min || bytes_per_s > max {
        problems.push(Problem::new("repair.bytes_per_s", format!("{bytes_per_s} is not {min} to {max}")));
    }
    duration("repair.rebuild_wait", rebuild_wait, Duration::ZERO..=WEEK, problems);
}

fn duration(key: &str, value: Duration, allowed: RangeInclusive<Duration>, problems: &mut Vec<Problem>) {
    if !allowed.contains(&value) {
        let (min, max) = (Millis(*allowed.start()), Millis(*allowed.end()));
        problems.push(Problem::new(key, format!("{} is not {min} to {max}", Millis(value))));
    } else if !value.subsec_nanos().is_multiple_of(1_000_000) {
        problems.push(Problem::new(key, format!("{value:?} is not a whole number of milliseconds")));
    }
}
