//! keepalived.conf to a typed [`model::Model`], and everything worth saying about it on the way.

/// The typed configuration: a value that is out of range cannot be represented.
pub mod model;
