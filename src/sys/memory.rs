//! Memory that is free in the process, back to the system.

/// Gives back what was freed: a configuration that was read leaves ten times its size behind, and the allocator keeps it
/// for whoever asks next. Takes milliseconds.
#[allow(unsafe_code)]
pub(crate) fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes no pointer, and may be called at any time by any thread.
    unsafe {
        libc::malloc_trim(0);
    }
}
