//! What lies in the folder of a session besides the store.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::{self, ErrorKind, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use crate::{exit::Exit, failure::Failure};

/// Bytes of randomness in a token.
const TOKEN_BYTES: usize = 32;
/// A token file that is longer holds something else.
const MAX_FILE: u64 = 64 << 10;

/// The folder of one session.
#[derive(Debug, Clone)]
pub(super) struct SessionFolder {
    dir: PathBuf,
}

/// Where a running bridge is; written while it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RunningBridge {
    /// The endpoint of the contract.
    pub(super) url: String,
    /// The process.
    pub(super) pid: u32,
}

impl SessionFolder {
    pub(super) fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
        }
    }

    /// Makes sure that the folder exists; a new one is the user's alone.
    pub(super) fn create(&self) -> Result<(), Failure> {
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(&self.dir).map_err(|error| {
            Failure::io(
                format!("cannot create the session folder {}", self.dir.display()),
                &error,
            )
        })
    }

    /// Whether the Node bridge keeps a session here, in Baileys' files.
    pub(super) fn holds_baileys_session(&self) -> bool {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Credentials {
            #[serde(rename = "noiseKey")]
            _noise_key: serde::de::IgnoredAny,
        }
        read_small(&self.dir.join("creds.json"))
            .is_ok_and(|text| serde_json::from_str::<Credentials>(&text).is_ok())
    }

    pub(super) fn token_file(&self) -> PathBuf {
        self.dir.join("admin.token")
    }

    /// Reads the token of the admin API; `None` if there is none yet.
    pub(super) fn token(&self) -> Result<Option<SecretString>, Failure> {
        let path = self.token_file();
        let failed = |error: &io::Error| {
            Failure::io(
                format!("cannot read the token file {}", path.display()),
                error,
            )
        };
        let meta = match fs::metadata(&path) {
            Ok(meta) => meta,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(&error)),
        };
        if meta.permissions().mode() & 0o077 != 0 {
            return Err(Failure::new(
                Exit::Permission,
                format!("other users may read the token file {}", path.display()),
            )
            .next(format!(
                "run: chmod 600 {0}; or remove {0}, and the bridge makes a new one",
                path.display()
            )));
        }
        let token = read_small(&path).map_err(|error| failed(&error))?;
        let token = token.trim();
        if token.is_empty() {
            return Err(
                Failure::usage(format!("the token file {} is empty", path.display())).next(
                    format!("remove {}, and the bridge makes a new one", path.display()),
                ),
            );
        }
        Ok(Some(SecretString::from(token)))
    }

    /// Reads the token of the admin API, or makes one.
    pub(super) fn token_or_new(&self) -> Result<SecretString, Failure> {
        if let Some(token) = self.token()? {
            return Ok(token);
        }
        let path = self.token_file();
        let failed = |error: &io::Error| {
            Failure::io(
                format!("cannot write the token file {}", path.display()),
                error,
            )
        };
        let mut bytes = [0_u8; TOKEN_BYTES];
        getrandom::fill(&mut bytes).map_err(|error| {
            Failure::new(Exit::Failed, "the system has no random numbers").because(&error)
        })?;
        let token =
            SecretString::from(bytes.iter().map(|b| format!("{b:02x}")).collect::<String>());
        let draft = write_draft(&path, token.expose_secret().as_bytes());
        let linked = draft.and_then(|draft| {
            let linked = fs::hard_link(&draft, &path);
            fs::remove_file(&draft)?;
            linked
        });
        match linked {
            Ok(()) => Ok(token),
            // Another bridge was faster; both must believe in the same token.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                self.token()?.ok_or_else(|| failed(&error))
            }
            Err(error) => Err(failed(&error)),
        }
    }

    fn running_file(&self) -> PathBuf {
        self.dir.join("bridge.json")
    }

    /// Notes where the bridge of this process is.
    pub(super) fn note_running(&self, bridge: &RunningBridge) -> io::Result<()> {
        let text = serde_json::to_vec(bridge)?;
        write_private(&self.running_file(), &text)
    }

    /// Where the bridge is, unless its process is known to be gone.
    pub(super) fn running(&self) -> Option<RunningBridge> {
        let text = read_small(&self.running_file()).ok()?;
        let noted: RunningBridge = serde_json::from_str(&text).ok()?;
        let processes = Path::new("/proc/self");
        let gone = processes.exists() && !Path::new("/proc").join(noted.pid.to_string()).exists();
        (!gone).then_some(noted)
    }

    /// Removes the note of this process.
    pub(super) fn forget_running(&self) {
        let mine = |bridge: RunningBridge| bridge.pid == std::process::id();
        if self.running().is_some_and(mine)
            && let Err(error) = fs::remove_file(self.running_file())
        {
            tracing::warn!(%error, "bridge.json was left behind");
        }
    }
}

fn read_small(path: &Path) -> io::Result<String> {
    use io::Read as _;
    let mut text = String::new();
    fs::File::open(path)?
        .take(MAX_FILE)
        .read_to_string(&mut text)?;
    Ok(text)
}

/// Writes a file of mode 0600, complete or not at all.
fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::rename(write_draft(path, bytes)?, path)
}

/// Writes a file of mode 0600 beside `path`, to be moved there.
fn write_draft(path: &Path, bytes: &[u8]) -> io::Result<PathBuf> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{}.tmp", std::process::id()));
    let draft = PathBuf::from(draft);
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let mut file = options.open(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(draft)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, SessionFolder) {
        let home = tempfile::tempdir().expect("a folder");
        let folder = SessionFolder::new(&home.path().join("a/b"));
        folder.create().expect("created");
        (home, folder)
    }

    #[test]
    fn a_token_is_made_once_and_is_private() {
        let (_home, folder) = folder();
        assert!(folder.token().expect("readable").is_none());
        let first = folder.token_or_new().expect("a token");
        let second = folder.token_or_new().expect("a token");
        assert_eq!(first.expose_secret(), second.expose_secret());
        assert_eq!(first.expose_secret().len(), 2 * TOKEN_BYTES);
        let mode = fs::metadata(folder.token_file())
            .expect("there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_token_that_others_can_read_is_refused() {
        let (_home, folder) = folder();
        folder.token_or_new().expect("a token");
        fs::set_permissions(folder.token_file(), fs::Permissions::from_mode(0o644)).expect("chmod");
        let failure = folder.token().expect_err("refused");
        assert_eq!(failure.exit(), Exit::Permission);
        assert!(
            failure
                .next_step()
                .expect("a next step")
                .contains("chmod 600")
        );
    }

    #[test]
    fn a_bridge_forgets_only_itself() {
        let (_home, folder) = folder();
        let other = RunningBridge {
            url: "http://127.0.0.1:1/bridge".to_owned(),
            pid: 1,
        };
        folder.note_running(&other).expect("written");
        folder.forget_running();
        assert_eq!(folder.running(), Some(other));
        let mine = RunningBridge {
            url: "http://127.0.0.1:2/bridge".to_owned(),
            pid: std::process::id(),
        };
        folder.note_running(&mine).expect("written");
        folder.forget_running();
        assert_eq!(folder.running(), None);
    }

    #[test]
    fn only_baileys_credentials_are_taken_for_a_baileys_session() {
        let (_home, folder) = folder();
        assert!(!folder.holds_baileys_session());
        for (text, expected) in [
            ("not json", false),
            ("{}", false),
            (r#"{"noiseKey":{"private":"x"},"registrationId":1}"#, true),
        ] {
            fs::write(folder.dir.join("creds.json"), text).expect("written");
            assert_eq!(folder.holds_baileys_session(), expected, "{text}");
        }
    }
}
