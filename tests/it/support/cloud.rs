//! Keystone, Swift, S3, Cinder and vcsim, and images in them: made by glance_store's own drivers where Glance would have
//! made them, by the servers' own clients where somebody else would.
//!
//! The programs behind this are `tests/servers/cloud/cloud.py` and `uploads.py`; whatever they start goes with the value.
//! `uploads.py` is called by name: the methods are those of the classes in `tests/servers/cloud/uploading/`.
//!
//! ```ignore
//! let Some(cloud) = Cloud::shared() else { return };
//! let uri = cloud.text("swift.add", json!({"image": image, "size": 1000}));
//! assert_eq!(cloud.call("swift.objects", json!({"prefix": image})), json!([image]));
//! ```

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::servers::cloud_facts;
use super::talk::Talk;

/// Servers, and who speaks to them. Fields go in this order: who speaks to the servers, the servers, their directory.
pub struct Cloud {
    facts: Value,
    uploads: Mutex<Talk>,
    servers: Option<Mutex<Talk>>,
    _directory: Option<TempDir>,
}

/// A user of Keystone's, with the project that its roles are in.
#[derive(Debug, Clone)]
pub struct KeystoneUser {
    pub user: String,
    pub user_id: String,
    pub password: String,
    pub project: String,
    pub project_id: String,
    /// Of both.
    pub domain: String,
    pub domain_id: String,
}

/// What an S3 server knows somebody by.
#[derive(Debug, Clone)]
pub struct S3Keys {
    pub access: String,
    pub secret: String,
}

impl Cloud {
    /// The servers that all tests share: images, containers, buckets and volumes must be one's own, and nothing may be
    /// stopped.
    pub fn shared() -> Option<Cloud> {
        let path = cloud_facts()?;
        Some(Cloud::at(&path, None, None))
    }

    /// Some of one's own, out of `keystone`, `swift`, `moto`, `radosgw`, `cinder` (which wants `keystone`) and `vcsim`.
    /// Swift without Keystone is ready in 2 s, all of them take 10.
    pub fn private(servers: &[&str]) -> Option<Cloud> {
        let shared = read(&cloud_facts()?);
        let directory = tempfile::tempdir().unwrap();
        let program = in_tests_servers("cloud.py");
        let mut arguments = vec![program.as_os_str(), directory.path().as_os_str(), OsStr::new("--vcsim")];
        arguments.push(OsStr::new(shared["vcsim_program"].as_str().unwrap()));
        arguments.extend(servers.iter().map(OsStr::new));
        let mut talk = Talk::start(&python(&shared), &arguments);
        assert_eq!(talk.line(), "ready", "the servers did not start");
        let path = directory.path().join("cloud.json");
        Some(Cloud::at(&path, Some(Mutex::new(talk)), Some(directory)))
    }

    fn at(path: &Path, servers: Option<Mutex<Talk>>, directory: Option<TempDir>) -> Cloud {
        let facts = read(path);
        let program = in_tests_servers("uploads.py");
        let uploads = Mutex::new(Talk::start(&python(&facts), &[program.as_os_str(), path.as_os_str()]));
        Cloud { facts, uploads, servers, _directory: directory }
    }

    /// What stands at a place in `cloud.json`: `/swift/tempauth_v1`, `/vcsim/ca_file`, ...
    #[track_caller]
    pub fn fact(&self, pointer: &str) -> String {
        match self.facts.pointer(pointer) {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => panic!("{pointer} is not in {:#}", self.facts),
        }
    }

    /// `glance`, `reader`, `reseller`, `stranger`, `demo`, `elsewhere`, `admin`: see USERS in
    /// `tests/servers/cloud/parts/keystone.py`.
    #[track_caller]
    pub fn user(&self, name: &str) -> KeystoneUser {
        let its = |what: &str| self.fact(&format!("/keystone/users/{name}/{what}"));
        KeystoneUser {
            user: its("user"),
            user_id: its("user_id"),
            password: its("password"),
            project: its("project"),
            project_id: its("project_id"),
            domain: its("domain"),
            domain_id: its("domain_id"),
        }
    }

