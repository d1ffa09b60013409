//! How sources are asked: when, again, and what is kept.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::asking::{Answer, Source};
use super::error::AskError;
use super::*;
use crate::config::HostPort;

const INTERVAL: Duration = Duration::from_secs(30);
const LONG: Duration = Duration::from_secs(30);

/// Answers question number 0, 1, 2 … as a function says, and notes when it was asked.
struct Fake<F> {
    answer: F,
    asked_at: Arc<Mutex<Vec<Instant>>>,
}

impl<F: FnMut(usize) -> Result<Answer, AskError> + Send + 'static> Source for Fake<F> {
    async fn ask(&mut self) -> Result<Answer, AskError> {
        let number = {
            let mut asked_at = self.asked_at.lock().unwrap();
            asked_at.push(Instant::now());
            asked_at.len() - 1
        };
        (self.answer)(number)
    }
}

fn address(number: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, number], 8101))
}

fn found(numbers: &[u8]) -> Result<Answer, AskError> {
    Ok(Answer { addresses: numbers.iter().map(|number| address(*number)).collect(), complaints: Vec::new() })
}

fn silence() -> Result<Answer, AskError> {
    let host = HostPort::new("seed.example", 8101);
    Err(AskError::Lookup { host, source: io::Error::other("no such name") })
}

/// Starts sources that answer so, one task each.
struct Started {
    receiver: watch::Receiver<Vec<SocketAddr>>,
    asked_at: Vec<Arc<Mutex<Vec<Instant>>>>,
    begun_at: Instant,
}

type Script = Box<dyn FnMut(usize) -> Result<Answer, AskError> + Send>;

fn start(scripts: Vec<Script>) -> Started {
    let (union, receiver) = Union::new(scripts.len());
    let union = Arc::new(union);
    let mut started = Started { receiver, asked_at: Vec::new(), begun_at: Instant::now() };
    for (index, answer) in scripts.into_iter().enumerate() {
        let asked_at = Arc::new(Mutex::new(Vec::new()));
        started.asked_at.push(Arc::clone(&asked_at));
        let fake = Fake { answer, asked_at };
        tokio::spawn(keep_asking(fake, format!("fake{index}"), index, Arc::clone(&union), INTERVAL));
    }
    started
}

impl Started {
    /// The waits before question 1, 2 …, in seconds.
    fn waits(&self, source: usize) -> Vec<f64> {
        let asked_at = self.asked_at[source].lock().unwrap();
        asked_at.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64()).collect()
    }

    fn known(&self) -> Vec<SocketAddr> {
        self.receiver.borrow().clone()
    }
}

