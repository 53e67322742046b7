#!/usr/bin/python3
"""A real Ceph cluster in a directory: one mon, one osd, pools `images` and `vms`, on loopback.

    cluster.py DIR [--store memstore|bluestore] [--megabytes N] [--forever]

Says `ready` on stdout, and by a file DIR/ready, once its pools serve. Then it takes lines from stdin and answers each
with `done`: `start`, `stop`, `kill`, `freeze` or `thaw`, and `mon`, `osd` or `all`. The daemons end with this process,
and this process with its stdin (with --forever: when it is told to); so no cluster is left over by whoever is killed.

A memstore is quick to make and in memory; it loses its data by `kill`, not by `stop`. A bluestore is a sparse file.
DIR/ceph.conf knows the users admin, glance, glance-vms, glance-ro, nocaps; DIR/wrong.keyring has a wrong key for glance.
"""
import argparse
import base64
import json
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import time
import uuid

import rados
import rbd

PATIENCE = 60

# The caps that Ceph's own page on OpenStack gives them (doc/rbd/rbd-openstack.rst); glance-vms may see clones too,
# glance-ro and nocaps have too few.
CAPS = {
    "client.admin": {"mon": "allow *", "osd": "allow *", "mgr": "allow *"},
    "client.glance": {"mon": "profile rbd", "osd": "profile rbd pool=images", "mgr": "profile rbd pool=images"},
    "client.glance-vms": {"mon": "profile rbd", "osd": "profile rbd pool=images, profile rbd-read-only pool=vms"},
    "client.glance-ro": {"mon": "profile rbd-read-only", "osd": "profile rbd-read-only pool=images"},
    "client.nocaps": {"mon": "allow r"},
    "osd.0": {"mon": "allow profile osd", "osd": "allow *"},
    "mon.": {"mon": "allow *"},
}

# The mon commits at once instead of once a second. A client that died is noticed after 15 s instead of 30 (clients send
# a sign of life each 5 s), and a full device after 1 s.
CONF = """\
[global]
fsid = {fsid}
mon_host = [v2:127.0.0.1:{port}/0]
keyring = {dir}/ceph.$name.keyring
auth_client_required = cephx
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
ms_bind_msgr1 = false
ms_bind_ipv6 = false
log_file =
run_dir = {dir}
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 8
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
rbd_default_features = 61
[client]
admin_socket =
[mon]
log_to_stderr = false
err_to_stderr = true
mon_data = {dir}/mon
keyring = {dir}/mon.keyring
admin_socket = {dir}/mon.asok
mon_allow_pool_size_one = true
mon_allow_pool_delete = true
mon_cluster_log_to_file = false
mon_memory_autotune = false
mon_data_avail_crit = 1
mon_osd_min_down_reporters = 1
auth_allow_insecure_global_id_reclaim = false
paxos_propose_interval = 0.02
paxos_min_wait = 0.005
[osd]
log_to_stderr = false
err_to_stderr = true
osd_data = {dir}/osd
keyring = {dir}/osd.keyring
admin_socket = {dir}/osd.asok
osd_objectstore = {store}
memstore_device_bytes = {bytes}
bluestore_block_size = {bytes}
bluestore_cache_autotune = false
bluestore_cache_size = 33554432
osd_fast_shutdown = false
osd_op_num_shards = 2
osd_op_num_threads_per_shard = 1
osd_max_object_name_len = 256
osd_max_object_namespace_len = 64
osd_client_watch_timeout = 15
osd_heartbeat_interval = 1
"""


