"""The far side of the bench: makes images in a store, looks at what is left of them, and is glance_store's driver.

backend.py STORE CLOUD config DIR            what a scrubber's config file says of the store; DIR is for what it names
backend.py STORE CLOUD make FILE             exactly the images whose ids FILE has; prints each with what its URI ends in
backend.py STORE CLOUD list                  the images that are there, one id a line, with a word behind what is not whole
backend.py STORE CLOUD watch                 says ready; then how many deletes go on, whenever they are more than ever
backend.py STORE CLOUD settle                says ready; after the end of stdin, for how many seconds deletes still went on
backend.py STORE CLOUD delete FILE N CONFIG  glance_store's delete for each URI of FILE, by N threads

STORE is s3:SERVER, swift or cinder; SERVER is the name of an S3 server in CLOUD. FILE has one word a line. CLOUD is the JSON
of tests/cloud; of it this reads:

s3      SERVER: url, region, keys.full: access, secret
swift   keystone: url, region, users.glance: user, password, project (domains: default)
cinder  the same
"""

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

# A bucket or a container of our own. Cinder has but the project's volumes.
PLACE = "scrubber-bench"
DATA = b"x" * 4096
THREADS = 16
# Cinder deletes after it has answered.
DELETING = 300


class S3:
    def __init__(self, facts, server):
        import boto3
        from botocore.config import Config

        self.facts, self.keys = facts[server], facts[server]["keys"]["full"]
        config = Config(s3={"addressing_style": "path"}, max_pool_connections=THREADS)
        self.client = boto3.client("s3", endpoint_url=self.facts["url"], region_name=self.facts["region"], config=config,
                                   aws_access_key_id=self.keys["access"], aws_secret_access_key=self.keys["secret"])

    def config(self, _):
        return {"s3_store_host": self.facts["url"], "s3_store_access_key": self.keys["access"],
                "s3_store_secret_key": self.keys["secret"], "s3_store_bucket": PLACE,
                "s3_store_region_name": self.facts["region"], "s3_store_bucket_url_format": "path"}

    def uri(self):
        return "s3://%s/%s/" % (self.facts["url"].split("://")[1], PLACE)

    def open(self):
        if PLACE not in [bucket["Name"] for bucket in self.client.list_buckets()["Buckets"]]:
            self.client.create_bucket(Bucket=PLACE)

    def names(self):
        for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=PLACE):
            yield from (entry["Key"] for entry in page.get("Contents", []))

    def put(self, name):
        self.client.put_object(Bucket=PLACE, Key=name, Body=DATA)
        return name

    def clear(self, names):
        for first in range(0, len(names), 1000):
            keys = [{"Key": name} for name in names[first:first + 1000]]
            self.client.delete_objects(Bucket=PLACE, Delete={"Objects": keys, "Quiet": True})


class Swift:
    def __init__(self, facts, _):
        self.keystone, self.user = facts["keystone"], facts["keystone"]["users"]["glance"]
        # A connection serves one thread.
        self.connections = []

    def config(self, directory):
        """With a file of references, as deployment tools write it: the URIs have no credentials."""
        path = os.path.join(directory, "swift.conf")
        with open(path, "w") as file:
            file.write("[ref1]\nauth_version = 3\nauth_address = %s\nuser = %s:%s\nkey = %s\n" % (
                self.keystone["url"], self.user["project"], self.user["user"], self.user["password"].replace("%", "%%")))
        return {"swift_store_config_file": path, "default_swift_reference": "ref1", "swift_store_container": PLACE,
                "swift_store_region": self.keystone["region"]}

    def uri(self):
        return "swift+config://ref1/%s/" % PLACE

    def using(self, what):
        import swiftclient

        if self.connections:
            connection = self.connections.pop()
        else:
            options = dict(project_name=self.user["project"], user_domain_id="default", project_domain_id="default",
                           region_name=self.keystone["region"])
            connection = swiftclient.Connection(self.keystone["url"], self.user["user"], self.user["password"],
                                                auth_version="3", os_options=options)
        result = what(connection)
        self.connections.append(connection)
        return result

    def open(self):
        self.using(lambda connection: connection.put_container(PLACE))

    def names(self):
        return [entry["name"] for entry in self.using(lambda c: c.get_container(PLACE, full_listing=True))[1]]

    def put(self, name):
        self.using(lambda connection: connection.put_object(PLACE, name, DATA))
        return name

    def clear(self, names):
        each(lambda name: self.using(lambda connection: connection.delete_object(PLACE, name)), names)


