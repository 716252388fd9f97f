use futures_util::future::join_all;

use super::super::{SpaceId, VaultError};
use super::{Result, open, scratch};

const A: SpaceId = SpaceId::new(0x41);

/// On one thread, all callers have applied their batch and wait before the first
/// answer from the disk can be seen; so there is one write for the first of
/// them, and one for all others.
#[tokio::test]
async fn callers_share_writes() -> Result {
    let (_dir, options) = scratch()?;
    let vault = open(&options, 1)?;
    let a = vault.space(A);
    let before = vault.flush_count();
    let writes = (0..100).map(|n| {
        let a = a.clone();
        async move { a.put_durable(&a.ordered(n), b"text").await }
    });
    for done in join_all(writes).await {
        done?;
    }
    assert_eq!(vault.flush_count() - before, 2);
    assert_eq!(a.scan_all().count(), 100);
    vault.sync().await?;
    assert_eq!(vault.flush_count() - before, 2, "there was nothing to do");
    Ok(())
}

/// A caller that gives up while it leads must not take the others with it.
#[tokio::test]
async fn a_cancelled_caller_does_not_count_as_done() -> Result {
    let (_dir, options) = scratch()?;
    let vault = open(&options, 1)?;
    let a = vault.space(A);
    let mut batch = vault.batch();
    a.put(&mut batch, &a.ordered(1), b"text");
    vault.apply(batch)?;
    let before = vault.flush_count();
    {
        let mut leading = Box::pin(vault.sync());
        let polled = futures_util::poll!(leading.as_mut());
        assert!(polled.is_pending());
    }
    vault.sync().await?;
    assert!(
        vault.flush_count() > before,
        "the second call went to the disk itself"
    );
    assert_eq!(*vault.0.synced.lock().await, 1);
    Ok(())
}

#[tokio::test]
async fn nothing_is_taken_after_a_failed_write() -> Result {
    let (_dir, options) = scratch()?;
    let vault = open(&options, 1)?;
    let a = vault.space(A);
    a.put_durable(&a.ordered(1), b"text").await?;
    let _ = vault.0.stop(VaultError::Random("by the test".to_owned()));
    let later = a.put_durable(&a.ordered(2), b"text").await;
    assert!(matches!(later, Err(VaultError::Stopped(_))), "{later:?}");
    assert!(matches!(vault.sync().await, Err(VaultError::Stopped(_))));
    assert!(a.contains(&a.ordered(1))?, "reading still works");
    assert!(!a.contains(&a.ordered(2))?);
    Ok(())
}
