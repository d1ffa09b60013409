//! Redis's command flags.

/// No flag.
pub const NONE: u32 = 0;

macro_rules! flags {
    ($($constant:ident = $text:literal: $doc:literal,)*) => {
        flags!(@constants 0; $($constant $doc)*);
        /// Bits and names, in the order in which Redis lists them.
        const NAMES: &[(u32, &str)] = &[$(($constant, $text)),*];
    };
    (@constants $bit:expr; $constant:ident $doc:literal $($rest:tt)*) => {
        #[doc = $doc]
        pub const $constant: u32 = 1 << ($bit);
        flags!(@constants $bit + 1; $($rest)*);
    };
    (@constants $bit:expr;) => {};
}

flags! {
    WRITE = "write": "May change data.",
    READONLY = "readonly": "Never changes data.",
    DENYOOM = "denyoom": "Refused when memory is short.",
    ADMIN = "admin": "For administrators.",
    PUBSUB = "pubsub": "About publishing and subscribing.",
    NOSCRIPT = "noscript": "Not from scripts.",
    BLOCKING = "blocking": "May wait for others.",
    LOADING = "loading": "Allowed while the datastore loads.",
    STALE = "stale": "Allowed on a stale replica.",
    SKIP_MONITOR = "skip_monitor": "Not shown by `MONITOR`.",
    SKIP_SLOWLOG = "skip_slowlog": "Not in the slow log.",
    ASKING = "asking": "Allowed in an importing slot.",
    FAST = "fast": "Runs in constant or logarithmic time.",
    NO_AUTH = "no_auth": "Allowed before authentication.",
    NO_ASYNC_LOADING = "no_async_loading": "Not while an asynchronous load runs.",
    NO_MANDATORY_KEYS = "no_mandatory_keys": "May come without keys.",
    NO_MULTI = "no_multi": "Not inside a transaction.",
    MOVABLEKEYS = "movablekeys": "Keys are not all at fixed places.",
    ALLOW_BUSY = "allow_busy": "Allowed while a script runs.",
}

/// A set of flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flags(u32);

impl Flags {
    /// The flags whose bits are set.
    pub const fn new(bits: u32) -> Self {
        Self(bits)
    }

    /// Whether all flags of `bits` are set.
    pub const fn contains(self, bits: u32) -> bool {
        self.0 & bits == bits
    }

    /// Names of the flags, in the order in which Redis lists them.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        NAMES.iter().filter(move |(bit, _)| self.contains(*bit)).map(|(_, name)| *name)
    }
}
