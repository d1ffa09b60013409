//! The number of the node's run, which grows with every start: others tell by it which of two runs is the later.

use std::fs;
use std::io;
use std::path::Path;

use super::DiskError;
use super::generation::replace_file;

const FILE: &str = "run";

/// Gives the number of the run that begins: at least `at_least`, and greater than that of the last one. It is on the disk then.
pub(super) fn begin(directory: &Path, at_least: u64) -> Result<u64, DiskError> {
    let number = last(directory)?.map_or(at_least, |last| at_least.max(last.saturating_add(1)));
    let path = directory.join(FILE);
    replace_file(&path, format!("{number}\n").as_bytes()).map_err(DiskError::io("write", &path))?;
    Ok(number)
}

fn last(directory: &Path) -> Result<Option<u64>, DiskError> {
    let path = directory.join(FILE);
    match fs::read_to_string(&path) {
        Ok(text) => match text.trim().parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => {
                // The clock says enough, unless it went back.
                tracing::warn!(path = %path.display(), "does not hold the number of a run; it is written anew");
                Ok(None)
            }
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(DiskError::io("read", &path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_grow_also_when_the_clock_goes_back() {
        let directory = tempfile::tempdir().unwrap();
        let begin = |at_least| begin(directory.path(), at_least).unwrap();
        assert_eq!([begin(1000), begin(2000), begin(500), begin(500)], [1000, 2000, 2001, 2002]);
        fs::write(directory.path().join(FILE), "nonsense").unwrap();
        assert_eq!(begin(700), 700);
    }
}
