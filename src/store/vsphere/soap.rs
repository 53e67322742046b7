//! The calls of vSphere's SOAP API that deleting needs, and what its answers say. Pure.
//!
//! Source: the vSphere Web Services API reference: `ServiceInstance`, `SessionManager.Login`,
//! `SearchIndex.FindByInventoryPath`, `FileManager.DeleteDatastoreFile_Task`, `PropertyCollector.RetrievePropertiesEx`,
//! `TaskInfo`. Rejected: the crate vim_rs (bindings to the whole API over JSON, which vCenter has since 8.0 U1): it brings a
//! client of its own, which knows nothing of claims, and ESXi and older vCenters have no JSON.

use std::fmt::Write as _;

use quick_xml::escape::escape;

use crate::store::xml::Element;

/// What every server since 6.5 understands; newer ones keep to it.
pub(super) const ACTION: &str = "\"urn:vim25/6.5\"";

/// A managed object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reference {
    pub kind: String,
    pub id: String,
}

impl Reference {
    pub(super) fn new(kind: &str, id: &str) -> Self {
        Self { kind: kind.to_owned(), id: id.to_owned() }
    }

    fn of(element: &Element) -> Option<Self> {
        Some(Self { kind: element.kind.clone()?, id: element.words().to_owned() })
    }

    fn element(&self, name: &str) -> String {
        format!("<{name} type=\"{}\">{}</{name}>", escape(&self.kind), escape(&self.id))
    }
}

/// What a server is, and the objects that calls are made on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Content {
    /// `VMware vCenter Server 8.0.2 build-…`.
    pub about: String,
    pub session_manager: Reference,
    pub search_index: Reference,
    pub file_manager: Reference,
    pub property_collector: Reference,
}

/// What went wrong, in vSphere's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// `FileNotFound`.
    pub name: String,
    pub message: String,
}

/// What became of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Task {
    Running,
    Done,
    Failed(Fault),
}

/// A datastore of a datacenter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Datastore {
    pub name: String,
    pub accessible: bool,
}

pub(super) fn service_content() -> String {
    call("RetrieveServiceContent", &Reference::new("ServiceInstance", "ServiceInstance"), "")
}

pub(super) fn login(session_manager: &Reference, user: &str, password: &str) -> String {
    let arguments = format!("<userName>{}</userName><password>{}</password>", escape(user), escape(password));
    call("Login", session_manager, &arguments)
}

pub(super) fn find_by_inventory_path(search_index: &Reference, path: &str) -> String {
    call("FindByInventoryPath", search_index, &format!("<inventoryPath>{}</inventoryPath>", escape(path)))
}

pub(super) fn delete_file(file_manager: &Reference, datastore_path: &str, datacenter: &Reference) -> String {
    let arguments = format!("<name>{}</name>{}", escape(datastore_path), datacenter.element("datacenter"));
    call("DeleteDatastoreFile_Task", file_manager, &arguments)
}

pub(super) fn task_info(collector: &Reference, task: &Reference) -> String {
    retrieve(collector, &[(&task.kind, &["info"])], task, "")
}

/// All datastores of a datacenter, wherever they are in its folders.
pub(super) fn datastores(collector: &Reference, datacenter: &Reference) -> String {
    let down = "<selectSet xsi:type=\"TraversalSpec\"><type>Datacenter</type><path>datastore</path><skip>false</skip>\
                </selectSet>";
    retrieve(collector, &[("Datastore", &["name", "summary.accessible"])], datacenter, down)
}

fn retrieve(collector: &Reference, wanted: &[(&str, &[&str])], of: &Reference, select: &str) -> String {
    let mut arguments = String::from("<specSet>");
    for (kind, paths) in wanted {
        // Writing to a String does not fail.
        let _ = write!(arguments, "<propSet><type>{}</type><all>false</all>", escape(*kind));
        for path in *paths {
            let _ = write!(arguments, "<pathSet>{path}</pathSet>");
        }
        arguments.push_str("</propSet>");
    }
    let object = of.element("obj");
    let skip = !select.is_empty();
    let _ = write!(arguments, "<objectSet>{object}<skip>{skip}</skip>{select}</objectSet></specSet><options/>");
    call("RetrievePropertiesEx", collector, &arguments)
}

