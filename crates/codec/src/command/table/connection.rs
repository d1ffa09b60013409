//! Commands about the connection itself.

use super::{CONNECTIONS, Command, NO_KEY, Order, Rule, Shape, command};
use crate::command::flags::{ADMIN, ALLOW_BUSY, FAST, LOADING, NO_AUTH, NONE, NOSCRIPT, STALE};

#[rustfmt::skip]
pub(super) const ROWS: &[Command] = &[
    command("auth", -2, NOSCRIPT | LOADING | STALE | FAST | NO_AUTH | ALLOW_BUSY, NO_KEY, "1.0.0", Rule::Node, "Authenticate to the server"),
    command("client", -2, NONE, NO_KEY, "2.4.0", Rule::Container, "A container for client connection commands"),
    command("client|caching", 3, NOSCRIPT | LOADING | STALE, NO_KEY, "6.0.0", Rule::Unsupported(CONNECTIONS), "Instruct the server about tracking or not keys in the next request"),
    command("client|getname", 2, NOSCRIPT | LOADING | STALE, NO_KEY, "2.6.9", Rule::Node, "Get the current connection name"),
    command("client|getredir", 2, NOSCRIPT | LOADING | STALE, NO_KEY, "6.0.0", Rule::Unsupported(CONNECTIONS), "Get tracking notifications redirection client ID if any"),
    command("client|help", 2, LOADING | STALE, NO_KEY, "5.0.0", Rule::Node, "Show helpful text about the different subcommands"),
    command("client|id", 2, NOSCRIPT | LOADING | STALE, NO_KEY, "5.0.0", Rule::Node, "Returns the client ID for the current connection"),
    command("client|info", 2, NOSCRIPT | LOADING | STALE, NO_KEY, "6.2.0", Rule::Node, "Returns information about the current client connection.").order(Order::Free).shape(Shape::Text),
    command("client|kill", -3, ADMIN | NOSCRIPT | LOADING | STALE, NO_KEY, "2.4.0", Rule::Unsupported(CONNECTIONS), "Kill the connection of a client"),
    command("client|list", -2, ADMIN | NOSCRIPT | LOADING | STALE, NO_KEY, "2.4.0", Rule::Node, "Get the list of client connections").order(Order::Free).shape(Shape::Text),
    command("client|no-evict", 3, ADMIN | NOSCRIPT | LOADING | STALE, NO_KEY, "7.0.0", Rule::Node, "Set client eviction mode for the current connection"),
    command("client|pause", -3, ADMIN | NOSCRIPT | LOADING | STALE, NO_KEY, "2.9.50", Rule::Unsupported(CONNECTIONS), "Stop processing commands from clients for some time"),
    command("client|reply", 3, NOSCRIPT | LOADING | STALE, NO_KEY, "3.2.0", Rule::Node, "Instruct the server whether to reply to commands"),
    command("client|setname", 3, NOSCRIPT | LOADING | STALE, NO_KEY, "2.6.9", Rule::Node, "Set the current connection name"),
    command("client|tracking", -3, NOSCRIPT | LOADING | STALE, NO_KEY, "6.0.0", Rule::Unsupported(CONNECTIONS), "Enable or disable server assisted client side caching support"),
    command("client|trackinginfo", 2, NOSCRIPT | LOADING | STALE, NO_KEY, "6.2.0", Rule::Unsupported(CONNECTIONS), "Return information about server assisted client side caching for the current connection"),
    command("client|unblock", -3, ADMIN | NOSCRIPT | LOADING | STALE, NO_KEY, "5.0.0", Rule::Unsupported(CONNECTIONS), "Unblock a client blocked in a blocking command from a different connection"),
    command("client|unpause", 2, ADMIN | NOSCRIPT | LOADING | STALE, NO_KEY, "6.2.0", Rule::Unsupported(CONNECTIONS), "Resume processing of clients that were paused"),
    command("echo", 2, LOADING | STALE | FAST, NO_KEY, "1.0.0", Rule::Node, "Echo the given string"),
    command("hello", -1, NOSCRIPT | LOADING | STALE | FAST | NO_AUTH | ALLOW_BUSY, NO_KEY, "6.0.0", Rule::Node, "Handshake with Redis").shape(Shape::Map),
    command("ping", -1, FAST, NO_KEY, "1.0.0", Rule::Node, "Ping the server"),
    command("quit", -1, NOSCRIPT | LOADING | STALE | FAST | NO_AUTH | ALLOW_BUSY, NO_KEY, "1.0.0", Rule::Node, "Close the connection"),
    command("reset", 1, NOSCRIPT | LOADING | STALE | FAST | NO_AUTH | ALLOW_BUSY, NO_KEY, "6.2.0", Rule::Node, "Reset the connection"),
    command("select", 2, LOADING | STALE | FAST, NO_KEY, "1.0.0", Rule::Node, "Change the selected database for the current connection"),
];
