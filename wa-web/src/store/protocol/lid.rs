//! LID ↔ phone number. Keys are user parts, not JIDs.
//!
//! Two tables: the mapping under its LID, and one row per (phone, LID) to find the LIDs of a
//! number. A number can have had several LIDs, and the one with the latest `updated_at` counts;
//! when a LID moves to another number its old row goes with the same change set.

use std::collections::HashMap;

use bridge_core::vault::{Batch, RecordName};
use whatsapp_rust::wacore::store::error::Result;
use whatsapp_rust::wacore::store::traits::LidPnMappingEntry;
use whatsapp_rust::wacore::time;

use super::super::records::{LidMapping, PhoneLid, decode};
use super::super::{SledStore, locked, read, scan};

fn entry(row: LidMapping) -> LidPnMappingEntry {
    LidPnMappingEntry {
        lid: row.lid,
        phone_number: row.phone,
        created_at: row.created_at,
        updated_at: row.updated_at,
        learning_source: row.source,
    }
}

/// What one change set has already put: its reads would not see it otherwise.
type Known = HashMap<String, LidMapping>;

impl SledStore {
    fn lid_row(&self, lid: &str) -> Result<Option<LidMapping>> {
        let table = &self.tables().lids;
        read(table, &table.named(&[lid.as_bytes()]))?
            .map(|value| decode(&value))
            .transpose()
    }

    fn phone_name(&self, phone: &str, lid: &str) -> RecordName {
        let parts = [phone.as_bytes(), lid.as_bytes()];
        self.tables().phones.named(&parts)
    }

    pub(super) fn lid_mapping(&self, lid: &str) -> Result<Option<LidPnMappingEntry>> {
        Ok(self.lid_row(lid)?.map(entry))
    }

    /// The LID of a number that was updated last; of two with the same second, the one that was
    /// stored last.
    pub(super) fn phone_mapping(&self, phone: &str) -> Result<Option<LidPnMappingEntry>> {
        let mut best: Option<((i64, i64), LidMapping)> = None;
        for row in scan(&self.tables().phones, &[phone.as_bytes()]) {
            let place: PhoneLid = decode(&row?.1)?;
            let Some(mapping) = self.lid_row(&place.lid)? else {
                continue;
            };
            let rank = (mapping.updated_at, place.learned);
            if mapping.phone == phone && best.as_ref().is_none_or(|(top, _)| rank > *top) {
                best = Some((rank, mapping));
            }
        }
        Ok(best.map(|(_, mapping)| entry(mapping)))
    }

    pub(super) fn all_lid_mappings(&self) -> Result<Vec<LidPnMappingEntry>> {
        scan(&self.tables().lids, &[])
            .map(|row| Ok(entry(decode(&row?.1)?)))
            .collect()
    }

    pub(super) fn store_lid_mappings(&self, entries: &[LidPnMappingEntry]) -> Result<()> {
        let mut newest = locked(&self.locks().lid_mappings);
        let mut learned = (*newest).max(time::now_millis().saturating_mul(1_000_000));
        self.write(|batch| {
            let mut known = Known::new();
            for entry in entries {
                learned += 1;
                self.put_mapping(batch, &mut known, entry, learned)?;
            }
            Ok(())
        })?;
        *newest = learned;
        Ok(())
    }

    fn put_mapping(
        &self,
        batch: &mut Batch,
        known: &mut Known,
        entry: &LidPnMappingEntry,
        learned: i64,
    ) -> Result<()> {
        let tables = self.tables();
        let before = match known.remove(&entry.lid) {
            Some(row) => Some(row),
            None => self.lid_row(&entry.lid)?,
        };
        if let Some(before) = &before
            && before.phone != entry.phone_number
        {
            let stale = self.phone_name(&before.phone, &entry.lid);
            tables.phones.delete(batch, &stale);
        }
        let row = LidMapping {
            lid: entry.lid.clone(),
            phone: entry.phone_number.clone(),
            created_at: before.map_or(entry.created_at, |before| before.created_at),
            updated_at: entry.updated_at,
            source: entry.learning_source.clone(),
        };
        let place = PhoneLid {
            lid: entry.lid.clone(),
            learned,
        };
        tables.lids.put(
            batch,
            &tables.lids.named(&[entry.lid.as_bytes()]),
            &prost::Message::encode_to_vec(&row),
        );
        tables.phones.put(
            batch,
            &self.phone_name(&entry.phone_number, &entry.lid),
            &prost::Message::encode_to_vec(&place),
        );
        known.insert(row.lid.clone(), row);
        Ok(())
    }
}
