//! `SignalStore`: identities, sessions, prekeys and sender keys.
//!
//! Record bytes go in and out untouched; the library stamps sessions and sender keys with the run
//! that wrote them, and finds a crash by that stamp.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bridge_core::vault::{RecordName, Space};
use bytes::Bytes;
use whatsapp_rust::wacore::store::error::{Result, StoreError};
use whatsapp_rust::wacore::store::traits::SignalStore;

use super::records::{PreKey, decode};
use super::{SledStore, locked, read, read_plain, scan, scan_ordered};

/// How long a batch of ratchets waits before it is applied.
///
/// The library writes all changed ratchets of all chats at once, at any moment: also between the
/// decryption of a message and the call that stores its pending row, which comes well under a
/// millisecond later. If the process died after that write and before the row, the message would
/// be gone: sent again, it counts as a duplicate and is acknowledged. The pause lets the row go
/// first; all spaces share one log, so it then reaches the disk first. It makes the gap rare, not
/// impossible: a thread can be kept from running for longer. Only a write that raises a counter
/// lease makes a sender wait for it.
const SETTLE: Duration = Duration::from_millis(4);

/// The user of an address such as `user@lid.0` or `user:5@lid.0`: what the rows of all devices of
/// one person have in common.
fn user_part(address: &str) -> &str {
    address
        .split_once(['@', ':'])
        .map_or(address, |(user, _)| user)
}

fn address_name(space: &Space, address: &str) -> RecordName {
    space.named(&[user_part(address).as_bytes(), address.as_bytes()])
}

fn key_number(name: &RecordName) -> Result<u32> {
    name.as_ordered()
        .and_then(|number| u32::try_from(number).ok())
        .ok_or_else(|| StoreError::Validation("a prekey record has no prekey id".to_owned()))
}

fn prekey_value(record: &[u8], uploaded: bool) -> zeroize::Zeroizing<Vec<u8>> {
    let row = PreKey {
        record: record.to_vec(),
        uploaded,
    };
    zeroize::Zeroizing::new(prost::Message::encode_to_vec(&row))
}

impl SledStore {
    fn has_rows_for(&self, space: &Space, user: &str) -> Result<bool> {
        match scan(space, &[user.as_bytes()]).next() {
            Some(row) => row.map(|_| true),
            None => Ok(false),
        }
    }

    fn prekey(&self, id: u32) -> Result<Option<PreKey>> {
        let table = &self.tables().prekeys;
        read(table, &table.ordered(u64::from(id)))?
            .map(|value| decode(&value))
            .transpose()
    }
}

#[async_trait]
impl SignalStore for SledStore {
    async fn put_identity(&self, address: &str, key: [u8; 32]) -> Result<()> {
        let table = &self.tables().identities;
        self.write(|batch| {
            table.put(batch, &address_name(table, address), &key);
            Ok(())
        })
    }

    async fn put_identities_batch(&self, identities: &[(Arc<str>, [u8; 32])]) -> Result<()> {
        let table = &self.tables().identities;
        self.write(|batch| {
            for (address, key) in identities {
                table.put(batch, &address_name(table, address), key);
            }
            Ok(())
        })
    }

    async fn load_identity(&self, address: &str) -> Result<Option<[u8; 32]>> {
        let table = &self.tables().identities;
        let Some(value) = read(table, &address_name(table, address))? else {
            return Ok(None);
        };
        match <[u8; 32]>::try_from(value.as_slice()) {
            Ok(key) => Ok(Some(key)),
            Err(_) => Err(StoreError::Validation(format!(
                "a stored identity key has {} bytes instead of 32",
                value.len()
            ))),
        }
    }

    async fn delete_identity(&self, address: &str) -> Result<()> {
        let table = &self.tables().identities;
        self.write(|batch| {
            table.delete(batch, &address_name(table, address));
            Ok(())
        })
    }

    async fn get_session(&self, address: &str) -> Result<Option<Bytes>> {
        let table = &self.tables().sessions;
        Ok(read_plain(table, &address_name(table, address))?.map(Bytes::from))
    }

    async fn put_session(&self, address: &str, session: &[u8]) -> Result<()> {
        let table = &self.tables().sessions;
        self.write_durable(|batch| {
            table.put(batch, &address_name(table, address), session);
            Ok(())
        })
        .await
    }

    async fn put_sessions_batch(&self, sessions: &[(Arc<str>, Bytes)]) -> Result<()> {
        tokio::time::sleep(SETTLE).await;
        let table = &self.tables().sessions;
        self.write_durable(|batch| {
            for (address, session) in sessions {
                table.put(batch, &address_name(table, address), session);
            }
            Ok(())
        })
        .await
    }

    async fn delete_session(&self, address: &str) -> Result<()> {
        let table = &self.tables().sessions;
        self.write_durable(|batch| {
            table.delete(batch, &address_name(table, address));
            Ok(())
        })
        .await
    }

