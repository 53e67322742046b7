//! Who logs in, by every way in which a location can name that; and who may not.

use serde_json::Value;

use super::*;
use crate::support::cases::PENDING;
use crate::support::fault_proxy::{Fault, FaultProxy};

/// A file for `swift_store_config_file`, in the site's directory.
fn accounts(case: &Case<'_>, text: &str) -> String {
    std::fs::write(case.site.directory.path().join("accounts.conf"), text).unwrap();
    "swift_store_config_file = accounts.conf\n".to_owned()
}

fn section(cloud: &Cloud, name: &str, user: &str) -> String {
    let its = cloud.user(user);
    format!(
        "[{name}]\nuser = {}:{}\nkey = '{}'\nauth_address = {}\n",
        its.project,
        its.user,
        its.password.replace('%', "%%"),
        cloud.fact("/keystone/url")
    )
}

#[test]
fn accounts_of_a_file_are_found_by_their_name() {
    let Some(cloud) = Cloud::shared() else { return };
    let bin = container();
    let both = format!("{}{}", section(&cloud, "ref1", "demo"), section(&cloud, "ref2", "glance"));
    for (name, reference, note) in
        [("ref2", "ref2", ""), ("None", "ref2", "reference None"), ("ref2", "ref1", "not the default")]
    {
        let image = new_id();
        cloud.call("swift.put", json!({"object": image, "container": bin}));
        let case = Case::of(&cloud, "swift+config", &image, &format!("swift+config://{name}/{bin}/{image}"));
        let file = accounts(&case, &both);
        case.scrub_with(note, &format!("{file}default_swift_reference = {reference}\n")).ends_as("deleted");
        case.is_gone_from(&bin);
    }
    let case = Case::of(&cloud, "swift+config, unknown account", &new_id(), &format!("swift+config://gone/{bin}/o"));
    let file = accounts(&case, &both);
    case.scrub_with("", &file).ends_as("no_store").says(&["its account gone is not in accounts.conf"]);
    // An account that lacks its key, beside one that is whole.
    let image = new_id();
    cloud.call("swift.put", json!({"object": image, "container": bin}));
    let case =
        Case::of(&cloud, "swift+config, one account incomplete", &image, &format!("swift+config://ref2/{bin}/{image}"));
    let file = accounts(&case, &format!("[broken]\nuser = a:b\nauth_address = http://k\n{both}"));
    case.scrub_with("", &file).ends_as("deleted").remarks("account broken is left out: key is not set");
}

#[test]
fn without_a_file_the_options_are_the_account() {
    let Some(cloud) = Cloud::shared() else { return };
    let (bin, image) = (container(), new_id());
    cloud.call("swift.put", json!({"object": image, "container": bin}));
    let case = Case::of(&cloud, "swift+config without a file", &image, &format!("swift+config://ref1/{bin}/{image}"));
    case.scrub("").ends_as("deleted");
    case.is_gone_from(&bin);
}

/// The user of a domain of its own: the reference of the URL says which, and not the default one.
#[test]
fn domains_are_those_of_the_reference() {
    let Some(cloud) = Cloud::shared() else { return };
    let (bin, image, user) = (container(), new_id(), cloud.user("elsewhere"));
    cloud.call("swift.put", json!({"object": image, "container": bin, "user": "elsewhere"}));
    let case = Case::of(&cloud, "user of another domain", &image, &format!("swift+config://away/{bin}/{image}"));
    let domains = format!("user_domain_name = {}\nproject_domain_id = {}\n", user.domain, user.domain_id);
    let both = format!("{}{domains}{}", section(&cloud, "away", "elsewhere"), section(&cloud, "ref1", "glance"));
    let file = accounts(&case, &both);
    case.scrub_with("", &file).ends_as("deleted");
    assert_eq!(case.left_of("elsewhere", &bin).unwrap(), [""; 0]);
}

#[test]
fn an_application_credential_logs_in() {
    let Some(cloud) = Cloud::shared() else { return };
    let ((id, secret), keystone) = (cloud.application_credential("swift"), cloud.fact("/keystone/url"));
    let options = format!(
        "swift_store_auth_address = {keystone}\nswift_store_application_credential_id = {id}\n\
         swift_store_application_credential_secret = {secret}\n"
    );
    let bin = container();
    // The second form is what glance_store writes, and cannot read back.
    for uri in ["swift+config://ref1".to_owned(), keystone.replace("http://", "swift+http://")] {
        let image = new_id();
        cloud.call("swift.put", json!({"object": image, "container": bin}));
        let case = Case::of(&cloud, "application credential", &image, &format!("{uri}/{bin}/{image}"));
        let note = uri.split(':').next().unwrap().to_owned();
        case.scrub_with(&note, &options).ends_as("deleted");
        case.is_gone_from(&bin);
    }
}

