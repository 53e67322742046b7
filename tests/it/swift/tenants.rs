//! Images in the accounts of their owners (`swift_store_multi_tenant`): a container for each, and no credentials.

use super::*;
use crate::support::fault_proxy::{Fault, FaultProxy};

/// Of demo, as glance_store writes them; and the container's name.
fn stored<'a>(cloud: &'a Cloud, name: &str, size: usize) -> (Case<'a>, String) {
    let image = new_id();
    let options = json!({"swift_store_multi_tenant": true});
    let uri = cloud.text("swift.add", json!({"image": image, "size": size, "user": "demo", "options": options}));
    let container = format!("glance_{image}");
    assert!(uri.contains(&container), "{uri}");
    (Case::of(cloud, name, &image, &uri), container)
}

fn service(cloud: &Cloud, user: &str) -> String {
    let its = cloud.user(user);
    format!(
        "swift_store_multi_tenant = true\n[scrubber]\nswift_service_auth = keystone_authtoken\n[keystone_authtoken]\n\
         auth_url = {}\nusername = {}\npassword = {}\nproject_name = {}\nuser_domain_name = Default\n\
         project_domain_name = Default\n",
        cloud.fact("/keystone/url"),
        its.user,
        its.password,
        its.project
    )
}

#[test]
fn the_reseller_role_deletes_images_with_their_containers() {
    let Some(cloud) = Cloud::shared() else { return };
    for (size, name) in [(1000, "multi-tenant, reseller"), (2 * MEGABYTE, "multi-tenant, reseller, DLO")] {
        let (case, container) = stored(&cloud, name, size);
        case.scrub_with("", &service(&cloud, "reseller")).ends_as("deleted");
        assert_eq!(case.left_of("demo", &container), None);
    }
}

#[test]
fn without_a_login_or_without_its_role_they_stay() {
    let Some(cloud) = Cloud::shared() else { return };
    let (case, container) = stored(&cloud, "multi-tenant", 1000);
    let seen = case.scrub_with("no login configured", "swift_store_multi_tenant = true\n");
    seen.ends_as("forbidden").says(&["swift_service_auth", "reseller"]);
    case.scrub_with("operator of another project", &service(&cloud, "glance")).ends_as("forbidden").says(&["403"]);
    assert_eq!(case.left_of("demo", &container).unwrap(), [""]);
    // Who is operator of the project itself needs no reseller role.
    case.scrub_with("operator of its project", &service(&cloud, "demo")).ends_as("deleted");
    assert_eq!(case.left_of("demo", &container), None);
}

#[test]
fn a_container_that_is_not_empty_stays_and_one_that_is_goes_with_nothing_in_it() {
    let Some(cloud) = Cloud::shared() else { return };
    let reseller = service(&cloud, "reseller");
    let (case, container) = stored(&cloud, "multi-tenant, container not empty", 1000);
    cloud.call("swift.put", json!({"object": "extra", "container": container, "user": "demo"}));
    case.scrub_with("", &reseller).ends_as("deleted").remarks("stays: it is not empty");
    assert_eq!(cloud.texts("swift.objects", json!({"container": container, "user": "demo"})), ["extra"]);

    let (case, container) = stored(&cloud, "multi-tenant, object gone", 1000);
    let path = format!("/{container}/{}", case.image);
    cloud.call("swift.request", json!({"method": "DELETE", "path": path, "user": "demo"}));
    case.scrub_with("", &reseller).ends_as("absent");
    assert_eq!(case.left_of("demo", &container), None);

    let (case, container) = stored(&cloud, "multi-tenant, container gone", 1000);
    for path in [format!("/{container}/{}", case.image), format!("/{container}")] {
        cloud.call("swift.request", json!({"method": "DELETE", "path": path, "user": "demo"}));
    }
    case.scrub_with("", &reseller).ends_as("absent");
}

/// As long as Swift takes it for full, although nothing is in it any more.
#[test]
fn a_container_that_seems_full_is_tried_again() {
    let Some(cloud) = Cloud::shared() else { return };
    let proxy = FaultProxy::before(&cloud.fact("/swift/keystone"));
    let (stored, container) = stored(&cloud, "multi-tenant, container seems full", 1000);
    let storage = cloud.text("swift.storage_url", json!({"user": "demo"}));
    let storage = storage.replace(&cloud.fact("/swift/keystone"), proxy.origin());
    let uri = format!("{}/{container}/{}", storage.replace("http://", "swift+http://"), stored.image);
    let case = Case::of(&cloud, &stored.name, &stored.image, &uri);
    let endpoint = format!("{}/v1/AUTH_{}", proxy.origin(), cloud.user("reseller").project_id);
    let options = format!("swift_store_endpoint = {endpoint}\n{}", service(&cloud, "reseller"));
    proxy.fault(Fault::on("DELETE", &container).after(1).answer(409));
    case.scrub_with("", &options).ends_as("unavailable").says(&["has not noticed yet"]);
    assert_eq!(case.left_of("demo", &container).unwrap(), [""; 0]);
    proxy.mend();
    case.scrub_with("the next cycle", &options).ends_as("absent");
    assert_eq!(case.left_of("demo", &container), None);
}

