//! Looking programs up and running them.

mod look;
mod runner;

pub use look::{Looked, look, look_user};
pub use runner::{GRACE, Runner};
