"""Images in the servers of cloud.py, for the tests: made by glance_store's drivers, and brought into every state there is.

    uploads.py CLOUD_JSON       takes calls, a JSON line each, and answers each with a JSON line

A call is ["swift.add", {"image": ..., ...}]: a module of uploading/, a method of its class, and the arguments by name. The
answer is {"value": ...} or {"error": "..."}.
"""
import importlib
import json
import logging
import os
import sys
import traceback
import warnings

warnings.simplefilter("ignore")
sys.dont_write_bytecode = True  # nothing is left in the tree


class Modules:
    """Each is made with the first call: they take a second to import."""

    def __init__(self, path):
        with open(path) as file:
            self.facts = json.load(file)
        self.made = {}

    def __getitem__(self, name):
        if name not in self.made:
            module = importlib.import_module("uploading." + name)
            self.made[name] = getattr(module, name.capitalize())(self.facts)
        return self.made[name]


def serve(path):
    logging.getLogger().addHandler(logging.NullHandler())  # what matters is in an answer
    # Before anything is imported: os-brick, by which glance_store attaches Cinder's volumes, has locks in files.
    os.environ["OSLO_LOCK_PATH"] = os.path.join(os.path.dirname(os.path.abspath(path)), "locks")
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        os.environ.pop(name, None)  # these would win over the CA that a driver is given
    modules = Modules(path)
    # What a library prints must not come between the answers.
    answers, sys.stdout = os.fdopen(os.dup(1), "w"), sys.stderr
    os.dup2(2, 1)
    for line in sys.stdin:
        name, arguments = json.loads(line)
        module, method = name.split(".")
        try:
            answer = {"value": getattr(modules[module], method)(**arguments)}
        except Exception:
            answer = {"error": traceback.format_exc()}
        print(json.dumps(answer), file=answers, flush=True)


serve(sys.argv[1])
