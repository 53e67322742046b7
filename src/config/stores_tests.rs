//! Modes, sections and fall-backs of the stores.

use std::collections::BTreeMap;

use super::super::CinderUser;
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
        StoreKind::Cinder(cinder) => {
            let (project, seconds) = (cinder.project().unwrap_or("-"), cinder.timeout.as_secs());
            format!("{}=cinder({},{project},{seconds})", store.id, cinder.auth_url.as_deref().unwrap_or("-"))
        }
        StoreKind::Vsphere(vsphere) => {
            let (dir, seconds) = (&vsphere.image_dir, vsphere.poll_interval.as_secs());
            format!("{}=vmware({},{dir},{seconds})", store.id, vsphere.host.as_deref().unwrap_or("-"))
        }
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

fn cinder(lines: &str) -> CinderConfig {
    let (config, report) = read(&format!("[glance_store]\nstores = cinder\n{lines}"));
    report.finish().unwrap_or_else(|errors| panic!("{lines}: {errors}"));
    match config.stores.into_iter().next().unwrap().kind {
        StoreKind::Cinder(cinder) => cinder,
        other => panic!("{other:?}"),
    }
}

const USER: &str = "cinder_store_auth_address = http://k:5000\ncinder_store_user_name = u\n\
                    cinder_store_password = p\ncinder_store_project_name = service\n";
const APPLICATION: &str =
    "cinder_store_application_credential_id = i\ncinder_store_application_credential_secret = s\n";

#[test]
fn a_cinder_store_has_credentials_where_none_is_missing() {
    let who = |lines: &str| match cinder(lines).user {
        None => "nobody".to_owned(),
        Some(CinderUser::Application { id, .. }) => id,
        Some(CinderUser::Password { user, user_domain, project, project_domain, .. }) => {
            format!("{user}@{user_domain} {project}@{project_domain}")
        }
    };
    assert_eq!(who(USER), "u@Default service@Default");
    assert_eq!(
        who(&format!("{USER}cinder_store_user_domain_name = d\ncinder_store_project_domain_name = e\n")),
        "u@d service@e"
    );
    assert_eq!(who(APPLICATION), "i");
    assert_eq!(who(&format!("{USER}{APPLICATION}")), "i", "as in glance_store");
    for lacking in ["user_name = u", "password = p", "project_name = service"] {
        assert_eq!(who(&USER.replace(&format!("cinder_store_{lacking}"), "")), "nobody", "{lacking}");
    }
    assert_eq!(who(&APPLICATION.replace("secret = s", "secret =")), "nobody");
}

#[test]
fn what_is_in_cinders_catalog_counts_where_somebody_said_so() {
    let catalog = |line: &str| {
        cinder(&format!("cinder_catalog_info = {line}\n"))
            .catalog
            .map(|info| format!("{} {}", info.service, info.interface))
    };
    assert_eq!(cinder("").catalog, None, "the default");
    assert_eq!(catalog(""), None);
    assert_eq!(catalog("volumev3:cinderv3:internalURL").as_deref(), Some("volumev3 internalURL"));
    assert_eq!(catalog("volumev2::publicURL").as_deref(), Some("volumev3 publicURL"), "which no Cinder has any more");
    assert_eq!(catalog("block-storage::adminURL").as_deref(), Some("block-storage adminURL"));
    for line in ["volumev3", "a:b:c:d", "volumev3::somewhere"] {
        let text = format!("[glance_store]\nstores = cinder\ncinder_catalog_info = {line}\n");
        assert!(errors(&text).contains("cinder_catalog_info: must"), "{line}");
    }
}

#[test]
fn stores_of_one_cinder_are_told_from_others() {
    let one = cinder(USER);
    assert!(one.is_same_place(&cinder(&format!("{USER}cinder_volume_type = fast\n"))));
    for other in [
        USER.replace("= service", "= other"),
        USER.replace("http://k", "http://l"),
        format!("{USER}cinder_os_region_name = r\n"),
        format!("{USER}cinder_endpoint_template = http://c\n"),
        format!("{USER}{APPLICATION}"),
    ] {
        assert!(!one.is_same_place(&cinder(&other)), "{other}");
    }
}

#[test]
fn a_vmware_store_knows_its_directory_and_its_datastores() {
    let vsphere = |lines: &str| {
        let (config, report) = read(&format!("[glance_store]\nstores = vmware\n{lines}"));
        report.finish().unwrap();
        match config.stores.into_iter().next().unwrap().kind {
            StoreKind::Vsphere(vsphere) => vsphere,
            other => panic!("{other:?}"),
        }
    };
    for (line, dir) in [("", "openstack_glance"), ("/", "openstack_glance"), ("/a/b/", "a/b"), ("c", "c")] {
        let line = if line.is_empty() { String::new() } else { format!("vmware_store_image_dir = {line}\n") };
        assert_eq!(vsphere(&line).image_dir, dir, "{line}");
    }
    let lines = "vmware_datastores = dc1:ds1:100\nvmware_datastores = /f/dc2:ds 2\nvmware_datastores = broken\n";
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(vsphere(lines).datastores, [pair("dc1", "ds1"), pair("/f/dc2", "ds 2")]);
    let insecure = "vmware_insecure = true\n";
    assert!(vsphere(insecure).insecure);
    assert!(!vsphere(&format!("{insecure}vmware_ca_file = /ca\n")).insecure, "the file wins");
    assert!(vsphere("vmware_server_username = u\n").user.is_none());
}
