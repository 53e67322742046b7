//! The accounts of a `swift` store, from a file, from its own options and from another section.

use std::fmt::Write;

use secrecy::ExposeSecret;

use super::super::sources::{ConfigSource, Invocation};
use super::super::{Config, ConfigErrors, load};
use super::*;

/// With `accounts` as the file that the config may name.
fn config(text: &str, accounts: &str) -> Result<Config, ConfigErrors> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("glance.conf");
    std::fs::write(&path, format!("[database]\nconnection = sqlite:////x\n[glance_store]\nstores = swift\n{text}"))
        .unwrap();
    std::fs::write(directory.path().join("accounts.conf"), accounts).unwrap();
    load(&Invocation { sources: vec![ConfigSource::File(path)], search: Some(Vec::new()), ..Invocation::default() })
}

fn swift(config: &Config) -> &SwiftConfig {
    match &config.stores.stores[0].kind {
        StoreKind::Swift(swift) => swift,
        other => panic!("{other:?}"),
    }
}

fn show(account: &SwiftAccount) -> String {
    let mut out = format!("{} {} {:?}", account.name, account.auth_address, account.auth);
    match &account.user {
        SwiftUser::Application { id, secret } => write!(out, " {id} {}", secret.expose_secret()),
        SwiftUser::Password { user, key, project, user_domain, project_domain } => {
            let key = key.expose_secret();
            write!(out, " {user:?} {key} {project:?} {user_domain:?} {project_domain:?}")
        }
    }
    .unwrap();
    out.replace("\"", "")
}

const FILE: &str = "swift_store_config_file = accounts.conf\n";

#[test]
fn accounts_are_read_as_glance_store_reads_them() {
    let text = "[DEFAULT]\nauth_address = http://k:5000/v3\nhidden = p%%w\n\
                [plain]\nuser = service:glance\nkey = %(hidden)s\n\
                [quoted]\nuser = 'a:b'\nkey: \"x y\"\nuser_domain_name = U\nproject_domain_id = P\nauth_version = 1\n\
                [application]\napplication_credential_id = i\napplication_credential_secret = s\nAuth_Address = k\n";
    let config = config(FILE, text).unwrap();
    let accounts: Vec<_> = swift(&config).accounts.iter().map(show).collect();
    assert_eq!(
        accounts,
        [
            "plain http://k:5000/v3 Keystone Name(glance) p%w Name(service) Id(default) Id(default)",
            "quoted http://k:5000/v3 V1 Name(b) x y Name(a) Name(U) Id(P)",
            "application k Keystone i s",
        ]
    );
}

#[test]
fn what_is_incomplete_is_left_out_and_told_without_its_value() {
    let text = "[a]\nuser = hidden:hidden\nkey = hidden\n[b]\nuser = hidden\nkey = x\nauth_address = y\n\
                [c]\nuser = 'hidden\nauth_address = y\n[d]\nuser = a:b\nkey = hidden%hidden\nauth_address = y\n\
                [e]\nuser = a:b\nkey = x\nauth_address = y\n";
    let config = config(FILE, text).unwrap();
    assert_eq!(swift(&config).accounts.len(), 1);
    let told = config.warnings.join("\n");
    for what in [
        "auth_address is not set",
        "PROJECT:USER",
        "user has a quote that is not closed",
        "key has a % that stands alone",
    ] {
        assert!(told.contains(what), "{what} in {told}");
    }
    assert!(!told.contains("hidden"), "{told}");
}

#[test]
fn a_file_that_cannot_be_read_stops_nothing() {
    for (option, accounts, told) in [
        ("swift_store_config_file = gone.conf\n", "", "gone.conf was not found"),
        (FILE, "[a]\nno assignment\n", "accounts.conf:2: it has neither = nor :"),
        (FILE, "[a]\nk=1\n[a]\n", "accounts.conf:3: the section of that name is there already"),
    ] {
        let config = config(option, accounts).unwrap();
        assert!(swift(&config).accounts.is_empty());
        assert!(config.warnings.join("\n").contains(told), "{told} in {:?}", config.warnings);
    }
}

#[test]
fn the_options_are_an_account_where_there_is_no_file() {
    let own = "swift_store_user = a:b\nswift_store_key = x\nswift_store_auth_address = http://k\n";
    let of = |text: &str| swift(&config(text, "").unwrap()).accounts.iter().map(show).collect::<Vec<_>>();
    assert_eq!(of(own), ["ref1 http://k Keystone Name(b) x Name(a) Id(default) Id(default)"]);
    let other = format!("{own}default_swift_reference = r\nswift_store_auth_version = 1\n");
    assert_eq!(of(&other), ["r http://k V1 Name(b) x Name(a) Id(default) Id(default)"]);
    let application = "swift_store_application_credential_id = i\nswift_store_application_credential_secret = s\n";
    assert_eq!(of(&format!("{own}{application}")), ["ref1 http://k Keystone i s"]);
    assert_eq!(of("swift_store_user = a:b\n"), [""; 0]);
}

#[test]
fn the_service_login_is_an_account_or_a_section() {
    let of = |text: &str| {
        let config = config(text, "[ref1]\nuser = a:b\nkey = x\nauth_address = y\n");
        config.map(|config| swift(&config).service.as_ref().map(show)).map_err(|errors| errors.to_string())
    };
    let section = "[keystone_authtoken]\nauth_url = http://k\nusername = u\npassword = x\nproject_name = p\n\
                   user_domain_name = Default\nproject_domain_name = Default\n";
    let named = "[scrubber]\nswift_service_auth = keystone_authtoken\n";
    let want = "keystone_authtoken http://k Keystone Name(u) x Name(p) Name(Default) Name(Default)";
    assert_eq!(of(&format!("{named}{section}")).unwrap().unwrap(), want);
    assert_eq!(of("").unwrap(), None);
    let by_name = of(&format!("{FILE}[scrubber]\nswift_service_auth = ref1\n")).unwrap().unwrap();
    assert!(by_name.starts_with("ref1 y "), "{by_name}");
    for (text, why) in [
        (named.to_owned(), "auth_url"),
        (format!("{named}{}", section.replace("password", "passw0rd")), "password"),
        ("[scrubber]\nswift_service_auth = database\n".to_owned(), "must name an account"),
        ("[scrubber]\nswift_service_auth =\n".to_owned(), "must name an account"),
    ] {
        let error = of(&text).unwrap_err();
        assert!(error.contains("swift_service_auth") && error.contains(why), "{error}");
    }
}
