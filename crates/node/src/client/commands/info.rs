//! `INFO`: Redis's sections with what a node has of them, and one of its own.

use std::fmt::Write;

use bytes::BytesMut;
use dynomite_codec::{Request, encode};
use dynomite_gossip::Health;

use super::connection::REDIS_VERSION;
use super::description::state;
use super::{Refusal, text};
use crate::counters::{Counters, totals};
use crate::membership::health_word;
use crate::shared::Shared;
use crate::worker::Core;

/// Sections in the order in which they are shown.
const SECTIONS: [(&str, Section); 9] = [
    ("Server", server),
    ("Clients", clients),
    ("Memory", memory),
    ("Stats", stats),
    ("Replication", replication),
    ("Cluster", cluster),
    ("Dynomite", dynomite),
    ("Members", members),
    ("Healing", healing),
];

/// Appends the lines of one section.
type Section = fn(&Facts<'_>, &mut String);

struct Facts<'a> {
    shared: &'a Shared,
    counters: Counters,
    stats: Vec<(&'static str, u64)>,
}

/// `INFO [section ...]`; unknown sections are empty, as in Redis.
pub(super) fn info(request: &Request, core: &mut Core, out: &mut BytesMut) -> Result<(), Refusal> {
    core.publish();
    let (counters, stats) = totals(&core.shared.counters);
    let facts = Facts { shared: &core.shared, counters, stats };
    let wanted: Vec<String> =
        request.args().skip(1).map(|section| text(section).to_ascii_lowercase()).collect();
    let is_wanted = |name: &str| {
        wanted.is_empty()
            || wanted.iter().any(|wanted| {
                matches!(wanted.as_str(), "default" | "all" | "everything")
                    || name.eq_ignore_ascii_case(wanted)
            })
    };
    let mut shown = String::new();
    for (name, section) in SECTIONS.iter().filter(|(name, _)| is_wanted(name)) {
        if !shown.is_empty() {
            shown.push_str("\r\n");
        }
        line(&mut shown, format_args!("# {name}"));
        section(&facts, &mut shown);
    }
    encode::bulk(out, shown.as_bytes());
    Ok(())
}

fn server(facts: &Facts<'_>, out: &mut String) {
    let uptime = facts.shared.started_at.elapsed().as_secs();
    line(out, format_args!("redis_version:{REDIS_VERSION}"));
    line(out, format_args!("dynomite_version:{}", env!("CARGO_PKG_VERSION")));
    line(out, format_args!("redis_mode:standalone"));
    line(out, format_args!("os:{} {}", std::env::consts::OS, std::env::consts::ARCH));
    line(out, format_args!("process_id:{}", std::process::id()));
    line(out, format_args!("tcp_port:{}", facts.shared.client_address.port()));
    line(out, format_args!("uptime_in_seconds:{uptime}"));
    line(out, format_args!("uptime_in_days:{}", uptime / 86_400));
    line(out, format_args!("workers:{}", facts.shared.worker_count));
}

fn clients(facts: &Facts<'_>, out: &mut String) {
    let relaxed = std::sync::atomic::Ordering::Relaxed;
    line(out, format_args!("connected_clients:{}", facts.shared.client_count.load(relaxed)));
    line(out, format_args!("maxclients:{}", facts.shared.config.limits.clients_max));
    line(out, format_args!("client_buffers_bytes:{}", facts.shared.buffered_bytes.load(relaxed)));
}

fn memory(_: &Facts<'_>, out: &mut String) {
    let bytes = resident_bytes();
    line(out, format_args!("used_memory:{bytes}"));
    line(out, format_args!("used_memory_rss:{bytes}"));
}

fn stats(facts: &Facts<'_>, out: &mut String) {
    let counters = &facts.counters;
    line(out, format_args!("total_connections_received:{}", counters.connections_received));
    line(out, format_args!("total_commands_processed:{}", counters.commands));
    line(out, format_args!("total_net_input_bytes:{}", counters.input_bytes));
    line(out, format_args!("total_net_output_bytes:{}", counters.output_bytes));
    line(out, format_args!("rejected_connections:{}", counters.connections_rejected));
    line(out, format_args!("stalled_connections:{}", counters.connections_stalled));
    line(out, format_args!("protocol_errors:{}", counters.protocol_errors));
}

fn replication(_: &Facts<'_>, out: &mut String) {
    line(out, format_args!("role:master"));
    line(out, format_args!("connected_slaves:0"));
}

fn cluster(_: &Facts<'_>, out: &mut String) {
    line(out, format_args!("cluster_enabled:0"));
}

fn dynomite(facts: &Facts<'_>, out: &mut String) {
    let (shared, counters) = (facts.shared, &facts.counters);
    let ring = shared.ring();
    let states: Vec<&str> = ring.nodes().iter().map(|node| state(shared, node.id)).collect();
    let count = |wanted: &str| states.iter().filter(|state| **state == wanted).count();
    let datastore_is_up = counters.lane_is_up == shared.worker_count as u64;
    line(out, format_args!("cluster:{}", shared.config.cluster));
    line(out, format_args!("node:{}", shared.config.name));
    line(out, format_args!("node_id:{}", shared.node));
    line(out, format_args!("datacenter:{}", shared.config.datacenter));
    line(out, format_args!("rack:{}", shared.config.rack));
    line(out, format_args!("ring_digest:{:016x}", ring.digest()));
    line(out, format_args!("read_consistency:{}", shared.levels.read()));
    line(out, format_args!("write_consistency:{}", shared.levels.write()));
    line(out, format_args!("datastore:{}", shared.datastore));
    line(out, format_args!("datastore_state:{}", if datastore_is_up { "up" } else { "down" }));
    line(out, format_args!("peers_up:{}", count("up")));
    line(out, format_args!("peers_down:{}", count("down")));
    line(out, format_args!("links_lost:{}", counters.links_lost));
    line(out, format_args!("links_refused:{}", counters.links_refused));
    line(out, format_args!("peer_requests:{}", counters.peer_requests));
    line(out, format_args!("record_log_bytes:{}", counters.record_log_bytes));
    line(out, format_args!("hint_log_bytes:{}", counters.hint_log_bytes));
    for (name, value) in &facts.stats {
        line(out, format_args!("{name}:{value}"));
    }
}

/// Who is there as this node sees it, and what it takes to know that.
fn members(facts: &Facts<'_>, out: &mut String) {
    let relaxed = std::sync::atomic::Ordering::Relaxed;
    let (view, traffic) = (facts.shared.membership.view(), facts.shared.membership.traffic());
    for health in [Health::Alive, Health::Suspect, Health::Down, Health::Gone] {
        line(out, format_args!("members_{}:{}", health_word(health), view.count(health)));
    }
    line(out, format_args!("gossip_connections:{}", traffic.connections.load(relaxed)));
    line(out, format_args!("gossip_messages_sent:{}", traffic.sent_count.load(relaxed)));
    line(out, format_args!("gossip_bytes_sent:{}", traffic.sent_bytes.load(relaxed)));
    line(out, format_args!("gossip_messages_received:{}", traffic.received_count.load(relaxed)));
    line(out, format_args!("gossip_bytes_received:{}", traffic.received_bytes.load(relaxed)));
    line(out, format_args!("gossip_messages_dropped:{}", traffic.dropped_count.load(relaxed)));
    line(out, format_args!("gossip_probes:{}", view.counts.probe_count));
    line(out, format_args!("gossip_verdicts:{}", view.counts.verdict_count));
}

/// What is not a plain number of the engines.
fn healing(facts: &Facts<'_>, out: &mut String) {
    let shared = facts.shared;
    let repair = shared.repairs.json(&shared.config.name);
    for name in
        ["state", "phase", "buckets_done", "buckets_total", "keys_differing", "keys_healed", "keys_failed"]
    {
        match &repair[name] {
            serde_json::Value::String(text) => line(out, format_args!("repair_{name}:{text}")),
            value => line(out, format_args!("repair_{name}:{value}")),
        }
    }
    for (name, value) in shared.missed.lines() {
        line(out, format_args!("{name}:{value}"));
    }
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a string takes everything");
    out.push_str("\r\n");
}

/// Memory of the process, from the system; 0 where it does not say.
fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or(0) * rustix::param::page_size() as u64
}