    async fn has_session(&self, address: &str) -> Result<bool> {
        let table = &self.tables().sessions;
        table
            .contains(&address_name(table, address))
            .map_err(super::database)
    }

    async fn has_signal_state_for_user(&self, user: &str) -> Result<bool> {
        Ok(self.has_rows_for(&self.tables().sessions, user)?
            || self.has_rows_for(&self.tables().identities, user)?)
    }

    async fn store_prekey(&self, id: u32, record: &[u8], uploaded: bool) -> Result<()> {
        let keys = [(id, Bytes::copy_from_slice(record))];
        self.store_prekeys_batch(&keys, uploaded).await
    }

    async fn store_prekeys_batch(&self, keys: &[(u32, Bytes)], uploaded: bool) -> Result<()> {
        let table = &self.tables().prekeys;
        {
            let _prekeys = locked(&self.locks().prekeys);
            self.write(|batch| {
                for (id, record) in keys {
                    let name = table.ordered(u64::from(*id));
                    table.put(batch, &name, &prekey_value(record, uploaded));
                }
                Ok(())
            })?;
        }
        self.commit().await
    }

    async fn load_prekey(&self, id: u32) -> Result<Option<Bytes>> {
        Ok(self.prekey(id)?.map(|row| Bytes::from(row.record)))
    }

    async fn load_prekeys_batch(&self, ids: &[u32]) -> Result<Vec<(u32, Bytes)>> {
        let mut found = Vec::with_capacity(ids.len());
        for id in ids {
            if let Some(row) = self.prekey(*id)? {
                found.push((*id, Bytes::from(row.record)));
            }
        }
        Ok(found)
    }

    /// Touches only rows that exist: a key that was consumed after the upload began must stay
    /// consumed.
    async fn mark_prekeys_uploaded(&self, ids: &[u32]) -> Result<()> {
        let table = &self.tables().prekeys;
        let _prekeys = locked(&self.locks().prekeys);
        self.write(|batch| {
            for id in ids {
                if let Some(row) = self.prekey(*id)?
                    && !row.uploaded
                {
                    let name = table.ordered(u64::from(*id));
                    table.put(batch, &name, &prekey_value(&row.record, true));
                }
            }
            Ok(())
        })
    }

    async fn remove_prekey(&self, id: u32) -> Result<()> {
        let table = &self.tables().prekeys;
        {
            let _prekeys = locked(&self.locks().prekeys);
            self.write(|batch| {
                table.delete(batch, &table.ordered(u64::from(id)));
                Ok(())
            })?;
        }
        self.commit().await
    }

    async fn get_max_prekey_id(&self) -> Result<u32> {
        self.blocking(|store| {
            let last = scan_ordered(&store.tables().prekeys).last().transpose()?;
            last.map_or(Ok(0), |(name, _)| key_number(&name))
        })
        .await
    }

    async fn store_signed_prekey(&self, id: u32, record: &[u8]) -> Result<()> {
        let table = &self.tables().signed_prekeys;
        self.write_durable(|batch| {
            table.put(batch, &table.ordered(u64::from(id)), record);
            Ok(())
        })
        .await
    }

    async fn load_signed_prekey(&self, id: u32) -> Result<Option<Vec<u8>>> {
        let table = &self.tables().signed_prekeys;
        read_plain(table, &table.ordered(u64::from(id)))
    }

    async fn load_all_signed_prekeys(&self) -> Result<Vec<(u32, Vec<u8>)>> {
        scan_ordered(&self.tables().signed_prekeys)
            .map(|row| {
                let (name, mut value) = row?;
                Ok((key_number(&name)?, std::mem::take(&mut *value)))
            })
            .collect()
    }

    async fn remove_signed_prekey(&self, id: u32) -> Result<()> {
        let table = &self.tables().signed_prekeys;
        self.write(|batch| {
            table.delete(batch, &table.ordered(u64::from(id)));
            Ok(())
        })
    }

    async fn put_sender_key(&self, address: &str, record: &[u8]) -> Result<()> {
        let table = &self.tables().sender_keys;
        self.write_durable(|batch| {
            table.put(batch, &table.named(&[address.as_bytes()]), record);
            Ok(())
        })
        .await
    }

    async fn put_sender_keys_batch(&self, sender_keys: &[(Arc<str>, Bytes)]) -> Result<()> {
        tokio::time::sleep(SETTLE).await;
        let table = &self.tables().sender_keys;
        self.write_durable(|batch| {
            for (address, record) in sender_keys {
                table.put(batch, &table.named(&[address.as_bytes()]), record);
            }
            Ok(())
        })
        .await
    }

    async fn get_sender_key(&self, address: &str) -> Result<Option<Vec<u8>>> {
        let table = &self.tables().sender_keys;
        read_plain(table, &table.named(&[address.as_bytes()]))
    }

    async fn delete_sender_key(&self, address: &str) -> Result<()> {
        let table = &self.tables().sender_keys;
        self.write_durable(|batch| {
            table.delete(batch, &table.named(&[address.as_bytes()]));
            Ok(())
        })
        .await
    }
}
