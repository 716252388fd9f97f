//! Where a master key comes from, and how its file is made and replaced.
//!
//! In order: a systemd credential, a file that the operator names, a file that
//! is generated. Only the last is ever created, and only a rotation replaces one.
//!
//! A key file holds 32 raw bytes, or their hexadecimal or base64 form as text.

use std::{
    fs::{File, OpenOptions},
    io::{ErrorKind, Read, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use zeroize::Zeroizing;

use super::{
    MasterKey, VaultError,
    lock::{private_dir, sync_dir},
};

/// More than any form of a key takes; longer files are something else.
const MAX_FILE: u64 = 1024;

/// Either alphabet, with or without padding.
const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const BASE64: [GeneralPurpose; 2] = [
    GeneralPurpose::new(&alphabet::STANDARD, LENIENT),
    GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT),
];

/// Why there is no master key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// There is no such file.
    #[error("there is no key file {}", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// Other users may read the file.
    #[error("the key file {} has mode {mode:04o}, other users may read it; run: chmod 600 {}", path.display(), path.display())]
    TooOpen {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file does not hold a key.
    #[error("the key file {} does not hold a key: 32 raw bytes, or 64 hexadecimal digits, or base64 of 32 bytes", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
    },
    /// There is a key already where one should be made.
    #[error("there is a key file {} already", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] VaultError),
}

/// Where a key was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// A systemd credential.
    Credential(PathBuf),
    /// A file that the operator named.
    Named(PathBuf),
    /// The generated file.
    Generated(PathBuf),
}

impl KeySource {
    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Credential(path) | Self::Named(path) | Self::Generated(path) => path,
        }
    }
}

/// The places to look for a key.
#[derive(Debug, Clone)]
pub struct KeyPlaces {
    /// The folder with systemd's credentials (`$CREDENTIALS_DIRECTORY`) and the
    /// name of ours in it. Skipped if there is no such credential.
    pub credential: Option<(PathBuf, String)>,
    /// A file named by the operator. It has to exist.
    pub named: Option<PathBuf>,
    /// The file to generate. Outside the folder of the data, so that a copy of
    /// the data alone is worthless.
    pub generated: PathBuf,
}

/// A key, and where it came from.
#[derive(Debug)]
pub struct FoundKey {
    /// The key.
    pub key: MasterKey,
    /// The key that a rotation was going to replace it with, see [`stage`].
    pub staged: Option<MasterKey>,
    /// Where it was.
    pub source: KeySource,
}

impl FoundKey {
    /// Both keys, for [`Vault::open_any`](super::Vault::open_any).
    #[must_use]
    pub fn candidates(&self) -> Vec<&MasterKey> {
        std::iter::once(&self.key).chain(&self.staged).collect()
    }
}

