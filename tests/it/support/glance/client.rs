//! Glance's image API v2, as far as a life of an image needs it. An answer other than the expected one is a panic.

use std::time::Duration;

use serde_json::{Value, json};
use ureq::http::Response;
use ureq::{Agent, Body, RequestBuilder};

use crate::support::eventually_every;

/// Acts as an administrator of one project.
pub struct Client {
    agent: Agent,
    base: String,
}

/// The project that owns what this client makes.
const PROJECT: &str = "11111111111111111111111111111111";

impl Client {
    pub(super) fn new(port: &str) -> Client {
        let config = Agent::config_builder().http_status_as_error(false).timeout_global(Some(Duration::from_secs(60)));
        Client { agent: config.build().into(), base: format!("http://127.0.0.1:{port}/v2") }
    }

    /// A new image without data; `more` is merged into the request (visibility, tags, properties). Its id.
    pub fn create(&self, name: &str, more: Value) -> String {
        let mut request = json!({"name": name, "disk_format": "raw", "container_format": "bare"});
        request.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
        let answer = as_admin(self.agent.post(self.url("images"))).send_json(request);
        body(answer, 201)["id"].as_str().unwrap().to_owned()
    }

    /// Gives the image its data, in `store` or in the default one.
    #[track_caller]
    pub fn upload(&self, id: &str, data: &[u8], store: Option<&str>) {
        let mut request = as_admin(self.agent.put(self.url(&format!("images/{id}/file"))));
        if let Some(store) = store {
            request = request.header("X-Image-Meta-Store", store);
        }
        expect(request.header("Content-Type", "application/octet-stream").send(data), 204);
    }

    /// Gives the image its data in several stores, which takes Glance's import; waits until it is done.
    pub fn import(&self, id: &str, data: &[u8], stores: &[&str]) {
        let stage = as_admin(self.agent.put(self.url(&format!("images/{id}/stage"))));
        expect(stage.header("Content-Type", "application/octet-stream").send(data), 204);
        let request = json!({"method": {"name": "glance-direct"}, "stores": stores, "all_stores_must_succeed": true});
        expect(as_admin(self.agent.post(self.url(&format!("images/{id}/import")))).send_json(request), 202);
        // Not until the image is active: the task still writes then, which SQLite takes badly beside our next request.
        // And seldom: each question is a reader that the task's writes must get past.
        eventually_every(Duration::from_secs(1), "an import", || {
            let tasks = body(as_admin(self.agent.get(self.url(&format!("images/{id}/tasks")))).call(), 200);
            let statuses: Vec<_> =
                tasks["tasks"].as_array().unwrap().iter().map(|task| task["status"].clone()).collect();
            assert!(!statuses.contains(&json!("failure")), "the import failed: {tasks}");
            (!statuses.is_empty() && statuses.iter().all(|status| status == "success")).then_some(())
        });
        assert_eq!(self.show(id).unwrap()["status"], "active");
    }

    #[track_caller]
    pub fn add_member(&self, id: &str, project: &str) {
        let request = as_admin(self.agent.post(self.url(&format!("images/{id}/members"))));
        expect(request.send_json(json!({"member": project})), 200);
    }

    #[track_caller]
    pub fn add_tag(&self, id: &str, tag: &str) {
        expect(as_admin(self.agent.put(self.url(&format!("images/{id}/tags/{tag}")))).send_empty(), 204);
    }

    #[track_caller]
    pub fn set_property(&self, id: &str, name: &str, value: &str) {
        self.patch(id, json!([{"op": "add", "path": format!("/{name}"), "value": value}]));
    }

    #[track_caller]
    pub fn remove_property(&self, id: &str, name: &str) {
        self.patch(id, json!([{"op": "remove", "path": format!("/{name}")}]));
    }

    #[track_caller]
    pub fn remove_tag(&self, id: &str, tag: &str) {
        expect(as_admin(self.agent.delete(self.url(&format!("images/{id}/tags/{tag}")))).call(), 204);
    }

    #[track_caller]
    pub fn remove_member(&self, id: &str, project: &str) {
        expect(as_admin(self.agent.delete(self.url(&format!("images/{id}/members/{project}")))).call(), 204);
    }

