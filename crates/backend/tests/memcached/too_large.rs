//! Values that the server has no room for.

use dynomite_backend::{KeyState, Operation, Output};
use dynomite_testkit::Memcached;

use crate::conversation::{Conversation, state_of};

const TOO_LARGE: &str = "SERVER_ERROR object too large for cache";

/// A state of two megabytes, from a server that takes it, whose content would be commands.
async fn large_state() -> KeyState {
    let roomy = Memcached::start_with(&["-I", "8m", "-m", "100"]);
    let mut lane = Conversation::open_up(&roomy).await;
    let value = "flush_all\r\n".repeat(200_000);
    state_of(&mut lane, value.as_bytes(), 7, None).await
}

#[tokio::test]
async fn value_over_the_item_limit_fails_in_the_servers_words_and_leaves_no_old_value() {
    let state = large_state().await;
    let memcached = Memcached::start();
    let mut lane = Conversation::open_up(&memcached).await;
    for key in ["k", "a key with blanks"] {
        let old = state_of(&mut lane, b"old", 0, None).await;
        lane.install(key, Some(old)).await;
        lane.install(
            "other",
            Some(state_of(&mut Conversation::open_up(&memcached).await, b"kept", 0, None).await),
        )
        .await;
        lane.submit(Operation::Install { key: key.into(), state: Some(state.clone()) });
        lane.submit(Operation::Dump { key: key.into() });
        lane.submit_command(&["mg", "other", "v"]);
        assert_eq!(lane.done().await, Output::Failed(TOO_LARGE.into()));
        assert_eq!(lane.done().await, Output::State(None), "the server has deleted the old value");
        assert_eq!(lane.done().await, Output::Reply("VA 4\r\nkept\r\n".into()), "and read none as a command");
    }
}

#[tokio::test]
async fn client_command_over_the_item_limit_gets_the_error_and_the_lane_stays_in_step() {
    let memcached = Memcached::start();
    let mut lane = Conversation::open_up(&memcached).await;
    let value = "flush_all\r\n".repeat(200_000);
    let names: [&[&str]; 4] =
        [&["set", "k", "0", "0"], &["add", "k", "0", "0"], &["append", "k", "0", "0"], &["ms", "k"]];
    for args in names {
        assert_eq!(lane.command(&["set", "k", "0", "0", "old"]).await, "STORED\r\n");
        assert_eq!(lane.command(&["set", "other", "0", "0", "kept"]).await, "STORED\r\n");
        let args: Vec<&str> = args.iter().copied().chain([value.as_str()]).collect();
        lane.submit_command(&args);
        lane.submit_command(&["get", "other"]);
        assert_eq!(lane.done().await, Output::Reply(format!("{TOO_LARGE}\r\n").into()), "{}", args[0]);
        assert_eq!(
            lane.done().await,
            Output::Reply("VALUE other 0 4\r\nkept\r\nEND\r\n".into()),
            "{}",
            args[0]
        );
    }
}

#[tokio::test]
async fn value_of_many_megabytes_moves_where_the_server_takes_it() {
    let state = large_state().await;
    let roomy = Memcached::start_with(&["-I", "8m", "-m", "100"]);
    let mut lane = Conversation::open_up(&roomy).await;
    lane.install("k", Some(state.clone())).await;
    assert_eq!(lane.dump("k").await, Some(state));
}
