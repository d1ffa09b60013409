//! The configuration as text again.

use std::fmt::Display;

use toml::Value;

use super::units::Millis;
use super::{
    Compression, Config, Credentials, Datastore, Discovery, LogFormat, Password, PrefixLevels, Seed,
    SequencingMode, Workers,
};

impl Config {
    /// Every value in TOML, defaults too. Parsing it gives this configuration again, but for an inline password,
    /// which is shown as `***`. Values that follow from others are comments.
    pub fn effective_toml(&self) -> String {
        let mut out = Printer::default();
        self.print_identity(&mut out);
        self.print_datastore(&mut out);
        self.print_consistency(&mut out);
        self.print_timeouts(&mut out);
        self.print_limits(&mut out);
        out.section("[cross_dc]");
        out.text("compression", self.cross_dc.compression);
        self.print_repair(&mut out);
        self.print_discovery(&mut out);
        out.section("[log]");
        out.text("filter", &self.log.filter);
        out.text("format", self.log.format);
        for seed in &self.seeds {
            out.seed(seed);
        }
        out.text
    }

    fn print_identity(&self, out: &mut Printer) {
        out.text("cluster", &self.cluster);
        out.text("name", &self.name);
        out.text("datacenter", &self.datacenter);
        out.text("rack", &self.rack);
        out.text("listen", self.listen);
        match &self.client_address {
            Some(address) => out.text("client_address", address),
            None => out.derived("client_address", self.advertised_client_address()),
        }
        if let Some(listen) = self.peer_listen {
            out.text("peer_listen", listen);
        }
        match (&self.peer_address, self.advertised_peer_address()) {
            (Some(address), _) => out.text("peer_address", address),
            (None, Some(address)) => out.derived("peer_address", address),
            (None, None) => {}
        }
        match self.workers {
            Workers::Auto => out.text("workers", "auto"),
            Workers::Count(count) => out.value("workers", count),
        }
        if let Some(path) = &self.data_dir {
            out.text("data_dir", path.display());
        }
        if let Some(note) = self.memory_only_note() {
            out.note(note);
        }
        out.text("hash", self.hash);
        if let Some((open, close)) = self.hash_tag {
            out.text("hash_tag", format!("{}{}", char::from(open), char::from(close)));
        }
        if self.members().iter().any(|member| member.tokens.is_none()) {
            out.value("vnodes", self.vnodes);
        }
        if self.finds_its_cluster() {
            out.value("auto_join", self.auto_join);
        }
        if let Some(replaces) = &self.replaces {
            out.text("replaces", replaces);
        }
        if let Some(tokens) = &self.tokens {
            out.value("tokens", format!("{tokens:?}"));
        }
    }

    fn print_datastore(&self, out: &mut Printer) {
        out.section("[datastore]");
        out.text("url", self.datastore.url());
        match &self.datastore {
            Datastore::Memory { max_memory: Some(size) } => out.text("max_memory", size),
            Datastore::Redis {
                credentials: Some(Credentials { username, password: Password::File(path) }),
                ..
            } => {
                if let Some(username) = username {
                    out.text("username", username);
                }
                out.text("password_file", path.display());
            }
            _ => {}
        }
    }

    fn print_consistency(&self, out: &mut Printer) {
        out.section("[consistency]");
        out.text("read", self.consistency.read);
        out.text("write", self.consistency.write);
        for PrefixLevels { prefix, read, write, home, sequencing } in &self.consistency.prefixes {
            out.section("[[consistency.prefix]]");
            out.text("prefix", prefix);
            out.optional_text("read", read.as_ref());
            out.optional_text("write", write.as_ref());
            out.optional_text("home", home.as_ref());
            out.optional_text("sequencing", sequencing.as_ref());
        }
    }

    fn print_timeouts(&self, out: &mut Printer) {
        let timeouts = &self.timeouts;
        out.section("[timeouts]");
        out.text("request", Millis(timeouts.request));
        out.text("failover", Millis(timeouts.failover));
        out.text("drain", Millis(timeouts.drain));
        out.text("client_stall", Millis(timeouts.client_stall));
        out.text("connect", Millis(timeouts.connect));
        out.text("heartbeat", Millis(timeouts.heartbeat));
        out.text("hint_window", Millis(timeouts.hint_window));
        if self.data_dir.is_some() {
            out.text("log_sync", Millis(timeouts.log_sync));
        }
    }

    fn print_limits(&self, out: &mut Printer) {
        let limits = &self.limits;
        out.section("[limits]");
        out.value("clients_max", limits.clients_max);
        out.value("client_inflight_max", limits.client_inflight_max);
        out.text("client_output_max", limits.client_output_max);
        out.text("buffers_max", limits.buffers_max);
        out.text("bulk_max", limits.bulk_max);
        out.value("args_max", limits.args_max);
        out.text("request_max", limits.request_max);
        out.text("inline_max", limits.inline_max);
        out.value("operations_max", limits.operations_max);
        out.value("link_window", limits.link_window);
        out.text("link_bytes_max", limits.link_bytes_max);
        out.value("lane_window", limits.lane_window);
        out.text("clock_skew_max", Millis(limits.clock_skew_max));
        out.text("hints_max", limits.hints_max);
        if self.data_dir.is_some() {
            out.text("log_segment", limits.log_segment);
        }
    }

    fn print_discovery(&self, out: &mut Printer) {
        let Discovery { sources, interval } = &self.discovery;
        if sources.is_empty() {
            return;
        }
        let sources = sources.iter().map(|source| Value::String(source.to_string())).collect();
        out.section("[discovery]");
        out.value("sources", Value::Array(sources));
        out.text("interval", Millis(*interval));
    }

    fn print_repair(&self, out: &mut Printer) {
        out.section("[repair]");
        out.text("interval", Millis(self.repair.interval));
        out.value("keys_per_s", self.repair.keys_per_s);
        out.text("bytes_per_s", self.repair.bytes_per_s);
        out.text("rebuild_wait", Millis(self.repair.rebuild_wait));
    }
}

impl Display for SequencingMode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Claimed => "claimed",
            Self::Available => "available",
        })
    }
}

impl Display for Compression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Lz4 => "lz4",
        })
    }
}

impl Display for LogFormat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Json => "json",
        })
    }
}

#[derive(Default)]
struct Printer {
    text: String,
}

impl Printer {
    fn section(&mut self, header: &str) {
        self.text.push_str(&format!("\n{header}\n"));
    }

    /// A value that TOML writes as it displays.
    fn value(&mut self, key: &str, value: impl Display) {
        self.text.push_str(&format!("{key} = {value}\n"));
    }

    /// A value that TOML writes as a string.
    fn text(&mut self, key: &str, value: impl Display) {
        self.value(key, Value::String(value.to_string()));
    }

    fn optional_text(&mut self, key: &str, value: Option<&impl Display>) {
        if let Some(value) = value {
            self.text(key, value);
        }
    }

    /// A value that follows from others.
    fn derived(&mut self, key: &str, value: impl Display) {
        self.text.push_str("# ");
        self.text(key, value);
    }

    /// What is worth knowing beside the values.
    fn note(&mut self, note: &str) {
        self.text.push_str(&format!("# {note}\n"));
    }

    fn seed(&mut self, seed: &Seed) {
        self.section("[[seeds]]");
        self.text("name", &seed.name);
        self.text("peer_address", &seed.peer_address);
        self.optional_text("client_address", seed.client_address.as_ref());
        self.text("datacenter", &seed.datacenter);
        self.text("rack", &seed.rack);
        if let Some(tokens) = &seed.tokens {
            self.value("tokens", format!("{tokens:?}"));
        }
    }
}
