//! Whose data directory it is: a small file for people and for us.

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

use dynomite_ring::NodeId;
use serde::{Deserialize, Serialize};

use super::generation::replace_file;
use super::{DiskError, LogKind};
use crate::config::Config;

/// The file's name.
pub(super) const FILE: &str = "node.toml";
/// While it is being written.
pub(super) const FILE_NEW: &str = "node.toml.new";
/// The format that this version writes, of the directory as a whole.
pub(super) const FORMAT: u32 = 1;
const COMMENT: &str = "# Whose data directory this is. Written by the node; do not edit.\n";

/// A node, as its data directory knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Name of the cluster.
    pub cluster: String,
    /// Name of the node.
    pub name: String,
    /// Its datacenter.
    pub datacenter: String,
    /// Its rack.
    pub rack: String,
}

impl Identity {
    /// That of the node with this configuration.
    pub fn of(config: &Config) -> Self {
        Self {
            cluster: config.cluster.clone(),
            name: config.name.clone(),
            datacenter: config.datacenter.clone(),
            rack: config.rack.clone(),
        }
    }

    /// The node's number, as segments have it.
    pub fn node_id(&self) -> NodeId {
        NodeId::from_name(&self.name)
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cluster, name, datacenter, rack } = self;
        write!(f, "node {name} in {datacenter}/{rack} of cluster {cluster}")
    }
}

/// The file as it is written.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    format: u32,
    cluster: String,
    name: String,
    datacenter: String,
    rack: String,
    node_id: String,
    /// The kinds of log that were ever begun: when their files are gone, somebody deleted them.
    logs: Vec<String>,
}

/// The one thing that every format has.
#[derive(Deserialize)]
struct Format {
    format: u32,
}

/// Reads the file: the node, and the kinds of log that were ever begun. `None` when there is no such file.
pub(super) fn read(path: &Path) -> Result<Option<(Identity, Vec<LogKind>)>, DiskError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(DiskError::io("read", path)(error)),
    };
    let refused = |reason: String| DiskError::BadIdentity { path: path.to_owned(), reason };
    let parse_error = |error: toml::de::Error| refused(error.message().to_owned());
    let Format { format } = toml::from_str(&text).map_err(parse_error)?;
    if format > FORMAT {
        return Err(DiskError::NewerFormat { path: path.to_owned(), format });
    }
    let stored: Stored = toml::from_str(&text).map_err(parse_error)?;
    let Stored { cluster, name, datacenter, rack, node_id, logs, .. } = stored;
    let identity = Identity { cluster, name, datacenter, rack };
    if node_id != identity.node_id().to_string() {
        return Err(refused(format!("node {} has id {}, not {node_id}", identity.name, identity.node_id())));
    }
    let kind_of = |name: String| {
        let kind = LogKind::ALL.into_iter().find(|kind| kind.name() == name);
        kind.ok_or_else(|| refused(format!("unknown kind of log `{name}`")))
    };
    let begun = logs.into_iter().map(kind_of).collect::<Result<_, _>>()?;
    Ok(Some((identity, begun)))
}

/// Writes the file of `directory`, so that a crash leaves the old one or the new one.
pub(super) fn write(directory: &Path, identity: &Identity, begun: &[LogKind]) -> Result<(), DiskError> {
    let stored = Stored {
        format: FORMAT,
        cluster: identity.cluster.clone(),
        name: identity.name.clone(),
        datacenter: identity.datacenter.clone(),
        rack: identity.rack.clone(),
        node_id: identity.node_id().to_string(),
        logs: begun.iter().map(|kind| kind.name().to_owned()).collect(),
    };
    let path = directory.join(FILE);
    let write = || {
        let body = toml::to_string(&stored).map_err(io::Error::other)?;
        replace_file(&path, format!("{COMMENT}{body}").as_bytes())
    };
    write().map_err(DiskError::io("write", &path))
}
