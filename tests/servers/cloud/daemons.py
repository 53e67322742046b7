"""Servers as processes that can be stopped, started, killed and frozen by name; none outlives this process."""
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

PATIENCE = 90
WITH_US = ["setpriv", "--pdeathsig", "KILL"]
ORDERS = {"kill": signal.SIGKILL, "freeze": signal.SIGSTOP, "thaw": signal.SIGCONT}


class Daemon:
    def __init__(self, name, words, answers, log, environment):
        self.name, self.words, self.answers, self.log, self.environment = name, words, answers, log, environment
        self.process = None

    def start(self, spawning):
        """Returns once it answers. The thread that calls this must live as long as the daemon is to: the kernel kills the
        daemon with it, so that whoever kills us leaves nothing over."""
        if self.process and self.process.poll() is None:
            return
        with open(self.log, "ab") as log, spawning:
            self.process = subprocess.Popen(
                [*WITH_US, *self.words], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, "PYTHONWARNINGS": "ignore", **self.environment}, start_new_session=True)
        deadline = time.monotonic() + PATIENCE
        while not self.answers():
            if self.process.poll() is not None:
                raise RuntimeError("%s has gone: %s" % (self.name, self.last_words()))
            if time.monotonic() > deadline:
                raise RuntimeError("%s does not answer: %s" % (self.name, self.last_words()))
            time.sleep(0.05)

    def last_words(self):
        with open(self.log, errors="replace") as log:
            return log.read()[-4000:]

    def signal(self, number):
        """To all of its process group: a server may have workers."""
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, number)

    def end(self, number):
        """Returns once it has gone."""
        self.signal(number)
        self.signal(signal.SIGCONT)
        if self.process:
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.signal(signal.SIGKILL)
                self.process.wait()


class Daemons:
    def __init__(self, directory):
        self.directory = directory
        self.all = {}
        self.spawning = threading.Lock()

    def start(self, name, words, answers, **environment):
        daemon = Daemon(name, words, answers, os.path.join(self.directory, name + ".log"), environment)
        self.all[name] = daemon
        daemon.start(self.spawning)

    def obey(self, order, which):
        """`which` is a daemon or the beginning of several: `swift` is all of Swift's."""
        chosen = [daemon for name, daemon in self.all.items() if name == which or name.startswith(which + "-")]
        if not chosen:
            raise SystemExit("there is no %s among %s" % (which, ", ".join(self.all)))
        for daemon in chosen:
            if order == "start":
                daemon.start(self.spawning)
            elif order == "stop":
                daemon.end(signal.SIGTERM)
            elif order == "kill":
                daemon.end(signal.SIGKILL)
            else:
                daemon.signal(ORDERS[order])

    def end(self):
        """For good: what another thread is about to start is not started any more."""
        self.spawning.acquire()
        for daemon in self.all.values():
            daemon.signal(signal.SIGKILL)


def run(*words, **environment):
    done = subprocess.run([*WITH_US, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          env={**os.environ, "PYTHONWARNINGS": "ignore", **environment})
    if done.returncode:
        sys.stderr.buffer.write(done.stdout)
        raise RuntimeError("%s failed" % " ".join(words))
    return done.stdout


def listens(port):
    def answers():
        try:
            with socket.create_connection(("127.0.0.1", port), 2):
                return True
        except OSError:
            return False
    return answers


def serves(url):
    """Whatever it says."""
    def answers():
        try:
            urllib.request.urlopen(url, timeout=2)
        except urllib.error.HTTPError:
            pass
        except OSError:
            return False
        return True
    return answers


given = set()


def free_port():
    """Below the ports that the kernel hands out, or a client may have it when the server is started again."""
    while True:
        port = random.SystemRandom().randrange(20000, 32000)
        try:
            with socket.create_server(("127.0.0.1", port)):
                if port not in given:
                    given.add(port)
                    return port
        except OSError:
            pass


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
        file.write(text)
