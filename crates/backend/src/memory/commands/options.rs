//! Reads the options that follow a command's fixed arguments.

use dynomite_codec::Request;

/// The arguments from some index on, one after the other.
pub(crate) struct Options<'a> {
    request: &'a Request,
    next: usize,
}

impl<'a> Options<'a> {
    pub(crate) fn new(request: &'a Request, from: usize) -> Self {
        Self { request, next: from }
    }

    /// How many arguments are left.
    pub(crate) fn left(&self) -> usize {
        self.request.arg_count().saturating_sub(self.next)
    }

    /// The index of the next argument, which is passed.
    pub(crate) fn next_index(&mut self) -> Option<usize> {
        (self.left() > 0).then(|| {
            self.next += 1;
            self.next - 1
        })
    }

    /// The next argument, which is passed.
    pub(crate) fn next(&mut self) -> Option<&'a [u8]> {
        self.next_index().map(|index| self.request.arg(index))
    }
}

/// Whether `arg` is `word`, in any case.
pub(crate) fn is(arg: &[u8], word: &str) -> bool {
    arg.eq_ignore_ascii_case(word.as_bytes())
}