impl KeyPlaces {
    /// Finds the key; `None` if nothing is configured and none was generated yet.
    ///
    /// # Errors
    /// When a key file is missing, unreadable, malformed, or readable by others.
    pub fn load(&self) -> Result<Option<FoundKey>, KeyError> {
        if let Some((dir, name)) = &self.credential {
            let path = dir.join(name);
            // systemd guards these itself, partly with access lists that look
            // like an open mode.
            match read_key(&path, false) {
                Err(KeyError::Missing { .. }) => {}
                key => return Ok(Some(found(key?, KeySource::Credential(path))?)),
            }
        }
        if let Some(path) = &self.named {
            let key = read_key(path, true)?;
            return Ok(Some(found(key, KeySource::Named(path.clone()))?));
        }
        match read_key(&self.generated, true) {
            Ok(key) => Ok(Some(found(
                key,
                KeySource::Generated(self.generated.clone()),
            )?)),
            Err(KeyError::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// As [`KeyPlaces::load`], and generates a key where there is none. Only for
    /// a store that does not exist yet: no other key opens an existing one.
    ///
    /// # Errors
    /// As [`KeyPlaces::load`], or when the file cannot be written.
    pub fn load_or_generate(&self) -> Result<FoundKey, KeyError> {
        if let Some(found) = self.load()? {
            return Ok(found);
        }
        match create(&self.generated) {
            // Someone else was faster: theirs counts.
            Ok(_) | Err(KeyError::Exists { .. }) => {}
            Err(error) => return Err(error),
        }
        self.load()?.ok_or_else(|| KeyError::Missing {
            path: self.generated.clone(),
        })
    }
}

/// Makes a new key for a rotation and puts it on disk beside the key file, as
/// `<file>.next`; a key that an interrupted rotation left there is used again.
///
/// A rotation is: `stage`, [`Vault::rotate`](super::Vault::rotate) for every
/// store under this key, [`promote`]. Until the last, both files are needed.
///
/// # Errors
/// When the file cannot be written, or holds something else.
pub fn stage(key_file: &Path) -> Result<MasterKey, KeyError> {
    let path = next_path(key_file);
    match create(&path) {
        Err(KeyError::Exists { .. }) => read_key(&path, true),
        done => done,
    }
}

/// Makes the staged key the only one. The old one is gone then.
///
/// # Errors
/// When nothing is staged, or the file cannot be replaced.
pub fn promote(key_file: &Path) -> Result<(), KeyError> {
    let next = next_path(key_file);
    if !next.exists() {
        return Err(KeyError::Missing { path: next });
    }
    std::fs::rename(&next, key_file).map_err(VaultError::io("replace", key_file))?;
    Ok(sync_dir(parent(key_file))?)
}

/// Writes a fresh key to a file that does not exist yet: complete, mode 0600, on
/// disk, or not there at all.
///
/// # Errors
/// When the file exists or cannot be written.
pub fn create(path: &Path) -> Result<MasterKey, KeyError> {
    let dir = parent(path);
    if !dir.is_dir() {
        private_dir(dir)?;
    }
    let key = MasterKey::generate()?;
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{}.tmp", std::process::id()));
    let draft = PathBuf::from(draft);
    let text = Zeroizing::new(hex::encode(key.expose_key_bytes()) + "\n");
    let linked = write_new(&draft, text.as_bytes()).and_then(|()| std::fs::hard_link(&draft, path));
    if let Err(error) = std::fs::remove_file(&draft) {
        tracing::warn!(%error, path = %draft.display(), "a draft of a key file was left behind");
    }
    match linked {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            return Err(KeyError::Exists {
                path: path.to_owned(),
            });
        }
        Err(error) => return Err(VaultError::io("create", path)(error).into()),
    }
    sync_dir(dir)?;
    Ok(key)
}

fn write_new(path: &Path, text: &[u8]) -> std::io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text)?;
    file.sync_all()
}

fn found(key: MasterKey, source: KeySource) -> Result<FoundKey, KeyError> {
    let staged = match source {
        KeySource::Credential(_) => None,
        KeySource::Named(_) | KeySource::Generated(_) => {
            match read_key(&next_path(source.path()), true) {
                Ok(key) => Some(key),
                Err(KeyError::Missing { .. }) => None,
                Err(error) => return Err(error),
            }
        }
    };
    Ok(FoundKey {
        key,
        staged,
        source,
    })
}

fn next_path(key_file: &Path) -> PathBuf {
    let mut path = key_file.as_os_str().to_owned();
    path.push(".next");
    PathBuf::from(path)
}

fn parent(path: &Path) -> &Path {
    path.parent()
        .filter(|dir| !dir.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

fn read_key(path: &Path, private: bool) -> Result<MasterKey, KeyError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(KeyError::Missing {
                path: path.to_owned(),
            });
        }
        Err(error) => return Err(VaultError::io("open", path)(error).into()),
    };
    let meta = file.metadata().map_err(VaultError::io("look at", path))?;
    let mode = meta.permissions().mode() & 0o777;
    if private && mode & 0o077 != 0 {
        return Err(KeyError::TooOpen {
            path: path.to_owned(),
            mode,
        });
    }
    // Sized beforehand: a buffer that grows would leave copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(2048));
    let read = file.take(MAX_FILE).read_to_end(&mut bytes);
    read.map_err(VaultError::io("read", path))?;
    parse(&bytes).ok_or_else(|| KeyError::Malformed {
        path: path.to_owned(),
    })
}

/// Understands the three forms of a key.
fn parse(bytes: &[u8]) -> Option<MasterKey> {
    if let Ok(raw) = <[u8; MasterKey::LEN]>::try_from(bytes) {
        return Some(MasterKey::from_bytes(raw));
    }
    let text = std::str::from_utf8(bytes).ok()?.trim();
    let mut key = Zeroizing::new([0; MasterKey::LEN]);
    if hex::decode_to_slice(text, &mut *key).is_ok() {
        return Some(MasterKey::from_bytes(*key));
    }
    // Decoding needs room for one more group than the key fills.
    let mut room = Zeroizing::new([0; MasterKey::LEN + 4]);
    BASE64.iter().find_map(|engine| {
        let length = engine.decode_slice(text, &mut *room).ok()?;
        let raw = room.get(..length)?.try_into().ok()?;
        Some(MasterKey::from_bytes(raw))
    })
}
