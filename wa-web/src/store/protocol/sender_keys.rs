//! Which devices of a group already hold our sender key.

use std::collections::BTreeMap;

use bridge_core::vault::Batch;
use whatsapp_rust::wacore::store::error::Result;

use super::super::records::{SenderKeyDevices, decode};
use super::super::{SledStore, locked, read, scan};

impl SledStore {
    fn group_devices(&self, group: &str) -> Result<BTreeMap<String, bool>> {
        let table = &self.tables().sender_key_devices;
        match read(table, &table.named(&[group.as_bytes()]))? {
            Some(value) => Ok(decode::<SenderKeyDevices>(&value)?.devices),
            None => Ok(BTreeMap::new()),
        }
    }

    fn put_group_devices(&self, batch: &mut Batch, row: &SenderKeyDevices) {
        let table = &self.tables().sender_key_devices;
        let name = table.named(&[row.group.as_bytes()]);
        table.put(batch, &name, &prost::Message::encode_to_vec(row));
    }

    pub(super) fn sender_key_devices(&self, group: &str) -> Result<Vec<(String, bool)>> {
        Ok(self.group_devices(group)?.into_iter().collect())
    }

    pub(super) fn put_sender_key_status(
        &self,
        group: &str,
        entries: &[(&str, bool)],
    ) -> Result<()> {
        let _devices = locked(&self.locks().sender_key_devices);
        self.write(|batch| {
            let mut devices = self.group_devices(group)?;
            for (device, has_key) in entries {
                devices.insert((*device).to_owned(), *has_key);
            }
            let row = SenderKeyDevices {
                group: group.to_owned(),
                devices,
            };
            self.put_group_devices(batch, &row);
            Ok(())
        })
    }

    pub(super) fn forget_group_devices(&self, group: &str) -> Result<()> {
        let table = &self.tables().sender_key_devices;
        let _devices = locked(&self.locks().sender_key_devices);
        self.write(|batch| {
            table.delete(batch, &table.named(&[group.as_bytes()]));
            Ok(())
        })
    }

    /// Forgets the devices in every group, in one change set.
    pub(super) fn forget_devices(&self, forgotten: &[String]) -> Result<()> {
        let _devices = locked(&self.locks().sender_key_devices);
        self.write(|batch| {
            for row in scan(&self.tables().sender_key_devices, &[]) {
                let mut row: SenderKeyDevices = decode(&row?.1)?;
                let before = row.devices.len();
                for device in forgotten {
                    row.devices.remove(device);
                }
                if row.devices.len() != before {
                    self.put_group_devices(batch, &row);
                }
            }
            Ok(())
        })
    }

    pub(super) fn forget_all_groups(&self) -> Result<()> {
        let table = &self.tables().sender_key_devices;
        let _devices = locked(&self.locks().sender_key_devices);
        self.write(|batch| {
            for row in scan(table, &[]) {
                table.delete(batch, &row?.0);
            }
            Ok(())
        })
    }
}