#[test]
fn containers_by_seed_are_the_uris() {
    let Some(cloud) = Cloud::shared() else { return };
    let (bin, image) = (container(), new_id());
    let options = json!({"swift_store_multiple_containers_seed": 2});
    let uri = cloud.text("swift.add", json!({"image": image, "container": bin, "options": options}));
    let seeded = format!("{bin}_{}", &image[..2]);
    assert!(uri.contains(&seeded), "{uri}");
    let case = Case::of(&cloud, "container by seed", &image, &uri);
    case.scrub(&format!("swift_store_container = {bin}\nswift_store_multiple_containers_seed = 2\n"))
        .ends_as("deleted");
    case.is_gone_from(&seeded);
}

/// A user of Keystone's with a password as nasty as can be, which the driver writes into its URIs.
#[test]
fn passwords_may_have_any_character() {
    let Some(cloud) = Cloud::shared() else { return };
    let (name, password) = (format!("u{}", &new_id()[..8]), "p@ss:w/rd%3A@#?");
    let glance = cloud.user("glance");
    let made = json!({"user": {"name": name, "password": password, "domain_id": "default"}});
    let user = cloud.call("keystone.request", json!({"method": "POST", "path": "users", "body": made}));
    let user = user["body"]["user"]["id"].as_str().unwrap().to_owned();
    let roles = cloud.call("keystone.request", json!({"method": "GET", "path": "roles?name=swiftoperator"}));
    let role = roles["body"]["roles"][0]["id"].as_str().unwrap().to_owned();
    let grant = format!("projects/{}/users/{user}/roles/{role}", glance.project_id);
    cloud.call("keystone.request", json!({"method": "PUT", "path": grant}));
    let (bin, image) = (container(), new_id());
    let login = format!("{}:{name}", glance.project);
    let written = json!({"swift_store_user": login, "swift_store_key": password});
    let uri = cloud.text("swift.add", json!({"image": image, "container": bin, "options": written}));
    let case = Case::of(&cloud, "password with : / @ %", &image, &uri);
    let seen = case.scrub_with("", "");
    assert!(!seen.run.output().contains("p@ss") && !seen.run.output().contains("p%40ss"), "{}", seen.run.output());
    seen.ends_as("deleted");
    case.is_gone_from(&bin);
}

#[test]
fn who_is_refused_is_told_so() {
    let Some(cloud) = Cloud::shared() else { return };
    let (bin, image) = (container(), new_id());
    cloud.call("swift.put", json!({"object": image, "container": bin}));
    let uri = cloud.text("swift.uri", json!({"object": image, "container": bin}));
    let glance = cloud.user("glance");
    let wrong = uri.replace(&glance.password, "wr0ng-passw0rd");
    let case = Case::of(&cloud, "wrong password", &image, &wrong);
    case.scrub_with("", "").ends_as("forbidden").says(&["password is wrong"]);
    assert_eq!(case.left(&bin).unwrap(), [""]);
    let unknown = uri.replace("%3Aglance", "%3Anobody");
    Case::of(&cloud, "unknown user", &image, &unknown).scrub_with("", "").ends_as("forbidden");
    let reader = cloud.text("swift.uri", json!({"object": image, "container": bin, "user": "reader"}));
    Case::of(&cloud, "user without a role in Swift", &image, &reader)
        .scrub_with("", "")
        .ends_as("forbidden")
        .says(&["403"]);
    let foreign = cloud.text("swift.uri", json!({"object": image, "container": bin, "user": "demo"}));
    Case::of(&cloud, "foreign account", &image, &foreign)
        .scrub_with("", "")
        .ends_as("unavailable")
        .says(&["no container"]);
    let nobodys = uri.replace("/v3/", "/nothing/");
    Case::of(&cloud, "no Keystone there", &image, &nobodys)
        .scrub_with("", "")
        .ends_as("failed")
        .says(&["no Keystone v3"]);
    // The password was changed since: the config knows the new one.
    let case = Case::of(&cloud, "password changed since", &image, &wrong);
    case.scrub("").ends_as("deleted");
    case.is_gone_from(&bin);
}

