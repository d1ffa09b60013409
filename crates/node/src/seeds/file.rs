//! A file of addresses: one in each line, with or without a port, and comments behind `#`.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::entries::{Entries, TEXT_MAX};
use super::error::AskError;
use crate::config::{HostPort, PEER_PORT};

/// Reads the whole file each time: it is small, and no time stamp has to be believed.
pub(super) async fn read(path: &Path) -> Result<Entries, AskError> {
    let owned = path.to_owned();
    let read = tokio::task::spawn_blocking(move || read_bounded(&owned)).await;
    let failed = |source| AskError::File { path: path.to_owned(), source };
    let bytes = read.map_err(io::Error::other).flatten().map_err(failed)?;
    Ok(parse(&text(bytes)?))
}

/// What a file or a server gave, as text.
pub(super) fn text(bytes: Vec<u8>) -> Result<String, AskError> {
    if bytes.len() > TEXT_MAX {
        return Err(AskError::NoText("it is longer than 1 MiB"));
    }
    String::from_utf8(bytes).map_err(|_| AskError::NoText("it is not UTF-8"))
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    // A pipe without a writer would be waited for until the node ends.
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut bytes = Vec::new();
    file.take(TEXT_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn parse(text: &str) -> Entries {
    let mut entries = Entries::default();
    for (index, line) in text.lines().enumerate() {
        let entry = line.split('#').next().unwrap_or_default().trim();
        if !entry.is_empty() {
            entries.push(|| format!("line {}", index + 1), HostPort::parse_or(entry, PEER_PORT));
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_addresses_and_comments() {
        let entries =
            parse("# all of rack 1\n\n 10.0.0.1 \r\nnode2.example:9000 # new\n[::1]\n[2001:db8::1]:7\n");
        let shown: Vec<String> = entries.hosts.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["10.0.0.1:8101", "node2.example:9000", "[::1]:8101", "[2001:db8::1]:7"]);
        assert_eq!(entries.complaints(), [""; 0]);
    }

    #[test]
    fn lines_that_are_no_address_are_told_with_their_number() {
        let entries = parse("10.0.0.1\n::1\n10.0.0.2:x\na b\n");
        assert_eq!(entries.hosts, [HostPort::new("10.0.0.1", PEER_PORT)]);
        let complaints = entries.complaints();
        assert!(complaints[0].starts_with("line 2: `::1`: an IPv6 address needs brackets"), "{complaints:?}");
        assert!(complaints[1].starts_with("line 3: `10.0.0.2:x` is not a host and port"), "{complaints:?}");
        assert!(complaints[2].starts_with("line 4: `a b"), "{complaints:?}");
    }

    #[tokio::test]
    async fn what_is_no_list_is_refused_with_the_reason() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("seeds");
        let reason = async || read(&path).await.unwrap_err().to_string();
        assert!(reason().await.starts_with(&format!("cannot read {}: No such file", path.display())));
        std::fs::create_dir(&path).unwrap();
        assert!(reason().await.ends_with("it is no regular file"), "{}", reason().await);
        std::fs::remove_dir(&path).unwrap();
        std::fs::write(&path, [0xff]).unwrap();
        assert!(reason().await.ends_with("it is not UTF-8"), "{}", reason().await);
        std::fs::write(&path, "#\n".repeat(TEXT_MAX / 2)).unwrap();
        assert_eq!(read(&path).await.unwrap(), Entries::default());
        std::fs::write(&path, "#\n".repeat(TEXT_MAX / 2 + 1)).unwrap();
        assert!(reason().await.ends_with("it is longer than 1 MiB"), "{}", reason().await);
    }
}
