//! Each wrapper once, against a real cluster: the one whose ceph.conf `SCRUBBER_TEST_CEPH` names, with the key of
//! client.admin beside it and the pools `images` and `vms`, and whose monitors let pools be deleted. What the binding
//! has no function for, because the program never does it, the commands `rbd` and `ceph` do.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::*;

/// 12 MiB of data: three objects.
const DATA: u64 = 12 << 20;

/// A connection to the cluster.
pub struct Ceph {
    conf: String,
    cluster: Arc<Cluster>,
    images: Pool,
}

impl Ceph {
    /// The cluster, or `None` where there is none and none is demanded.
    pub fn at_hand() -> Option<Self> {
        let Ok(conf) = std::env::var("SCRUBBER_TEST_CEPH") else {
            assert!(
                std::env::var_os("SCRUBBER_TEST_ALL").is_none(),
                "Ceph must be there, but SCRUBBER_TEST_CEPH is not"
            );
            eprintln!("left out: Ceph (tests/all starts it)");
            return None;
        };
        let cluster = Arc::new(set_up(&conf, "admin").connect().unwrap());
        let images = cluster.pool("images").unwrap().expect("a pool named images");
        Some(Self { conf, cluster, images })
    }

    /// A pool that must be there.
    pub fn pool(&self, name: &str) -> Pool {
        self.cluster.pool(name).unwrap().unwrap()
    }

    /// Runs a command of Ceph's, as words separated by spaces (a no-break space is part of a word), and gives what it prints.
    pub fn run(&self, command: &str) -> String {
        self.run_with(command, Stdio::null())
    }

