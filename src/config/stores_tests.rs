//! Modes, sections and fall-backs of the stores.

use std::collections::BTreeMap;

use super::super::error::Report;
use super::super::ini;
use super::super::raw::{ParsedFile, RawValues};
use super::*;

fn read(text: &str) -> (StoresConfig, Report) {
    let assignments = ini::parse_ini(text.as_bytes()).unwrap();
    let raw = RawValues::new(vec![ParsedFile { path: "f".into(), assignments }], BTreeMap::new(), Vec::new());
    let mut reader =
        Reader { raw, report: Report::default(), stores: Vec::new(), beside: Vec::new(), service_section: None };
    let backends = enabled_backends(&mut reader);
    reader.stores.clone_from(&backends);
    let stores = load(&mut reader, backends);
    (stores, reader.report)
}

/// `id=type directories timeout` of each store.
fn show(text: &str) -> String {
    let (config, report) = read(text);
    report.finish().unwrap_or_else(|errors| panic!("{text}: {errors}"));
    let stores = config.stores.iter().map(|store| match &store.kind {
        StoreKind::File(file) => {
            let dirs: Vec<_> = file.datadirs.iter().map(|dir| dir.display().to_string()).collect();
            format!("{}=file({}){}", store.id, dirs.join(","), file.timeout.map_or(0, |timeout| timeout.as_secs()))
        }
        StoreKind::Http => format!("{}=http", store.id),
        StoreKind::Rbd(rbd) => {
            let conf = rbd.conf_file.as_deref().unwrap_or("-");
            let user = rbd.user.as_deref().unwrap_or("-");
            format!("{}=rbd({conf},{user},{},{:?})", store.id, rbd.pool, rbd.timeout)
        }
        StoreKind::Swift(swift) => {
            let accounts: Vec<_> = swift.accounts.iter().map(|account| account.name.as_str()).collect();
            format!("{}=swift({},{})", store.id, accounts.join(","), swift.container)
        }
        StoreKind::S3(s3) => format!("{}=s3({},{:?})", store.id, s3.host.as_deref().unwrap_or("-"), s3.addressing),
        StoreKind::Unsupported(kind) => format!("{}={kind}?", store.id),
    });
    let mode = if config.multi { "multi" } else { "single" };
    std::iter::once(mode.to_owned()).chain(stores).collect::<Vec<_>>().join(" ")
}

fn warnings(text: &str) -> Vec<String> {
    read(text).1.finish().unwrap()
}

fn errors(text: &str) -> String {
    read(text).1.finish().unwrap_err().to_string()
}

#[test]
fn without_enabled_backends_there_is_one_store_a_type() {
    for (text, want) in [
        ("", "single file=file(/var/lib/glance/images)0 http=http"),
        ("[DEFAULT]\nenabled_backends =\n[glance_store]\nstores = file\n", "single file=file(/var/lib/glance/images)0"),
        (
            "[glance_store]\nstores = http, glance.store.filesystem.Store,file\nfilesystem_store_datadir = /d\n",
            "single http=http file=file(/d)0",
        ),
        ("[glance_store]\nstores = rbd,glance.store.s3.Store\n", "single rbd=rbd(-,-,images,Ours) s3=s3(-,Auto)"),
        ("[glance_store]\nstores = file\nfilesystem_store_timeout = 7\n", "single file=file(/var/lib/glance/images)7"),
        // The shared section is for multi-store mode only.
        (
            "[glance_store]\nstores = file\n[backend_defaults]\nfilesystem_store_datadir = /d\n",
            "single file=file(/var/lib/glance/images)0",
        ),
    ] {
        assert_eq!(show(text), want, "{text}");
    }
}

const MULTI: &str = "[DEFAULT]\nenabled_backends = Fast:file, slow:file,\n  web:http, ceph:rbd\n";

#[test]
fn each_store_has_its_section_then_the_shared_one_then_the_default() {
    for (text, want) in [
        ("", "Fast=file(/var/lib/glance/images)0 slow=file(/var/lib/glance/images)0"),
        ("[FAST]\nfilesystem_store_datadir=/f\n[slow]\nfilesystem_store_datadir=/s\n", "Fast=file(/f)0 slow=file(/s)0"),
        (
            "[fast]\nfilesystem_store_datadir=/f\nfilesystem_store_timeout=3\n[backend_defaults]\n\
             filesystem_store_datadir=/b\nfilesystem_store_timeout=9\n",
            "Fast=file(/f)3 slow=file(/b)9",
        ),
        // An empty number is not set, so the shared one counts.
        (
            "[fast]\nfilesystem_store_timeout=\n[backend_defaults]\nfilesystem_store_timeout=9\n",
            "Fast=file(/var/lib/glance/images)9 slow=file(/var/lib/glance/images)9",
        ),
        // The single-store section does not count.
        (
            "[glance_store]\nfilesystem_store_datadir=/g\n",
            "Fast=file(/var/lib/glance/images)0 slow=file(/var/lib/glance/images)0",
        ),
    ] {
        assert_eq!(
            show(&format!("{MULTI}{text}")),
            format!("multi {want} web=http ceph=rbd(-,-,images,Ours)"),
            "{text}"
        );
    }
}

