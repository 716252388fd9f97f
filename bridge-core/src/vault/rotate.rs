//! Sealing a store anew under another master key, safe against being killed at
//! any point.
//!
//! Every raw key begins with the number of the key slot it belongs to, so the
//! records of two keys live side by side. A rotation goes like this, each line
//! on disk before the next begins:
//!
//! 1. *Announce*: the header gets the new slot as `incoming`, with the old master
//!    key sealed under the new one.
//! 2. *Copy*: every record is unsealed, renamed, and sealed under the new slot.
//! 3. *Switch*: the header makes the new slot `current` and the old one `retired`.
//! 4. *Sweep*: the records of the old slot are deleted, and the header says so.
//!
//! Killed before the switch, the old key opens the store and drops the copy, and
//! the new key opens it and carries on. Killed after it, the new key opens the
//! store and finishes the sweep; the old key is told that it was replaced. The
//! new key must therefore be safe on disk before the rotation begins. The old
//! ciphertext stays in the database file until sled reuses its place.

use loong_proto::store::{KeySlot, VaultHeader};

use super::{MasterKey, RecordName, VaultError, disk::Disk, header, keys::Keys};

/// Records per batch of a copy or a sweep.
const CHUNK: usize = 64;

/// A point that a rotation has reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Announced,
    CopiedSome,
    Copied,
    Switched,
    SweptSome,
    Swept,
}

/// Called after each step; an error stops the rotation there. Tests use it.
pub(super) type Watch<'a> = &'a mut dyn FnMut(Step) -> Result<(), VaultError>;

/// Finds the keys that `master` stands for, and brings an interrupted rotation
/// to one of its ends.
pub(super) fn settle(
    disk: &Disk,
    head: &mut VaultHeader,
    master: &MasterKey,
    watch: Watch<'_>,
) -> Result<Keys, VaultError> {
    let current = slot(head.current.as_ref())?;
    if let Some(keys) = Keys::for_slot(current, master)? {
        if let Some(incoming) = &head.incoming {
            tracing::info!("dropping a rotation that was not finished");
            sweep(disk, incoming, &mut |_| Ok(()))?;
            head.incoming = None;
            header::write(disk, head)?;
        }
        finish_sweep(disk, head, watch)?;
        return Ok(keys);
    }
    if let Some(incoming) = head.incoming.clone()
        && let Some(keys) = Keys::for_slot(&incoming, master)?
    {
        tracing::info!("carrying on a rotation that was not finished");
        let previous = keys.unwrap_key(&incoming.previous_key);
        let previous =
            previous.ok_or_else(|| VaultError::corrupt("the key before is not readable"))?;
        let old = Keys::for_slot(current, &previous)?.ok_or(VaultError::WrongKey)?;
        carry_out(disk, head, &old, &keys, watch)?;
        return Ok(keys);
    }
    if let Some(retired) = &head.retired
        && Keys::for_slot(retired, master)?.is_some()
    {
        return Err(VaultError::RetiredKey);
    }
    Err(VaultError::WrongKey)
}

/// Seals the store under `new`. Calling it again after it was done, or was
/// interrupted, is fine.
pub(super) fn rotate(
    disk: &Disk,
    head: &mut VaultHeader,
    old: &MasterKey,
    new: &MasterKey,
    watch: Watch<'_>,
) -> Result<(), VaultError> {
    for candidate in [head.current.clone(), head.incoming.clone()]
        .into_iter()
        .flatten()
    {
        if Keys::for_slot(&candidate, new)?.is_some() {
            settle(disk, head, new, watch)?;
            return Ok(());
        }
    }
    let old_keys = settle(disk, head, old, watch)?;
    let id = old_keys.id().checked_add(1).unwrap_or(1);
    let (mut incoming, new_keys) = Keys::new_slot(id, new)?;
    incoming.previous_key = new_keys.wrap(old)?;
    head.incoming = Some(incoming);
    header::write(disk, head)?;
    watch(Step::Announced)?;
    carry_out(disk, head, &old_keys, &new_keys, watch)
}

/// Copies, switches and sweeps.
fn carry_out(
    disk: &Disk,
    head: &mut VaultHeader,
    old: &Keys,
    new: &Keys,
    watch: Watch<'_>,
) -> Result<(), VaultError> {
    copy(disk, old, new, watch)?;
    disk.flush()?;
    watch(Step::Copied)?;
    head.retired = head.current.take();
    head.current = head.incoming.take();
    if let Some(current) = &mut head.current {
        current.previous_key.clear();
    }
    head.sweeping = true;
    header::write(disk, head)?;
    watch(Step::Switched)?;
    finish_sweep(disk, head, watch)
}

fn copy(disk: &Disk, old: &Keys, new: &Keys, watch: Watch<'_>) -> Result<(), VaultError> {
    let mut batch = sled::Batch::default();
    let mut copied = 0_usize;
    for row in disk.db.scan_prefix([old.id()]) {
        let (key, sealed) = row?;
        let damaged = || VaultError::corrupt(format!("record {}", hex::encode(&key)));
        let place = key.get(1..).ok_or_else(damaged)?;
        let (space, raw) = place.split_first().ok_or_else(damaged)?;
        let text = old.open(&sealed, place).ok_or_else(damaged)?;
        let (name, value) = RecordName::unwrap(raw, text).ok_or_else(damaged)?;
        let name = name.under(new, *space);
        let new_key = [&[new.id(), *space], name.raw()].concat();
        let place = new_key.get(1..).ok_or_else(damaged)?;
        let sealed = new.seal(&name.wrap(&value)?, place)?;
        batch.insert(new_key, sealed);
        copied += 1;
        if copied.is_multiple_of(CHUNK) {
            disk.db.apply_batch(std::mem::take(&mut batch))?;
            watch(Step::CopiedSome)?;
        }
    }
    disk.db.apply_batch(batch)?;
    let arrived = disk.db.scan_prefix([new.id()]).count();
    if arrived == copied {
        Ok(())
    } else {
        Err(VaultError::corrupt(format!(
            "{copied} records were copied, {arrived} are there"
        )))
    }
}

fn finish_sweep(disk: &Disk, head: &mut VaultHeader, watch: Watch<'_>) -> Result<(), VaultError> {
    if !head.sweeping {
        return Ok(());
    }
    sweep(disk, slot(head.retired.as_ref())?, watch)?;
    head.sweeping = false;
    header::write(disk, head)?;
    watch(Step::Swept)
}

/// Deletes every record of a slot.
fn sweep(disk: &Disk, slot: &KeySlot, watch: Watch<'_>) -> Result<(), VaultError> {
    let id = u8::try_from(slot.id).ok().filter(|id| *id != 0);
    let id = id.ok_or_else(|| VaultError::corrupt("a key slot has an impossible number"))?;
    let mut batch = sled::Batch::default();
    for (row, count) in disk.db.scan_prefix([id]).keys().zip(1_usize..) {
        batch.remove(row?);
        if count.is_multiple_of(CHUNK) {
            disk.db.apply_batch(std::mem::take(&mut batch))?;
            watch(Step::SweptSome)?;
        }
    }
    disk.db.apply_batch(batch)?;
    disk.flush()
}

fn slot(slot: Option<&KeySlot>) -> Result<&KeySlot, VaultError> {
    slot.ok_or_else(|| VaultError::corrupt("the header lacks a key slot"))
}
