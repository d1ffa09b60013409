//! From the file's tables to [`Config`]: defaults, what follows from what, and keys that would have no effect.

use std::path::PathBuf;
use std::time::Duration;

use super::datastore::DatastoreUrl;
use super::error::Problem;
use super::schema::{
    RawConfig, RawConsistency, RawDatastore, RawDiscovery, RawLimits, RawLog, RawPrefix, RawRepair, RawSeed,
    RawTimeouts,
};
use super::units::{Millis, Text};
use super::{
    Config, Consistency, Credentials, CrossDc, Datastore, Discovery, Limits, Log, Password, PrefixLevels,
    Repair, Secret, Seed, Timeouts,
};

/// Builds the configuration. Where a problem is added, the value has its default.
pub(super) fn build(raw: RawConfig, problems: &mut Vec<Problem>) -> Config {
    let default = Config::default();
    let has_peers = !raw.seeds.is_empty() || !raw.discovery.sources.is_empty();
    if raw.name.is_none() && has_peers {
        problems.push(Problem::new("name", "a node that has seeds needs a name of its own"));
    }
    let name = raw.name.unwrap_or(default.name);
    let own = raw.seeds.iter().find(|seed| seed.name == name);
    let own_datacenter = own.and_then(|seed| seed.datacenter.clone());
    let own_rack = own.and_then(|seed| seed.rack.clone());
    let datacenter = raw.datacenter.or(own_datacenter).unwrap_or(default.datacenter);
    let rack = raw.rack.or(own_rack).unwrap_or(default.rack);

    let config = Config {
        cluster: raw.cluster.unwrap_or(default.cluster),
        name,
        datacenter,
        rack,
        listen: raw.listen.map_or(default.listen, |listen| listen.0.0),
        client_address: raw.client_address.map(|address| address.0),
        peer_listen: raw.peer_listen.map(|listen| listen.0.0),
        peer_address: raw.peer_address.map(|address| address.0),
        workers: raw.workers.unwrap_or(default.workers),
        data_dir: raw.data_dir.map(PathBuf::from),
        hash: raw.hash.map_or(default.hash, |hash| hash.0.0),
        hash_tag: raw.hash_tag.map(|tag| tag.0.0),
        vnodes: raw.vnodes.unwrap_or(default.vnodes),
        auto_join: raw.auto_join.unwrap_or(default.auto_join),
        replaces: raw.replaces,
        tokens: raw.tokens,
        datastore: datastore(raw.datastore, problems),
        seeds: raw.seeds.into_iter().map(seed).collect(),
        discovery: discovery(raw.discovery, problems),
        consistency: consistency(raw.consistency),
        timeouts: timeouts(&raw.timeouts),
        limits: limits(&raw.limits),
        cross_dc: CrossDc {
            compression: raw.cross_dc.compression.map_or_else(Default::default, |name| name.0.0),
        },
        repair: repair(&raw.repair),
        log: log(raw.log),
    };
    for (key, is_set) in [("auto_join", raw.auto_join.is_some()), ("replaces", config.replaces.is_some())] {
        if is_set && !config.finds_its_cluster() {
            let message = "has no effect here: it is for a node that finds its cluster by discovery.sources or --seed, without [[seeds]]";
            problems.push(Problem::new(key, message));
        }
    }
    if raw.vnodes.is_some() && !config.members().iter().any(|member| member.tokens.is_none()) {
        problems.push(Problem::new("vnodes", "has no effect: all tokens are given; leave it out"));
    }
    let log_keys = [
        ("timeouts.log_sync", raw.timeouts.log_sync.is_some()),
        ("limits.log_segment", raw.limits.log_segment.is_some()),
    ];
    for (key, is_given) in log_keys {
        if is_given && config.data_dir.is_none() {
            problems.push(Problem::new(key, "has no effect without data_dir: nothing is kept on disk"));
        }
    }
    config
}

fn datastore(raw: RawDatastore, problems: &mut Vec<Problem>) -> Datastore {
    match raw.url.map_or(DatastoreUrl::Memory, |url| url.0) {
        DatastoreUrl::Memory => {
            for (key, is_given) in
                [("username", raw.username.is_some()), ("password_file", raw.password_file.is_some())]
            {
                if is_given {
                    problems.push(Problem::new(
                        format!("datastore.{key}"),
                        "has no effect: the memory store asks for no password",
                    ));
                }
            }
            Datastore::Memory { max_memory: raw.max_memory }
        }
        DatastoreUrl::Redis { address, username, password } => {
            if raw.max_memory.is_some() {
                let message =
                    "has no effect: only the memory store has this limit; set `maxmemory` in Redis itself";
                problems.push(Problem::new("datastore.max_memory", message));
            }
            let credentials = credentials(username, password, raw.username, raw.password_file, problems);
            Datastore::Redis { address, credentials }
        }
    }
}

