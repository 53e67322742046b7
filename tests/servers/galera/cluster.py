#!/usr/bin/python3
"""A real Galera cluster in a directory: two MariaDB servers on loopback, each with data of its own.

    cluster.py DIR [--forever]

Says `ready` on stdout, and by a file DIR/ready, once both serve; DIR/urls has the SQLAlchemy URL of an administrator of
each, a line a node. Then it takes lines from stdin and answers each with `done`: `start`, `stop`, `kill`, `freeze` or
`thaw`, and `1` or `2`. The servers end with this process, and this process with its stdin (with --forever: when it is
told to); so no cluster is left over by whoever is killed.

Node 1 has two votes, so that it goes on alone when node 2 is killed, and node 2 does not when node 1 is. Node 2 has
innodb_snapshot_isolation, as MariaDB 11.6 and later have by default. The cluster forbids what MariaDB can forbid of what
Percona's pxc_strict_mode forbids (wsrep_mode). Nothing is durable: no fsync, no double write. DIR/node-N/general.log has
every statement.
"""
import argparse
import os
import pwd
import random
import secrets
import signal
import socket
import subprocess
import sys
import time

PATIENCE = 90

SERVER = "/usr/sbin/mariadbd"
PROVIDER = "/usr/lib/galera/libgalera_smm.so"

# The appliers are two so that they race, as in a cluster that is tuned. wsrep_sync_wait stays at MariaDB's default, 0: a
# read may be behind what the other node committed. Who wants more says so in a session (mysql_wsrep_sync_wait).
OPTIONS = """\
--bind-address=127.0.0.1 --skip-name-resolve --character-set-server=utf8mb3 --skip-log-bin --performance-schema=OFF
--innodb-flush-log-at-trx-commit=0 --innodb-doublewrite=0 --innodb-flush-method=nosync --innodb-buffer-pool-size=64M
--innodb-log-file-size=10M --max-connections=300 --general-log=ON
--binlog-format=ROW --innodb-autoinc-lock-mode=2 --wsrep-on=ON --wsrep-slave-threads=2 --wsrep-sst-method=rsync
--wsrep-mode=STRICT_REPLICATION,REQUIRED_PRIMARY_KEY,DISALLOW_LOCAL_GTID --wsrep-node-address=127.0.0.1
""".split()


