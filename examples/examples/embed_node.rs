//! Runs a whole node inside this program and talks to it as any Redis client would.
//!
//! `cargo run --example embed_node` asks a few questions and stops; with `--stay` the node runs until the program is
//! interrupted, so that `redis-cli -p PORT` can be tried.

use std::net::SocketAddr;

use anyhow::{Result, ensure};
use dynomite_node::{Config, Node};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut config = Config::single_node();
    // Port 0: any that is free.
    config.listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let node = Node::start(config).await?;
    println!("a node with a memory store serves clients at {}", node.client_address());

    let mut client = TcpStream::connect(node.client_address()).await?;
    for (command, expected) in
        [("SET greeting hello", "+OK\r\n"), ("GET greeting", "$5\r\nhello\r\n"), ("INCR visits", ":1\r\n")]
    {
        client.write_all(format!("{command}\r\n").as_bytes()).await?;
        let mut reply = vec![0; expected.len()];
        client.read_exact(&mut reply).await?;
        println!("{command:20} -> {}", reply.escape_ascii());
        ensure!(reply == expected.as_bytes(), "expected {expected:?}");
    }

    if std::env::args().any(|argument| argument == "--stay") {
        println!("it stays until Ctrl-C: redis-cli -p {}", node.client_address().port());
        tokio::signal::ctrl_c().await?;
    }
    node.stop().await;
    Ok(())
}
