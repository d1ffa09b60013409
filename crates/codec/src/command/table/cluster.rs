//! Redis Cluster's commands.

use super::{Command, MEMBERSHIP, NO_KEY, Order, Rule, Shape, command};
use crate::command::flags::{ADMIN, FAST, LOADING, NO_ASYNC_LOADING, NONE, NOSCRIPT, STALE};

#[rustfmt::skip]
pub(super) const ROWS: &[Command] = &[
    command("asking", 1, FAST, NO_KEY, "3.0.0", Rule::Node, "Sent by cluster clients after an -ASK redirect"),
    command("cluster", -2, NONE, NO_KEY, "3.0.0", Rule::Container, "A container for cluster commands"),
    command("cluster|addslots", -3, ADMIN | STALE | NO_ASYNC_LOADING, NO_KEY, "3.0.0", Rule::Unsupported(MEMBERSHIP), "Assign new hash slots to receiving node"),
    command("cluster|addslotsrange", -4, ADMIN | STALE | NO_ASYNC_LOADING, NO_KEY, "7.0.0", Rule::Unsupported(MEMBERSHIP), "Assign new hash slots to receiving node"),
    command("cluster|bumpepoch", 2, ADMIN | STALE | NO_ASYNC_LOADING, NO_KEY, "3.0.0", Rule::Unsupported(MEMBERSHIP), "Advance the cluster config epoch").order(Order::Free),
    command("cluster|count-failure-reports", 3, ADMIN | STALE, NO_KEY, "3.0.0", Rule::Unsupported(MEMBERSHIP), "Return the number of failure reports active for a given node").order(Order::Free),
    command("cluster|countkeysinslot", 3, STALE, NO_KEY, "3.0.0", Rule::Unsupported(MEMBERSHIP), "Return the number of local keys in the specified hash slot"),
    command("cluster|delslots", -3, ADMIN | STALE | NO_ASYNC_LOADING, NO_KEY, "3.0.0", Rule::Unsupported(MEMBERSHIP), "Set hash slots as unbound in receiving node"),
    command("cluster|delslotsrange", -4, ADMIN | STALE | NO_ASYNC_LOADING, NO_KEY, "7.0.0", Rule::Unsupported(MEMBERSHIP), "Set hash slots as unbound in receiving node"),
    command("cluster|failover", -2, ADMIN | STALE | NO_ASYNC_LOADING, NO_KEY, "3.0.0", Rule::Unsupported(MEMBERSHIP), "Forces a replica to perform a manual failover of its master."),
    command("cluster|flushslots", 2, ADMIN | STALE | NO_ASYNC_LOADING, NO_KEY, "3.0.0", Rule::Unsupported(MEMBERSHIP), "Delete a node's own slots information"),
    command("cluster|forget", 3, ADMIN | STALE | NO_ASYNC_LOADING, NO_KEY, "3.0.0", Rule::Unsupported(MEMBERSHIP), "Remove a node from the nodes table"),
    command("cluster|getkeysinslot", 4, STALE, NO_KEY, "3.0.0", Rule::Unsupported(MEMBERSHIP), "Return local key names in the specified hash slot").order(Order::Free),
    command("cluster|help", 2, LOADING | STALE, NO_KEY, "5.0.0", Rule::Node, "Show helpful text about the different subcommands"),
    command("cluster|info", 2, STALE, NO_KEY, "3.0.0", Rule::Node, "Provides info about Redis Cluster node state").order(Order::Free).shape(Shape::Text),
    command("cluster|keyslot", 3, STALE, NO_KEY, "3.0.0", Rule::Node, "Returns the hash slot of the specified key"),
    command("cluster|links", 2, STALE, NO_KEY, "7.0.0", Rule::Unsupported(MEMBERSHIP), "Returns a list of all TCP links to and from peer nodes in cluster").order(Order::Free),
    command("cluster|meet", -4, ADMIN | STALE | NO_ASYNC_LOADING, NO_KEY, "3.0.0", Rule::Unsupported(MEMBERSHIP), "Force a node cluster to handshake with another node"),
    command("cluster|myid", 2, STALE, NO_KEY, "3.0.0", Rule::Node, "Return the node id"),
    command("cluster|nodes", 2, STALE, NO_KEY, "3.0.0", Rule::Node, "Get Cluster config for the node").order(Order::Free).shape(Shape::Text),
    command("cluster|replicas", 3, ADMIN | STALE, NO_KEY, "5.0.0", Rule::Unsupported(MEMBERSHIP), "List replica nodes of the specified master node").order(Order::Free),
    command("cluster|replicate", 3, ADMIN | STALE | NO_ASYNC_LOADING, NO_KEY, "3.0.0", Rule::Unsupported(MEMBERSHIP), "Reconfigure a node as a replica of the specified master node"),
    command("cluster|reset", -2, ADMIN | NOSCRIPT | STALE, NO_KEY, "3.0.0", Rule::Unsupported(MEMBERSHIP), "Reset a Redis Cluster node"),
    command("cluster|saveconfig", 2, ADMIN | STALE | NO_ASYNC_LOADING, NO_KEY, "3.0.0", Rule::Unsupported(MEMBERSHIP), "Forces the node to save cluster state on disk"),
    command("cluster|set-config-epoch", 3, ADMIN | STALE | NO_ASYNC_LOADING, NO_KEY, "3.0.0", Rule::Unsupported(MEMBERSHIP), "Set the configuration epoch in a new node"),
    command("cluster|setslot", -4, ADMIN | STALE | NO_ASYNC_LOADING, NO_KEY, "3.0.0", Rule::Unsupported(MEMBERSHIP), "Bind a hash slot to a specific node"),
    command("cluster|shards", 2, STALE, NO_KEY, "7.0.0", Rule::Node, "Get array of cluster slots to node mappings").order(Order::Free).shape(Shape::ClusterShards),
    command("cluster|slaves", 3, ADMIN | STALE, NO_KEY, "3.0.0", Rule::Unsupported(MEMBERSHIP), "List replica nodes of the specified master node").order(Order::Free),
    command("cluster|slots", 2, STALE, NO_KEY, "3.0.0", Rule::Node, "Get array of Cluster slot to node mappings").order(Order::Free).shape(Shape::ClusterSlots),
    command("readonly", 1, LOADING | STALE | FAST, NO_KEY, "3.0.0", Rule::Node, "Enables read queries for a connection to a cluster replica node"),
    command("readwrite", 1, LOADING | STALE | FAST, NO_KEY, "3.0.0", Rule::Node, "Disables read queries for a connection to a cluster replica node"),
];