class Cluster:
    def __init__(self, directory):
        self.dir = directory
        self.password = secrets.token_hex(16)
        self.nodes = {name: Node(self, name) for name in ("1", "2")}

    def make(self):
        # A statement a line, or mariadb-install-db does not understand it.
        self.write("root.sql", "FLUSH PRIVILEGES;\nALTER USER root@'127.0.0.1' IDENTIFIED BY '%s';\n"
                               "GRANT ALL ON *.* TO root@'127.0.0.1' WITH GRANT OPTION;\n" % self.password, mysql=True)
        for node in self.nodes.values():
            os.mkdir(node.dir)
            give_to_mysql(node.dir)
        # Node 2 gets everything from node 1.
        made = subprocess.run(as_mysql("mariadb-install-db", "--no-defaults", "--datadir=" + self.nodes["1"].path("data"),
                                "--skip-test-db", "--auth-root-authentication-method=normal",
                                "--extra-file=" + self.path("root.sql"), "--innodb-log-file-size=10M",
                                # A MariaDB that starts clears its temporary directory of the others' tables.
                                "--tmpdir=" + self.nodes["1"].dir),
                       stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if made.returncode:
            raise SystemExit(made.stdout + made.stderr)
        os.mkdir(self.nodes["2"].path("data"))
        give_to_mysql(self.nodes["2"].path("data"))
        self.nodes["1"].launch("--wsrep-new-cluster")
        self.nodes["2"].launch()
        for node in self.nodes.values():
            node.wait()
        url = "mysql+pymysql://root:%s@127.0.0.1:%d/\n"
        self.write("urls", "".join(url % (self.password, node.port) for node in self.nodes.values()))

    def end(self):
        for node in self.nodes.values():
            node.end(signal.SIGKILL)

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, text, mysql=False):
        with open(self.path(name), "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(text)
        if mysql:
            give_to_mysql(self.path(name))


class Node:
    def __init__(self, cluster, name):
        self.cluster, self.name, self.process = cluster, name, None
        self.dir = cluster.path("node-" + name)
        self.port, self.group, self.increments, self.snapshots = (free_port() for _ in range(4))

    def launch(self, *more):
        peers = ",".join("127.0.0.1:%d" % node.group for node in self.cluster.nodes.values() if node is not self)
        provider = {
            "gmcast.listen_addr": "tcp://127.0.0.1:%d" % self.group,
            "ist.recv_addr": "127.0.0.1:%d" % self.increments,
            "gcache.size": "16M",
            "socket.ssl": "no",
            "pc.weight": "2" if self.name == "1" else "1",
        }
        with open(self.path("log"), "ab") as log:
            # A group of its own, so that what it starts to copy its data ends with it.
            self.process = subprocess.Popen(as_mysql(
                "setpriv", "--pdeathsig", "KILL", SERVER, "--no-defaults", *OPTIONS, "--datadir=" + self.path("data"),
                "--socket=" + self.path("socket"), "--pid-file=" + self.path("pid"), "--tmpdir=" + self.dir,
                "--general-log-file=" + self.path("general.log"), "--port=%d" % self.port,
                "--innodb-snapshot-isolation=" + ("ON" if self.name == "2" else "OFF"),
                "--wsrep-provider=" + PROVIDER, "--wsrep-node-name=node-" + self.name,
                "--wsrep-cluster-address=gcomm://" + ("" if "--wsrep-new-cluster" in more else peers),
                "--wsrep-sst-receive-address=127.0.0.1:%d" % self.snapshots,
                "--wsrep-provider-options=" + ";".join("%s=%s" % option for option in provider.items()), *more),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

    def wait(self):
        deadline = time.monotonic() + PATIENCE
        while not self.serves():
            if self.process.poll() is not None or time.monotonic() > deadline:
                with open(self.path("log"), errors="replace") as log:
                    sys.stderr.write(log.read())
                raise SystemExit("node %s does not serve" % self.name)
            time.sleep(0.05)

    def serves(self):
        """Whether it is in step with the cluster, which is what lets it take statements."""
        answer = subprocess.run(
            ["mariadb", "--no-defaults", "--protocol=tcp", "--host=127.0.0.1", "--port=%d" % self.port, "--user=root",
             "--batch", "--skip-column-names", "--execute=SHOW STATUS LIKE 'wsrep_local_state_comment'"],
            env=dict(os.environ, MYSQL_PWD=self.cluster.password), stdin=subprocess.DEVNULL, capture_output=True)
        return b"Synced" in answer.stdout

    def end(self, number):
        if self.process is None:
            return
        try:
            if number == signal.SIGKILL:
                os.killpg(self.process.pid, number)
            else:
                self.process.send_signal(number)
        except ProcessLookupError:
            pass
        self.process.wait()
        self.process = None

    def path(self, name):
        return os.path.join(self.dir, name)


def as_mysql(*words):
    """mariadbd refuses root."""
    return (["setpriv", "--reuid", "mysql", "--regid", "mysql", "--clear-groups"] if os.getuid() == 0 else []) + list(words)


def give_to_mysql(path):
    if os.getuid() == 0:
        user = pwd.getpwnam("mysql")
        os.chown(path, user.pw_uid, user.pw_gid)


def free_port():
    """Below the ports that the kernel hands out, or a client may have it when a node is started again."""
    while True:
        port = random.SystemRandom().randrange(20000, 32000)
        try:
            with socket.create_server(("127.0.0.1", port)):
                return port
        except OSError:
            pass


def obey(cluster, line):
    verb, name = line.split()
    node = cluster.nodes[name]
    if verb == "start":
        node.launch()
        node.wait()
    else:
        {
            "stop": lambda: node.end(signal.SIGTERM),
            "kill": lambda: node.end(signal.SIGKILL),
            "freeze": lambda: node.process.send_signal(signal.SIGSTOP),
            "thaw": lambda: node.process.send_signal(signal.SIGCONT),
        }[verb]()
    print("done", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("dir", type=os.path.abspath)
    parser.add_argument("--forever", action="store_true")
    arguments = parser.parse_args()
    os.makedirs(arguments.dir, exist_ok=True)
    os.chmod(arguments.dir, 0o755)  # the servers' user comes through here
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    cluster = Cluster(arguments.dir)
    try:
        cluster.make()
        cluster.write("ready", "")
        print("ready", flush=True)
        while arguments.forever:
            signal.pause()
        for line in sys.stdin:
            obey(cluster, line)
    finally:
        cluster.end()


main()