#[test]
fn an_rbd_store_tells_a_timeout_that_is_not_set_from_one_that_is_off() {
    let text = |lines: &str| format!("[glance_store]\nstores = rbd\nrbd_store_user = glance\n{lines}");
    for (lines, want) in [
        ("", "-,glance,images,Ours"),
        ("rados_connect_timeout =\n", "-,glance,images,Ours"),
        ("rados_connect_timeout = -1\n", "-,glance,images,Cephs"),
        ("rados_connect_timeout = 0\n", "-,glance,images,Fixed(0ns)"),
        ("rados_connect_timeout = 5\nrbd_store_pool = vms\nrbd_store_ceph_conf = /c\n", "/c,glance,vms,Fixed(5s)"),
    ] {
        assert_eq!(show(&text(lines)), format!("single rbd=rbd({want})"), "{lines}");
    }
}

#[test]
fn several_directories() {
    let text = |lines: &str| format!("[glance_store]\nstores = file\n{lines}");
    for (lines, want) in [
        ("filesystem_store_datadir=\nfilesystem_store_datadirs=/a:200\nfilesystem_store_datadirs=/b\n", "/a,/b"),
        ("filesystem_store_datadirs=/a:b: 1 \n", "/a:b"),
        ("filesystem_store_datadirs=/a:\nfilesystem_store_datadirs=/a\n", "/a"),
        ("filesystem_store_datadir=/x\nfilesystem_store_datadirs=/a\n", "/a,/x"),
    ] {
        assert_eq!(show(&text(lines)), format!("single file=file({want})0"), "{lines}");
    }
    assert_eq!(warnings(&text("filesystem_store_datadir=/x\nfilesystem_store_datadirs=/a\n")).len(), 1);
    assert_eq!(warnings(&text("filesystem_store_datadirs=/a\n")).len(), 0);
    assert_eq!(
        errors(&text("filesystem_store_datadirs=/a:b\nfilesystem_store_datadirs=:1\nfilesystem_store_datadir=\n")),
        "f:3: [glance_store] filesystem_store_datadirs: the priority after the last colon is not a whole number\n\
         f:4: [glance_store] filesystem_store_datadirs: an entry has no directory"
    );
    assert_eq!(
        errors(&text("filesystem_store_datadir=\n")),
        "f:3: [glance_store] filesystem_store_datadir: the store has no directory; set this or \
         filesystem_store_datadirs"
    );
}

#[test]
fn bad_backends_are_errors() {
    for (value, want) in [
        ("a:file,", "should be NAME:VALUE pairs"),
        ("a", "should be NAME:VALUE pairs"),
        (":file", "empty name"),
        ("a:file,a:rbd", "same name twice"),
    ] {
        let text = format!("[DEFAULT]\nenabled_backends = {value}\n");
        assert!(errors(&text).starts_with("f:2: [DEFAULT] enabled_backends: "), "{value}");
        assert!(errors(&text).contains(want), "{value}: {}", errors(&text));
    }
}

#[test]
fn what_glance_refuses_for_new_images_is_a_warning() {
    let text = "[DEFAULT]\nenabled_backends = a:file, os_glance_staging_store:file, b:sheepdog, c:\n";
    assert_eq!(show(text), "multi a=file(/var/lib/glance/images)0 b=sheepdog? c=?");
    assert_eq!(
        warnings(text),
        [
            "[glance_store] default_backend is not set; Glance itself will not start without",
            "store os_glance_staging_store: ids that begin with os_glance_ are Glance's own; left out",
            "store b: type sheepdog is not known; its locations stay pending",
            "store c: type (not shown) is not known; its locations stay pending",
        ]
    );
    let text = "[DEFAULT]\nenabled_backends = a:http\n[glance_store]\ndefault_backend = ";
    assert_eq!(warnings(&format!("{text}b\n")).len(), 1);
    assert_eq!(warnings(&format!("{text}a\n")).len(), 0);
}

#[test]
fn options_that_deleting_does_not_need_may_be_wrong() {
    let text = "[glance_store]\nstores = file,rbd\nfilesystem_store_chunk_size = many\nrbd_store_chunk_size = 0\n\
                default_store = nowhere\nfilesystem_thin_provisioning = perhaps\n";
    assert_eq!(show(text), "single file=file(/var/lib/glance/images)0 rbd=rbd(-,-,images,Ours)");
    assert_eq!(
        errors("[backend_defaults]\nfilesystem_store_timeout = -1\n[DEFAULT]\nenabled_backends = a:file, b:file\n"),
        "f:2: [backend_defaults] filesystem_store_timeout: `-1` should be greater than or equal to 0"
    );
}

#[test]
fn an_interpolated_directory() {
    let text = "[DEFAULT]\nenabled_backends = a:file\nlog_dir = /base\n[a]\nfilesystem_store_datadir = $log_dir/a\n";
    assert_eq!(show(text), "multi a=file(/base/a)0");
}