class Cinder:
    def __init__(self, facts, _):
        from cinderclient import client
        from keystoneauth1 import session
        from keystoneauth1.identity import v3

        self.keystone, self.user = facts["keystone"], facts["keystone"]["users"]["glance"]
        who = v3.Password(auth_url=self.keystone["url"], username=self.user["user"], password=self.user["password"],
                          project_name=self.user["project"], user_domain_id="default", project_domain_id="default")
        region = self.keystone["region"]
        self.volumes = client.Client("3", session=session.Session(auth=who), region_name=region).volumes

    def config(self, _):
        return {"cinder_store_auth_address": self.keystone["url"], "cinder_store_user_name": self.user["user"],
                "cinder_store_password": self.user["password"], "cinder_store_project_name": self.user["project"],
                "cinder_os_region_name": self.keystone["region"]}

    def uri(self):
        return "cinder://"

    def open(self):
        pass

    def there(self):
        return {volume.name.removeprefix("image-"): volume for volume in self.volumes.list()}

    def names(self):
        """Waits for deletes that go on."""
        end = time.monotonic() + DELETING
        while any(volume.status == "deleting" for volume in self.there().values()) and time.monotonic() < end:
            time.sleep(0.2)
        for name, volume in self.there().items():
            yield name if volume.status == "available" else "%s (%s)" % (name, volume.status)

    def put(self, name):
        """As glance_store's driver makes its volumes."""
        words = dict(glance_image_id=name, image_size=str(len(DATA)), image_owner="bench")
        volume = self.volumes.create(1, name="image-" + name, metadata=words)
        while volume.status == "creating":
            time.sleep(0.1)
            volume = self.volumes.get(volume.id)
        self.volumes.update_readonly_flag(volume, True)
        return volume.id

    def clear(self, names):
        there = self.there()
        each(lambda name: there[name.split(" ")[0]].delete(), names)
        list(self.names())

    def key(self, name):
        self.known = getattr(self, "known", None) or self.there()
        return self.known[name].id

    def deleting(self):
        return len(self.volumes.list(detailed=False, search_opts={"status": "deleting"}))


def config(store, directory):
    kind = type(store).__name__.lower()
    print("[glance_store]\nstores = %s\ndefault_store = %s" % (kind, kind))
    for name, value in store.config(directory).items():
        print("%s = %s" % (name, value.replace("$", "$$")))
    print("uri", store.uri())


def make(store, file):
    store.open()
    wanted, there = set(read(file)), set(store.names())
    store.clear(sorted(there - wanted))
    keys = getattr(store, "key", lambda name: name)
    for name in wanted & there:
        print(name, keys(name))
    missing = sorted(wanted - there)
    for name, key in zip(missing, each(store.put, missing)):
        print(name, key)


def list_names(store):
    store.open()
    for name in store.names():
        print(name)


def watch(store):
    import select

    most = store.deleting()
    print("ready", flush=True)
    while not select.select([sys.stdin], [], [], 0.1)[0]:
        now = store.deleting()
        if now > most:
            most = now
            print(most, flush=True)


def settle(store):
    store.deleting()
    print("ready", flush=True)
    sys.stdin.read()
    begin = time.monotonic()
    while store.deleting():
        time.sleep(0.1)
    print(time.monotonic() - begin)


def delete(file, threads, config_file):
    """What Glance's scrubber does with `scrub_pool_size` threads, without the database."""
    import glance_store
    from glance_store import backend
    from oslo_config import cfg

    conf = backend.CONF = cfg.ConfigOpts()
    glance_store.register_opts(conf)
    conf(["--config-file", config_file], project="glance", prog="glance-scrubber")
    glance_store.create_stores(conf)
    glance_store.verify_default_store()
    each(glance_store.delete_from_backend, read(file), int(threads))


def each(what, names, threads=THREADS):
    if threads == 1:
        return [what(name) for name in names]
    with ThreadPoolExecutor(threads) as workers:
        return list(workers.map(what, names))


def read(file):
    with open(file) as lines:
        return lines.read().split()


def main(kind, cloud, command, *words):
    if command == "delete":
        return delete(*words)
    with open(cloud) as file:
        facts = json.load(file)
    kind, _, server = kind.partition(":")
    store = {"s3": S3, "swift": Swift, "cinder": Cinder}[kind](facts, server)
    commands = {"config": config, "make": make, "list": list_names, "watch": watch, "settle": settle}
    return commands[command](store, *words)


if __name__ == "__main__":
    main(*sys.argv[1:])
