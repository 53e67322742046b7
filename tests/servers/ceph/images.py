"""Images in a Ceph cluster, for the tests: made by glance_store's own driver, and brought into every state there is.

    images.py CONF                          takes calls, a JSON line each, and answers each with a JSON line
    images.py CONF hold POOL NAME HOW       opens an image until stdin ends; HOW is read, write or lock (write, and takes
                                            the exclusive lock); its first line says the client's address

A call is [name, argument...], the name one of the methods of Images; the answer {"value": ...} or {"error": "..."}.
Everything but `add` is done as client.admin, so that what client.glance does is the scrubber's.
"""
import io
import json
import os
import sys
import time
import traceback

import rados
import rbd

PATIENCE = "60"
os.environ["RBD_FORCE_ALLOW_V1"] = "1"  # or librbd makes no image of format 1 any more


def connect(conf):
    limits = dict.fromkeys(("client_mount_timeout", "rados_mon_op_timeout", "rados_osd_op_timeout"), PATIENCE)
    cluster = rados.Rados(conffile=conf, name="client.admin", conf=limits)
    cluster.connect()
    return cluster


class Images:
    def __init__(self, conf):
        self.conf = conf
        self.cluster = connect(conf)
        self.rbd = rbd.RBD()
        self.driver = None

    def fsid(self):
        return self.cluster.get_fsid()

    def add(self, name, size):
        """As Glance stores it: an image with a protected snapshot `snap`. Its location's URI."""
        self.driver = self.driver or glance_stores_driver(self.conf)
        return self.driver.add(name, io.BytesIO(os.urandom(size)), size, "sha256")[0]

    def create(self, pool, name, image_format):
        with self.ioctx(pool) as ioctx:
            self.rbd.create(ioctx, name, 1 << 20, old_format=image_format == 1)
            with rbd.Image(ioctx, name) as image:
                image.write(os.urandom(1 << 16), 0)

    def sparse(self, pool, name, objects):
        """An image whose removal takes long: it has no object map, so that each object that it could have is asked for."""
        with self.ioctx(pool) as ioctx:
            self.rbd.create(ioctx, name, objects << 20, order=20, old_format=False, features=rbd.RBD_FEATURE_LAYERING)
            with rbd.Image(ioctx, name) as image:
                image.create_snap("snap")
                image.protect_snap("snap")

    def snap(self, pool, name, snap):
        with self.image(pool, name) as image:
            image.create_snap(snap)

    def protect(self, pool, name, snap):
        with self.image(pool, name) as image:
            image.protect_snap(snap)

    def unprotect(self, pool, name, snap):
        with self.image(pool, name) as image:
            image.unprotect_snap(snap)

    def remove_snap(self, pool, name, snap):
        with self.image(pool, name) as image:
            image.remove_snap(snap)

    def clone(self, name, child_pool, child, clone_format):
        self.cluster.conf_set("rbd_default_clone_format", str(clone_format))
        with self.ioctx("images") as parent, self.ioctx(child_pool) as ioctx:
            self.rbd.clone(parent, name, "snap", ioctx, child, features=61)

    def remove(self, pool, name):
        with self.ioctx(pool) as ioctx:
            self.rbd.remove(ioctx, name)

    def trash(self, pool, name, delay):
        with self.ioctx(pool) as ioctx:
            self.rbd.trash_move(ioctx, name, delay)

    def purge(self, pool, name):
        """Removes what is in the trash under this name, over any deferment."""
        with self.ioctx(pool) as ioctx:
            for entry in self.rbd.trash_list(ioctx):
                if entry["name"] == name:
                    self.rbd.trash_remove(ioctx, entry["id"], force=True)

    def lock(self, pool, name, cookie):
        """An advisory lock, as `rbd lock add` takes it. The locker."""
        with self.image(pool, name) as image:
            image.lock_exclusive(cookie)
            return image.list_lockers()["lockers"][0][0]

    def unlock(self, pool, name, cookie):
        with self.image(pool, name) as image:
            image.unlock(cookie)

    def behead(self, pool, name):
        """What a removal leaves that was cut off after the header."""
        with self.ioctx(pool) as ioctx:
            with rbd.Image(ioctx, name, read_only=True) as image:
                header = "rbd_header." + image.id()
            ioctx.remove_object(header)

    def look(self, pool, name):
        """Where the image is by `rbd ls` and `rbd trash ls`, with what `rbd snap ls --all` says of it."""
        for more_tries in (2, 1, 0):
            try:
                return self.look_once(pool, name)
            except (rbd.Timeout, rados.TimedOut):
                # An osd that was frozen has a lot to catch up with.
                if not more_tries:
                    raise

    def look_once(self, pool, name):
        with self.ioctx(pool) as ioctx:
            found = []
            if name in self.rbd.list(ioctx):
                found.append("listed" + self.snaps(ioctx, name=name))
            for entry in self.rbd.trash_list(ioctx):
                if entry["name"] == name:
                    found.append("trashed" + self.snaps(ioctx, image_id=entry["id"]))
            return ", ".join(found) or "gone"

    def snaps(self, ioctx, **which):
        try:
            with rbd.Image(ioctx, read_only=True, **which) as image:
                return " [%s]" % ", ".join(self.describe(image, snap) for snap in image.list_snaps())
        except rbd.ImageNotFound:
            return ", not to be opened"

    def describe(self, image, snap):
        if snap["namespace"] == rbd.RBD_SNAP_NAMESPACE_TYPE_TRASH:
            return "removed but cloned"
        return snap["name"] + (" protected" if image.is_protected_snap(snap["name"]) else "")

    def objects(self, pool):
        with self.ioctx(pool) as ioctx:
            return sorted(entry.key for entry in ioctx.list_objects())

    def drop_object(self, pool, name):
        with self.ioctx(pool) as ioctx:
            ioctx.remove_object(name)

    def fill(self, pool, percent):
        """Makes the cluster full, by saying that it is at so many percent of its space."""
        for name, ratio in (("nearfull", percent - 2), ("backfillfull", percent - 1), ("full", percent)):
            self.mon(prefix="osd set-%s-ratio" % name, ratio=ratio / 100)
        deadline = time.monotonic() + float(PATIENCE)
        while not self.is_full(pool):
            if time.monotonic() > deadline:
                raise TimeoutError("not full")
            time.sleep(0.05)

    def is_full(self, pool):
        flags = {entry["pool_name"]: entry["flags_names"] for entry in self.mon(prefix="osd dump")["pools"]}[pool]
        return "full" in flags.replace("nearfull", "").split(",")

    def blocklist(self, user):
        """Blocklists all clients of this name that the mon knows. How many."""
        sessions = self.mon("a", prefix="sessions")
        clients = [session["addrs"]["addrvec"][0] for session in sessions if session["entity_name"] == user]
        for client in clients:
            self.mon(prefix="osd blocklist", blocklistop="add", addr="%(addr)s/%(nonce)d" % client)
        return len(clients)

    def mon(self, target=None, /, **words):
        command = json.dumps(dict(words, format="json"))
        code, out, message = self.cluster.mon_command(command, b"", target=target)
        if code:
            raise OSError(code, message)
        return json.loads(out) if out.strip() else None

    def ioctx(self, pool):
        return self.cluster.open_ioctx(pool)

    def image(self, pool, name):
        return rbd.Image(self.ioctx(pool), name)