    fn run_with(&self, command: &str, stdin: Stdio) -> String {
        let mut words = command.split(' ');
        let program = words.next().unwrap();
        let output = Command::new(program)
            // Else `rbd` makes no images of the old format any more.
            .env("RBD_FORCE_ALLOW_V1", "1")
            .args(["--conf", &self.conf])
            .args(words.map(|word| word.replace('\u{a0}', " ")))
            .stdin(stdin)
            .output()
            .expect(program);
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// An image that is full of data.
    fn image(&self) -> String {
        let name = unused_name();
        let mut file = tempfile::NamedTempFile::new().unwrap();
        std::io::Write::write_all(&mut file, &vec![0x5a; usize::try_from(DATA).unwrap()]).unwrap();
        self.run_with(&format!("rbd import --no-progress - images/{name}"), Stdio::from(file.reopen().unwrap()));
        name
    }

    /// The same with a protected snapshot, as Glance makes them.
    fn glance_image(&self) -> String {
        let name = self.image();
        self.snapshot(&name, "snap");
        self.run(&format!("rbd snap protect images/{name}@snap"));
        name
    }

    fn snapshot(&self, image: &str, snap: &str) {
        self.run(&format!("rbd snap create --no-progress images/{image}@{snap}"));
    }

    /// A clone in another pool; format 1 needs the snapshot's protection, format 2 does not.
    fn cloned(&self, image: &str, format: u8) -> String {
        let child = unused_name();
        self.run(&format!("rbd clone --rbd-default-clone-format {format} images/{image}@snap vms/{child}"));
        child
    }

    fn forget(&self, image: &str) {
        let open = self.images.open(image, Access::ReadWrite).unwrap();
        for snap in open.snapshots().unwrap() {
            if open.is_protected(&snap).unwrap() {
                open.unprotect(&snap).unwrap();
            }
            open.remove_snapshot(&snap).unwrap();
        }
        drop(open);
        self.images.remove(image, |_, _| true).unwrap();
    }
}

fn set_up(conf: &str, user: &str) -> Unconnected {
    let mut unconnected =
        Unconnected::new(Library::load().unwrap(), &Setup { conf_file: Some(conf), user: Some(user) }).unwrap();
    for timeout in ["client_mount_timeout", "rados_mon_op_timeout", "rados_osd_op_timeout"] {
        unconnected.set(timeout, "30").unwrap();
    }
    unconnected
}

/// A name that nothing has.
pub fn unused_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_micros();
    format!("binding-{now}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

fn errno<T: std::fmt::Debug>(answer: Result<T, CallError>) -> Errno {
    answer.unwrap_err().errno
}

#[test]
fn a_connection_knows_its_cluster() {
    let Some(ceph) = Ceph::at_hand() else { return };
    assert_eq!(ceph.cluster.fsid().unwrap(), ceph.run("ceph fsid").trim());
    assert!(ceph.cluster.ceph_version().unwrap().starts_with("ceph version "), "{:?}", ceph.cluster.ceph_version());
    assert_ne!(ceph.cluster.instance_id(), 0);
    let pools = ceph.cluster.pools().unwrap();
    assert!(["images", "vms"].iter().all(|name| pools.iter().any(|pool| pool == name)), "{pools:?}");
    assert!(pools.iter().all(|pool| !pool.is_empty()), "{pools:?}");
    assert!(ceph.cluster.pool("no such pool").unwrap().is_none());
    ceph.images.may_remove_objects(&unused_name()).unwrap();
}

#[test]
fn settings_are_read_and_written_before_connecting() {
    let Some(ceph) = Ceph::at_hand() else { return };
    let mut unconnected = set_up(&ceph.conf, "admin");
    assert_eq!(unconnected.get("fsid").unwrap(), ceph.cluster.fsid().unwrap());
    let long = "x".repeat(1000);
    unconnected.set("mon_dns_srv_name", &long).unwrap();
    assert_eq!(unconnected.get("mon_dns_srv_name").unwrap(), long);
    assert_eq!(errno(unconnected.get("no_such_option")), Errno::ENOENT);
    assert_eq!(errno(unconnected.set("no_such_option", "1")), Errno::ENOENT);
    assert_eq!(errno(unconnected.set("rados_osd_op_timeout", "soon")), Errno::EINVAL);
}

/// The file is searched where Ceph does, and the user is Ceph's default.
#[test]
fn without_a_setup_ceph_decides() {
    let Some(ceph) = Ceph::at_hand() else { return };
    let library = Library::load().unwrap();
    Unconnected::new(library, &Setup { conf_file: Some(&ceph.conf), user: None }).unwrap().connect().unwrap();
    // The test's own process may not get other variables, and may well have no file where Ceph looks: both answers show
    // that it was looked for.
    match Unconnected::new(library, &Setup::default()) {
        Ok(_) => {}
        Err(error) => assert_eq!(error, CallError::new("rados_conf_read_file", Errno::ENOENT)),
    }
}

#[test]
fn connecting_fails_with_a_reason() {
    let Some(ceph) = Ceph::at_hand() else { return };
    let nowhere = Setup { conf_file: Some("/nowhere/ceph.conf"), user: None };
    assert_eq!(errno(Unconnected::new(Library::load().unwrap(), &nowhere)), Errno::ENOENT);
    assert_eq!(errno(set_up(&ceph.conf, "nobody-has-this-name").connect()), Errno::ENOENT, "no keyring");
    let mut wrong = set_up(&ceph.conf, "admin");
    wrong.set("key", "AQABAAAAAAAAABAAAAAAAAAAAAAAAAAAAAAAAA==").unwrap();
    assert_eq!(errno(wrong.connect()), Errno::EACCES, "another key");
}

#[test]
fn an_image_of_glance_is_looked_at_and_removed() {
    let Some(ceph) = Ceph::at_hand() else { return };
    let name = ceph.glance_image();

    let look = ceph.images.open(&name, Access::ReadOnly).unwrap();
    assert_eq!(look.size().unwrap(), DATA);
    assert!(look.has_fast_diff().unwrap());
    assert_eq!(look.used().unwrap(), DATA);
    assert_eq!(look.snapshots().unwrap(), ["snap"]);
    assert!(look.is_protected("snap").unwrap());
    assert_eq!(look.children("snap").unwrap(), []);
    assert_eq!(look.lockers().unwrap(), []);
    assert_eq!(look.watchers().unwrap(), [], "looking leaves no trace");
    assert_eq!(errno(look.unprotect("snap")), Errno::EROFS);
    let id = look.id().unwrap();
    assert!(ceph.run(&format!("rbd info images/{name}")).contains(&id), "{id}");
    drop(look);

    let image = ceph.images.open_by_id(&id, Access::ReadWrite).unwrap();
    assert_eq!(image.size().unwrap(), DATA);
    assert_eq!(errno(ceph.images.remove(&name, |_, _| true)), Errno::ENOTEMPTY);
    assert_eq!(errno(image.remove_snapshot("snap")), Errno::EBUSY);
    image.unprotect("snap").unwrap();
    assert!(!image.is_protected("snap").unwrap());
    assert_eq!(errno(image.unprotect("snap")), Errno::EINVAL);
    image.remove_snapshot("snap").unwrap();
    assert_eq!(errno(image.unprotect("snap")), Errno::ENOENT);
    assert_eq!(errno(image.remove_snapshot("snap")), Errno::ENOENT);
    assert_eq!(errno(image.is_protected("snap")), Errno::ENOENT);
    assert_eq!(errno(image.children("snap")), Errno::ENOENT);
    drop(image);

    let seen = AtomicU64::new(0);
    let go_on = |done, total| {
        assert!(done <= total, "{done} of {total}");
        seen.fetch_max(total, Ordering::Relaxed);
        true
    };
    ceph.images.remove(&name, go_on).unwrap();
    assert!(seen.into_inner() > 0, "the callback was not called");
    assert_eq!(errno(ceph.images.open(&name, Access::ReadOnly)), Errno::ENOENT);
    assert_eq!(errno(ceph.images.open_by_id(&id, Access::ReadOnly)), Errno::ENOENT);
    assert_eq!(errno(ceph.images.remove(&name, |_, _| true)), Errno::ENOENT);
    assert_eq!(errno(ceph.images.trash_move(&name)), Errno::ENOENT);
}

#[test]
fn a_clone_that_needs_the_protection_is_named() {
    let Some(ceph) = Ceph::at_hand() else { return };
    let name = ceph.glance_image();
    let child = ceph.cloned(&name, 1);
    ceph.run(&format!("rbd resize --no-progress --size 16M images/{name}"));
    let image = ceph.images.open(&name, Access::ReadWrite).unwrap();
    let named = |in_trash| Child { pool: "vms".into(), namespace: String::new(), image: child.clone(), in_trash };
    assert_eq!(image.children("snap").unwrap(), [named(false)]);
    assert_eq!(image.size().unwrap(), 16 << 20, "it shows the present again, not the snapshot");
    assert_eq!(errno(image.unprotect("snap")), Errno::EBUSY);
    assert_eq!(errno(image.remove_snapshot("snap")), Errno::EBUSY);
    let vms = ceph.pool("vms");
    vms.trash_move(&child).unwrap();
    assert_eq!(image.children("snap").unwrap(), [named(true)]);
    let entry = vms.trash_list().unwrap().into_iter().find(|entry| entry.name == child).unwrap();
    vms.trash_remove(&entry.id, |_, _| true).unwrap();
    image.unprotect("snap").unwrap();
    drop(image);
    ceph.forget(&name);
}

#[test]
fn an_image_with_a_clone_can_only_go_to_the_trash() {
    let Some(ceph) = Ceph::at_hand() else { return };
    let name = ceph.image();
    ceph.snapshot(&name, "snap");
    let child = ceph.cloned(&name, 2);
    let image = ceph.images.open(&name, Access::ReadWrite).unwrap();
    let id = image.id().unwrap();
    image.remove_snapshot("snap").unwrap();
    assert_eq!(image.snapshots().unwrap(), [""; 0], "the one in the trash namespace does not show");
    drop(image);
    assert_eq!(errno(ceph.images.remove(&name, |_, _| true)), Errno::ENOTEMPTY);

    let now = i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap();
    ceph.images.trash_move(&name).unwrap();
    let entry = ceph.images.trash_list().unwrap().into_iter().find(|entry| entry.id == id).unwrap();
    assert_eq!((entry.name.as_str(), entry.source), (name.as_str(), TrashSource::User));
    assert!((now - 60..=now + 60).contains(&entry.deferred_until), "{now} {}", entry.deferred_until);
    assert_eq!(errno(ceph.images.open(&name, Access::ReadOnly)), Errno::ENOENT);
    assert_eq!(ceph.images.open_by_id(&id, Access::ReadOnly).unwrap().size().unwrap(), DATA);
    assert_eq!(errno(ceph.images.trash_remove(&id, |_, _| true)), Errno::ENOTEMPTY);

    ceph.pool("vms").remove(&child, |_, _| true).unwrap();
    ceph.images.trash_remove(&id, |_, _| true).unwrap();
    assert_eq!(errno(ceph.images.trash_remove(&id, |_, _| true)), Errno::ENOENT);
}

#[test]
fn the_trash_keeps_until_its_time() {
    let Some(ceph) = Ceph::at_hand() else { return };
    let name = ceph.image();
    let id = ceph.images.open(&name, Access::ReadOnly).unwrap().id().unwrap();
    ceph.run(&format!("rbd trash mv --expires-at tomorrow images/{name}"));
    let entry = ceph.images.trash_list().unwrap().into_iter().find(|entry| entry.id == id).unwrap();
    let now = i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap();
    assert!(entry.deferred_until > now, "{now} {}", entry.deferred_until);
    assert_eq!(errno(ceph.images.trash_remove(&id, |_, _| true)), Errno::EPERM);
    ceph.run(&format!("rbd trash rm --no-progress --force images/{id}"));
}

#[test]
fn who_has_an_image_open_or_locked_is_seen() {
    let Some(ceph) = Ceph::at_hand() else { return };
    let name = ceph.image();
    ceph.snapshot(&name, "snap");
    let look = ceph.images.open(&name, Access::ReadOnly).unwrap();
    let holder = ceph.images.open(&name, Access::ReadWrite).unwrap();
    let watchers = look.watchers().unwrap();
    assert_eq!(watchers.len(), 1, "{watchers:?}");
    assert_eq!(u64::try_from(watchers[0].id).unwrap(), ceph.cluster.instance_id());
    assert!(watchers[0].address.contains(':') && watchers[0].cookie != 0, "{watchers:?}");

    assert_eq!(look.lockers().unwrap(), []);
    holder.remove_snapshot("snap").unwrap();
    assert_eq!(look.lockers().unwrap(), [], "as it was when it was opened");
    let look = ceph.images.open(&name, Access::ReadOnly).unwrap();
    let lockers = look.lockers().unwrap();
    assert_eq!(lockers.len(), 1, "librbd locks in order to write: {lockers:?}");
    assert!(!lockers[0].is_advisory(), "{lockers:?}");
    assert_eq!(lockers[0].client, format!("client.{}", ceph.cluster.instance_id()));

    let other = Arc::new(set_up(&ceph.conf, "admin").connect().unwrap());
    let elsewhere = other.pool("images").unwrap().unwrap();
    assert_eq!(errno(elsewhere.remove(&name, |_, _| true)), Errno::EBUSY);
    drop((look, holder));
    elsewhere.remove(&name, |_, _| true).unwrap();
}

/// Long cookies, so that the buffers have to grow.
#[test]
fn advisory_locks_are_told_from_librbds() {
    let Some(ceph) = Ceph::at_hand() else { return };
    let name = ceph.image();
    let mut cookies = [1, 2].map(|number: u8| format!("{number}{}", "c".repeat(700)));
    for cookie in &cookies {
        ceph.run(&format!("rbd lock add --shared tag images/{name} {cookie}"));
    }
    let look = ceph.images.open(&name, Access::ReadOnly).unwrap();
    let mut lockers = look.lockers().unwrap();
    lockers.sort_by(|one, other| one.cookie.cmp(&other.cookie));
    cookies.sort();
    assert_eq!(lockers.iter().map(|locker| locker.cookie.as_str()).collect::<Vec<_>>(), cookies);
    for locker in &lockers {
        assert!(locker.is_advisory() && locker.client.starts_with("client."), "{locker:?}");
        assert!(locker.address.contains(':'), "{locker:?}");
        ceph.run(&format!("rbd lock rm images/{name} {} {}", locker.cookie, locker.client));
    }
    drop(look);
    ceph.forget(&name);
}

/// More than a list has room for at first.
#[test]
fn a_long_list_is_complete() {
    let Some(ceph) = Ceph::at_hand() else { return };
    let name = ceph.image();
    let snaps: Vec<_> = (10..30).map(|number| format!("snap{number}")).collect();
    for snap in &snaps {
        ceph.snapshot(&name, snap);
    }
    let look = ceph.images.open(&name, Access::ReadOnly).unwrap();
    assert_eq!(look.snapshots().unwrap(), snaps);
    drop(look);
    ceph.forget(&name);
}

/// Then it has data and no name to open it by; only another removal by its name finds it.
#[test]
fn a_removal_that_is_stopped_can_be_finished() {
    let Some(ceph) = Ceph::at_hand() else { return };
    let name = ceph.image();
    let id = ceph.images.open(&name, Access::ReadOnly).unwrap().id().unwrap();
    let parts = || ceph.run("rados --pool images ls").lines().filter(|object| object.contains(&id)).count();
    assert!(parts() > 3, "three objects of data, and the header");
    assert_eq!(errno(ceph.images.remove(&name, |_, _| false)), Errno::ECANCELED);
    assert!(parts() > 1);
    assert_eq!(errno(ceph.images.open(&name, Access::ReadOnly)), Errno::ENOENT);
    assert!(ceph.images.trash_list().unwrap().iter().all(|entry| entry.id != id));
    ceph.images.remove(&name, |_, _| true).unwrap();
    assert_eq!(parts(), 0);
    assert_eq!(errno(ceph.images.remove(&name, |_, _| true)), Errno::ENOENT);
}

#[test]
fn a_removal_from_the_trash_that_is_stopped_can_be_finished() {
    let Some(ceph) = Ceph::at_hand() else { return };
    let name = ceph.image();
    let id = ceph.images.open(&name, Access::ReadOnly).unwrap().id().unwrap();
    ceph.images.trash_move(&name).unwrap();
    assert_eq!(errno(ceph.images.trash_remove(&id, |_, _| false)), Errno::ECANCELED);
    assert!(ceph.images.trash_list().unwrap().iter().any(|entry| entry.id == id && entry.name == name));
    ceph.images.trash_remove(&id, |_, _| true).unwrap();
    assert!(ceph.images.trash_list().unwrap().iter().all(|entry| entry.id != id));
    assert!(!ceph.run("rados --pool images ls").contains(&id));
}

#[test]
fn a_panic_in_a_callback_comes_out_on_our_side() {
    let Some(ceph) = Ceph::at_hand() else { return };
    let name = ceph.image();
    let removal = AssertUnwindSafe(|| ceph.images.remove(&name, |_, _| panic!("on purpose")));
    let panic = catch_unwind(removal).unwrap_err();
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"on purpose"));
    ceph.images.remove(&name, |_, _| true).unwrap();
}

