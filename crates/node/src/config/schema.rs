//! The file as it is written: every key optional, nothing judged yet but the form of single values.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use serde::de::{self, Deserialize, Deserializer, Visitor};

use super::datastore::DatastoreUrl;
use super::suggest::nearest;
use super::units::{Millis, Text};
use super::{ByteSize, Compression, HashKind, HostPort, Level, LogFormat, SequencingMode, Workers};

#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawConfig {
    pub(super) cluster: Option<String>,
    pub(super) name: Option<String>,
    pub(super) datacenter: Option<String>,
    pub(super) rack: Option<String>,
    pub(super) listen: Option<Text<ListenAddress>>,
    pub(super) client_address: Option<Text<HostPort>>,
    pub(super) peer_listen: Option<Text<ListenAddress>>,
    pub(super) peer_address: Option<Text<HostPort>>,
    pub(super) workers: Option<Workers>,
    pub(super) data_dir: Option<String>,
    pub(super) hash: Option<Text<HashName>>,
    pub(super) hash_tag: Option<Text<HashTag>>,
    pub(super) vnodes: Option<u16>,
    pub(super) auto_join: Option<bool>,
    pub(super) replaces: Option<String>,
    pub(super) tokens: Option<Vec<u32>>,
    pub(super) datastore: RawDatastore,
    pub(super) seeds: Vec<RawSeed>,
    pub(super) discovery: RawDiscovery,
    pub(super) consistency: RawConsistency,
    pub(super) timeouts: RawTimeouts,
    pub(super) limits: RawLimits,
    pub(super) cross_dc: RawCrossDc,
    pub(super) repair: RawRepair,
    pub(super) log: RawLog,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub(super) struct RawDatastore {
    pub(super) url: Option<Text<DatastoreUrl>>,
    pub(super) username: Option<String>,
    pub(super) password_file: Option<String>,
    pub(super) max_memory: Option<ByteSize>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct RawSeed {
    pub(super) name: String,
    pub(super) peer_address: Text<HostPort>,
    pub(super) client_address: Option<Text<HostPort>>,
    pub(super) datacenter: Option<String>,
    pub(super) rack: Option<String>,
    pub(super) tokens: Option<Vec<u32>>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub(super) struct RawDiscovery {
    pub(super) sources: Vec<String>,
    pub(super) interval: Option<Millis>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub(super) struct RawConsistency {
    pub(super) read: Option<Text<LevelName>>,
    pub(super) write: Option<Text<LevelName>>,
    pub(super) prefix: Vec<RawPrefix>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct RawPrefix {
    pub(super) prefix: String,
    pub(super) read: Option<Text<LevelName>>,
    pub(super) write: Option<Text<LevelName>>,
    pub(super) home: Option<String>,
    pub(super) sequencing: Option<Text<SequencingName>>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub(super) struct RawTimeouts {
    pub(super) request: Option<Millis>,
    pub(super) failover: Option<Millis>,
    pub(super) drain: Option<Millis>,
    pub(super) client_stall: Option<Millis>,
    pub(super) connect: Option<Millis>,
    pub(super) heartbeat: Option<Millis>,
    pub(super) hint_window: Option<Millis>,
    pub(super) log_sync: Option<Millis>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub(super) struct RawLimits {
    pub(super) clients_max: Option<u32>,
    pub(super) client_inflight_max: Option<u32>,
    pub(super) client_output_max: Option<ByteSize>,
    pub(super) buffers_max: Option<ByteSize>,
    pub(super) bulk_max: Option<ByteSize>,
    pub(super) args_max: Option<u32>,
    pub(super) request_max: Option<ByteSize>,
    pub(super) inline_max: Option<ByteSize>,
    pub(super) operations_max: Option<u32>,
    pub(super) link_window: Option<u32>,
    pub(super) link_bytes_max: Option<ByteSize>,
    pub(super) lane_window: Option<u32>,
    pub(super) clock_skew_max: Option<Millis>,
    pub(super) hints_max: Option<ByteSize>,
    pub(super) log_segment: Option<ByteSize>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub(super) struct RawRepair {
    pub(super) interval: Option<Millis>,
    pub(super) keys_per_s: Option<u32>,
    pub(super) bytes_per_s: Option<ByteSize>,
    pub(super) rebuild_wait: Option<Millis>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub(super) struct RawLog {
    pub(super) filter: Option<String>,
    pub(super) format: Option<Text<FormatName>>,
}

#[derive(Debug)]
pub(super) struct ListenAddress(pub(super) SocketAddr);

impl FromStr for ListenAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().map(Self).map_err(|_| {
            format!("`{text}` is not an IP address and port, such as \"0.0.0.0:8102\" or \"[::1]:8102\"")
        })
    }
}

#[derive(Debug)]
pub(super) struct HashTag(pub(super) (u8, u8));

impl FromStr for HashTag {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.as_bytes() {
            [open, close] if open.is_ascii_graphic() && close.is_ascii_graphic() => Ok(Self((*open, *close))),
            _ => Err(format!("`{text}` is not two ASCII characters, such as \"{{}}\"")),
        }
    }
}

#[derive(Debug)]
pub(super) struct HashName(pub(super) HashKind);

impl FromStr for HashName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        one_of(text, "hash", &HashKind::ALL.map(|(kind, _)| kind)).map(Self)
    }
}

#[derive(Debug)]
pub(super) struct LevelName(pub(super) Level);

impl FromStr for LevelName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        one_of(text, "consistency level", &Level::ALL).map(Self)
    }
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub(super) struct RawCrossDc {
    pub(super) compression: Option<Text<CompressionName>>,
}

#[derive(Debug)]
pub(super) struct CompressionName(pub(super) Compression);

impl FromStr for CompressionName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        one_of(text, "compression", &[Compression::None, Compression::Lz4]).map(Self)
    }
}

#[derive(Debug)]
pub(super) struct SequencingName(pub(super) SequencingMode);

impl FromStr for SequencingName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        one_of(text, "way of sequencing", &[SequencingMode::Claimed, SequencingMode::Available]).map(Self)
    }
}

#[derive(Debug)]
pub(super) struct FormatName(pub(super) LogFormat);

impl FromStr for FormatName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        one_of(text, "log format", &[LogFormat::Text, LogFormat::Json]).map(Self)
    }
}

impl<'de> Deserialize<'de> for Workers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WorkersVisitor;
        impl Visitor<'_> for WorkersVisitor {
            type Value = Workers;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"auto\" or a number of threads")
            }

            fn visit_str<E: de::Error>(self, value: &str) -> Result<Workers, E> {
                if value == "auto" {
                    return Ok(Workers::Auto);
                }
                Err(E::invalid_value(de::Unexpected::Str(value), &self))
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Workers, E> {
                u16::try_from(value)
                    .map(Workers::Count)
                    .map_err(|_| E::invalid_value(de::Unexpected::Signed(value), &self))
            }
        }
        deserializer.deserialize_any(WorkersVisitor)
    }
}

/// Finds the value that displays as `text`, in whatever case.
fn one_of<T: Copy + fmt::Display>(text: &str, what: &str, allowed: &[T]) -> Result<T, String> {
    let names: Vec<String> = allowed.iter().map(T::to_string).collect();
    if let Some(index) = names.iter().position(|name| name.eq_ignore_ascii_case(text)) {
        return Ok(allowed[index]);
    }
    let hint = nearest(text, names.iter().map(String::as_str))
        .map(|similar| format!("did you mean {similar}? "))
        .unwrap_or_default();
    Err(format!("unknown {what} `{text}`; {hint}allowed are {}", names.join(", ")))
}
