//! Unlinking: the session goes into the archive, everything else stays.

use bridge_core::vault::spaces::INBOX;
use whatsapp_rust::anyhow::Context as _;
use whatsapp_rust::wacore::store::traits::{
    DeviceStore as _, ProtocolStore as _, SignalStore as _,
};

use super::{Opened, TestResult, dump};
use crate::store::records::{ArchivePart, decode};
use crate::store::spaces::{ARCHIVE, SESSIONS};
use crate::store::{SledStore, archive_credentials, archived_sessions, is_linked};

async fn link(store: &SledStore) -> TestResult {
    store.create().await?;
    let mut device = store.load().await?.context("a device")?;
    device.pn = Some("15550000001:3@s.whatsapp.net".parse()?);
    store.save(&device).await?;
    store.put_session("a@lid.0", b"session").await?;
    store.store_prekey(1, b"prekey", true).await?;
    Ok(store
        .store_pending_inbound("c", "s", "M1", b"uncommitted")
        .await?)
}

#[tokio::test]
async fn a_session_moves_into_the_archive_and_the_inbox_stays() -> TestResult {
    let opened = Opened::new()?;
    let inbox = opened.vault.space(INBOX);
    inbox.put_durable(&inbox.ordered(1), b"a message").await?;
    archive_credentials(&opened.vault).await?;
    assert_eq!(archived_sessions(&opened.vault)?, []);
    link(&opened.store).await?;
    let records = dump(&opened.vault)?.len();
    opened.control.close();
    archive_credentials(&opened.vault).await?;
    // A space keeps the database open.
    drop(inbox);
    let opened = opened.reopened()?;
    assert_eq!(dump(&opened.vault)?, []);
    assert!(!is_linked(&opened.vault)?);
    let archived = archived_sessions(&opened.vault)?;
    let [archived] = archived.as_slice() else {
        whatsapp_rust::anyhow::bail!("{archived:?}");
    };
    assert_eq!((archived.number, archived.records), (1, records as u64));
    assert_eq!(archived.uncommitted, 1);
    assert_eq!(
        archived.account.as_deref(),
        Some("15550000001:3@s.whatsapp.net")
    );
    let inbox = opened.vault.space(INBOX);
    assert_eq!(
        inbox.get(&inbox.ordered(1))?.as_deref().map(Vec::as_slice),
        Some(&b"a message"[..])
    );
    let part = opened.vault.space(ARCHIVE);
    let part = part.get(&part.ordered(1 << 32 | 1))?.context("a part")?;
    let part: ArchivePart = decode(&part)?;
    assert_eq!(part.records.len(), records);
    assert!(part.records.iter().any(|record| {
        record.space == u32::from(SESSIONS.byte())
            && record.parts == [b"a".to_vec(), b"a@lid.0".to_vec()]
            && record.value == b"session"
    }));
    Ok(())
}

#[tokio::test]
async fn a_large_session_is_split_and_only_the_latest_archives_stay() -> TestResult {
    let opened = Opened::new()?;
    for round in 1..=4_u64 {
        let store = SledStore::new(opened.vault.clone(), opened.control.advance());
        link(&store).await?;
        let record = vec![7; 100 * 1024];
        for device in 0..8 {
            store
                .put_session(&format!("a:{device}@lid.0"), &record)
                .await?;
        }
        opened.control.close();
        archive_credentials(&opened.vault).await?;
        let parts = opened.vault.space(ARCHIVE).scan_from(round << 32).count();
        assert!(parts > 2, "{parts} records in archive {round}");
    }
    let numbers: Vec<u64> = archived_sessions(&opened.vault)?
        .iter()
        .map(|one| one.number)
        .collect();
    assert_eq!(numbers, [2, 3, 4]);
    let first = opened
        .vault
        .space(ARCHIVE)
        .scan_all()
        .next()
        .context("a record")??;
    assert_eq!(first.0.as_ordered(), Some(2 << 32));
    Ok(())
}

#[tokio::test]
async fn a_damaged_device_record_can_still_be_archived() -> TestResult {
    let opened = Opened::new()?;
    let space = opened.vault.space(crate::store::spaces::DEVICE);
    space.put_durable(&space.ordered(0), b"not json").await?;
    archive_credentials(&opened.vault).await?;
    assert!(!opened.store.exists().await?);
    assert_eq!(archived_sessions(&opened.vault)?.len(), 1);
    Ok(())
}
