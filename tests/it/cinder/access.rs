//! Who we are for Keystone, and what that lets us see.

use super::*;

#[test]
fn without_the_right_credentials_nothing_is_touched() {
    let Some(cloud) = Cloud::shared() else { return };
    let mut case = Case::volume_of(&cloud, "wrong password", "glance");
    let store = store_of(&cloud, "glance");
    let refused = |case: &Case<'_>, store: &str, outcome: &str, words: &[&str]| {
        case.scrub_as(store, "").is(outcome, "available").says(words);
    };
    let wrong = store.replace(&cloud.user("glance").password, "nope-nope");
    refused(&case, &wrong, "forbidden", &["401", "password is wrong"]);
    case.name = "no credentials in the store".to_owned();
    refused(&case, "stores = file, cinder\n", "forbidden", &["cinder_store_auth_address", "application_credential"]);
    case.name = "no endpoint in the region".to_owned();
    let region = store.replace("region_name = ", "region_name = Nowhere");
    refused(&case, &region, "failed", &["catalog has no public endpoint of volumev3 in region"]);
    case.name = "the wrong URL of Keystone".to_owned();
    let port = store.replace(&cloud.fact("/keystone/url"), "http://127.0.0.1:1/v3");
    refused(&case, &port, "unavailable", &["127.0.0.1:1 cannot be reached"]);
    case.name = "a Keystone that is none".to_owned();
    let other = store.replace(&cloud.fact("/keystone/url"), &cloud.fact("/cinder/url"));
    let seen = case.scrub_as(&other, "");
    assert_eq!(seen.left, "available", "{seen:#?}");
    case.name = "after those refusals".to_owned();
    case.scrub("").is("deleted", "gone");
}

#[test]
fn an_application_credential_will_do() {
    let Some(cloud) = Cloud::shared() else { return };
    let case = Case::new(&cloud, "application credential");
    case.scrub_as(&store_of_application(&cloud), "").is("deleted", "gone");
}

#[test]
fn the_endpoint_can_be_configured() {
    let Some(cloud) = Cloud::shared() else { return };
    let url = cloud.fact("/cinder/url");
    for template in ["%(tenant_id)s", "%(project_id)s"] {
        let case = Case::volume_of(&cloud, &format!("endpoint template with {template}"), "glance");
        let nowhere = store_of(&cloud, "glance").replace("region_name = ", "region_name = Nowhere");
        case.scrub_as(&nowhere, &format!("cinder_endpoint_template = {url}/v3/{template}\n")).is("deleted", "gone");
    }
    let case = Case::volume_of(&cloud, "internal endpoint", "glance");
    case.scrub("cinder_catalog_info = volumev2::internalURL\n").is("deleted", "gone");
}

/// An administrator deletes Glance's volumes of every project; others see nothing of them, and say so.
#[test]
fn another_projects_volume_is_not_absent() {
    let Some(cloud) = Cloud::shared() else { return };
    let case = Case::volume_of(&cloud, "another project's, no administrator", "demo");
    let application = store_of_application(&cloud);
    case.scrub_as(&application, "").is("failed", "available").says(&["nothing shows that Glance's volumes are in"]);

    // A living image's volume is where we look: ours is gone then, so far as anybody can tell.
    let living = new_id();
    let volume = glance_volume(&cloud, &living, "glance");
    let case = Case::of(
        &cloud,
        "gone, no administrator, a living image's volume is seen",
        &new_id(),
        &format!("cinder://{}", new_id()),
    );
    Image::active(&living, &[&format!("cinder://{volume}")]).insert(&case.site.database);
    case.scrub_as(&application, "").is("absent", "gone");

    let case = Case::volume_of(&cloud, "another project's, no administrator, and so is a living image's", "demo");
    let theirs = new_id();
    let volume = glance_volume(&cloud, &theirs, "demo");
    Image::active(&theirs, &[&format!("cinder://{volume}")]).insert(&case.site.database);
    case.scrub_as(&application, "").is("failed", "available").says(&["right region, Cinder and project"]);
    let volume = glance_volume(&cloud, &living, "glance");
    Image::active(&living, &[&format!("cinder://{volume}")]).insert(&case.site.database);
    let case = case.named("another project's, no administrator, living images in both");
    case.scrub_as(&application, "").is("failed", "available").says(&["they are in other projects"]);
    let case = case.named("another project's, administrator");
    case.scrub("").is("deleted", "gone");
}

#[test]
fn only_glances_own_volumes_are_touched() {
    let Some(cloud) = Cloud::shared() else { return };
    let volume = cloud.text("cinder.create", json!({"user": "demo"}));
    let case = Case::of(&cloud, "somebody's own volume", &new_id(), &format!("cinder://{volume}"));
    case.scrub("").is("forbidden", "available").says(&["says that Glance made it", "delete it by hand"]);
    let volume = glance_volume(&cloud, &new_id(), "glance");
    let case = Case::of(&cloud, "another image's volume", &new_id(), &format!("cinder://{volume}"));
    case.scrub("").is("forbidden", "available").says(&["is that of image"]);
}

#[test]
fn the_wrong_cinder_makes_nothing_absent() {
    let Some(cloud) = Cloud::shared() else { return };
    let case = Case::volume_of(&cloud, "a living image's volume is not to be seen, administrator", "glance");
    Image::active(&new_id(), &[&format!("cinder://{}", new_id())]).insert(&case.site.database);
    let missing = Case::of(&cloud, &case.name, &new_id(), &format!("cinder://{}", new_id()));
    Image::active(&new_id(), &[&format!("cinder://{}", new_id())]).insert(&missing.site.database);
    missing.scrub("").is("failed", "gone").says(&["right region, Cinder and project"]);
    // It is there, which is all that matters.
    case.scrub("").is("deleted", "gone");
}

/// The user's project is gone, and with it the right to a token.
#[test]
fn a_project_that_is_gone_makes_nothing_absent() {
    let Some(cloud) = Cloud::shared() else { return };
    let case = Case::volume_of(&cloud, "project gone", "glance");
    let gone = store_of(&cloud, "glance").replace("project_name = service", "project_name = was-here-once");
    case.scrub_as(&gone, "").is("forbidden", "available").says(&["the project or the password is wrong"]);
}