class Cluster:
    def __init__(self, directory):
        self.dir = directory
        self.daemons = {}

    def make(self, store, megabytes):
        fsid, osd_uuid, port = uuid.uuid4(), str(uuid.uuid4()), free_port()
        conf = CONF.format(fsid=fsid, port=port, dir=self.dir, store=store, bytes=megabytes << 20)
        self.write("ceph.conf", conf)
        keys = {name: new_key() for name in CAPS}
        of = lambda name: "[%s]\n\tkey = %s\n" % (name, keys[name])
        # What the mon is born with, so that nobody has to be added later.
        self.write("mon.keyring", "".join(
            of(name) + "".join('\tcaps %s = "%s"\n' % cap for cap in CAPS[name].items()) for name in CAPS))
        for name in CAPS:
            if name.startswith("client."):
                self.write("ceph.%s.keyring" % name, of(name))
        self.write("wrong.keyring", "[client.glance]\n\tkey = %s\n" % new_key())
        self.write("osd.keyring", of("osd.0"))
        os.mkdir(self.path("osd"))
        self.run("monmaptool", "--create", "--fsid", str(fsid), "--addv", "a", "[v2:127.0.0.1:%d]" % port,
                 self.path("monmap"))
        osd = self.spawn("ceph-osd", "--mkfs", "-i", "0", "--osd-uuid", osd_uuid, "--no-mon-config")
        self.run("ceph-mon", "--mkfs", "-i", "a", "--monmap", self.path("monmap"),
                 "--keyring", self.path("mon.keyring"), "-c", self.path("ceph.conf"))
        self.start_mon()
        with self.admin() as admin:
            command(admin, prefix="osd new", uuid=osd_uuid, id=0)
            if osd.wait():
                raise SystemExit("ceph-osd --mkfs failed")
            self.start_osd(admin)
            for pool in ("images", "vms"):
                command(admin, prefix="osd pool create", pool=pool, pg_num=8)
            for pool in ("images", "vms"):
                with admin.open_ioctx(pool) as ioctx:
                    rbd.RBD().pool_init(ioctx, True)

    def start(self, which):
        """Returns once what is started serves; an osd alone needs a mon that serves."""
        if which in ("mon", "all"):
            self.start_mon()
        if which in ("osd", "all"):
            with self.admin() as admin:
                # Or the map goes on naming the dead one's address until its peers, which it has not, miss it.
                command(admin, prefix="osd down", ids=["0"])
                self.start_osd(admin)
                admin.wait_for_latest_osdmap()  # or it would ask the dead one's address for 15 s
                with admin.open_ioctx("images") as ioctx:
                    ioctx.write_full("served", b"")
                    ioctx.remove_object("served")

    def start_mon(self):
        self.daemons["mon"] = self.spawn("ceph-mon", "-i", "a", "-f")

    def start_osd(self, admin):
        self.daemons["osd"] = self.spawn("ceph-osd", "-i", "0", "-f")
        deadline = time.monotonic() + PATIENCE
        while not command(admin, prefix="osd stat")["num_up_osds"]:
            if time.monotonic() > deadline or self.daemons["osd"].poll() is not None:
                raise SystemExit("the osd did not come up")
            time.sleep(0.05)

    def signal(self, which, number):
        for daemon in self.chosen(which):
            daemon.send_signal(number)

    def end(self, which, number):
        for daemon in self.chosen(which):
            daemon.send_signal(number)
            daemon.send_signal(signal.SIGCONT)  # a frozen one hears nothing but SIGKILL
            daemon.wait()

    def chosen(self, which):
        """The osd first: without a mon it takes 5 s to stop."""
        return [daemon for name, daemon in reversed(self.daemons.items()) if which in (name, "all")]

    def admin(self):
        """A connection; entering it waits until the mon answers."""
        limits = dict.fromkeys(("client_mount_timeout", "rados_mon_op_timeout", "rados_osd_op_timeout"), str(PATIENCE))
        return rados.Rados(conffile=self.path("ceph.conf"), name="client.admin", conf=limits)

    def spawn(self, program, *arguments):
        return subprocess.Popen(["setpriv", "--pdeathsig", "KILL", program, "-c", self.path("ceph.conf"), *arguments],
                                stdin=subprocess.DEVNULL, stdout=sys.stderr)

    def run(self, *words):
        subprocess.run(words, check=True, stdin=subprocess.DEVNULL, stdout=sys.stderr)

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, text):
        with open(self.path(name), "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(text)


def command(admin, **words):
    code, out, message = admin.mon_command(json.dumps(dict(words, format="json")), b"")
    if code:
        raise SystemExit("%s: %d %s" % (words["prefix"], code, message))
    return json.loads(out) if out.strip() else None


def new_key():
    """A cephx key: type AES, time, length, the key itself (CryptoKey::encode)."""
    return base64.b64encode(struct.pack("<hiih", 1, int(time.time()), 0, 16) + os.urandom(16)).decode()


def free_port():
    """Below the ports that the kernel hands out, or a client may have it when the mon is started again."""
    while True:
        port = random.SystemRandom().randrange(20000, 32000)
        try:
            with socket.create_server(("127.0.0.1", port)):
                return port
        except OSError:
            pass


def obey(cluster, line):
    verb, which = line.split()
    if verb == "start":
        cluster.start(which)
    else:
        {
            "stop": lambda: cluster.end(which, signal.SIGTERM),
            "kill": lambda: cluster.end(which, signal.SIGKILL),
            "freeze": lambda: cluster.signal(which, signal.SIGSTOP),
            "thaw": lambda: cluster.signal(which, signal.SIGCONT),
        }[verb]()
    print("done", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("dir", type=os.path.abspath)
    parser.add_argument("--store", choices=("memstore", "bluestore"), default="memstore")
    parser.add_argument("--megabytes", type=int, default=10240)
    parser.add_argument("--forever", action="store_true")
    arguments = parser.parse_args()
    os.makedirs(arguments.dir, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    cluster = Cluster(arguments.dir)
    try:
        cluster.make(arguments.store, arguments.megabytes)
        cluster.write("ready", "")
        print("ready", flush=True)
        while arguments.forever:
            signal.pause()
        for line in sys.stdin:
            obey(cluster, line)
    finally:
        cluster.end("all", signal.SIGKILL)


main()
