//! What a fault of vSphere's means for a location. Pure.

use super::soap::Fault;
use crate::store::client::shown;
use crate::store::{Answer, Outcome};

/// Whether a file is not there. Its datastore has to be looked at before that is believed.
pub(super) fn is_missing(fault: &Fault) -> bool {
    fault.name == "FileNotFound"
}

/// The answer for a fault. `what` could not be done: "delete [ds] /dir/file".
pub(super) fn of_fault(fault: &Fault, what: &str) -> Answer {
    let (outcome, advice) = match fault.name.as_str() {
        "InvalidLogin" => (
            Outcome::Forbidden,
            "; vmware_server_username or vmware_server_password is wrong, or the account is locked",
        ),
        "NoPermission" => (
            Outcome::Forbidden,
            "; the user needs the privilege Datastore.FileManagement (low level file operations) on the datastore",
        ),
        "NotAuthenticated" => (Outcome::Unavailable, "; the server ends our sessions at once"),
        "FileLocked" | "ResourceInUse" | "FileNotWritable" => {
            (Outcome::InUse, "; a virtual machine, or another host, has it open")
        }
        "InvalidDatastore" | "InvalidDatastorePath" => (Outcome::Failed, "; is dsName in its URI right?"),
        "CannotAccessFile"
        | "InaccessibleDatastore"
        | "InvalidDatastoreState"
        | "HostCommunication"
        | "HostNotConnected"
        | "HostNotReachable"
        | "NoHost"
        | "NoDiskSpace"
        | "TaskInProgress"
        | "Timedout" => (Outcome::Unavailable, ""),
        _ => (Outcome::Failed, ""),
    };
    let message = if fault.message.is_empty() { String::new() } else { format!(": {}", shown(&fault.message)) };
    Answer::because(outcome, format!("vSphere could not {what} ({}{message}){advice}", shown(&fault.name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_the_word_that_an_operator_can_act_on() {
        let fault = |name: &str| Fault { name: name.to_owned(), message: "m\ne".to_owned() };
        for (name, outcome) in [
            ("NoPermission", Outcome::Forbidden),
            ("InvalidLogin", Outcome::Forbidden),
            ("FileLocked", Outcome::InUse),
            ("InvalidDatastore", Outcome::Failed),
            ("InaccessibleDatastore", Outcome::Unavailable),
            ("CannotDeleteFile", Outcome::Failed),
            ("FileNotFound", Outcome::Failed),
        ] {
            let answer = of_fault(&fault(name), "delete x");
            assert_eq!(answer.outcome, outcome, "{name}");
            assert!(answer.detail.unwrap().starts_with(&format!("vSphere could not delete x ({name}: m\\ne)")));
        }
        assert!(is_missing(&fault("FileNotFound")) && !is_missing(&fault("InvalidDatastore")));
    }
}
