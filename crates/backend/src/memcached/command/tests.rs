use dynomite_codec::Request;

use super::*;

fn sent(args: &[&str]) -> Result<String, String> {
    let mut output = WriteQueue::new();
    append_command(&Request::from_args(args), &mut output)?;
    let mut slices = [std::io::IoSlice::new(&[]); 16];
    let count = output.fill_io_slices(&mut slices);
    Ok(slices[..count].iter().map(|slice| String::from_utf8_lossy(slice).into_owned()).collect())
}

#[test]
fn length_is_put_where_memcached_wants_it() {
    let large = "x".repeat(20_000);
    let large_line = format!("set k 0 0 20000\r\n{large}\r\n");
    let cases: [(&[&str], &str); 9] = [
        (&["get", "a", "b"], "get a b\r\n"),
        (&["mn"], "mn\r\n"),
        (&["set", "k", "5", "-1", "abc"], "set k 5 -1 3\r\nabc\r\n"),
        (&["append", "k", "0", "0", ""], "append k 0 0 0\r\n\r\n"),
        (&["cas", "k", "5", "60", "77", "a\r\nb"], "cas k 5 60 4 77\r\na\r\nb\r\n"),
        (&["ms", "k", "abc"], "ms k 3\r\nabc\r\n"),
        (&["ms", "k", "T60", "c", "abc"], "ms k 3 T60 c\r\nabc\r\n"),
        (&["delete", "noreply"], "delete noreply\r\n"),
        (&["set", "k", "0", "0", &large], &large_line),
    ];
    for (args, line) in cases {
        assert_eq!(sent(args).as_deref(), Ok(line), "{args:?}");
    }
}

#[test]
fn what_has_no_answer_or_no_end_is_refused() {
    let cases: [&[&str]; 17] = [
        &["set", "k", "0", "0", "noreply", "v"],
        &["delete", "k", "noreply"],
        &["incr", "k", "1", "noreply"],
        &["touch", "k", "0", "noreply"],
        &["flush_all", "noreply"],
        &["verbosity", "1", "noreply"],
        &["mg", "k", "v", "q"],
        &["md", "k", "qx"],
        &["ms", "k", "q", "v"],
        &["watch"],
        &["quit"],
        &["shutdown"],
        &["lru_crawler", "metadump", "all"],
        &["lru_crawler", "mgdump", "all"],
        &["GET", "k"],
        &["no\r\nsuch"],
        &["bget", "k"],
    ];
    for args in cases {
        assert!(sent(args).is_err_and(|text| text.starts_with("ERR ")), "{args:?}: {:?}", sent(args));
    }
}

#[test]
fn what_would_make_the_server_read_data_as_commands_is_refused() {
    let long_key = "k".repeat(251);
    let flags: Vec<&str> = ["ms", "k"].into_iter().chain(std::iter::repeat_n("x", 17)).chain(["v"]).collect();
    let wide = "k".repeat(LINE_BYTES_MAX);
    let cases: [&[&str]; 19] = [
        &["set", "k", "0", "v"],
        &["set", "k", "0", "0", "0", "v"],
        &["set"],
        &["cas", "k", "0", "0", "v"],
        &["set", &long_key, "0", "0", "v"],
        &["set", "k", "x", "0", "v"],
        &["set", "k", "-1", "0", "v"],
        &["set", "k", "4294967296", "0", "v"],
        &["set", "k", "0", "2147483648", "v"],
        &["set", "k", "0", "", "v"],
        &["set", "k", "0", "0\r\nquit", "v"],
        &["set", "a b", "0", "0", "v"],
        &["cas", "k", "0", "0", "18446744073709551616", "v"],
        &["ms", "v"],
        &["ms", &long_key, "v"],
        &["ms", "k", "Fx", "v"],
        &["ms", "k\0", "v"],
        &flags,
        &["gat", "0", &wide],
    ];
    for args in cases {
        assert!(
            sent(args).is_err_and(|text| text.starts_with("CLIENT_ERROR ")),
            "{args:?}: {:?}",
            sent(args)
        );
    }
    assert!(sent(&["get", &wide]).is_ok());
}

#[test]
fn refusals_after_which_data_is_read_as_commands_are_known() {
    let cases: [(Data, &[u8], bool); 10] = [
        (Data::Classic, b"STORED\r\n", false),
        (Data::Classic, b"SERVER_ERROR object too large for cache\r\n", false),
        (Data::Classic, b"CLIENT_ERROR bad command line format\r\n", true),
        (Data::Classic, b"ERROR\r\n", true),
        (Data::Meta, b"SERVER_ERROR object too large for cache\r\n", false),
        (Data::Meta, b"CLIENT_ERROR invalid flag\r\n", false),
        (Data::Meta, b"CLIENT_ERROR bad command line format\r\n", true),
        (Data::Meta, b"CLIENT_ERROR options flags too long\r\n", true),
        (Data::Meta, b"ERROR\r\n", true),
        (Data::None, b"ERROR\r\n", false),
    ];
    for (data, reply, expected) in cases {
        assert_eq!(leaves_data(data, reply), expected, "{data:?} {}", reply.escape_ascii());
    }
}