#[test]
fn an_image_of_the_old_format_has_no_id() {
    let Some(ceph) = Ceph::at_hand() else { return };
    let name = unused_name();
    ceph.run(&format!("rbd create --image-format 1 --size 8 images/{name}"));
    let image = ceph.images.open(&name, Access::ReadOnly).unwrap();
    assert_eq!(errno(image.id()), Errno::EINVAL);
    assert!(!image.has_fast_diff().unwrap());
    assert_eq!(image.used().unwrap(), 0);
    drop(image);
    ceph.images.remove(&name, |_, _| true).unwrap();
}

#[test]
fn a_user_that_may_only_read_hears_so() {
    let Some(ceph) = Ceph::at_hand() else { return };
    let name = ceph.glance_image();
    let user = unused_name();
    let key = ceph.run(&format!(
        "ceph auth get-or-create-key client.{user} mon profile\u{a0}rbd-read-only osd profile\u{a0}rbd-read-only"
    ));
    let mut unconnected = set_up(&ceph.conf, &user);
    unconnected.set("key", key.trim()).unwrap();
    let pool = Arc::new(unconnected.connect().unwrap()).pool("images").unwrap().unwrap();
    assert_eq!(errno(pool.may_remove_objects(&unused_name())), Errno::EPERM);
    assert_eq!(errno(pool.remove(&name, |_, _| true)), Errno::EPERM);
    assert_eq!(errno(pool.trash_move(&name)), Errno::EPERM);
    assert_eq!(errno(pool.open(&name, Access::ReadWrite)), Errno::EPERM);
    assert_eq!(pool.open(&name, Access::ReadOnly).unwrap().snapshots().unwrap(), ["snap"]);
    drop(pool);
    ceph.run(&format!("ceph auth del client.{user}"));
    ceph.forget(&name);
}

