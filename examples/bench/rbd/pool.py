"""The Ceph side of the bench: makes images, looks at what is left of them, and is the floor.

pool.py CONF USER POOL connect                              the cluster's fsid, and a number that each connection raises
pool.py CONF USER POOL list [whole]                         what is in the pool, one name a line; its trash too
pool.py CONF USER POOL make FILE GIB MIB FEATURES           exactly the images whose names FILE has, as Glance makes them
pool.py CONF USER POOL floor FILE THREADS                   removes them, with nothing but librbd's calls

FILE has one name a line. librbd lets go of Python's lock in each of its calls, so threads are enough: of the floor's
processor time Python itself takes some hundredths.
"""

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import rados
import rbd

SNAPSHOT = "snap"
# So many snapshots are made in one commit of the monitors.
THREADS = 64
# glance_store's rbd_store_chunk_size, 8 MiB, as a power of two.
ORDER = 23


def connect(cluster, _):
    print(cluster.get_fsid(), cluster.get_instance_id())


def list_names(_, pool, only_whole=None):
    for name in rbd.RBD().list(pool):
        print(name if not only_whole or is_whole(pool, name) else name + " (no longer whole)")
    for entry in rbd.RBD().trash_list(pool):
        print("(trash)", entry["name"])


def make(_, pool, file, gib, mib, features):
    wanted = set(read(file))
    features = None if features == "default" else int(features)
    for entry in rbd.RBD().trash_list(pool):
        rbd.RBD().trash_remove(pool, entry["id"], force=True)
    there = set(rbd.RBD().list(pool))
    each(lambda name: clear(pool, name), there - wanted)
    whole = set(name for name in there & wanted if is_whole(pool, name))
    each(lambda name: clear(pool, name), (there & wanted) - whole)
    each(lambda name: create(pool, name, int(gib), int(mib), features), wanted - whole)


def create(pool, name, gib, mib, features):
    rbd.RBD().create(pool, name, gib << 30, order=ORDER, old_format=False, features=features)
    with rbd.Image(pool, name) as image:
        # Like a qcow2 that was converted: data from the beginning on, and nothing behind it.
        chunk = os.urandom(1 << 20)
        for place in range(mib):
            image.write(chunk, place << 20)
        image.flush()
        image.create_snap(SNAPSHOT)
        image.protect_snap(SNAPSHOT)


def is_whole(pool, name):
    try:
        with rbd.Image(pool, name, read_only=True) as image:
            return image.is_protected_snap(SNAPSHOT)
    except rbd.ImageNotFound:
        return False


def clear(pool, name):
    """Removes an image in whatever state a failed contestant left it."""
    try:
        with rbd.Image(pool, name) as image:
            for snapshot in list(image.list_snaps()):
                if image.is_protected_snap(snapshot["name"]):
                    image.unprotect_snap(snapshot["name"])
                image.remove_snap(snapshot["name"])
    except rbd.ImageNotFound:
        pass
    # Whoever was killed with the image open counts as a watcher for half a minute.
    end = time.monotonic() + 60
    while True:
        try:
            return rbd.RBD().remove(pool, name)
        except rbd.ImageNotFound:
            return None
        except rbd.ImageBusy:
            if time.monotonic() > end:
                raise
            time.sleep(1)


def floor(_, pool, file, threads):
    def remove(name):
        with rbd.Image(pool, name) as image:
            image.unprotect_snap(SNAPSHOT)
            image.remove_snap(SNAPSHOT)
        rbd.RBD().remove(pool, name)

    each(remove, read(file), int(threads))


def each(what, names, threads=THREADS):
    with ThreadPoolExecutor(threads) as workers:
        for _ in workers.map(what, names):
            pass


def read(file):
    with open(file) as lines:
        return lines.read().split()


def main(conf, user, pool, command, *words):
    commands = {"connect": connect, "list": list_names, "make": make, "floor": floor}
    with rados.Rados(conffile=conf, rados_id=user) as cluster, cluster.open_ioctx(pool) as ioctx:
        commands[command](cluster, ioctx, *words)


if __name__ == "__main__":
    main(*sys.argv[1:])