/// Wrong passwords lock accounts, so each is shown once.
#[test]
fn a_wrong_password_is_shown_once() {
    let Some(cloud) = Cloud::shared() else { return };
    let keystone = FaultProxy::before(&cloud.fact("/keystone/url"));
    let (bin, glance) = (container(), cloud.user("glance"));
    let uri = |image: &str, key: &str| {
        let host = keystone.url().replace("http://", "");
        format!("swift+http://{}%3A{}:{key}@{host}/{bin}/{image}", glance.project, glance.user)
    };
    let site = Site::new(Engine::Sqlite);
    Image::active("living", &[&site.file("living")]).insert(&site.database);
    for _ in 0..20 {
        let image = new_id();
        cloud.call("swift.put", json!({"object": image, "container": bin}));
        Image::pending(&image, TimeDelta::hours(2), &[&uri(&image, "wr0ng-passw0rd")]).insert(&site.database);
    }
    let config = site.config("stores = file, swift\n");
    let run = site.run_with(&config, &["--once", "-f", "json"]);
    assert_eq!(run.code, Some(3), "{}", run.output());
    assert_shows_no_secret(&cloud, &run);
    // A busy Keystone answers with 500 now and then, and is asked again.
    let answered = |status: u16| {
        keystone.seen_of("POST", "/auth/tokens").iter().filter(|asked| asked.status == Some(status)).count()
    };
    assert_eq!((answered(401), answered(201)), (1, 0));
    keystone.forget();
    let own = options(&keystone.url(), &format!("{}:{}", glance.project, glance.user), &glance.password);
    let run = site.run_with(&site.config(&format!("stores = file, swift\n{own}")), &["--once", "-f", "json"]);
    assert_eq!(run.code, Some(0), "{}", run.output());
    assert_eq!(answered(401), 1, "the one that is wrong");
    assert_eq!(answered(201), 1, "the one that is right");
    assert_eq!(cloud.texts("swift.objects", json!({"container": bin})), [""; 0]);
}

/// Swift's own logins, without Keystone.
#[test]
fn version_one_logs_in_where_the_config_says_so() {
    let Some(cloud) = Cloud::shared() else { return };
    let (bin, image, user) = (container(), new_id(), "test:tester");
    cloud.call("swift.dlo", json!({"object": image, "segments": 3, "container": bin, "user": user}));
    let uri = cloud.text("swift.uri", json!({"object": image, "container": bin, "user": user}));
    let case = Case::of(&cloud, "auth_version = 1", &image, &uri);
    let wrong = cloud.fact("/swift/users/test:tester");
    let other = Case::of(&cloud, "auth_version = 1, wrong key", &image, &uri.replace(&wrong, "wr0ng-passw0rd"));
    other.scrub_with("", "swift_store_auth_version = 1\n").ends_as("forbidden");
    case.scrub_with("", "swift_store_auth_version = 1\n").ends_as("deleted");
    assert_eq!(case.left_of(user, &bin).unwrap(), [""; 0]);

    let image = new_id();
    cloud.call("swift.put", json!({"object": image, "container": bin, "user": user}));
    let case = Case::of(&cloud, "auth_version = 1 by reference", &image, &format!("swift+config://old/{bin}/{image}"));
    let (auth, key) = (cloud.fact("/swift/tempauth_v1"), cloud.fact("/swift/users/test:tester"));
    let file =
        accounts(&case, &format!("[old]\nuser = {user}\nkey = {key}\nauth_address = {auth}\nauth_version = 1\n"));
    case.scrub_with("", &file).ends_as("deleted");
}

/// What a living image points to by another spelling stays.
#[test]
fn one_object_is_the_same_by_every_spelling() {
    let Some(cloud) = Cloud::shared() else { return };
    let (bin, image) = (container(), new_id());
    cloud.call("swift.put", json!({"object": image, "container": bin}));
    let uri = cloud.text("swift.uri", json!({"object": image, "container": bin}));
    let case = Case::of(&cloud, "shared with a living image", &image, &format!("swift+config://ref1/{bin}/{image}"));
    let storage = cloud.text("swift.storage_url", json!({}));
    let by_url = format!("{}/{bin}/{image}", storage.replace("http://", "swift+http://"));
    for (living, note) in [(uri, "credentials"), (by_url, "the account's URL")] {
        let id = new_id();
        Image::active(&id, &[&living]).insert(&case.site.database);
        let seen = case.scrub_with(note, &format!("{}[scrubber]\nswift_service_auth = ref1\n", own(&cloud)));
        assert_eq!((seen.outcome.as_str(), seen.rows.as_str()), ("shared", PENDING), "{seen:#?}");
        assert_eq!(case.left(&bin).unwrap(), [""]);
        case.site.database.execute(&format!("DELETE FROM image_locations WHERE image_id = '{id}'"));
        case.site.database.execute(&format!("DELETE FROM images WHERE id = '{id}'"));
    }
    case.scrub("").ends_as("deleted");
}