#[test]
fn a_blocklisted_connection_hears_so() {
    let Some(ceph) = Ceph::at_hand() else { return };
    let name = ceph.image();
    let image = ceph.images.open(&name, Access::ReadWrite).unwrap();
    let address = image.watchers().unwrap().remove(0).address;
    drop(image);
    ceph.run(&format!("ceph osd blocklist add {address}"));
    assert_eq!(errno(ceph.images.remove(&name, |_, _| true)), Errno::ESHUTDOWN);
    assert_eq!(errno(ceph.images.open(&name, Access::ReadOnly)), Errno::ESHUTDOWN);
    ceph.run(&format!("ceph osd blocklist rm {address}"));
    Ceph::at_hand().unwrap().forget(&name);
}

/// ENOENT is then no proof of anything, but the map tells: it is new again after the answer.
#[test]
fn a_pool_that_was_deleted_answers_like_a_missing_image() {
    let Some(ceph) = Ceph::at_hand() else { return };
    let name = unused_name();
    let create = format!("ceph osd pool create {name} 1");
    ceph.run(&create);
    let fresh = Ceph::at_hand().unwrap();
    let pool = fresh.pool(&name);
    ceph.run(&format!("ceph osd pool delete {name} {name} --yes-i-really-really-mean-it"));
    assert!(pool.is_there().unwrap(), "the map is an old one");
    assert_eq!(errno(pool.open("image", Access::ReadOnly)), Errno::ENOENT);
    assert!(!pool.is_there().unwrap());
    assert!(!fresh.cluster.pools().unwrap().contains(&name));
    assert_eq!(errno(pool.remove("image", |_, _| true)), Errno::ENOENT);
    assert_eq!(errno(pool.trash_move("image")), Errno::ENOENT);
    pool.may_remove_objects("object").unwrap();

    ceph.run(&create);
    assert_eq!(errno(pool.open("image", Access::ReadOnly)), Errno::ENOENT);
    assert!(!pool.is_there().unwrap(), "another of the same name is not this one");
    ceph.run(&format!("ceph osd pool delete {name} {name} --yes-i-really-really-mean-it"));
}

