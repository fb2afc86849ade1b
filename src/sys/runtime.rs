//! What a thread of ours is driven by.

use tokio::runtime::Runtime;

/// Runs `work` to its end. As a task of the runtime: to wake the future that a runtime itself waits for costs two system
/// calls each time.
pub(crate) fn drive<T: Send + 'static>(
    runtime: &Runtime,
    work: impl Future<Output = T> + Send + 'static,
) -> T {
    match runtime.block_on(runtime.spawn(work)) {
        Ok(outcome) => outcome,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
