//! Programs and libraries that people use with Redis, unchanged.

mod command_line;
mod python;
mod rust;
