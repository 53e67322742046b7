//! Keys that are wrong, and users who may not.

use super::*;

#[track_caller]
fn refused(mut case: Case<'_>, keys: S3Keys, words: &[&str]) {
    case.keys = Some(keys);
    case.scrub("").is("forbidden", "object").says(words);
    case.keys = None;
    case.name = format!("{}, then the right keys", case.name);
    case.scrub("").is("deleted", "gone");
}

#[test]
fn keys_that_are_wrong_are_told_with_their_option() {
    let Some(cloud) = Cloud::shared() else { return };
    for server in SERVERS {
        let full = cloud.keys(server, "full");
        let wrong = S3Keys { secret: "WRONGSECRET".to_owned(), ..full.clone() };
        refused(Case::new(&cloud, server, "wrong secret"), wrong, &["s3_store_secret_key"]);
        let unknown = S3Keys { access: "nobody:nobody".to_owned(), ..full };
        refused(Case::new(&cloud, server, "unknown key"), unknown, &["s3_store_"]);
    }
}

#[test]
fn who_may_look_and_not_delete_is_forbidden() {
    let Some(cloud) = Cloud::shared() else { return };
    for server in SERVERS {
        let case = Case::new(&cloud, server, "HEAD yes, DELETE no");
        if server == "radosgw" {
            let statement = json!({"Version": "2012-10-17", "Statement": [{
                "Effect": "Allow", "Principal": {"AWS": ["arn:aws:iam:::user/reader"]},
                "Action": ["s3:GetObject", "s3:ListBucket"],
                "Resource": [format!("arn:aws:s3:::{}", case.bucket), format!("arn:aws:s3:::{}/*", case.bucket)],
            }]});
            case.call("put_bucket_policy", json!({"Bucket": case.bucket, "Policy": statement.to_string()}));
        }
        refused(case, cloud.keys(server, "reader"), &["refused"]);
    }
}
