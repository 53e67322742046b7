//! How long a cycle waits for a database that went away under it.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};

use crate::catalog::CatalogError;

/// Repeats a call to the database while trying again may help: about a minute, so that a restart or a failover of the
/// server is survived, and a database that is gone for good ends the cycle. Deleting stands still meanwhile, because
/// the lanes' channel is bounded.
pub(super) async fn retry<T, F: Future<Output = Result<T, CatalogError>>>(
    what: &str,
    call: impl FnMut() -> F,
) -> Result<T, CatalogError> {
    let policy = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(200))
        .with_max_delay(Duration::from_secs(10))
        .with_max_times(11)
        .with_jitter();
    call.retry(policy)
        .when(CatalogError::is_transient)
        .notify(|error, wait| tracing::warn!("Cannot {what}, next try in {wait:.1?}: {error}"))
        .await
}
