//! `ProtocolStore`: what WhatsApp Web remembers besides keys.
//!
//! The trait is one; its table groups are in files of their own, and the small ones (base keys,
//! device lists, group metadata) are here.

mod lid;
mod pending;
mod sender_keys;
mod sent;
mod tc_token;

use async_trait::async_trait;
use bridge_core::vault::RecordName;
use whatsapp_rust::wacore::store::error::Result;
use whatsapp_rust::wacore::store::traits::{
    DeviceListRecord, LidPnMappingEntry, PendingInboundKey, PendingInboundRow, ProtocolStore,
    TcTokenEntry,
};

use super::{SledStore, read, read_plain, serialization};

pub use pending::PendingOverview;
pub(super) use sent::SentQueue;

impl SledStore {
    fn base_key_name(&self, address: &str, message_id: &str) -> RecordName {
        let parts = [address.as_bytes(), message_id.as_bytes()];
        self.tables().base_keys.named(&parts)
    }
}

#[async_trait]
impl ProtocolStore for SledStore {
    async fn get_sender_key_devices(&self, group_jid: &str) -> Result<Vec<(String, bool)>> {
        self.sender_key_devices(group_jid)
    }

    async fn set_sender_key_status(&self, group_jid: &str, entries: &[(&str, bool)]) -> Result<()> {
        self.put_sender_key_status(group_jid, entries)
    }

    async fn clear_sender_key_devices(&self, group_jid: &str) -> Result<()> {
        self.forget_group_devices(group_jid)
    }

    async fn delete_sender_key_device_rows(&self, device_jids: &[&str]) -> Result<()> {
        if device_jids.is_empty() {
            return Ok(());
        }
        let devices: Vec<String> = device_jids.iter().map(|jid| (*jid).to_owned()).collect();
        self.blocking(move |store| store.forget_devices(&devices))
            .await
    }

    async fn clear_all_sender_key_devices(&self) -> Result<()> {
        self.blocking(Self::forget_all_groups).await
    }

    async fn get_lid_mapping(&self, lid: &str) -> Result<Option<LidPnMappingEntry>> {
        self.lid_mapping(lid)
    }

    async fn get_pn_mapping(&self, phone: &str) -> Result<Option<LidPnMappingEntry>> {
        self.phone_mapping(phone)
    }

    async fn put_lid_mapping(&self, entry: &LidPnMappingEntry) -> Result<()> {
        self.store_lid_mappings(std::slice::from_ref(entry))
    }

    async fn put_lid_mappings(&self, entries: &[LidPnMappingEntry]) -> Result<()> {
        self.store_lid_mappings(entries)
    }

    async fn get_all_lid_mappings(&self) -> Result<Vec<LidPnMappingEntry>> {
        self.blocking(Self::all_lid_mappings).await
    }

    async fn save_base_key(&self, address: &str, message_id: &str, base_key: &[u8]) -> Result<()> {
        self.write(|batch| {
            let name = self.base_key_name(address, message_id);
            self.tables().base_keys.put(batch, &name, base_key);
            Ok(())
        })
    }

    /// A plain comparison: base keys are public and nobody outside can time it.
    async fn has_same_base_key(
        &self,
        address: &str,
        message_id: &str,
        current_base_key: &[u8],
    ) -> Result<bool> {
        let name = self.base_key_name(address, message_id);
        let saved = read(&self.tables().base_keys, &name)?;
        Ok(saved.is_some_and(|saved| saved.as_slice() == current_base_key))
    }

    async fn delete_base_key(&self, address: &str, message_id: &str) -> Result<()> {
        self.write(|batch| {
            let name = self.base_key_name(address, message_id);
            self.tables().base_keys.delete(batch, &name);
            Ok(())
        })
    }

    async fn update_device_list(&self, record: DeviceListRecord) -> Result<()> {
        self.update_device_lists(vec![record]).await
    }

    async fn update_device_lists(&self, records: Vec<DeviceListRecord>) -> Result<()> {
        let table = &self.tables().device_lists;
        self.write(|batch| {
            for record in &records {
                let value = serde_json::to_vec(record).map_err(serialization)?;
                table.put(batch, &table.named(&[record.user.as_bytes()]), &value);
            }
            Ok(())
        })
    }

    async fn get_devices(&self, user: &str) -> Result<Option<DeviceListRecord>> {
        let table = &self.tables().device_lists;
        read(table, &table.named(&[user.as_bytes()]))?
            .map(|value| serde_json::from_slice(&value).map_err(serialization))
            .transpose()
    }