fn call(method: &str, this: &Reference, arguments: &str) -> String {
    let this = this.element("_this");
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Envelope xmlns=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><Body><{method} xmlns=\"urn:vim25\">{this}{arguments}\
         </{method}></Body></Envelope>"
    )
}

/// The body of an answer, or the fault in it; `None` where it is no answer of vSphere's.
pub(super) fn read(document: &[u8]) -> Option<Result<Element, Fault>> {
    let envelope = Element::parse(document).filter(|root| root.name == "Envelope")?;
    let mut body = envelope.children.into_iter().find(|child| child.name == "Body")?;
    if let Some(fault) = body.child("Fault") {
        let message = fault.child("faultstring").map(|text| text.words().to_owned()).unwrap_or_default();
        let detail = fault.child("detail").and_then(|detail| detail.children.first());
        let name = detail.map_or("a fault without a name", |detail| {
            detail.kind.as_deref().unwrap_or_else(|| detail.name.trim_end_matches("Fault"))
        });
        return Some(Err(Fault { name: name.to_owned(), message }));
    }
    let answer = body.children.pop().filter(|answer| answer.name.ends_with("Response"))?;
    Some(Ok(answer))
}

/// Of `RetrieveServiceContent`.
pub(super) fn content(answer: &Element) -> Option<Content> {
    let value = answer.child("returnval")?;
    let object = |name: &str| value.child(name).and_then(Reference::of);
    let about = value.at(&["about", "fullName"]).map(|name| name.words().to_owned()).unwrap_or_default();
    Some(Content {
        about,
        session_manager: object("sessionManager")?,
        search_index: object("searchIndex")?,
        file_manager: object("fileManager")?,
        property_collector: object("propertyCollector")?,
    })
}

/// Of `FindByInventoryPath` and of a call that begins a task; `None` where nothing was found.
pub(super) fn reference(answer: &Element) -> Option<Reference> {
    answer.child("returnval").and_then(Reference::of)
}

/// Of [`task_info`].
pub(super) fn task(answer: &Element) -> Option<Result<Task, Fault>> {
    let object = answer.at(&["returnval", "objects"])?;
    if let Some(fault) = object.at(&["missingSet", "fault"]) {
        return Some(Err(of_localized(fault)));
    }
    let info = object.at(&["propSet", "val"])?;
    Some(Ok(match info.child("state")?.words() {
        "success" => Task::Done,
        "error" => Task::Failed(of_localized(info.child("error")?)),
        "queued" | "running" => Task::Running,
        _ => return None,
    }))
}

/// A `LocalizedMethodFault`.
fn of_localized(element: &Element) -> Fault {
    let message = element.child("localizedMessage").map(|text| text.words().to_owned()).unwrap_or_default();
    let name = element.child("fault").and_then(|fault| fault.kind.clone()).unwrap_or_else(|| "a fault".to_owned());
    Fault { name, message }
}

/// Of [`datastores`].
pub(super) fn datastore_list(answer: &Element) -> Vec<Datastore> {
    let Some(value) = answer.child("returnval") else { return Vec::new() };
    let property = |object: &Element, name: &str| {
        let mut all = object.all("propSet");
        let found = all.find(|property| property.child("name").is_some_and(|its| its.words() == name))?;
        Some(found.child("val")?.words().to_owned())
    };
    let datastore = |object: &Element| {
        let accessible = property(object, "summary.accessible").is_some_and(|value| value == "true" || value == "1");
        Some(Datastore { name: property(object, "name")?, accessible })
    };
    value.all("objects").filter_map(datastore).collect()
}

#[cfg(test)]
#[path = "soap_tests.rs"]
mod tests;
