"""Swift: account, container and object server, and two proxies before them.

Two, because tempauth and keystoneauth in one pipeline overwrite each other's `swift.authorize`. The one with tempauth
(auth v1) has s3api too, and needs no Keystone.
"""
import getpass
import os
import sys

from daemons import listens, run, serves, write

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# Objects on a page of a listing: small, so that a handful of segments needs several.
LISTING_LIMIT = 20

SWIFT_CONF = """\
[swift-hash]
swift_hash_path_prefix = tests
swift_hash_path_suffix = tests
[swift-constraints]
container_listing_limit = {limit}
"""

COMMON = """\
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
user = {user}
swift_dir = {dir}
log_address = {dir}/no-syslog
"""

STORAGE = COMMON + """\
devices = {dir}/devices
mount_check = false
disable_fallocate = true
fallocate_reserve = 0
[pipeline:main]
pipeline = healthcheck {name}-server
[app:{name}-server]
use = egg:swift#{name}
allow_versions = true
[filter:healthcheck]
use = egg:swift#healthcheck
"""

# Without allow_async_delete = false s3api leaves the parts of a deleted object to the expirer, which nobody runs.
PROXY = COMMON + """\
[pipeline:main]
pipeline = catch_errors gatekeeper healthcheck cache listing_formats bulk {auth} copy slo dlo
    versioned_writes symlink proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
allow_account_management = true
[filter:tempauth]
use = egg:swift#tempauth
user_admin_admin = {admin} .admin .reseller_admin
user_test_tester = {tester} .admin
user_test_reader = {reader}
user_other_other = {other} .admin
[filter:authtoken]
paste.filter_factory = keystonemiddleware.auth_token:filter_factory
www_authenticate_uri = {keystone}
auth_url = {keystone}
auth_type = password
project_domain_id = default
user_domain_id = default
project_name = service
username = swift
password = {swift}
delay_auth_decision = true
cache = swift.cache
include_service_catalog = false
service_token_roles_required = true
[filter:keystoneauth]
use = egg:swift#keystoneauth
operator_roles = admin, swiftoperator
reseller_admin_role = ResellerAdmin
project_reader_roles = reader
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
min_segment_size = 1
max_bucket_listing = {s3_limit}
max_parts_listing = {s3_limit}
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:{memcached}
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:healthcheck]
use = egg:swift#healthcheck
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:bulk]
use = egg:swift#bulk
[filter:copy]
use = egg:swift#copy
[filter:slo]
use = egg:swift#slo
allow_async_delete = false
min_segment_size = 1
[filter:dlo]
use = egg:swift#dlo
[filter:versioned_writes]
use = egg:swift#versioned_writes
allow_versioned_writes = true
allow_object_versioning = true
[filter:symlink]
use = egg:swift#symlink
"""


def make(cloud):
    directory, user = cloud.directory("swift"), getpass.getuser()
    os.makedirs(os.path.join(directory, "devices/d1"))
    write(os.path.join(directory, "swift.conf"), SWIFT_CONF.format(limit=LISTING_LIMIT))
    memcached = cloud.port("memcached")
    cloud.daemons.start("memcached", ["memcached", "-u", user, "-l", "127.0.0.1", "-p", str(memcached), "-U", "0",
                                      "-m", "16", "-t", "1"], listens(memcached))
    make_rings(cloud, directory)
    users = {name: cloud.password(name) for name in ("admin:admin", "test:tester", "test:reader", "other:other")}
    words = dict(user=user, dir=directory, memcached=memcached, s3_limit=LISTING_LIMIT - 1, name="",
                 swift=cloud.password("swift"), keystone="http://127.0.0.1:%d/v3" % cloud.port("keystone"))
    words.update({name.split(":")[1]: password for name, password in users.items()})
    confs = {name: STORAGE for name in ("account", "container", "object")}
    confs["tempauth"] = PROXY
    if "keystone" in cloud.names:
        confs["proxy"] = PROXY
    starting = []
    for name, conf in confs.items():
        auth = "authtoken keystoneauth" if name == "proxy" else "s3api tempauth"
        port, path = cloud.port("swift-" + name), os.path.join(directory, name + ".conf")
        write(path, conf.format(**{**words, "name": name, "port": port, "auth": auth}))
        program = "proxy" if name == "tempauth" else name
        command = [sys.executable, os.path.join(HERE, "swift_server.py"), directory, program, path]
        url = "http://127.0.0.1:%d/healthcheck" % port
        starting.append(cloud.begin(cloud.daemons.start, "swift-" + name, command, serves(url)))
    for start in starting:
        start.result()
    tempauth = "http://127.0.0.1:%d" % cloud.port("swift-tempauth")
    facts = dict(tempauth=tempauth, tempauth_v1=tempauth + "/auth/v1.0", users=users, listing_limit=LISTING_LIMIT)
    if "proxy" in confs:
        facts["keystone"] = "http://127.0.0.1:%d" % cloud.port("swift-proxy")
    keys = {name: dict(access=user, secret=users[user]) for name, user in
            (("full", "test:tester"), ("reader", "test:reader"), ("other", "other:other"))}
    return dict(swift=facts, s3api=dict(url=tempauth, region="us-east-1", keys=keys))


def make_rings(cloud, directory):
    """One replica on one device, which is a directory."""
    code = """
from swift.common.ring import RingBuilder
import sys
for word in sys.argv[2:]:
    name, port = word.split(":")
    ring = RingBuilder(4, 1, 0)
    ring.add_dev(dict(region=1, zone=1, ip="127.0.0.1", port=int(port), device="d1", weight=1,
                      replication_ip="127.0.0.1", replication_port=int(port), meta=""))
    ring.rebalance()
    ring.get_ring().save("%s/%s.ring.gz" % (sys.argv[1], name))
"""
    run(sys.executable, "-c", code, directory,
        *["%s:%d" % (name, cloud.port("swift-" + name)) for name in ("account", "container", "object")])