/// Keystone by another address: another spelling of the same account, which is found out by logging in.
#[test]
fn an_account_by_another_address_is_compared_first() {
    let Some(cloud) = Cloud::shared() else { return };
    let keystone = FaultProxy::before(&cloud.fact("/keystone/url"));
    let (bin, image) = (container(), new_id());
    cloud.call("swift.put", json!({"object": image, "container": bin}));
    let own_uri = cloud.text("swift.uri", json!({"object": image, "container": bin}));
    let address = |url: &str| url.split("://").nth(1).unwrap().to_owned();
    let uri = own_uri.replace(&address(&cloud.fact("/keystone/url")), &address(&keystone.url()));
    let case = Case::of(&cloud, "account by another address", &image, &uri);
    Image::active(&new_id(), &[&own_uri]).insert(&case.site.database);
    case.scrub("").ends_as("unavailable").says(&["another address"]);
    let other = section(&cloud, "old", "glance").replace(&cloud.fact("/keystone/url"), &keystone.url());
    let file = accounts(&case, &format!("{}{other}", section(&cloud, "ref1", "glance")));
    let seen = case.scrub_with("which the config knows", &file);
    assert_eq!((seen.outcome.as_str(), seen.rows.as_str()), ("shared", PENDING), "{seen:#?}");
    assert_eq!(case.left(&bin).unwrap(), [""]);
}

#[test]
fn a_keystone_that_cannot_help_keeps_the_image() {
    let Some(cloud) = Cloud::shared() else { return };
    let keystone = FaultProxy::before(&cloud.fact("/keystone/url"));
    let (bin, image, glance) = (container(), new_id(), cloud.user("glance"));
    cloud.call("swift.put", json!({"object": image, "container": bin}));
    let case = Case::of(&cloud, "Keystone", &image, &format!("swift+config://ref1/{bin}/{image}"));
    let with = |url: &str| options(url, &format!("{}:{}", glance.project, glance.user), &glance.password);
    let soon = "[scrubber]\nstore_deadline = 4\n";
    case.scrub_with("no such region", &format!("{}swift_store_region = Nowhere\n", own(&cloud)))
        .ends_as("failed")
        .says(&["region Nowhere"]);
    case.scrub_with("refuses connections", &format!("{}{soon}", with("http://127.0.0.1:9/v3"))).ends_as("unavailable");
    keystone.fault(Fault::on("POST", "/auth/tokens").answer(503));
    case.scrub_with("503", &format!("{}{soon}", with(&keystone.url()))).ends_as("unavailable");
    keystone.mend();
    keystone.fault(Fault::on("POST", "/auth/tokens").answer(500).times(1));
    case.scrub_with("500 once", &with(&keystone.url())).ends_as("deleted");
}

/// Its user cannot log in any more.
#[test]
fn a_project_that_was_disabled_keeps_the_image() {
    let Some(cloud) = Cloud::shared() else { return };
    let (bin, image) = (container(), new_id());
    let request = |method: &str, path: String, body: Value| {
        cloud.call("keystone.request", json!({"method": method, "path": path, "body": body}))
    };
    let name = format!("p{}", &new_id()[..8]);
    let made = request("POST", "projects".to_owned(), json!({"project": {"name": name, "domain_id": "default"}}));
    let project = made["body"]["project"]["id"].as_str().unwrap().to_owned();
    let roles = request("GET", "roles?name=swiftoperator".to_owned(), Value::Null);
    let role = roles["body"]["roles"][0]["id"].as_str().unwrap().to_owned();
    let glance = cloud.user("glance");
    request("PUT", format!("projects/{project}/users/{}/roles/{role}", glance.user_id), Value::Null);
    let written = json!({"swift_store_user": format!("{name}:{}", glance.user)});
    let uri = cloud.text("swift.add", json!({"image": image, "container": bin, "options": written}));
    let case = Case::of(&cloud, "project disabled", &image, &uri);
    let enabled = |is: bool| request("PATCH", format!("projects/{project}"), json!({"project": {"enabled": is}}));
    enabled(false);
    case.scrub_with("", "").ends_as("forbidden");
    enabled(true);
    case.scrub_with("enabled again", "").ends_as("deleted");
}
