//! A connection to a cluster.

use std::ffi::c_char;
use std::fmt;
use std::ptr;
use std::sync::Arc;

use super::answers::{ask_text, c_text, texts};
use super::error::{CallError, Errno, check};
use super::ffi::RadosT;
use super::library::Library;
use super::pool::Pool;

/// Who connects, by which file.
#[derive(Debug, Clone, Copy, Default)]
pub struct Setup<'a> {
    /// The ceph.conf; `None` searches where Ceph does: `$CEPH_CONF`, /etc/ceph/ceph.conf, ~/.ceph/config, ./ceph.conf.
    pub conf_file: Option<&'a str>,
    /// The user's id, without `client.`; `None` is Ceph's own default (`admin`).
    pub user: Option<&'a str>,
}

/// A `rados_t`, which ends with this.
struct Handle {
    library: &'static Library,
    raw: RadosT,
}

// SAFETY: librados locks for itself; the headers allow any thread to use a `rados_t`, several at once too.
unsafe impl Send for Handle {}
// SAFETY: as above.
unsafe impl Sync for Handle {}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: made by `rados_create`, shut down nowhere else, and nobody else has it: no call runs beside this.
        unsafe { (self.library.c.rados_shutdown)(self.raw) }
    }
}

/// A connection that is set up and not made yet.
pub struct Unconnected {
    handle: Handle,
}

impl Unconnected {
    /// Reads the configuration. Contacts nobody.
    ///
    /// # Errors
    /// ENOENT where there is no such file, EINVAL where it cannot be read as a ceph.conf.
    pub fn new(library: &'static Library, setup: &Setup<'_>) -> Result<Self, CallError> {
        let mut raw = ptr::null_mut();
        let c = &library.c;
        match setup.user {
            Some(user) => {
                let user = c_text("rados_create2", &format!("client.{user}"))?;
                // SAFETY: the texts end with NULs, and `raw` takes the new handle.
                let answer = unsafe { (c.rados_create2)(&mut raw, c"ceph".as_ptr(), user.as_ptr(), 0) };
                check("rados_create2", answer)?;
            }
            None => {
                // SAFETY: the header allows a null id; `raw` takes the new handle.
                check("rados_create", unsafe { (c.rados_create)(&mut raw, ptr::null()) })?;
            }
        }
        // From here on a failure drops the handle, which gives it back.
        let handle = Handle { library, raw };
        let file = setup.conf_file.map(|file| c_text("rados_conf_read_file", file)).transpose()?;
        let path = file.as_ref().map_or(ptr::null(), |file| file.as_ptr());
        // SAFETY: a handle that is not connected yet, and a path or null, which the header allows.
        check("rados_conf_read_file", unsafe { (c.rados_conf_read_file)(raw, path) })?;
        Ok(Self { handle })
    }

    /// An option's value, from the file, the environment or Ceph's defaults.
    ///
    /// # Errors
    /// ENOENT for an option that this Ceph does not have.
    pub fn get(&self, option: &str) -> Result<String, CallError> {
        let c = &self.handle.library.c;
        let name = c_text("rados_conf_get", option)?;
        ask_text("rados_conf_get", Errno::ENAMETOOLONG, |value, len| {
            // SAFETY: a living handle; `value` has room for `len` bytes.
            unsafe { (c.rados_conf_get)(self.handle.raw, name.as_ptr(), value, len) }
        })
    }

    /// Sets an option.
    ///
    /// # Errors
    /// ENOENT for an option that this Ceph does not have, EINVAL for a value that it does not take.
    pub fn set(&mut self, option: &str, value: &str) -> Result<(), CallError> {
        let name = c_text("rados_conf_set", option)?;
        let value = c_text("rados_conf_set", value)?;
        // SAFETY: a living handle that is not connected yet, and texts that end with NULs.
        let answer = unsafe { (self.handle.library.c.rados_conf_set)(self.handle.raw, name.as_ptr(), value.as_ptr()) };
        check("rados_conf_set", answer).map(|_| ())
    }

    /// Connects. Bounded by `client_mount_timeout`, 300 s unless it was set.
    ///
    /// # Errors
    /// EACCES for a wrong key or an unknown user, ENOENT without a keyring, ETIMEDOUT where no monitor answers.
    pub fn connect(self) -> Result<Cluster, CallError> {
        // SAFETY: a living handle that is not connected yet: connecting takes it away.
        check("rados_connect", unsafe { (self.handle.library.c.rados_connect)(self.handle.raw) })?;
        Ok(Cluster { handle: self.handle })
    }
}