    /// Id and secret of the application credential for `swift` or `cinder`.
    #[track_caller]
    pub fn application_credential(&self, name: &str) -> (String, String) {
        let its = |what: &str| self.fact(&format!("/keystone/application_credentials/{name}/{what}"));
        (its("id"), its("secret"))
    }

    /// The keys at `moto`, `radosgw` or `s3api`: `full`, `reader` (may HEAD and not DELETE), and what else the server has.
    #[track_caller]
    pub fn keys(&self, server: &str, name: &str) -> S3Keys {
        let its = |what: &str| self.fact(&format!("/{server}/keys/{name}/{what}"));
        S3Keys { access: its("access"), secret: its("secret") }
    }

    /// `start`, `stop`, `kill`, `freeze` or `thaw`, and a daemon: `stop swift-object`. Of private servers only. Which daemons
    /// there are is said in `cloud.py`.
    #[track_caller]
    pub fn order(&self, order: &str) {
        let mut servers = self.servers.as_ref().expect("others use these servers").lock().unwrap();
        servers.say(order);
        assert_eq!(servers.line(), "done", "{order}");
    }

    /// Calls a method of `uploads.py`, `swift.add` say, with its arguments by name.
    #[track_caller]
    pub fn call(&self, method: &str, arguments: Value) -> Value {
        let mut uploads = self.uploads.lock().unwrap();
        uploads.say(&json!([method, arguments]).to_string());
        let line = uploads.line();
        let mut answer: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{method}: {line:?}"));
        assert!(answer["error"].is_null(), "{method} {arguments}: {}", answer["error"].as_str().unwrap());
        answer["value"].take()
    }

    /// The same, where the answer is text: a URI, an id, a status.
    #[track_caller]
    pub fn text(&self, method: &str, arguments: Value) -> String {
        let answer = self.call(method, arguments);
        answer.as_str().unwrap_or_else(|| panic!("{method}: {answer}")).to_owned()
    }

    /// The same, where the answer is a list of texts: the names of objects, say. Of what is not there, none.
    #[track_caller]
    pub fn texts(&self, method: &str, arguments: Value) -> Vec<String> {
        let answer = self.call(method, arguments);
        let texts = answer.as_array().cloned().unwrap_or_default();
        texts.iter().map(|text| text.as_str().unwrap_or_else(|| panic!("{method}: {answer}")).to_owned()).collect()
    }
}

/// The servers end before their directory goes.
impl Drop for Cloud {
    fn drop(&mut self) {
        if let Some(servers) = &self.servers {
            servers.lock().unwrap_or_else(PoisonError::into_inner).end();
        }
    }
}

