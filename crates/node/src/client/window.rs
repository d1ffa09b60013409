//! How many commands of one connection may be under way, judged by the replies so far.
//!
//! Nobody knows how large a reply will be before it is there, and what was asked for cannot be called back. So a
//! connection begins with few commands under way and gets more with each reply, as long as the replies stay small.

/// Commands under way before the first reply is there.
const FIRST_COMMANDS: usize = 32;
/// What a reply is taken for before there was any.
const FIRST_REPLY_BYTES: usize = 64;

/// What may be under way on one connection.
#[derive(Debug)]
pub(crate) struct Window {
    commands: usize,
    /// Rises at once, falls slowly.
    reply_bytes: usize,
}

impl Window {
    pub(crate) fn new() -> Self {
        Self { commands: FIRST_COMMANDS, reply_bytes: FIRST_REPLY_BYTES }
    }

    /// A reply of `bytes` came.
    pub(crate) fn replied(&mut self, bytes: usize) {
        self.commands = self.commands.saturating_add(1);
        self.reply_bytes = bytes.max((self.reply_bytes * 7 + bytes) / 8);
    }

    /// What `waiting` commands under way are expected to bring.
    pub(crate) fn expected_bytes(&self, waiting: usize) -> usize {
        waiting.saturating_mul(self.reply_bytes)
    }

    /// Whether one more command may go out beside `waiting` others, with `held_bytes` of at most `output_max` in those and
    /// in what waits for the client. One command alone may always go out when there is any room.
    pub(crate) fn has_room(&self, waiting: usize, held_bytes: usize, output_max: usize) -> bool {
        let expected = self.expected_bytes(waiting);
        held_bytes < output_max
            && waiting < self.commands
            && (waiting == 0 || held_bytes.saturating_add(expected) < output_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT_MAX: usize = 1 << 20;

    #[test]
    fn few_commands_go_out_before_the_first_reply_and_more_with_each() {
        let mut window = Window::new();
        assert!(window.has_room(FIRST_COMMANDS - 1, 0, OUTPUT_MAX));
        assert!(!window.has_room(FIRST_COMMANDS, 0, OUTPUT_MAX));
        for _ in 0..1000 {
            window.replied(5);
        }
        assert!(window.has_room(FIRST_COMMANDS + 999, 0, OUTPUT_MAX));
    }

    #[test]
    fn one_large_reply_is_enough_to_expect_more() {
        let mut window = Window::new();
        window.replied(OUTPUT_MAX / 4);
        assert!(window.has_room(3, 0, OUTPUT_MAX));
        assert!(!window.has_room(4, 0, OUTPUT_MAX));
        assert!(!window.has_room(3, OUTPUT_MAX / 2, OUTPUT_MAX));
    }

    #[test]
    fn one_command_always_goes_out_unless_the_output_is_full() {
        let mut window = Window::new();
        window.replied(OUTPUT_MAX * 2);
        assert!(window.has_room(0, OUTPUT_MAX - 1, OUTPUT_MAX));
        assert!(!window.has_room(0, OUTPUT_MAX, OUTPUT_MAX));
        assert!(!window.has_room(1, 0, OUTPUT_MAX));
    }
}