    async fn delete_devices(&self, user: &str) -> Result<()> {
        let table = &self.tables().device_lists;
        self.write(|batch| {
            table.delete(batch, &table.named(&[user.as_bytes()]));
            Ok(())
        })
    }

    async fn get_group_metadata(&self, group_jid: &str) -> Result<Option<Vec<u8>>> {
        let table = &self.tables().group_metadata;
        read_plain(table, &table.named(&[group_jid.as_bytes()]))
    }

    async fn put_group_metadata(&self, group_jid: &str, blob: &[u8]) -> Result<()> {
        let table = &self.tables().group_metadata;
        self.write(|batch| {
            table.put(batch, &table.named(&[group_jid.as_bytes()]), blob);
            Ok(())
        })
    }

    async fn delete_group_metadata(&self, group_jid: &str) -> Result<()> {
        let table = &self.tables().group_metadata;
        self.write(|batch| {
            table.delete(batch, &table.named(&[group_jid.as_bytes()]));
            Ok(())
        })
    }

    async fn get_tc_token(&self, jid: &str) -> Result<Option<TcTokenEntry>> {
        self.tc_token(jid)
    }

    async fn put_tc_token(&self, jid: &str, entry: &TcTokenEntry) -> Result<()> {
        self.replace_tc_token(jid, entry)
    }

    async fn delete_tc_token(&self, jid: &str) -> Result<()> {
        self.remove_tc_token(jid)
    }

    async fn get_all_tc_token_jids(&self) -> Result<Vec<String>> {
        self.blocking(Self::tc_token_jids).await
    }

    async fn delete_expired_tc_tokens(&self, token_cutoff: i64, sender_cutoff: i64) -> Result<u32> {
        self.blocking(move |store| store.expire_tc_tokens(token_cutoff, sender_cutoff))
            .await
    }

    async fn touch_tc_token_sender_timestamp(
        &self,
        jid: &str,
        sender_timestamp: i64,
    ) -> Result<()> {
        self.touch_tc_sender(jid, sender_timestamp)
    }

    async fn store_received_tc_token(
        &self,
        jid: &str,
        token: &[u8],
        token_timestamp: i64,
    ) -> Result<()> {
        self.receive_tc_token(jid, token, token_timestamp)
    }

    async fn store_sent_message(
        &self,
        chat_jid: &str,
        message_id: &str,
        payload: &[u8],
    ) -> Result<()> {
        self.put_sent(chat_jid, message_id, payload, sent::MAX_SENT)
    }

    async fn take_sent_message(&self, chat_jid: &str, message_id: &str) -> Result<Option<Vec<u8>>> {
        self.take_sent(chat_jid, message_id)
    }

    async fn delete_expired_sent_messages(&self, cutoff_timestamp: i64) -> Result<u32> {
        self.blocking(move |store| store.expire_sent(cutoff_timestamp))
            .await
    }

    async fn store_pending_inbound(
        &self,
        chat: &str,
        sender: &str,
        id: &str,
        message: &[u8],
    ) -> Result<()> {
        let row = PendingInboundRow {
            chat,
            sender,
            id,
            message,
        };
        self.store_pending_inbound_batch(&[row]).await
    }

    async fn get_pending_inbound(
        &self,
        chat: &str,
        sender: &str,
        id: &str,
    ) -> Result<Option<Vec<u8>>> {
        self.pending(chat, sender, id)
    }

    async fn delete_pending_inbound(&self, chat: &str, sender: &str, id: &str) -> Result<()> {
        self.delete_pending(&[PendingInboundKey { chat, sender, id }])
    }

    /// Deletes nothing, whatever the cutoff. The library sweeps rows after a week; but a row that
    /// is still here is a message that our inbox has not committed (it may have been full all that
    /// time), and this copy is the only one that can still be read.
    async fn delete_expired_pending_inbound(&self, _cutoff_timestamp: i64) -> Result<u32> {
        Ok(0)
    }

    async fn store_pending_inbound_batch(&self, rows: &[PendingInboundRow<'_>]) -> Result<()> {
        self.write_durable(|batch| {
            for row in rows {
                self.put_pending(batch, row);
            }
            Ok(())
        })
        .await
    }

    async fn delete_pending_inbound_batch(&self, keys: &[PendingInboundKey<'_>]) -> Result<()> {
        self.delete_pending(keys)
    }
}