fn read(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// That of the virtual environment with the servers and glance_store's drivers.
fn python(facts: &Value) -> PathBuf {
    PathBuf::from(facts["python"].as_str().unwrap())
}

fn in_tests_servers(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers/cloud").join(file)
}

#[cfg(test)]
mod tests {
    use super::super::ceph::new_id;
    use super::*;

    #[test]
    fn an_image_of_each_driver_is_where_its_uri_says() {
        let Some(cloud) = Cloud::shared() else { return };
        let image = new_id();
        let swift = cloud.text("swift.add", json!({"image": image, "size": 2 * 1_024_000}));
        assert!(swift.ends_with(&format!("/v3/glance/{image}")), "{swift}");
        let objects = [image.clone(), format!("{image}-00001"), format!("{image}-00002")];
        assert_eq!(cloud.texts("swift.objects", json!({"prefix": image})), objects);

        for server in ["moto", "radosgw", "s3api"] {
            let uri = cloud.text("s3.add", json!({"server": server, "image": image, "size": 6 << 20}));
            assert_eq!(uri, cloud.text("s3.uri", json!({"server": server, "key": image})));
            assert_eq!(cloud.call("s3.there", json!({"server": server, "key": image})), json!(true));
        }

        let cinder = cloud.text("cinder.add", json!({"image": image, "backend": "volumes"}));
        let volume = cinder.strip_prefix("cinder://volumes/").unwrap();
        assert_eq!(cloud.text("cinder.status", json!({"volume": volume})), "available");

        let vsphere = cloud.text("vsphere.add", json!({"image": image}));
        assert_eq!(vsphere, cloud.text("vsphere.uri", json!({"image": image})));
        let path = format!("openstack_glance/{image}");
        assert_eq!(cloud.call("vsphere.there", json!({"path": path})), json!(true));
    }

    /// Asked of Keystone itself.
    #[test]
    fn users_and_application_credentials_get_a_token_for_their_project() {
        let Some(cloud) = Cloud::shared() else { return };
        let glance = cloud.user("glance");
        for name in ["glance", "reader", "reseller", "stranger", "demo", "elsewhere", "admin"] {
            let user = cloud.user(name);
            let domain = json!({"name": user.domain});
            let scope = json!({"project": {"name": user.project, "domain": domain}});
            let who = json!({"name": user.user, "password": user.password, "domain": domain});
            let methods = json!({"methods": ["password"], "password": {"user": who}});
            let token = token(&cloud, json!({"identity": methods, "scope": scope}));
            assert_eq!(token["user"]["id"], user.user_id, "{name}");
            assert_eq!(token["project"]["id"], user.project_id, "{name}");
            assert_eq!(token["user"]["domain"]["id"], user.domain_id, "{name}");
            let in_glances = user.project_id == glance.project_id;
            assert_eq!(in_glances, ["glance", "reader", "reseller"].contains(&name), "{name}");
        }
        for name in ["swift", "cinder"] {
            let (id, secret) = cloud.application_credential(name);
            let its = json!({"id": id, "secret": secret});
            let methods = json!({"methods": ["application_credential"], "application_credential": its});
            assert_eq!(token(&cloud, json!({"identity": methods}))["project"]["id"], glance.project_id, "{name}");
        }
    }

    fn token(cloud: &Cloud, auth: Value) -> Value {
        let url = format!("{}/auth/tokens", cloud.fact("/keystone/url"));
        let mut answer = ureq::post(&url).send_json(json!({"auth": auth})).unwrap();
        answer.body_mut().read_json::<Value>().unwrap()["token"].take()
    }

    #[test]
    fn a_reader_may_look_and_not_delete() {
        let Some(cloud) = Cloud::shared() else { return };
        let key = new_id();
        for server in ["moto", "radosgw", "s3api"] {
            let keys = ["full", "reader"].map(|name| cloud.keys(server, name));
            assert!(keys[0].access != keys[1].access && keys[0].secret != keys[1].secret);
            cloud.call("s3.make_bucket", json!({"server": server}));
            cloud.call("s3.put", json!({"server": server, "key": key}));
            let object = json!({"Bucket": "glance", "Key": key});
            let as_reader = |operation: &str| {
                let call = json!({"server": server, "operation": operation, "arguments": object, "key": "reader"});
                cloud.call("s3.call", call)
            };
            assert_eq!(as_reader("head_object")["ContentLength"], 1000, "{server}");
            assert_eq!(as_reader("delete_object")["refused"], "AccessDenied", "{server}");
        }
        cloud.call("swift.put", json!({"object": key}));
        let swift = cloud.user("glance").project_id;
        let storage_url = cloud.text("swift.storage_url", json!({"user": "reader"}));
        assert!(storage_url.ends_with(&swift), "{storage_url}");
        let ask = |method: &str| {
            let request = json!({"method": method, "path": format!("/glance/{key}"), "user": "reader"});
            cloud.call("swift.request", request)["status"].clone()
        };
        assert_eq!((ask("HEAD"), ask("DELETE")), (json!(200), json!(403)));
    }

    #[test]
    fn a_private_server_stops_and_starts_on_demand() {
        let Some(cloud) = Cloud::private(&["swift"]) else { return };
        let object = json!({"object": "x", "user": "test:tester"});
        cloud.call("swift.put", object.clone());
        cloud.order("stop swift-object");
        let request = json!({"method": "HEAD", "path": "/glance/x", "user": "test:tester"});
        assert_eq!(cloud.call("swift.request", request)["status"], 503);
        cloud.order("start swift-object");
        assert_eq!(cloud.call("swift.head", object)["content-length"], "1000");
    }
}
