use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};

use dynomite_codec::{Output, ReplyLimits};
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;

use super::*;
use crate::server_lane::exchange;
use crate::stream::Stream;

#[derive(Default)]
struct WakeCount(AtomicUsize);

impl Wake for WakeCount {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn poll_that_stops_before_all_is_read_asks_to_be_called_again() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let reply = format!("*10000\r\n{}", ":1234567\r\n".repeat(10_000));
    theirs.write_all(reply.as_bytes()).await.unwrap();
    ours.readable().await.unwrap();
    let mut connection = Connection::new(Stream::Unix(ours), ReplyFramer::new(ReplyLimits::default()));
    let mut server = RedisServer::new(Arc::new(RedisConfig::from_url("redis://nowhere").unwrap()), 0);
    server.owed.push_back(Owed::Reply);

    let wake_count = Arc::new(WakeCount::default());
    let waker = Waker::from(Arc::clone(&wake_count));
    let mut events = Vec::new();
    let mut poll_count = 0;
    while events.is_empty() {
        exchange(&mut server, &mut connection, 1, &mut Context::from_waker(&waker), &mut events).unwrap();
        poll_count += 1;
        assert_eq!(wake_count.0.load(Ordering::Relaxed), poll_count);
    }
    assert!(poll_count > 1, "the reply does not fit in one read");
    assert_eq!(events, [LaneEvent::Done(Output::Reply(reply.into()))]);
}
