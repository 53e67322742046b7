//! Answers as vCenter and vcsim send them.

use super::*;

fn body(inner: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope \
         xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><soapenv:Body>{inner}</soapenv:Body></soapenv:Envelope>"
    )
}

fn answer(inner: &str) -> Element {
    read(body(inner).as_bytes()).unwrap().unwrap()
}

fn info(inner: &str) -> Element {
    answer(&format!(
        "<RetrievePropertiesExResponse xmlns=\"urn:vim25\"><returnval><objects><obj type=\"Task\">task-69</obj><propSet>\
         <name>info</name><val xsi:type=\"TaskInfo\"><key>task-69</key>{inner}</val></propSet></objects></returnval>\
         </RetrievePropertiesExResponse>"
    ))
}

#[test]
fn an_envelope_holds_what_it_is_given_and_nothing_more() {
    let file_manager = Reference::new("FileManager", "FileManager");
    let hostile = "[ds] /a</name><name>[ds] /b & \"c\"";
    let text = delete_file(&file_manager, hostile, &Reference::new("Datacenter", "datacenter-2"));
    let call = Element::parse(text.as_bytes()).unwrap();
    let call = call.at(&["Body", "DeleteDatastoreFile_Task"]).unwrap();
    assert_eq!(call.all("name").map(Element::words).collect::<Vec<_>>(), [hostile]);
    assert_eq!(call.child("datacenter").and_then(Reference::of), Some(Reference::new("Datacenter", "datacenter-2")));
    assert_eq!(call.child("_this").and_then(Reference::of), Some(file_manager));
}

#[test]
fn a_task_is_running_done_or_failed_with_a_name() {
    for (inner, want) in [
        ("<state>queued</state>", Task::Running),
        ("<state>running</state>", Task::Running),
        ("<state>success</state>", Task::Done),
        (
            "<state>error</state><error><fault xsi:type=\"FileNotFound\"><file>x</file></fault>\
             <localizedMessage>File x was not found</localizedMessage></error>",
            Task::Failed(Fault { name: "FileNotFound".to_owned(), message: "File x was not found".to_owned() }),
        ),
    ] {
        assert_eq!(task(&info(inner)), Some(Ok(want)), "{inner}");
    }
    assert_eq!(task(&info("<state>resting</state>")), None);
    let nothing = answer("<RetrievePropertiesExResponse xmlns=\"urn:vim25\"/>");
    assert_eq!(task(&nothing), None, "no information is no success");
    let missing = answer(
        "<RetrievePropertiesExResponse><returnval><objects><obj type=\"Task\">t</obj><missingSet><path>info</path><fault>\
         <fault xsi:type=\"NotAuthenticated\"/><localizedMessage>m</localizedMessage></fault></missingSet></objects>\
         </returnval></RetrievePropertiesExResponse>",
    );
    assert_eq!(task(&missing).unwrap().unwrap_err().name, "NotAuthenticated");
}

#[test]
fn a_fault_has_a_name_with_and_without_a_type() {
    for detail in ["<InvalidLoginFault xsi:type=\"vim25:InvalidLogin\"/>", "<InvalidLoginFault/>"] {
        let text = body(&format!(
            "<soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>Login failure</faultstring>\
             <detail>{detail}</detail></soapenv:Fault>"
        ));
        let fault = read(text.as_bytes()).unwrap().unwrap_err();
        assert_eq!((fault.name.as_str(), fault.message.as_str()), ("InvalidLogin", "Login failure"));
    }
    assert_eq!(read(b"<html><body>Service Unavailable</body></html>"), None);
    assert_eq!(read(body("").as_bytes()), None);
}

#[test]
fn a_path_that_leads_nowhere_is_no_reference() {
    let found = answer(
        "<FindByInventoryPathResponse xmlns=\"urn:vim25\"><returnval type=\"Datacenter\">datacenter-2</returnval>\
         </FindByInventoryPathResponse>",
    );
    assert_eq!(reference(&found), Some(Reference::new("Datacenter", "datacenter-2")));
    assert_eq!(reference(&answer("<FindByInventoryPathResponse xmlns=\"urn:vim25\"/>")), None);
}

#[test]
fn datastores_are_listed_with_what_can_be_reached() {
    let object = |name: &str, accessible: &str| {
        format!(
            "<objects><obj type=\"Datastore\">{name}</obj><propSet><name>name</name><val xsi:type=\"xsd:string\">{name}\
             </val></propSet><propSet><name>summary.accessible</name><val xsi:type=\"xsd:boolean\">{accessible}</val>\
             </propSet></objects>"
        )
    };
    let list = answer(&format!(
        "<RetrievePropertiesExResponse><returnval>{}{}<objects><obj type=\"Datastore\">x</obj></objects></returnval>\
         </RetrievePropertiesExResponse>",
        object("a", "true"),
        object("b", "false")
    ));
    let datastore = |name: &str, accessible| Datastore { name: name.to_owned(), accessible };
    assert_eq!(datastore_list(&list), [datastore("a", true), datastore("b", false)]);
}