impl fmt::Debug for Unconnected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Unconnected")
    }
}

/// A connection, for any number of threads. Dropping it blocks until librados has shut down; while a call is stuck,
/// the pool of that call keeps it from being dropped.
pub struct Cluster {
    handle: Handle,
}

impl Cluster {
    pub(super) fn library(&self) -> &'static Library {
        self.handle.library
    }

    pub(super) fn raw(&self) -> RadosT {
        self.handle.raw
    }

    /// The cluster's id, a UUID.
    ///
    /// # Errors
    /// As librados answers.
    pub fn fsid(&self) -> Result<String, CallError> {
        ask_text("rados_cluster_fsid", Errno::ERANGE, |fsid, len| {
            // SAFETY: a connected handle; `fsid` has room for `len` bytes.
            unsafe { (self.library().c.rados_cluster_fsid)(self.raw(), fsid, len) }
        })
    }

    /// The id that the cluster has given to this connection; watchers have it too.
    pub fn instance_id(&self) -> u64 {
        // SAFETY: a connected handle.
        unsafe { (self.library().c.rados_get_instance_id)(self.raw()) }
    }

    /// The names of all pools, from the map at hand: asks nobody. The map is as old as the last thing that needed a
    /// newer one.
    ///
    /// # Errors
    /// As librados answers.
    pub fn pools(&self) -> Result<Vec<String>, CallError> {
        const CALL: &str = "rados_pool_list";
        let mut names = vec![0_u8; 4096];
        loop {
            // SAFETY: a connected handle; `names` has room for as many bytes as it says.
            let answer =
                unsafe { (self.library().c.rados_pool_list)(self.raw(), names.as_mut_ptr().cast(), names.len()) };
            let needed = check(CALL, answer)?;
            if needed <= names.len() {
                // Two NULs in a row are the end; pool names are never empty.
                return Ok(texts(&names).take_while(|name| !name.is_empty()).collect());
            }
            names = vec![0; needed];
        }
    }

    /// The version that the monitors run, in Ceph's words: `ceph version 16.2.15 (...) pacific (stable)`.
    ///
    /// # Errors
    /// EBADMSG where the answer is not the JSON that it should be; otherwise as the monitor answers.
    pub fn ceph_version(&self) -> Result<String, CallError> {
        #[derive(serde::Deserialize)]
        struct Version {
            version: String,
        }
        const CALL: &str = "rados_mon_command";
        let answer = self.ask_monitor(CALL, r#"{"prefix": "version", "format": "json"}"#)?;
        let version = serde_json::from_slice::<Version>(&answer).map_err(|_| CallError::new(CALL, Errno::EBADMSG))?;
        Ok(version.version)
    }

    fn ask_monitor(&self, call: &'static str, command: &str) -> Result<Vec<u8>, CallError> {
        let c = &self.library().c;
        let command = c_text(call, command)?;
        let mut commands = [command.as_ptr()];
        let mut output: *mut c_char = ptr::null_mut();
        let mut len = 0;
        // SAFETY: a connected handle; one command that ends with a NUL; no input; the output goes to a buffer that C
        // makes and we give back; the header allows null for a status text that nobody wants.
        let answer = unsafe {
            (c.rados_mon_command)(
                self.raw(),
                commands.as_mut_ptr(),
                commands.len(),
                ptr::null(),
                0,
                &mut output,
                &mut len,
                ptr::null_mut(),
                ptr::null_mut(),
            )
        };
        let mut copy = Vec::new();
        if !output.is_null() {
            // SAFETY: C has put `len` bytes there, and they are ours until they are given back.
            copy.extend_from_slice(unsafe { std::slice::from_raw_parts(output.cast::<u8>(), len) });
            // SAFETY: made by `rados_mon_command`, and not used any more.
            unsafe { (c.rados_buffer_free)(output) }
        }
        check(call, answer).map(|_| copy)
    }

    /// A pool; `None` where the map at hand does not have it. Its removals also work on a full cluster.
    ///
    /// # Errors
    /// As librados answers.
    pub fn pool(self: &Arc<Self>, name: &str) -> Result<Option<Pool>, CallError> {
        // Asked for a pool that the map does not have, `rados_ioctx_create` waits for a newer map, without a bound.
        if !self.pools()?.iter().any(|pool| pool == name) {
            return Ok(None);
        }
        Pool::new(self, name).map(Some)
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cluster")
    }
}
