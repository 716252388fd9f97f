//! `AppSyncStore`: keys, versions and mutation MACs of the app-state collections.
//!
//! The library updates a collection in several calls. A crash between them leaves a hash that no
//! longer fits the MACs; the library notices by itself and asks for a snapshot.

use std::collections::HashMap;

use async_trait::async_trait;
use whatsapp_rust::wacore::appstate::hash::HashState;
use whatsapp_rust::wacore::appstate::processor::AppStateMutationMAC;
use whatsapp_rust::wacore::store::error::Result;
use whatsapp_rust::wacore::store::traits::{AppStateSyncKey, AppSyncStore};
use zeroize::Zeroizing;

use super::records::{SyncKey, decode};
use super::{SledStore, read, read_plain, scan, serialization};

/// Where the id of the latest sync key is.
const LATEST: u64 = 0;

impl SledStore {
    fn mutation_mac(&self, collection: &str, index_mac: &[u8]) -> Result<Option<Vec<u8>>> {
        let table = &self.tables().sync_macs;
        read_plain(table, &table.named(&[collection.as_bytes(), index_mac]))
    }
}

#[async_trait]
impl AppSyncStore for SledStore {
    async fn get_sync_key(&self, key_id: &[u8]) -> Result<Option<AppStateSyncKey>> {
        let table = &self.tables().sync_keys;
        let Some(value) = read(table, &table.named(&[key_id]))? else {
            return Ok(None);
        };
        let row: SyncKey = decode(&value)?;
        Ok(Some(AppStateSyncKey {
            key_data: row.key_data,
            fingerprint: row.fingerprint,
            timestamp: row.timestamp,
        }))
    }

    async fn set_sync_key(&self, key_id: &[u8], key: AppStateSyncKey) -> Result<()> {
        let tables = self.tables();
        let row = SyncKey {
            key_id: key_id.to_vec(),
            key_data: key.key_data,
            fingerprint: key.fingerprint,
            timestamp: key.timestamp,
        };
        let value = Zeroizing::new(prost::Message::encode_to_vec(&row));
        self.write_durable(|batch| {
            let name = tables.sync_keys.named(&[key_id]);
            tables.sync_keys.put(batch, &name, &value);
            let latest = tables.sync_latest.ordered(LATEST);
            tables.sync_latest.put(batch, &latest, key_id);
            Ok(())
        })
        .await
    }

    async fn get_version(&self, name: &str) -> Result<HashState> {
        let table = &self.tables().sync_versions;
        match read(table, &table.named(&[name.as_bytes()]))? {
            Some(value) => serde_json::from_slice(&value).map_err(serialization),
            None => Ok(HashState::default()),
        }
    }

    async fn set_version(&self, name: &str, state: HashState) -> Result<()> {
        let table = &self.tables().sync_versions;
        let value = serde_json::to_vec(&state).map_err(serialization)?;
        self.write(|batch| {
            table.put(batch, &table.named(&[name.as_bytes()]), &value);
            Ok(())
        })
    }

    /// One value per index: the version a MAC came with is not needed to look it up.
    async fn put_mutation_macs(
        &self,
        name: &str,
        _version: u64,
        mutations: &[AppStateMutationMAC],
    ) -> Result<()> {
        let table = &self.tables().sync_macs;
        self.write(|batch| {
            for mutation in mutations {
                let name = table.named(&[name.as_bytes(), &mutation.index_mac]);
                table.put(batch, &name, &mutation.value_mac);
            }
            Ok(())
        })
    }

    async fn get_mutation_mac(&self, name: &str, index_mac: &[u8]) -> Result<Option<Vec<u8>>> {
        self.mutation_mac(name, index_mac)
    }

    async fn get_mutation_macs(
        &self,
        name: &str,
        index_macs: &[[u8; 32]],
    ) -> Result<HashMap<[u8; 32], Vec<u8>>> {
        let mut found = HashMap::with_capacity(index_macs.len());
        for index_mac in index_macs {
            if let Some(value_mac) = self.mutation_mac(name, index_mac)? {
                found.insert(*index_mac, value_mac);
            }
        }
        Ok(found)
    }

    async fn delete_mutation_macs(&self, name: &str, index_macs: &[Vec<u8>]) -> Result<()> {
        let table = &self.tables().sync_macs;
        self.write(|batch| {
            for index_mac in index_macs {
                table.delete(batch, &table.named(&[name.as_bytes(), index_mac]));
            }
            Ok(())
        })
    }

    async fn clear_mutation_macs(&self, name: &str) -> Result<()> {
        let collection = name.to_owned();
        self.blocking(move |store| {
            let table = &store.tables().sync_macs;
            store.write(|batch| {
                for row in scan(table, &[collection.as_bytes()]) {
                    table.delete(batch, &row?.0);
                }
                Ok(())
            })
        })
        .await
    }

    async fn get_latest_sync_key_id(&self) -> Result<Option<Vec<u8>>> {
        let table = &self.tables().sync_latest;
        read_plain(table, &table.ordered(LATEST))
    }
}
