//! Programs that show how to embed the crates; see the example targets.
