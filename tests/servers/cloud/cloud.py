#!/usr/bin/env python3
"""Real servers of what Glance stores images in, on loopback, in a directory: cloud.py DIR [SERVER...] [--forever]

SERVER is one or more of keystone, swift, moto, radosgw, cinder, vcsim; all of them when none is named. Swift without
Keystone has its tempauth proxy alone. Where they are and who may use them is then in DIR/cloud.json.

Says `ready` on stdout, and by a file DIR/ready, once all of them serve. Then it takes lines from stdin and answers each
with `done`: `start`, `stop`, `kill`, `freeze` or `thaw`, and a daemon: keystone, memcached, swift-account,
swift-container, swift-object, swift-proxy, swift-tempauth, moto, ceph, radosgw, cinder, vcsim, or `swift` for all of
Swift's. moto and vcsim keep all in memory; so does ceph, the cluster behind radosgw, which cannot be started again. The
daemons end with this process, and this process with its stdin (with --forever: when it is told to); so nothing is left
over by whoever is killed.

To be run with the Python of the virtual environment that tests/all makes; tests/cloud does both by hand.
"""
import argparse
import importlib
import json
import os
import secrets
import signal
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor

# Nothing is left in the tree, by the servers either.
sys.dont_write_bytecode = True
os.environ["PYTHONDONTWRITEBYTECODE"] = "1"

from daemons import Daemons, free_port, write  # noqa: E402

SERVERS = ("keystone", "swift", "moto", "radosgw", "cinder", "vcsim")


class Cloud:
    def __init__(self, root, names, vcsim):
        self.root, self.names, self.vcsim = root, names, vcsim
        self.ports, self.passwords, self.lock = {}, {}, threading.Lock()
        self.daemons = Daemons(self.directory("logs"))
        # Never shut down: the daemons end with the thread that started them.
        self.threads = ThreadPoolExecutor(16)

    def make(self):
        """All at once. The facts."""
        facts = {name: self.begin(importlib.import_module("parts." + name).make, self) for name in self.names}
        facts = {name: making.result() for name, making in facts.items()}
        facts.update(facts.pop("swift", {}))  # Swift is an S3 server too
        return dict(facts, python=sys.executable, vcsim_program=self.vcsim)  # for whoever wants one of its own

    def begin(self, what, *arguments, **words):
        return self.threads.submit(what, *arguments, **words)

    def directory(self, name):
        path = os.path.join(self.root, name)
        os.makedirs(path, exist_ok=True)
        return path

    def port(self, name):
        """Also before the server is there, for those who will speak to it."""
        with self.lock:
            if name not in self.ports:
                self.ports[name] = free_port()
            return self.ports[name]

    def password(self, name):
        with self.lock:
            return self.passwords.setdefault(name, secrets.token_hex(12))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("dir", type=os.path.abspath)
    parser.add_argument("servers", nargs="*", choices=[*SERVERS, []])
    parser.add_argument("--vcsim", metavar="PROGRAM")
    parser.add_argument("--forever", action="store_true")
    arguments = parser.parse_intermixed_args()
    names = arguments.servers or SERVERS
    if "cinder" in names and "keystone" not in names:
        parser.error("Cinder needs Keystone")
    if os.path.isdir(arguments.dir) and os.listdir(arguments.dir):
        parser.error("%s is not empty" % arguments.dir)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    cloud = Cloud(arguments.dir, names, arguments.vcsim)
    code = 1
    try:
        write(os.path.join(arguments.dir, "cloud.json"), json.dumps(cloud.make(), indent=2))
        write(os.path.join(arguments.dir, "ready"), "")
        print("ready", flush=True)
        while arguments.forever:
            signal.pause()
        for line in sys.stdin:
            cloud.daemons.obey(*line.split())
            print("done", flush=True)
        code = 0
    except SystemExit:
        code = 0
    except Exception:
        traceback.print_exc()
    finally:
        cloud.daemons.end()
        os._exit(code)  # a thread may still wait for a server


main()