    /// The projects that an image is shared with, sorted.
    #[track_caller]
    pub fn members(&self, id: &str) -> Vec<String> {
        let answer = body(as_admin(self.agent.get(self.url(&format!("images/{id}/members")))).call(), 200);
        let members = answer["members"].as_array().unwrap().iter().map(|m| m["member_id"].as_str().unwrap().to_owned());
        let mut members: Vec<_> = members.collect();
        members.sort();
        members
    }

    /// Adds a location that Glance itself does not write to.
    #[track_caller]
    pub fn add_location(&self, id: &str, url: &str, metadata: Value) {
        self.patch(id, json!([{"op": "add", "path": "/locations/-", "value": {"url": url, "metadata": metadata}}]));
    }

    /// Removes the location whose URL begins with `prefix`; the image stays.
    #[track_caller]
    pub fn remove_location(&self, id: &str, prefix: &str) {
        let image = self.show(id).expect("the image is there");
        let locations = image["locations"].as_array().unwrap();
        let found = locations.iter().position(|location| location["url"].as_str().unwrap().starts_with(prefix));
        let index = found.unwrap_or_else(|| panic!("no location {prefix}… in {locations:?}"));
        self.patch(id, json!([{"op": "remove", "path": format!("/locations/{index}")}]));
    }

    #[track_caller]
    fn patch(&self, id: &str, changes: Value) {
        let request = as_admin(self.agent.patch(self.url(&format!("images/{id}"))));
        let request = request.header("Content-Type", "application/openstack-images-v2.1-json-patch");
        expect(request.send(changes.to_string()), 200);
    }

    #[track_caller]
    pub fn delete(&self, id: &str) {
        expect(as_admin(self.agent.delete(self.url(&format!("images/{id}")))).call(), 204);
    }

    /// Deletes the image's data from one of its stores; the image stays.
    #[track_caller]
    pub fn delete_from_store(&self, id: &str, store: &str) {
        expect(as_admin(self.agent.delete(self.url(&format!("stores/{store}/{id}")))).call(), 204);
    }

    /// The image, or None when Glance says that there is none.
    pub fn show(&self, id: &str) -> Option<Value> {
        found(as_admin(self.agent.get(self.url(&format!("images/{id}")))).call()).map(json_of)
    }

    /// The image's data, or None when Glance says that there is no such image.
    pub fn download(&self, id: &str) -> Option<Vec<u8>> {
        let answer = found(as_admin(self.agent.get(self.url(&format!("images/{id}/file")))).call())?;
        Some(answer.into_body().read_to_vec().unwrap())
    }

    /// The ids of all images, sorted.
    pub fn list(&self) -> Vec<String> {
        let answer = body(as_admin(self.agent.get(self.url("images?limit=1000"))).call(), 200);
        let mut ids: Vec<_> =
            answer["images"].as_array().unwrap().iter().map(|i| i["id"].as_str().unwrap().into()).collect();
        ids.sort();
        ids
    }

    fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.base)
    }
}

/// The headers that keystonemiddleware would set for an administrator's token.
fn as_admin<Any>(request: RequestBuilder<Any>) -> RequestBuilder<Any> {
    let headers = [
        ("X-Identity-Status", "Confirmed"),
        ("X-User-Id", "22222222222222222222222222222222"),
        ("X-Project-Id", PROJECT),
        ("X-Tenant-Id", PROJECT),
        ("X-Roles", "admin,member,reader"),
    ];
    headers.into_iter().fold(request, |request, (name, value)| request.header(name, value))
}

type Answer = Result<Response<Body>, ureq::Error>;

#[track_caller]
fn expect(answer: Answer, status: u16) -> Response<Body> {
    let mut answer = answer.unwrap();
    if answer.status() != status {
        panic!("Glance answers {}, not {status}: {}", answer.status(), answer.body_mut().read_to_string().unwrap());
    }
    answer
}

#[track_caller]
fn body(answer: Answer, status: u16) -> Value {
    json_of(expect(answer, status))
}

#[track_caller]
fn found(answer: Answer) -> Option<Response<Body>> {
    if matches!(&answer, Ok(answer) if answer.status() == 404) { None } else { Some(expect(answer, 200)) }
}

fn json_of(answer: Response<Body>) -> Value {
    answer.into_body().read_json().unwrap()
}
