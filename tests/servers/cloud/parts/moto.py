"""moto's S3. It keeps all in memory, and checks signatures and IAM's rules once it is told to."""
import json
import os
import sys
import urllib.request

from daemons import serves

READER = ["s3:Get*", "s3:List*", "s3:Head*"]
USERS = {"full": ["s3:*"], "reader": READER, "writer": READER + ["s3:Put*", "s3:CreateBucket"]}


def make(cloud):
    port = cloud.port("moto")
    url = "http://127.0.0.1:%d" % port
    server = [os.path.join(sys.prefix, "bin/moto_server"), "-H", "127.0.0.1", "-p", str(port)]
    cloud.daemons.start("moto", server, serves(url + "/moto-api/data.json"), INITIAL_NO_AUTH_ACTION_COUNT="inf")
    return dict(url=url, region="us-east-1", keys=make_users(url))


def make_users(url):
    import boto3  # takes half a second

    iam = boto3.client("iam", endpoint_url=url, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    keys = {}
    for name, actions in USERS.items():
        iam.create_user(UserName=name)
        rule = {"Effect": "Allow", "Action": actions, "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [rule]})
        iam.put_user_policy(UserName=name, PolicyName="its", PolicyDocument=policy)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        keys[name] = dict(access=key["AccessKeyId"], secret=key["SecretAccessKey"])
    request = urllib.request.Request(url + "/moto-api/reset-auth", b"0", {"Content-Type": "text/plain"}, method="POST")
    urllib.request.urlopen(request).read()
    return keys
