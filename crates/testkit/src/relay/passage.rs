//! How connections pass through a relay.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::{Flow, Passage, Way};

/// What is read at once.
const CHUNK_BYTES: usize = 64 * 1024;
/// Chunks on their way in one direction; then the sender has to wait, as with a full network.
const CHUNKS_MAX: usize = 64;
/// A throttled direction passes its bytes in shares, so many a second.
const THROTTLES_PER_SECOND: usize = 20;
/// How long to wait after a connection could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Relays all connections until the relay is dropped.
pub(super) async fn listen(listener: TcpListener, target: SocketAddr, mut passage: watch::Receiver<Passage>) {
    loop {
        tokio::select! {
            // Only what is no value any more ends it: the relay is gone.
            closed = passage.changed() => if closed.is_err() { return },
            accepted = listener.accept() => match accepted {
                Ok((client, _)) => drop(tokio::spawn(relay(client, target, passage.clone()))),
                Err(_) => sleep(ACCEPT_PAUSE).await,
            },
        }
    }
}

/// Relays one connection. It ends when both sides have ended it, or with a reset of both.
async fn relay(mut client: TcpStream, target: SocketAddr, mut passage: watch::Receiver<Passage>) {
    let server = tokio::select! {
        biased;
        _ = passage.wait_for(|passage| passage.is_cut) => return reset(&client),
        server = TcpStream::connect(target) => server,
    };
    let Ok(mut server) = server else { return reset(&client) };
    // A relay that waits for fuller packets would be a delay of its own. Fails only for what is reset already.
    let _ = client.set_nodelay(true).and_then(|()| server.set_nodelay(true));
    let outcome = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let forth = pass(from_client, to_server, passage.clone(), Way::Forth);
        let back = pass(from_server, to_client, passage.clone(), Way::Back);
        tokio::select! {
            biased;
            _ = passage.wait_for(|passage| passage.is_cut) => Err(io::ErrorKind::ConnectionReset.into()),
            ended = async { tokio::try_join!(forth, back) } => ended,
        }
    };
    if outcome.is_err() {
        reset(&client);
        reset(&server);
    }
}

/// Has the connection reset, instead of closed in good order, when it is dropped.
fn reset(stream: &TcpStream) {
    // Fails only for a connection that is reset already.
    let _ = stream.set_zero_linger();
}

/// Passes bytes in one direction, and its end.
async fn pass(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    mut passage: watch::Receiver<Passage>,
    way: Way,
) -> io::Result<()> {
    let (sender, mut receiver) = mpsc::channel::<(Instant, Vec<u8>)>(CHUNKS_MAX);
    let watched = passage.clone();
    let take = async move {
        let mut buffer = vec![0; CHUNK_BYTES];
        loop {
            let count = from.read(&mut buffer).await?;
            let delay = match watched.borrow().flow(way) {
                Flow::Delayed(delay) => delay,
                _ => Duration::ZERO,
            };
            // Nothing is the connection's end, which takes its time as well.
            let chunk = (Instant::now() + delay, buffer[..count].to_vec());
            if sender.send(chunk).await.is_err() || count == 0 {
                return Ok(());
            }
        }
    };
    let give = async move {
        while let Some((due_at, bytes)) = receiver.recv().await {
            sleep_until(due_at).await;
            write(&bytes, &mut to, &mut passage, way).await?;
        }
        to.shutdown().await
    };
    tokio::try_join!(take, give).map(|_| ())
}

/// Writes as the flow of that direction allows.
async fn write(
    mut bytes: &[u8],
    to: &mut WriteHalf<'_>,
    passage: &mut watch::Receiver<Passage>,
    way: Way,
) -> io::Result<()> {
    loop {
        let flow = passage
            .wait_for(|passage| passage.flow(way) != Flow::Held)
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::ConnectionReset))?
            .flow(way);
        let Flow::Throttled(bytes_per_second) = flow else { return to.write_all(bytes).await };
        let share = (bytes_per_second as usize / THROTTLES_PER_SECOND).max(1).min(bytes.len());
        to.write_all(&bytes[..share]).await?;
        sleep(Duration::from_secs_f64(share as f64 / f64::from(bytes_per_second))).await;
        bytes = &bytes[share..];
        if bytes.is_empty() {
            return Ok(());
        }
    }
}
