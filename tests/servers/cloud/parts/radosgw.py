"""Ceph's S3 gateway, before a Ceph of its own: cluster.py in ../../ceph, in memory."""
import os

from daemons import run, serves

CLUSTER = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "ceph/cluster.py")


def make(cloud):
    directory, port = os.path.join(cloud.directory("ceph"), "cluster"), cloud.port("radosgw")
    url = "http://127.0.0.1:%d" % port
    ready = os.path.join(directory, "ready")
    cloud.daemons.start("ceph", ["/usr/bin/python3", CLUSTER, directory, "--forever"], lambda: os.path.exists(ready))
    as_admin = ["-c", os.path.join(directory, "ceph.conf"), "-n", "client.admin"]
    names = dict(glance="full", other="other", admin="admin")
    keys = {key: dict(access=cloud.password("access " + key), secret=cloud.password("secret " + key))
            for key in (*names.values(), "reader")}
    key_words = lambda key: ["--access-key", keys[key]["access"], "--secret-key", keys[key]["secret"], "--key-type", "s3"]
    manage = lambda *words: run("radosgw-admin", *as_admin, *words)
    for user, key in names.items():
        more = ["--admin"] if user == "admin" else []
        manage("user", "create", "--uid", user, "--display-name", user, *key_words(key), *more)
    # Of the same account, so that it sees the same buckets; its permission lets it look and not delete.
    manage("subuser", "create", "--uid", "glance", "--subuser", "glance:reader", "--access", "read", *key_words("reader"))
    cloud.daemons.start("radosgw", [
        "radosgw", *as_admin, "-f", "--rgw-frontends", "beast endpoint=127.0.0.1:%d" % port, "--rgw-data", directory,
        "--rgw-thread-pool-size", "16", "--rgw-run-sync-thread", "false", "--rgw-enable-usage-log", "false",
        "--rgw-enable-ops-log", "false"], serves(url))
    return dict(url=url, region="us-east-1", keys=keys)