fn credentials(
    url_username: Option<String>,
    url_password: Option<Secret>,
    key_username: Option<String>,
    password_file: Option<String>,
    problems: &mut Vec<Problem>,
) -> Option<Credentials> {
    if url_username.is_some() && key_username.is_some() {
        problems
            .push(Problem::new("datastore.username", "the URL names a user already; give one of the two"));
    }
    if url_password.is_some() && password_file.is_some() {
        problems.push(Problem::new(
            "datastore.password_file",
            "the URL has a password already; give one of the two",
        ));
    }
    let username_key = if key_username.is_some() { "datastore.username" } else { "datastore.url" };
    let username = key_username.or(url_username);
    let password = match (url_password, password_file) {
        (Some(secret), _) => Password::Inline(secret),
        (None, Some(path)) => Password::File(PathBuf::from(path)),
        (None, None) => {
            if username.is_some() {
                let message =
                    "a user without a password; add `datastore.password_file`, or user:password@ in the URL";
                problems.push(Problem::new(username_key, message));
            }
            return None;
        }
    };
    Some(Credentials { username, password })
}

fn discovery(raw: RawDiscovery, problems: &mut Vec<Problem>) -> Discovery {
    let default = Discovery::default();
    if raw.interval.is_some() && raw.sources.is_empty() {
        let message = "has no effect without discovery.sources: nobody is asked";
        problems.push(Problem::new("discovery.interval", message));
    }
    let mut sources = Vec::new();
    for (index, source) in raw.sources.iter().enumerate() {
        match source.parse() {
            Ok(source) => sources.push(source),
            Err(message) => problems.push(Problem::new(format!("discovery.sources[{index}]"), message)),
        }
    }
    Discovery { sources, interval: or(raw.interval, default.interval) }
}

fn seed(raw: RawSeed) -> Seed {
    let default = Config::default();
    Seed {
        name: raw.name,
        peer_address: raw.peer_address.0,
        client_address: raw.client_address.map(|address| address.0),
        datacenter: raw.datacenter.unwrap_or(default.datacenter),
        rack: raw.rack.unwrap_or(default.rack),
        tokens: raw.tokens,
    }
}

fn consistency(raw: RawConsistency) -> Consistency {
    let default = Consistency::default();
    Consistency {
        read: raw.read.map_or(default.read, |level| level.0.0),
        write: raw.write.map_or(default.write, |level| level.0.0),
        prefixes: raw.prefix.into_iter().map(prefix).collect(),
    }
}

fn prefix(raw: RawPrefix) -> PrefixLevels {
    PrefixLevels {
        prefix: raw.prefix,
        read: raw.read.map(|Text(level)| level.0),
        write: raw.write.map(|Text(level)| level.0),
        home: raw.home,
        sequencing: raw.sequencing.map(|Text(mode)| mode.0),
    }
}

fn timeouts(raw: &RawTimeouts) -> Timeouts {
    let default = Timeouts::default();
    Timeouts {
        request: or(raw.request, default.request),
        failover: or(raw.failover, default.failover),
        drain: or(raw.drain, default.drain),
        client_stall: or(raw.client_stall, default.client_stall),
        connect: or(raw.connect, default.connect),
        heartbeat: or(raw.heartbeat, default.heartbeat),
        hint_window: or(raw.hint_window, default.hint_window),
        log_sync: or(raw.log_sync, default.log_sync),
    }
}

fn limits(raw: &RawLimits) -> Limits {
    let default = Limits::default();
    Limits {
        clients_max: raw.clients_max.unwrap_or(default.clients_max),
        client_inflight_max: raw.client_inflight_max.unwrap_or(default.client_inflight_max),
        client_output_max: raw.client_output_max.unwrap_or(default.client_output_max),
        buffers_max: raw.buffers_max.unwrap_or(default.buffers_max),
        bulk_max: raw.bulk_max.unwrap_or(default.bulk_max),
        args_max: raw.args_max.unwrap_or(default.args_max),
        request_max: raw.request_max.unwrap_or(default.request_max),
        inline_max: raw.inline_max.unwrap_or(default.inline_max),
        operations_max: raw.operations_max.unwrap_or(default.operations_max),
        link_window: raw.link_window.unwrap_or(default.link_window),
        link_bytes_max: raw.link_bytes_max.unwrap_or(default.link_bytes_max),
        lane_window: raw.lane_window.unwrap_or(default.lane_window),
        clock_skew_max: or(raw.clock_skew_max, default.clock_skew_max),
        hints_max: raw.hints_max.unwrap_or(default.hints_max),
        log_segment: raw.log_segment.unwrap_or(default.log_segment),
    }
}

fn repair(raw: &RawRepair) -> Repair {
    let default = Repair::default();
    Repair {
        interval: or(raw.interval, default.interval),
        keys_per_s: raw.keys_per_s.unwrap_or(default.keys_per_s),
        bytes_per_s: raw.bytes_per_s.unwrap_or(default.bytes_per_s),
        rebuild_wait: or(raw.rebuild_wait, default.rebuild_wait),
    }
}

fn log(raw: RawLog) -> Log {
    let default = Log::default();
    Log {
        filter: raw.filter.unwrap_or(default.filter),
        format: raw.format.map_or(default.format, |format| format.0.0),
    }
}

fn or(given: Option<Millis>, default: Duration) -> Duration {
    given.map_or(default, |given| given.0)
}
