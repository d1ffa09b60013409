//! Commands that the node answers itself.

use bytes::{Bytes, BytesMut};
use dynomite_codec::{Call, Request, encode};
use dynomite_replication::Level;

use super::{Client, Stage};
use crate::worker::Core;

/// The name under which Netflix's Dynomite took a connection's consistency.
const LEGACY_CONSISTENCY: &[u8] = b"DYNO_CONFIG:CONN_CONSISTENCY";

/// Answers a command of class `Connection`.
pub(super) fn answer(client: &mut Client, call: Call, request: &Request, _core: &mut Core) {
    let mut out = BytesMut::new();
    match call.command.name {
        "ping" if request.arg_count() == 1 => encode::simple(&mut out, "PONG"),
        "ping" | "echo" => encode::bulk(&mut out, request.arg(1)),
        "quit" => {
            out.extend_from_slice(encode::OK);
            client.stage = Stage::Ending;
        }
        other => encode::error(&mut out, &format!("ERR Dynomite: '{other}' is not supported here")),
    }
    client.answer(out.freeze());
}

/// Whether this is `DYNO_CONFIG:CONN_CONSISTENCY level`.
pub(super) fn is_legacy_consistency(request: &Request) -> bool {
    request.name().eq_ignore_ascii_case(LEGACY_CONSISTENCY)
}

/// Sets both of the connection's levels.
pub(super) fn set_legacy_consistency(client: &mut Client, request: &Request) {
    let level = if request.arg_count() == 2 {
        level_of(request.arg(1))
    } else {
        Err("one level is expected".to_owned())
    };
    match level {
        Ok(level) => {
            client.session.read_level = Some(level);
            client.session.write_level = Some(level);
            client.answer(Bytes::from_static(encode::OK));
        }
        Err(text) => client.refuse(&format!("ERR {text}")),
    }
}

fn level_of(text: &[u8]) -> Result<Level, String> {
    String::from_utf8_lossy(text).parse::<Level>().map_err(|error| error.to_string())
}
