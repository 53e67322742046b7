//! TCP ports and Unix sockets, behind one listener.
//!
//! Promises: a socket that a dead process left is replaced, one that a living process answers on is `in use`, and what is
//! no socket is not touched. The socket goes with the listener, unless another stands there by then.

use std::io;
use std::net::TcpListener;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use super::ServeError;
use crate::config::Listen;

/// Bound, and not yet in a runtime.
pub(super) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, SocketFile),
}

/// One that accepts.
pub(super) enum Accepting {
    Tcp(tokio::net::TcpListener),
    Unix(tokio::net::UnixListener),
}

/// A connection.
pub(super) enum Stream {
    Tcp(tokio::net::TcpStream),
    Unix(tokio::net::UnixStream),
}

/// The name of a socket in the file system; dropping it removes it.
pub(super) struct SocketFile {
    path: PathBuf,
    inode: (u64, u64),
}

impl Listener {
    pub(super) fn bind(listen: &Listen) -> Result<Self, ServeError> {
        let fault = |source: io::Error| match source.kind() {
            io::ErrorKind::AddrInUse => ServeError::InUse(listen.clone()),
            _ => ServeError::Io { listen: listen.clone(), source },
        };
        match listen {
            Listen::Tcp(address) => TcpListener::bind(address).map(Self::Tcp).map_err(fault),
            Listen::Unix(path) => {
                make_room(path, listen)?;
                let (listener, file) = bind_socket(path).map_err(fault)?;
                Ok(Self::Unix(listener, file))
            }
        }
    }

    /// The address that it has.
    pub(super) fn listen(&self) -> io::Result<Listen> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(Listen::Tcp),
            Self::Unix(_, file) => Ok(Listen::Unix(file.path.clone())),
        }
    }

    /// Gives it to the runtime that this is called in. The file must live as long as the listener.
    pub(super) fn into_tokio(self) -> io::Result<(Accepting, Option<SocketFile>)> {
        match self {
            Self::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                Ok((Accepting::Tcp(tokio::net::TcpListener::from_std(listener)?), None))
            }
            Self::Unix(listener, file) => {
                listener.set_nonblocking(true)?;
                Ok((Accepting::Unix(tokio::net::UnixListener::from_std(listener)?), Some(file)))
            }
        }
    }
}

impl Accepting {
    pub(super) async fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Tcp(listener) => listener.accept().await.map(|(stream, _)| Stream::Tcp(stream)),
            Self::Unix(listener) => listener.accept().await.map(|(stream, _)| Stream::Unix(stream)),
        }
    }
}

/// Removes a socket on which nobody answers.
fn make_room(path: &Path, listen: &Listen) -> Result<(), ServeError> {
    let fault = |source| ServeError::Io { listen: listen.clone(), source };
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(fault(error)),
        Ok(there) if !there.file_type().is_socket() => return Err(ServeError::NotASocket(path.to_owned())),
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path).map_err(fault),
        // Gone in this moment.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        // A full queue, a socket of another kind, no permission: somebody is there.
        Ok(_) | Err(_) => Err(ServeError::InUse(listen.clone())),
    }
}

/// For its user and its group, as monitoring agents are let in by their group. Whatever the umask makes of it before, a
/// usual one lets nobody else write, which connecting takes.
fn bind_socket(path: &Path) -> io::Result<(UnixListener, SocketFile)> {
    let listener = UnixListener::bind(path)?;
    let there = std::fs::symlink_metadata(path)?;
    let file = SocketFile { path: path.to_owned(), inode: (there.dev(), there.ino()) };
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o660))?;
    Ok((listener, file))
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = |there: std::fs::Metadata| (there.dev(), there.ino()) == self.inode;
        if std::fs::symlink_metadata(&self.path).is_ok_and(ours) {
            // Left behind, it is replaced at the next start.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
