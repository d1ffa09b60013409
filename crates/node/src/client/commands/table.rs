//! `COMMAND`: the commands that work here, from the command table.

use bytes::BytesMut;
use dynomite_codec::command::{Command, Rule, Support, commands, flags, lookup_subcommand};
use dynomite_codec::{Request, classify, encode, lookup};

use super::pattern::matches;
use super::{Refusal, connection, is, text};

const SYNTAX: &str = "ERR syntax error";

pub(super) fn command(request: &Request, out: &mut BytesMut) -> Result<(), Refusal> {
    if request.arg_count() == 1 {
        write_infos(out, wired().map(Some));
        return Ok(());
    }
    match text(request.arg(1)).to_ascii_uppercase().as_str() {
        "COUNT" => encode::integer(out, wired().count() as i64),
        "LIST" => write_list(request, out)?,
        "INFO" if request.arg_count() == 2 => write_infos(out, wired().map(Some)),
        "INFO" => write_infos(out, request.args().skip(2).map(find)),
        "DOCS" if request.arg_count() == 2 => write_docs(out, wired()),
        "DOCS" => write_docs(out, request.args().skip(2).filter_map(find)),
        "GETKEYS" => write_keys(request, out)?,
        "HELP" => connection::help("command|help", out)?,
        _ => return Err(SYNTAX.to_owned()),
    }
    Ok(())
}

/// The commands that work here, without their subcommands.
fn wired() -> impl Iterator<Item = &'static Command> + Clone {
    commands().iter().filter(|row| !row.is_subcommand() && works(row))
}

fn works(row: &Command) -> bool {
    match row.rule {
        Rule::Container => subcommands(row).next().is_some(),
        _ => row.support() == Support::Wired,
    }
}

/// The subcommands of a container that work here.
fn subcommands(container: &Command) -> impl Iterator<Item = &'static Command> + Clone {
    let name = container.name;
    let is_of = move |row: &&Command| row.name.strip_prefix(name).is_some_and(|rest| rest.starts_with('|'));
    commands().iter().filter(is_of).filter(|row| row.support() == Support::Wired)
}

/// A command by its name, or by `container|subcommand`.
fn find(name: &[u8]) -> Option<&'static Command> {
    let found = match name.iter().position(|byte| *byte == b'|') {
        Some(at) => lookup_subcommand(lookup(&name[..at])?, &name[at + 1..]),
        None => lookup(name),
    };
    found.filter(|row| works(row))
}

fn write_infos(out: &mut BytesMut, rows: impl Iterator<Item = Option<&'static Command>> + Clone) {
    encode::array(out, rows.clone().count());
    for row in rows {
        match row {
            Some(row) => write_info(out, row),
            None => out.extend_from_slice(encode::NULL_BULK),
        }
    }
}

fn write_info(out: &mut BytesMut, row: &Command) {
    encode::array(out, 10);
    encode::bulk(out, row.name.as_bytes());
    encode::integer(out, i64::from(row.arity));
    encode::array(out, row.flags.names().count());
    row.flags.names().for_each(|flag| encode::simple(out, flag));
    for position in [row.keys.first, row.keys.last, row.keys.step] {
        encode::integer(out, i64::from(position));
    }
    let categories = categories(row);
    encode::array(out, categories.len());
    categories.iter().for_each(|category| encode::simple(out, category));
    // Tips and key specifications are not in the table.
    encode::array(out, 0);
    encode::array(out, 0);
    let subcommands = subcommands(row);
    encode::array(out, subcommands.clone().count());
    subcommands.for_each(|subcommand| write_info(out, subcommand));
}

fn categories(row: &Command) -> Vec<String> {
    let mut categories = Vec::new();
    let mut flag = |bits, name: &str| {
        if row.flags.contains(bits) {
            categories.push(name.to_owned());
        }
    };
    flag(flags::WRITE, "@write");
    flag(flags::READONLY, "@read");
    flag(flags::ADMIN, "@admin");
    flag(flags::ADMIN, "@dangerous");
    categories.push(format!("@{}", row.group.name().replace('-', "")));
    categories.push(if row.flags.contains(flags::FAST) { "@fast" } else { "@slow" }.to_owned());
    categories
}

fn write_docs(out: &mut BytesMut, rows: impl Iterator<Item = &'static Command> + Clone) {
    encode::array(out, rows.clone().count() * 2);
    rows.for_each(|row| write_doc(out, row));
}

fn write_doc(out: &mut BytesMut, row: &Command) {
    let fields = [("summary", row.summary), ("since", row.since), ("group", row.group.name())];
    let subcommands = subcommands(row);
    let has_subcommands = subcommands.clone().next().is_some();
    encode::bulk(out, row.name.as_bytes());
    encode::array(out, (fields.len() + usize::from(has_subcommands)) * 2);
    for (name, value) in fields {
        encode::bulk(out, name.as_bytes());
        encode::bulk(out, value.as_bytes());
    }
    if has_subcommands {
        encode::bulk(out, b"subcommands");
        write_docs(out, subcommands);
    }
}

/// `COMMAND LIST [FILTERBY MODULE name | ACLCAT category | PATTERN pattern]`.
fn write_list(request: &Request, out: &mut BytesMut) -> Result<(), Refusal> {
    let names: Vec<&str> = match request.arg_count() {
        2 => wired().map(|row| row.name).collect(),
        5 if is(request, 2, "FILTERBY") => {
            let wanted = request.arg(4);
            let category = format!("@{}", text(wanted).to_ascii_lowercase());
            let by: fn(&Command, &[u8], &str) -> bool = if is(request, 3, "PATTERN") {
                |row, wanted, _| matches(wanted, row.name.as_bytes())
            } else if is(request, 3, "ACLCAT") {
                |row, _, category| categories(row).iter().any(|own| own == category)
            } else if is(request, 3, "MODULE") {
                |_, _, _| false
            } else {
                return Err(SYNTAX.to_owned());
            };
            wired().filter(|row| by(row, wanted, &category)).map(|row| row.name).collect()
        }
        _ => return Err(SYNTAX.to_owned()),
    };
    encode::array(out, names.len());
    names.iter().for_each(|name| encode::bulk(out, name.as_bytes()));
    Ok(())
}

fn write_keys(request: &Request, out: &mut BytesMut) -> Result<(), Refusal> {
    let whole = Request::from_args(request.args().skip(2).collect::<Vec<_>>());
    if lookup(whole.name()).is_none() {
        return Err("ERR Invalid command specified".to_owned());
    }
    let call = classify(&whole).map_err(|_| "ERR Invalid number of arguments specified for command")?;
    let keys: Vec<&[u8]> = call.keys(&whole).collect();
    if keys.is_empty() {
        return Err("ERR The command has no key arguments".to_owned());
    }
    encode::array(out, keys.len());
    keys.iter().for_each(|key| encode::bulk(out, key));
    Ok(())
}
