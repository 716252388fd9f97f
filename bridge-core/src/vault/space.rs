//! Reading and writing records.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::{Inner, RecordName, SpaceId, Vault, VaultError, name};

/// A record as a scan returns it.
pub type Record = (RecordName, Zeroizing<Vec<u8>>);

/// Changes that become visible, and durable, together or not at all. Where a
/// record is changed twice, the last change counts.
#[derive(Default)]
pub struct Batch {
    /// Raw key and sealed value; no value deletes.
    pub(super) changes: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// The first change that could not be sealed; it fails the whole batch.
    failed: Option<VaultError>,
}

impl Batch {
    /// Whether it changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.failed.is_none()
    }

    /// How many changes it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Makes the changes, or says why nothing was changed.
    pub(super) fn apply_to(self, db: &sled::Db) -> Result<(), ApplyError> {
        if let Some(error) = self.failed {
            return Err(ApplyError::Refused(error));
        }
        let mut changes = self.changes;
        let done = match changes.pop() {
            None => Ok(()),
            // A single change is atomic anyway, and cheaper: each sled batch
            // writes out its log buffer twice.
            Some((key, Some(value))) if changes.is_empty() => db.insert(key, value).map(drop),
            Some((key, None)) if changes.is_empty() => db.remove(key).map(drop),
            Some(last) => {
                let mut batch = sled::Batch::default();
                for (key, value) in changes.into_iter().chain([last]) {
                    match value {
                        Some(value) => batch.insert(key, value),
                        None => batch.remove(key),
                    }
                }
                db.apply_batch(batch)
            }
        };
        done.map_err(ApplyError::Failed)
    }
}

/// Why a batch was not applied.
pub(super) enum ApplyError {
    /// It could not be sealed; the store is as it was.
    Refused(VaultError),
    /// The database failed, and may have done part of it.
    Failed(sled::Error),
}

impl From<ApplyError> for VaultError {
    fn from(error: ApplyError) -> Self {
        match error {
            ApplyError::Refused(error) => error,
            ApplyError::Failed(error) => error.into(),
        }
    }
}

impl std::fmt::Debug for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Batch({} changes)", self.changes.len())
    }
}

/// One space of a store. Keeps the store open as long as it lives.
#[derive(Clone)]
pub struct Space {
    inner: Arc<Inner>,
    id: SpaceId,
}

impl std::fmt::Debug for Space {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Space({:#04x})", self.id.byte())
    }
}

impl Space {
    pub(super) const fn new(inner: Arc<Inner>, id: SpaceId) -> Self {
        Self { inner, id }
    }

    /// The name made of `parts`. Records whose names begin with the same parts
    /// can be scanned together.
    #[must_use]
    pub fn named(&self, parts: &[&[u8]]) -> RecordName {
        RecordName::named(&self.inner.keys, self.id.byte(), parts)
    }

    /// The name of the `n`-th record of a sequence. Not secret.
    #[must_use]
    pub fn ordered(&self, n: u64) -> RecordName {
        RecordName::ordered(n)
    }

    /// Reads a record.
    ///
    /// # Errors
    /// When the database fails, or the record is damaged.
    pub fn get(&self, name: &RecordName) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError> {
        let key = self.key(name.raw());
        let Some(sealed) = self.inner.disk.db.get(&key)? else {
            return Ok(None);
        };
        Ok(Some(self.inner.unseal(&key, &sealed)?.1))
    }

    /// Whether there is such a record. Does not look into it.
    ///
    /// # Errors
    /// When the database fails.
    pub fn contains(&self, name: &RecordName) -> Result<bool, VaultError> {
        Ok(self.inner.disk.db.contains_key(self.key(name.raw()))?)
    }

    /// Adds to `batch` that the record becomes `value`.
    pub fn put(&self, batch: &mut Batch, name: &RecordName, value: &[u8]) {
        let key = self.key(name.raw());
        let place = key.get(1..).unwrap_or_default();
        let sealed = name
            .wrap(value)
            .and_then(|text| self.inner.keys.seal(&text, place));
        match sealed {
            Ok(sealed) => batch.changes.push((key, Some(sealed))),
            Err(error) => batch.failed = batch.failed.take().or(Some(error)),
        }
    }

    /// Adds to `batch` that the record is gone.
    pub fn delete(&self, batch: &mut Batch, name: &RecordName) {
        batch.changes.push((self.key(name.raw()), None));
    }

    /// The records whose names begin with `prefix` (a record of exactly that
    /// name included), in the order of their disk names, which means nothing. An
    /// empty prefix is the whole space. Changes made meanwhile may show or not.
    pub fn scan(
        &self,
        prefix: &[&[u8]],
    ) -> impl Iterator<Item = Result<Record, VaultError>> + Send + use<> {
        self.scan_raw(&name::hashed(&self.inner.keys, self.id.byte(), prefix))
    }

    /// All records of the space; ordered ones by number.
    pub fn scan_all(&self) -> impl Iterator<Item = Result<Record, VaultError>> + Send + use<> {
        self.scan_raw(&[])
    }

    /// The ordered records from number `first` on.
    pub fn scan_from(
        &self,
        first: u64,
    ) -> impl Iterator<Item = Result<Record, VaultError>> + Send + use<> {
        let inner = Arc::clone(&self.inner);
        let start = self.key(&first.to_be_bytes());
        let space = self.key(&[]);
        inner
            .disk
            .db
            .range(start..)
            .take_while(move |row| {
                row.as_ref()
                    .map_or(true, |(key, _)| key.starts_with(&space))
            })
            .map(move |row| {
                let (key, sealed) = row?;
                inner.unseal(&key, &sealed)
            })
    }

    /// Writes one record; it is on disk when this returns `Ok`.
    ///
    /// # Errors
    /// When it may not be on disk.
    pub async fn put_durable(&self, name: &RecordName, value: &[u8]) -> Result<(), VaultError> {
        let mut batch = Batch::default();
        self.put(&mut batch, name, value);
        self.vault().apply_durable(batch).await
    }

    /// Deletes one record; that is on disk when this returns `Ok`.
    ///
    /// # Errors
    /// When the deletion may not be on disk.
    pub async fn delete_durable(&self, name: &RecordName) -> Result<(), VaultError> {
        let mut batch = Batch::default();
        self.delete(&mut batch, name);
        self.vault().apply_durable(batch).await
    }

    /// The store this space is part of.
    #[must_use]
    pub fn vault(&self) -> Vault {
        Vault(Arc::clone(&self.inner))
    }

    fn scan_raw(
        &self,
        prefix: &[u8],
    ) -> impl Iterator<Item = Result<Record, VaultError>> + Send + use<> {
        let inner = Arc::clone(&self.inner);
        inner.disk.db.scan_prefix(self.key(prefix)).map(move |row| {
            let (key, sealed) = row?;
            inner.unseal(&key, &sealed)
        })
    }

    /// Key id ‖ space ‖ name.
    fn key(&self, raw: &[u8]) -> Vec<u8> {
        let mut key = Vec::with_capacity(2 + raw.len());
        key.push(self.inner.keys.id());
        key.push(self.id.byte());
        key.extend_from_slice(raw);
        key
    }
}
