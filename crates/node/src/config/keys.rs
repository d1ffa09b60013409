//! The list of all keys: what the file may hold, what can be overridden, and what the documentation must describe.

/// One key of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// Its path; `[]` follows the name of a list of tables: `seeds[].name`.
    pub path: &'static str,
    /// Whether its value is always text, so that an override of it needs no quotes whatever it looks like.
    pub(super) is_text: bool,
}

/// Every key, in the order of the documentation.
pub const KEYS: &[Key] = &[
    text("cluster"),
    text("name"),
    text("datacenter"),
    text("rack"),
    text("listen"),
    text("client_address"),
    text("peer_listen"),
    text("peer_address"),
    value("workers"),
    text("data_dir"),
    value("auto_join"),
    text("replaces"),
    text("hash"),
    text("hash_tag"),
    value("vnodes"),
    value("tokens"),
    text("datastore.url"),
    text("datastore.username"),
    text("datastore.password_file"),
    value("datastore.max_memory"),
    text("seeds[].name"),
    text("seeds[].peer_address"),
    text("seeds[].client_address"),
    text("seeds[].datacenter"),
    text("seeds[].rack"),
    value("seeds[].tokens"),
    value("discovery.sources"),
    text("discovery.interval"),
    text("consistency.read"),
    text("consistency.write"),
    text("consistency.prefix[].prefix"),
    text("consistency.prefix[].read"),
    text("consistency.prefix[].write"),
    text("consistency.prefix[].home"),
    text("consistency.prefix[].sequencing"),
    text("timeouts.request"),
    text("timeouts.failover"),
    text("timeouts.drain"),
    text("timeouts.client_stall"),
    text("timeouts.connect"),
    text("timeouts.heartbeat"),
    text("timeouts.hint_window"),
    text("timeouts.log_sync"),
    value("limits.clients_max"),
    value("limits.client_inflight_max"),
    value("limits.client_output_max"),
    value("limits.buffers_max"),
    value("limits.bulk_max"),
    value("limits.args_max"),
    value("limits.request_max"),
    value("limits.inline_max"),
    value("limits.operations_max"),
    value("limits.link_window"),
    value("limits.link_bytes_max"),
    value("limits.lane_window"),
    text("limits.clock_skew_max"),
    value("limits.hints_max"),
    value("limits.log_segment"),
    text("cross_dc.compression"),
    text("repair.interval"),
    value("repair.keys_per_s"),
    value("repair.bytes_per_s"),
    text("repair.rebuild_wait"),
    text("log.filter"),
    text("log.format"),
];

const fn text(path: &'static str) -> Key {
    Key { path, is_text: true }
}

const fn value(path: &'static str) -> Key {
    Key { path, is_text: false }
}

/// What a schema path, such as `limits` or `seeds[].name`, stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PathKind {
    Leaf(Key),
    Table,
    TableList,
    Unknown,
}

/// Looks a schema path up.
pub(super) fn kind(path: &str) -> PathKind {
    for key in KEYS {
        match key.path.strip_prefix(path) {
            Some("") => return PathKind::Leaf(*key),
            Some(rest) if rest.starts_with("[]") => return PathKind::TableList,
            Some(rest) if rest.starts_with('.') => return PathKind::Table,
            _ => {}
        }
    }
    PathKind::Unknown
}

/// The names that may stand directly inside the table at `parent`, each once; `parent` is empty for the top level.
pub(super) fn children(parent: &str) -> Vec<&'static str> {
    let mut names: Vec<&str> = Vec::new();
    for key in KEYS {
        let rest = if parent.is_empty() {
            Some(key.path)
        } else {
            key.path.strip_prefix(parent).and_then(|rest| rest.strip_prefix('.'))
        };
        let Some(rest) = rest else { continue };
        let name = rest.split(['.', '[']).next().unwrap_or(rest);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// The paths that an override can set: all keys outside lists, and the lists as wholes.
pub(super) fn overridable() -> impl Iterator<Item = Key> {
    let mut last_list = "";
    KEYS.iter().filter_map(move |key| match key.path.split_once("[]") {
        None => Some(*key),
        Some((list, _)) if list == last_list => None,
        Some((list, _)) => {
            last_list = list;
            Some(value(list))
        }
    })
}
