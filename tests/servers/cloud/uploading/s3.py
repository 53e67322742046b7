"""Objects in S3. A `server` is moto, radosgw or s3api (Swift's)."""
import os

import boto3
import swiftclient
from botocore.config import Config
from botocore.exceptions import ClientError

from uploading import drivers

MEGABYTE = 1 << 20


class S3:
    def __init__(self, facts):
        self.facts = facts

    # By glance_store.

    def add(self, server, image, size=1000, bucket="glance", options={}, backend=None):
        """As Glance stores it, from 5 MEGABYTE on in parts: the URI."""
        self.make_bucket(server, bucket)
        key = self.facts[server]["keys"]["full"]
        options = dict(
            dict(s3_store_host=self.facts[server]["url"], s3_store_access_key=key["access"],
                 s3_store_secret_key=key["secret"], s3_store_bucket=bucket, s3_store_bucket_url_format="path",
                 s3_store_large_object_size=5, s3_store_large_object_chunk_size=5,
                 s3_store_region_name=self.facts[server]["region"]),
            **options)
        return drivers.add("s3", "s3", options, image, size, backend)

    # By the API.

    def uri(self, server, key, bucket="glance"):
        """As Glance would write it."""
        return "s3://%s/%s/%s" % (self.facts[server]["url"].split("://")[1], bucket, key)

    def make_bucket(self, server, bucket="glance", versioning=False):
        """If it is not there. The reader may read it, if its key is not of those that may read all."""
        client = self.client(server)
        try:
            client.create_bucket(Bucket=bucket)
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
                raise
        if server == "s3api":
            self.swift().post_container(bucket, {"X-Container-Read": "test:reader"})
        if versioning:
            self.versioning(server, bucket)

    def versioning(self, server, bucket, status="Enabled"):
        """Or `Suspended`."""
        self.client(server).put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})

    def put(self, server, key, size=1000, bucket="glance"):
        """An object of random bytes in a bucket that is there; the id of its version, if it has one."""
        return self.client(server).put_object(Bucket=bucket, Key=key, Body=os.urandom(size)).get("VersionId")

    def remove(self, server, key, bucket="glance", version=None):
        """With versioning and no version: puts a delete marker on top, whose id is returned."""
        words = {"VersionId": version} if version else {}
        return self.client(server).delete_object(Bucket=bucket, Key=key, **words).get("VersionId")

    def begin_upload(self, server, key, parts=1, bucket="glance"):
        """A multipart upload that nobody finishes: its id."""
        client = self.client(server)
        upload = client.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
        for number in range(1, parts + 1):
            client.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=number, Body=b"x" * 100)
        return upload

    def call(self, server, operation, arguments, key="full"):
        """Any operation of boto3's client: the answer, or {"refused": the code of the error}."""
        try:
            answer = getattr(self.client(server, key), operation)(**arguments)
        except ClientError as error:
            return {"refused": error.response["Error"]["Code"]}
        answer.pop("ResponseMetadata")
        return {name: value for name, value in answer.items() if isinstance(value, (str, int, list, dict, bool))}

    # Looks.

    def there(self, server, key, bucket="glance"):
        try:
            self.client(server).head_object(Bucket=bucket, Key=key)
            return True
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
                raise
            return False

    def keys(self, server, bucket="glance", prefix=""):
        pages = self.client(server).get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def versions(self, server, key, bucket="glance"):
        """Newest first: {"id", "marker": is it a delete marker}."""
        found = []
        for page in self.client(server).get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=key):
            for kind in ("Versions", "DeleteMarkers"):
                found += [(entry["LastModified"], entry["IsLatest"], dict(id=entry["VersionId"], marker=kind != "Versions"))
                          for entry in page.get(kind, []) if entry["Key"] == key]
        return [version for _, _, version in sorted(found, key=lambda entry: entry[:2], reverse=True)]

    def uploads(self, server, key, bucket="glance"):
        """The ids of the unfinished ones."""
        answer = self.client(server).list_multipart_uploads(Bucket=bucket, Prefix=key)
        return [entry["UploadId"] for entry in answer.get("Uploads", []) if entry["Key"] == key]

    def client(self, server, key="full"):
        its, key = self.facts[server], self.facts[server]["keys"][key]
        # Since 2025 boto3 sends checksums that not every server knows, if it is not told to leave them.
        config = Config(s3={"addressing_style": "path"}, request_checksum_calculation="when_required",
                        response_checksum_validation="when_required")
        return boto3.client("s3", endpoint_url=its["url"], aws_access_key_id=key["access"], region_name=its["region"],
                            aws_secret_access_key=key["secret"], config=config)

    def swift(self):
        user = self.facts["s3api"]["keys"]["full"]
        return swiftclient.Connection(self.facts["swift"]["tempauth_v1"], user["access"], user["secret"], auth_version="1")
