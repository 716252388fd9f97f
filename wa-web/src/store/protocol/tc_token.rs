//! Trusted-contact tokens. Two writers own one half of a record each (the token a contact sent
//! us, and when we last sent ours), so every write is a read-modify-write under one lock.

use whatsapp_rust::wacore::store::error::Result;
use whatsapp_rust::wacore::store::traits::TcTokenEntry;
use zeroize::Zeroizing;

use super::super::records::{TcToken, decode};
use super::super::{SledStore, locked, read, scan};

impl SledStore {
    fn tc_row(&self, jid: &str) -> Result<Option<TcToken>> {
        let table = &self.tables().tc_tokens;
        read(table, &table.named(&[jid.as_bytes()]))?
            .map(|value| decode(&value))
            .transpose()
    }

    /// Replaces the record by what `change` makes of it; `None` leaves it alone.
    fn update_tc_token(
        &self,
        jid: &str,
        change: impl FnOnce(Option<TcToken>) -> Option<TcToken>,
    ) -> Result<()> {
        let table = &self.tables().tc_tokens;
        let _tokens = locked(&self.locks().tc_tokens);
        self.write(|batch| {
            if let Some(row) = change(self.tc_row(jid)?) {
                let value = Zeroizing::new(prost::Message::encode_to_vec(&row));
                table.put(batch, &table.named(&[jid.as_bytes()]), &value);
            }
            Ok(())
        })
    }

    pub(super) fn tc_token(&self, jid: &str) -> Result<Option<TcTokenEntry>> {
        Ok(self.tc_row(jid)?.map(|row| TcTokenEntry {
            token: row.token,
            token_timestamp: row.token_timestamp,
            sender_timestamp: row.sender_timestamp,
        }))
    }

    pub(super) fn replace_tc_token(&self, jid: &str, entry: &TcTokenEntry) -> Result<()> {
        self.update_tc_token(jid, |_| {
            Some(TcToken {
                jid: jid.to_owned(),
                token: entry.token.clone(),
                token_timestamp: entry.token_timestamp,
                sender_timestamp: entry.sender_timestamp,
            })
        })
    }

    /// Moves the sender timestamp forward, never back; a contact without a record gets one
    /// without token bytes.
    pub(super) fn touch_tc_sender(&self, jid: &str, at: i64) -> Result<()> {
        self.update_tc_token(jid, |known| {
            let mut row = known.unwrap_or_else(|| TcToken {
                jid: jid.to_owned(),
                token_timestamp: at,
                ..TcToken::default()
            });
            row.sender_timestamp = Some(row.sender_timestamp.map_or(at, |known| known.max(at)));
            Some(row)
        })
    }

    /// Takes a received token unless a newer one is stored; a record without token bytes never
    /// counts as newer.
    pub(super) fn receive_tc_token(&self, jid: &str, token: &[u8], at: i64) -> Result<()> {
        self.update_tc_token(jid, |known| {
            let mut row = known.unwrap_or_default();
            if !row.token.is_empty() && at < row.token_timestamp {
                return None;
            }
            jid.clone_into(&mut row.jid);
            row.token = token.to_vec();
            row.token_timestamp = at;
            Some(row)
        })
    }

    pub(super) fn remove_tc_token(&self, jid: &str) -> Result<()> {
        let table = &self.tables().tc_tokens;
        let _tokens = locked(&self.locks().tc_tokens);
        self.write(|batch| {
            table.delete(batch, &table.named(&[jid.as_bytes()]));
            Ok(())
        })
    }

    pub(super) fn tc_token_jids(&self) -> Result<Vec<String>> {
        scan(&self.tables().tc_tokens, &[])
            .map(|row| Ok(decode::<TcToken>(&row?.1)?.jid))
            .collect()
    }

    /// Deletes a record only when both halves are stale or absent.
    pub(super) fn expire_tc_tokens(&self, token_cutoff: i64, sender_cutoff: i64) -> Result<u32> {
        let table = &self.tables().tc_tokens;
        let _tokens = locked(&self.locks().tc_tokens);
        self.write(|batch| {
            let mut deleted = 0;
            for row in scan(table, &[]) {
                let (name, value) = row?;
                let row: TcToken = decode(&value)?;
                let token_lives = !row.token.is_empty() && row.token_timestamp >= token_cutoff;
                let sender_lives = row.sender_timestamp.is_some_and(|at| at >= sender_cutoff);
                if !token_lives && !sender_lives {
                    table.delete(batch, &name);
                    deleted += 1;
                }
            }
            Ok(deleted)
        })
    }
}