async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn a_source_is_asked_at_once_and_then_again_and_again() {
    let started = start(vec![Box::new(|number| found(&[number as u8]))]);
    pass(1).await;
    assert_eq!(started.asked_at[0].lock().unwrap()[0], started.begun_at);
    assert_eq!(started.known(), [address(0)]);
    pass(300).await;
    let waits = started.waits(0);
    assert!((10..=12).contains(&waits.len()), "{waits:?}");
    assert!(waits.iter().all(|wait| (27.0..=30.01).contains(wait)), "{waits:?}");
    assert!(waits.iter().any(|wait| (wait - waits[0]).abs() > 0.01), "not all the same: {waits:?}");
    assert_eq!(started.known(), [address(waits.len() as u8)]);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_silent_is_asked_more_and_more_rarely_until_it_answers() {
    let started = start(vec![Box::new(|number| if number < 8 { silence() } else { found(&[1]) })]);
    pass(200).await;
    let waits = started.waits(0);
    for (wait, longest) in waits.iter().zip([1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]) {
        assert!((longest / 2.0..=longest + 0.01).contains(wait), "{longest}: {waits:?}");
    }
    assert_eq!(started.known(), [address(1)]);
}

#[tokio::test(start_paused = true)]
async fn a_new_silence_begins_with_short_waits() {
    let started = start(vec![Box::new(|number| if number % 4 == 3 { found(&[1]) } else { silence() })]);
    pass(300).await;
    let waits = started.waits(0);
    assert!(waits.len() > 8 && waits[4] <= 1.01 && waits[8] <= 1.01, "{waits:?}");
}

#[tokio::test(start_paused = true)]
async fn what_a_silent_source_told_before_holds() {
    let started = start(vec![
        Box::new(|number| if number == 0 { found(&[1, 2]) } else { silence() }),
        Box::new(|number| found(&[3, 4 + u8::from(number > 0)])),
        Box::new(|_| silence()),
    ]);
    pass(1).await;
    assert_eq!(started.known(), [address(1), address(3), address(2), address(4)]);
    pass(3_600).await;
    assert_eq!(started.known(), [address(1), address(3), address(2), address(5)]);
}

#[tokio::test(start_paused = true)]
async fn one_that_tells_of_nobody_is_believed() {
    let started = start(vec![Box::new(|number| if number == 0 { found(&[1]) } else { found(&[]) })]);
    pass(1).await;
    assert_eq!(started.known(), [address(1)]);
    pass(31).await;
    assert_eq!(started.known(), []);
}

#[tokio::test(start_paused = true)]
async fn the_receiver_wakes_for_changes_only() {
    let mut started = start(vec![Box::new(|number| found(&[1 + u8::from(number >= 3)]))]);
    started.receiver.changed().await.unwrap();
    let begun_at = Instant::now();
    started.receiver.changed().await.unwrap();
    assert!(begun_at.elapsed() >= Duration::from_secs(80), "{:?}", begun_at.elapsed());
}

#[tokio::test(start_paused = true)]
async fn nobody_is_asked_when_nobody_wants_to_know() {
    let Started { receiver, asked_at, .. } = start(vec![Box::new(|_| found(&[1])), Box::new(|_| silence())]);
    pass(1).await;
    drop(receiver);
    pass(1).await;
    for asked_at in asked_at {
        assert_eq!(Arc::strong_count(&asked_at), 1, "the task has ended");
    }
}

#[tokio::test(start_paused = true)]
async fn silence_and_its_end_are_logged_once() {
    let log = Log::default();
    let lines = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || lines.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let wrong = || Ok(Answer { addresses: vec![address(1)], complaints: vec!["line 7: `x`".to_owned()] });
    let _started = start(vec![Box::new(move |number| match number {
        0..6 | 9..12 => silence(),
        6..9 => wrong(),
        _ => found(&[1]),
    })]);
    pass(3_600).await;
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<&str> = log.lines().collect();
    for (line, expected) in lines.iter().zip(["WARN", "INFO", "WARN", "WARN", "INFO"]) {
        assert!(line.contains(expected) && line.contains("fake0"), "{expected}: {log}");
    }
    assert_eq!(lines.len(), 5, "{log}");
    assert!(
        lines[0].contains("no such name (is the name right")
            && lines[0].ends_with("again and again seeds=fake0"),
        "{log}"
    );
    assert!(lines[2].contains("line 7: `x`") && lines[3].contains("told before holds"), "{log}");
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn source(text: &str) -> SeedSource {
    text.parse().unwrap()
}

async fn next(receiver: &mut watch::Receiver<Vec<SocketAddr>>) -> Vec<SocketAddr> {
    timeout(LONG, receiver.changed()).await.expect("a change").unwrap();
    receiver.borrow_and_update().clone()
}

fn rewrite(path: &Path, text: &str) {
    let new = path.with_extension("new");
    std::fs::write(&new, text).unwrap();
    std::fs::rename(&new, path).unwrap();
}

#[tokio::test]
async fn a_file_is_followed_from_before_it_is_there() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("seeds");
    let file = source(&format!("file:{}", path.display()));
    let mut receiver = Finder::start(vec![file, source("10.0.0.9")], Duration::from_millis(20));
    assert_eq!(next(&mut receiver).await, [address(9)]);
    rewrite(&path, "10.0.0.1\n10.0.0.2\n");
    assert_eq!(next(&mut receiver).await, [address(1), address(9), address(2)]);
    // As long as before, and within the same tick of the file's time stamp.
    rewrite(&path, "10.0.0.1\n10.0.0.3\n");
    assert_eq!(next(&mut receiver).await, [address(1), address(9), address(3)]);
    rewrite(&path, "nonsense:\n");
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!receiver.has_changed().unwrap(), "what nobody can use replaces nothing");
    rewrite(&path, "# nobody\n");
    assert_eq!(next(&mut receiver).await, [address(9)]);
}

#[tokio::test]
async fn the_legacy_list_of_a_web_server_is_followed() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/REST/v1/admin/get_seeds", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let (mut stream, mut request) = (stream.unwrap(), [0; 1024]);
            // One read has all of it: it is short, and sent at once.
            assert!(io::Read::read(&mut stream, &mut request).unwrap() > 0);
            let body = format!("10.0.0.1:8101:r:d:7|10.0.0.{}:8101:r:d:9", 2 + number / 2);
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            io::Write::write_all(&mut stream, format!("{head}{body}").as_bytes()).unwrap();
        }
    });
    let mut receiver = Finder::start(vec![source(&url)], Duration::from_millis(20));
    assert_eq!(next(&mut receiver).await, [address(1), address(2)]);
    assert_eq!(next(&mut receiver).await, [address(1), address(3)]);
}

#[tokio::test]
async fn a_name_gives_all_its_addresses() {
    let mut receiver = Finder::start(vec![source("dns:localhost:7")], LONG);
    let found = next(&mut receiver).await;
    assert!(found.contains(&SocketAddr::from(([127, 0, 0, 1], 7))), "{found:?}");
}