def glance_stores_driver(conf):
    from glance_store._drivers import rbd as driver
    from oslo_config import cfg

    options = cfg.ConfigOpts()
    options.register_opts(driver._RBD_OPTS, group="glance_store")
    options([], default_config_files=[])
    for name, value in (("ceph_conf", conf), ("user", "glance"), ("chunk_size", 1)):
        options.set_override("rbd_store_" + name, value, group="glance_store")
    store = driver.Store(options)
    store.configure()
    return store


def serve(conf):
    images = Images(conf)
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        try:
            answer = {"value": getattr(images, name)(*arguments)}
        except Exception:
            answer = {"error": traceback.format_exc()}
        print(json.dumps(answer), flush=True)


def hold(conf, pool, name, how):
    cluster = connect(conf)
    with cluster.open_ioctx(pool) as ioctx, rbd.Image(ioctx, name, read_only=how == "read") as image:
        if how == "write":
            image.update_features(rbd.RBD_FEATURE_OBJECT_MAP | rbd.RBD_FEATURE_FAST_DIFF, False)
            image.update_features(rbd.RBD_FEATURE_EXCLUSIVE_LOCK, False)
        if how == "lock":
            image.lock_acquire(rbd.RBD_LOCK_MODE_EXCLUSIVE)
        print(cluster.get_addrs(), flush=True)
        sys.stdin.read()


if sys.argv[2:3] == ["hold"]:
    hold(sys.argv[1], *sys.argv[3:])
else:
    serve(sys.argv[1])
