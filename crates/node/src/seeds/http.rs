//! One GET, in plain HTTP/1.1.

#[cfg(test)]
mod tests;

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, CONNECTION, HOST, USER_AGENT};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::entries::TEXT_MAX;
use super::error::AskError;
use super::{file, names};
use crate::config::HttpUrl;

/// All of it, from the first connection to the last byte; looking the server's name up is not counted.
const WITHIN: Duration = Duration::from_secs(5);
/// The head of the answer.
const HEAD_MAX: usize = 64 << 10;

/// The body of what the server answers with 200.
pub(super) async fn fetch(url: &HttpUrl) -> Result<String, AskError> {
    let addresses = names::addresses(url.server()).await?;
    tokio::time::timeout(WITHIN, exchange(url, &addresses)).await.map_err(|_| AskError::Timeout(WITHIN))?
}

async fn exchange(url: &HttpUrl, addresses: &[SocketAddr]) -> Result<String, AskError> {
    let failed = |source| AskError::Connect { server: url.server().clone(), source };
    let stream = TcpStream::connect(addresses).await.map_err(failed)?;
    let (mut sender, connection) =
        http1::Builder::new().max_buf_size(HEAD_MAX).handshake(TokioIo::new(stream)).await?;
    // Dropped with this future, and the connection with it.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let request = Request::get(url.path())
        .header(HOST, url.server().to_string())
        .header(USER_AGENT, concat!("dynomited/", env!("CARGO_PKG_VERSION")))
        .header(ACCEPT, "text/plain, */*")
        .header(CONNECTION, "close")
        .body(String::new())
        .expect("a URL that was read has a path that HTTP takes");
    let response = sender.send_request(request).await?;
    if response.status() != StatusCode::OK {
        return Err(AskError::Status(response.status()));
    }
    file::text(read(response.into_body()).await?)
}

/// The body; of one that is too long, only a little more than may be.
async fn read(mut body: Incoming) -> Result<Vec<u8>, AskError> {
    let mut bytes = Vec::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        if let Ok(data) = frame?.into_data() {
            bytes.extend_from_slice(&data);
        }
        if bytes.len() > TEXT_MAX {
            break;
        }
    }
    Ok(bytes)
}