#[test]
fn a_pool_that_was_renamed_is_not_there() {
    let Some(ceph) = Ceph::at_hand() else { return };
    let (name, other, gone) = (unused_name(), unused_name(), unused_name());
    let delete = |name: &str| ceph.run(&format!("ceph osd pool delete {name} {name} --yes-i-really-really-mean-it"));
    ceph.run(&format!("ceph osd pool create {name} 1"));
    ceph.run(&format!("ceph osd pool create {gone} 1"));
    let fresh = Ceph::at_hand().unwrap();
    let (pool, helper) = (fresh.pool(&name), fresh.pool(&gone));
    ceph.run(&format!("ceph osd pool rename {name} {other}"));
    delete(&gone);
    assert_eq!(errno(helper.open("image", Access::ReadOnly)), Errno::ENOENT, "this brings the new map");
    assert!(!pool.is_there().unwrap());
    assert!(fresh.pool(&other).is_there().unwrap());
    delete(&other);
}

#[test]
fn a_name_with_a_nul_is_refused() {
    let Some(ceph) = Ceph::at_hand() else { return };
    assert_eq!(errno(ceph.images.remove("a\0b", |_, _| true)), Errno::EINVAL);
    assert_eq!(errno(ceph.images.open("a\0b", Access::ReadOnly)), Errno::EINVAL);
    assert!(ceph.cluster.pool("images\0").unwrap().is_none());
}

#[test]
fn leaving_without_cleanup_takes_the_code_along() {
    if std::env::var_os("LEAVE_NOW").is_some() {
        leave_without_cleanup(75);
    }
    let test = "store::rbd::librbd::tests::leaving_without_cleanup_takes_the_code_along";
    let program: &Path = &std::env::current_exe().unwrap();
    let status = Command::new(program).args(["--exact", test]).env("LEAVE_NOW", "1").status().unwrap();
    assert_eq!(status.code(), Some(75));
}
