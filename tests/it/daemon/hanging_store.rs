//! A store that gives no answer.

use rustix::process::Signal;

use super::*;
use crate::support::ceph::{Ceph, Kept, new_id};
use crate::support::eventually_every;

/// Ceph's own time-outs, which are none: only the deadline of the call ends it, and that is 40 s at least.
#[test]
fn a_cluster_that_hangs_holds_up_itself_alone_and_the_watchdog_is_fed() {
    let Some(ceph) = Ceph::private(Kept::InMemory(1024)) else { return };
    let (site, manager) = (site(), Manager::new());
    let pending = |store: &str, id: &str, uri: &str| {
        let meta_data = format!(r#"{{"store": "{store}"}}"#);
        Image::pending(id, TimeDelta::hours(2), &[uri]).with_meta_data(Some(&meta_data)).insert(&site.database);
    };
    let hanging = new_id();
    pending("ceph", &hanging, &ceph.add(&hanging));
    let files: Vec<_> = (0..200).map(|number| format!("file{number}")).collect();
    files.iter().for_each(|id| pending("files", id, &site.file(id)));
    let config = format!(
        "[DEFAULT]\nwakeup_time = 1\nenabled_backends = ceph:rbd, files:file\n[ceph]\nrados_connect_timeout = -1\n\
         rbd_store_user = glance\nrbd_store_ceph_conf = {}\n[files]\nfilesystem_store_datadir = {}\n\
         [glance_store]\ndefault_backend = files\n[scrubber]\nstore_deadline = 1\n",
        ceph.conf().display(),
        site.data().display(),
    );
    ceph.order("freeze osd");
    let command = daemon(&site, &config).env("WATCHDOG_USEC", "2000000");
    let running = command.env("NOTIFY_SOCKET", manager.directory.path().join("notify")).start();
    manager.until("READY=1");
    let begun = Instant::now();
    eventually_every(Duration::from_millis(100), "the files to go", || {
        manager.forget();
        files.iter().all(|id| is_gone(&site, id).is_some()).then_some(())
    });
    assert!(begun.elapsed() < Duration::from_secs(20), "files waited for Ceph: {:?}", begun.elapsed());

    // Until the deadline has passed, and the cycle ended: never 2 s without a sign of life.
    manager.socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let (mut fed, mut last) = (0, Instant::now());
    loop {
        let message = manager.hear();
        if message.contains("WATCHDOG=1") {
            fed += 1;
            last = Instant::now();
        }
        assert!(last.elapsed() < Duration::from_secs(2), "systemd would have ended it");
        if message.contains("STATUS=Idle") {
            break;
        }
    }
    let hung = begun.elapsed();
    assert!((30..60).contains(&hung.as_secs()), "ended by its deadline: {hung:?}");
    assert!(fed >= 20, "fed {fed} times in {hung:?}");
    running.until_stderr("Reason: unavailable");
    assert_eq!(states(&site.database, &hanging).0, "pending_delete");

    ceph.order("thaw osd");
    manager.socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    eventually_every(Duration::from_secs(1), "the image to go, now that Ceph answers", || {
        manager.forget();
        running.signal(Signal::USR1);
        (states(&site.database, &hanging).0 == "deleted").then_some(())
    });
    assert_eq!(ceph.look(&hanging), "gone");
    running.signal(Signal::TERM);
    running.wait().expect_code(0);
}
