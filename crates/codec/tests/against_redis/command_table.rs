use std::collections::HashMap;

use dynomite_codec::command::commands;
use dynomite_codec::{ReplyView, Request};

use crate::server::Server;

fn text(view: ReplyView<'_>) -> String {
    match view {
        ReplyView::Simple(text) | ReplyView::Bulk(text) => String::from_utf8(text.to_vec()).unwrap(),
        ReplyView::Integer(value) => value.to_string(),
        other => panic!("no text: {other:?}"),
    }
}

fn elements(view: ReplyView<'_>) -> Vec<ReplyView<'_>> {
    let ReplyView::Array(elements) = view else { panic!("no array: {view:?}") };
    elements.collect()
}

/// Name to `name arity flags keys`, subcommands too.
fn read_info(view: ReplyView<'_>, rows: &mut HashMap<String, String>) {
    let fields = elements(view);
    let numbers: Vec<String> = [1, 3, 4, 5].iter().map(|&index| text(fields[index])).collect();
    let flags: Vec<String> = elements(fields[2]).into_iter().map(text).collect();
    rows.insert(text(fields[0]), format!("{} {}", numbers.join(" "), flags.join(" ")));
    for subcommand in elements(fields[9]) {
        read_info(subcommand, rows);
    }
}

/// Name to `group since summary`, subcommands too.
fn read_docs(view: ReplyView<'_>, rows: &mut HashMap<String, String>) {
    for pair in elements(view).chunks(2) {
        let fields = elements(pair[1]);
        let field = |name: &str| fields.chunks(2).find(|pair| text(pair[0]) == name).map(|pair| pair[1]);
        let known = ["group", "since", "summary"].map(|name| text(field(name).unwrap()));
        rows.insert(text(pair[0]), known.join(" "));
        if let Some(subcommands) = field("subcommands") {
            read_docs(subcommands, rows);
        }
    }
}

#[test]
fn every_row_says_what_redis_says() {
    let server = Server::start(&[]);
    let mut connection = server.connect();
    let (mut infos, mut docs) = (HashMap::new(), HashMap::new());
    for info in elements(ReplyView::parse(&connection.call(b"COMMAND\r\n")).unwrap()) {
        read_info(info, &mut infos);
    }
    read_docs(
        ReplyView::parse(&connection.call(Request::from_args(["COMMAND", "DOCS"]).raw())).unwrap(),
        &mut docs,
    );
    assert_eq!(infos.len(), 366, "redis-server is not of version 7.0");

    for row in commands().iter().filter(|row| row.name != "dynomite") {
        let (flags, keys) = (row.flags.names().collect::<Vec<_>>().join(" "), row.keys);
        let info = format!("{} {} {} {} {flags}", row.arity, keys.first, keys.last, keys.step);
        assert_eq!(infos.remove(row.name), Some(info), "{}", row.name);
        let doc = format!("{} {} {}", row.group.name(), row.since, row.summary);
        assert_eq!(docs.remove(row.name), Some(doc), "{}", row.name);
    }
    assert!(infos.is_empty() && docs.is_empty(), "missing rows: {:?}", infos.keys());
}
