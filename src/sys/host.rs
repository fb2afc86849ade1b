//! This machine as others know it.

use nix::sys::utsname::uname;

/// The name of this host, `localhost` where it has none.
pub(crate) fn name() -> String {
    let name = uname().ok().and_then(|system| system.nodename().to_str().map(str::to_owned));
    name.filter(|name| !name.is_empty()).unwrap_or_else(|| "localhost".to_owned())
}
