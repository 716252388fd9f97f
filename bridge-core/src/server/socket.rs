//! The Unix socket, for this user only.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use tokio::net::{UnixListener, UnixStream};

use super::ServerError;

/// A socket file that goes away with its owner.
#[derive(Debug)]
pub(super) struct Socket {
    listener: UnixListener,
    path: PathBuf,
}

impl Socket {
    /// Makes the socket with mode 0600. A file that a dead process left behind is
    /// replaced; one that answers, or that is no socket, is left alone.
    pub(super) async fn bind(path: &Path) -> Result<Self, ServerError> {
        let failed = |source| ServerError::Socket {
            path: path.to_owned(),
            source,
        };
        clear(path).await.map_err(failed)?;
        let listener = bind_private(path).map_err(failed)?;
        Ok(Self {
            listener,
            path: path.to_owned(),
        })
    }

    pub(super) async fn accept(&self) -> io::Result<UnixStream> {
        self.listener.accept().await.map(|(stream, _)| stream)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!(%error, "the socket file was already gone");
        }
    }
}

async fn clear(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(metadata) if !metadata.file_type().is_socket() => Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "a file that is no socket is in its place",
        )),
        Ok(_) if UnixStream::connect(path).await.is_ok() => Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            "another process listens on it",
        )),
        Ok(_) => fs::remove_file(path),
    }
}

/// A socket has the umask's mode until it is changed, so it is made inside a
/// folder that nobody else can enter and moved when its mode is right.
fn bind_private(path: &Path) -> io::Result<UnixListener> {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let folder = parent
        .unwrap_or_else(|| Path::new("."))
        .join(format!(".{:08x}", fastrand::u32(..)));
    fs::DirBuilder::new().mode(0o700).create(&folder)?;
    let made = || {
        let inside = folder.join("s");
        let listener = UnixListener::bind(&inside)?;
        fs::set_permissions(&inside, fs::Permissions::from_mode(0o600))?;
        fs::rename(&inside, path)?;
        Ok(listener)
    };
    let listener = made();
    if listener.is_err() {
        fs::remove_file(folder.join("s")).ok();
    }
    fs::remove_dir(&folder).ok();
    listener
}
