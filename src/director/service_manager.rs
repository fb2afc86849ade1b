//! Messages to systemd (`sd_notify(3)`); without NOTIFY_SOCKET they go nowhere.

use sd_notify::NotifyState;

/// The configuration is in force.
pub(super) fn ready(status: &str) {
    notify(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// A reload begins; [`ready`] ends it.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => notify(&[NotifyState::Reloading, now]),
        Err(_) => notify(&[NotifyState::Reloading]),
    }
}

/// The line that `systemctl status` shows.
pub(super) fn status(status: &str) {
    notify(&[NotifyState::Status(status)]);
}

/// The stop begins.
pub(super) fn stopping() {
    notify(&[NotifyState::Stopping]);
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!("cannot notify the service manager: {error}");
    }
}
