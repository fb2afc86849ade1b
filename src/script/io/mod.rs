//! Looking programs up and running them.

mod look;
mod runner;

pub use look::{Looked, look};
pub use runner::Runner;
