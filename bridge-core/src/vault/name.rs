//! Record names: how a record is found without its name saying what it is about.
//!
//! A *named* record has parts (a chat, a message id); on disk each part is 16
//! bytes of a keyed hash. An *ordered* record has a number, which stays readable
//! so that it sorts. The parts are sealed together with the value: a rotation
//! needs them to compute the name under the new key.

use zeroize::Zeroizing;

use super::{VaultError, keys::Keys};

/// Marks an ordered record in front of its value.
const ORDERED: u8 = 0xff;
/// The most parts that a name can have.
const MAX_PARTS: usize = 0xf0;

/// The name of a record within its space.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordName {
    /// As on disk, without key id and space.
    raw: Vec<u8>,
    parts: Option<Vec<Vec<u8>>>,
}

impl RecordName {
    pub(super) fn named(keys: &Keys, space: u8, parts: &[&[u8]]) -> Self {
        Self {
            raw: hashed(keys, space, parts),
            parts: Some(parts.iter().map(|part| part.to_vec()).collect()),
        }
    }

    pub(super) fn ordered(number: u64) -> Self {
        Self {
            raw: number.to_be_bytes().to_vec(),
            parts: None,
        }
    }

    pub(super) fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// The number of an ordered record.
    #[must_use]
    pub fn as_ordered(&self) -> Option<u64> {
        match self.parts {
            None => self.raw.as_slice().try_into().ok().map(u64::from_be_bytes),
            Some(_) => None,
        }
    }

    /// The parts of a named record, in clear; empty for an ordered one.
    #[must_use]
    pub fn parts(&self) -> &[Vec<u8>] {
        self.parts.as_deref().unwrap_or_default()
    }

    /// What is sealed for this record: the parts of its name, then the value.
    pub(super) fn wrap(&self, value: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let Some(parts) = &self.parts else {
            let mut text = Zeroizing::new(Vec::with_capacity(1 + value.len()));
            text.push(ORDERED);
            text.extend_from_slice(value);
            return Ok(text);
        };
        let count = u8::try_from(parts.len())
            .ok()
            .filter(|n| usize::from(*n) <= MAX_PARTS);
        let count = count.ok_or_else(|| VaultError::corrupt("a record name has too many parts"))?;
        let names: usize = parts.iter().map(|part| 4 + part.len()).sum();
        let mut text = Zeroizing::new(Vec::with_capacity(1 + names + value.len()));
        text.push(count);
        for part in parts {
            let length = u32::try_from(part.len()).map_err(|error| {
                VaultError::corrupt(format!("a record name is too long: {error}"))
            })?;
            text.extend_from_slice(&length.to_be_bytes());
            text.extend_from_slice(part);
        }
        text.extend_from_slice(value);
        Ok(text)
    }

    /// Reverses [`RecordName::wrap`] for a record found under `raw`.
    pub(super) fn unwrap(
        raw: &[u8],
        mut text: Zeroizing<Vec<u8>>,
    ) -> Option<(Self, Zeroizing<Vec<u8>>)> {
        let (parts, used) = split_parts(&text)?;
        text.drain(..used);
        Some((
            Self {
                raw: raw.to_vec(),
                parts,
            },
            text,
        ))
    }

    /// This record's name under other keys.
    pub(super) fn under(&self, keys: &Keys, space: u8) -> Self {
        match &self.parts {
            None => self.clone(),
            Some(parts) => {
                let borrowed: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
                Self::named(keys, space, &borrowed)
            }
        }
    }
}

impl std::fmt::Debug for RecordName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RecordName({})", hex::encode(&self.raw))
    }
}

/// The disk form of `parts`, which is also the prefix of everything below them.
pub(super) fn hashed(keys: &Keys, space: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut raw = Vec::with_capacity(parts.len() * super::keys::NAME_BLOCK);
    for part in parts {
        let block = keys.name_block(space, &raw, part);
        raw.extend_from_slice(&block);
    }
    raw
}

/// The parts in front of a value (`None` inside for an ordered record), and how
/// many bytes they take.
fn split_parts(text: &[u8]) -> Option<(Option<Vec<Vec<u8>>>, usize)> {
    let (count, mut rest) = text.split_first()?;
    if *count == ORDERED {
        return Some((None, 1));
    }
    let mut parts = Vec::with_capacity(usize::from(*count));
    for _ in 0..*count {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (part, after) = after.split_at_checked(length)?;
        parts.push(part.to_vec());
        rest = after;
    }
    Some((Some(parts), text.len() - rest.len()))
}
