//! Takes the connections of other members as long as this node joins: whoever has something else in mind has to wait.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use crate::link::{Hello, Purpose, accept};
use crate::shared::Shared;

/// How often it is looked whether the node is taken in.
const LOOK: Duration = Duration::from_millis(100);
const PAUSE: Duration = Duration::from_millis(50);

/// Until the cluster has taken the node in; then its workers take connections.
pub(super) async fn keep(shared: Arc<Shared>, listener: std::net::TcpListener) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::warn!(%error, "other members cannot connect to this node yet"),
    };
    while shared.ring().epoch() == 0 {
        match timeout(LOOK, listener.accept()).await {
            Err(_) => {}
            Ok(Ok((stream, _))) => {
                tokio::task::spawn_local(let_in(Arc::clone(&shared), stream));
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "cannot accept a member");
                sleep(PAUSE).await;
            }
        }
    }
}

async fn let_in(shared: Arc<Shared>, mut stream: TcpStream) {
    let ring = shared.ring();
    let own = Hello::new(&shared.config, &ring, 0, shared.worker_count);
    let Ok(hello) = accept(&mut stream, &own, &ring, shared.config.timeouts.connect).await else { return };
    if hello.purpose == Purpose::Membership
        && let Ok(stream) = stream.into_std()
    {
        // What the membership has no time for is dialled again.
        let _ = shared.membership.take(stream, hello);
    }
}
