//! Why a connection to the datastore could not be opened, or ended. Shown to operators and in error replies.

use std::io;
use std::time::Duration;

use dynomite_codec::FrameError;
use thiserror::Error;

/// Ends a connection, or the attempt to open one. The lane tries again in every case: servers come back and operators
/// correct passwords.
#[derive(Debug, Error)]
pub(crate) enum Broken {
    /// Nobody listens there, or no way leads there.
    #[error("cannot connect to the datastore: {0}")]
    Connect(io::Error),
    /// The server did not accept the connection in time.
    #[error("no connection to the datastore within {0:?}")]
    ConnectTimeout(Duration),
    /// The server accepted the connection and then did not answer in time.
    #[error("no answer from the datastore within {0:?}")]
    AnswerTimeout(Duration),
    /// The operator's credentials are wrong, or missing.
    #[error("the datastore refuses the credentials: {0}")]
    Credentials(String),
    /// The server does not say who it is or what it holds, so lost data could not be noticed.
    #[error("the datastore does not tell its {what}: {text}")]
    Identity { what: &'static str, text: String },
    /// The connection broke.
    #[error("connection to the datastore broke: {0}")]
    Io(#[from] io::Error),
    /// The server closed the connection.
    #[error("the datastore closed the connection")]
    Closed,
    /// What the server sent is no RESP, or over a limit.
    #[error("unreadable reply from the datastore: {0}")]
    Frame(#[from] FrameError),
    /// What the server sent is no reply of memcached's to what was asked, or over a limit.
    #[error("unreadable reply from the datastore: {0}")]
    Unreadable(&'static str),
    /// The server refused a command, and may go on by reading the command's data as if it were commands.
    #[error("the datastore refused a command and perhaps not its data: {0}")]
    DataLeft(String),
    /// The server is too old for what is asked of it.
    #[error("the datastore is {found}, and {needed} or later is needed")]
    Version { found: String, needed: &'static str },
    /// The server answered something that was not asked: the conversation is out of step.
    #[error("the datastore sent a reply that nobody asked for")]
    OutOfStep,
}