/// The row says which account it is, and its project is gone.
#[test]
fn an_account_that_is_not_there_is_told_or_empty() {
    let Some(cloud) = Cloud::shared() else { return };
    let image = new_id();
    let storage = cloud.text("swift.storage_url", json!({"user": "demo"}));
    let nobodys = storage.replace(&cloud.user("demo").project_id, &new_id().replace('-', ""));
    let uri = format!("{}/glance_{image}/{image}", nobodys.replace("http://", "swift+http://"));
    let case = Case::of(&cloud, "multi-tenant, no such account", &image, &uri);
    case.scrub_with("", &service(&cloud, "reseller")).ends_as("absent");
}

/// Neither by another host, nor another port, nor another scheme.
#[test]
fn no_token_goes_to_where_a_row_wants_it() {
    let Some(cloud) = Cloud::shared() else { return };
    let spy = FaultProxy::before(&cloud.fact("/swift/keystone"));
    let storage = cloud.text("swift.storage_url", json!({"user": "demo"}));
    let path = storage.strip_prefix(&cloud.fact("/swift/keystone")).unwrap().to_owned();
    let image = new_id();
    for (origin, note) in [
        (spy.origin().replace("http://", "swift+http://"), "another port"),
        (cloud.fact("/swift/keystone").replace("http://", "swift+https://"), "another scheme"),
        ("swift+http://localhost:9".to_owned(), "another host"),
    ] {
        let uri = format!("{origin}{path}/glance_{image}/{image}");
        let case = Case::of(&cloud, "multi-tenant, elsewhere", &image, &uri);
        case.scrub_with(note, &service(&cloud, "reseller")).ends_as("forbidden").says(&["no token is sent there"]);
    }
    assert_eq!(spy.seen().len(), 0);
    // Below another root, and the root itself.
    for path in ["/v2/AUTH_x", "/v1"] {
        let origin = cloud.fact("/swift/keystone").replace("http://", "swift+http://");
        let case =
            Case::of(&cloud, "multi-tenant, no account", &image, &format!("{origin}{path}/glance_{image}/{image}"));
        case.scrub_with(path, &service(&cloud, "reseller")).ends_as("forbidden").says(&["names no account"]);
    }
}

#[test]
fn a_check_says_what_a_login_is_good_for() {
    let Some(cloud) = Cloud::shared() else { return };
    let bin = container();
    let check = |options: &str| {
        let site = Site::new(Engine::Sqlite);
        let config = site.config(&format!("stores = file, swift\nswift_store_container = {bin}\n{options}"));
        let run = site.run_with(&config, &["--check", "-f", "json"]);
        assert_shows_no_secret(&cloud, &run);
        run.output()
    };
    assert!(check(&own(&cloud)).contains(&format!("there is no container {bin}")), "{}", check(&own(&cloud)));
    cloud.call("swift.make_container", json!({"container": bin}));
    let output = check(&own(&cloud));
    assert!(output.contains("bulk delete, static large objects"), "{output}");
    let output = check(&service(&cloud, "glance"));
    assert!(output.contains("none of its roles"), "{output}");
    let output = check(&service(&cloud, "reseller"));
    assert!(output.contains("its roles are") && output.contains("ResellerAdmin"), "{output}");
    let output = check("swift_store_multi_tenant = true\n");
    assert!(output.contains("needs [scrubber] swift_service_auth"), "{output}");
    let output = check(&own(&cloud).replace(&cloud.user("glance").password, "wr0ng-passw0rd"));
    assert!(output.contains("the password is wrong"), "{output}");
}

#[test]
fn a_probe_changes_nothing() {
    let Some(cloud) = Cloud::shared() else { return };
    let bin = container();
    let whole = Case::stored(&cloud, "probe", &bin, 2 * MEGABYTE);
    let probe = |case: &Case<'_>, options: &str| {
        let config = case.site.config(&format!("stores = file, swift\n{options}"));
        let run = case.site.run_with(&config, &["--dry-run", "--probe", "-f", "json"]);
        assert_shows_no_secret(&cloud, &run);
        run.output()
    };
    let output = probe(&whole, &own(&cloud));
    assert!(output.contains("2048000"), "{output}");
    assert_eq!(whole.left(&bin).unwrap(), ["", "-00001", "-00002"]);
    let (case, container) = stored(&cloud, "probe, multi-tenant", 1000);
    let output = probe(&case, &service(&cloud, "reseller"));
    assert!(output.contains("1000"), "{output}");
    assert_eq!(case.left_of("demo", &container).unwrap(), [""]);
}
