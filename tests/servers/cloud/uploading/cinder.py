"""Volumes in Cinder."""
import os
import time

import glance_store._drivers.cinder.store as store
import os_brick.privileged
from cinderclient import client, exceptions

from uploading import drivers
from uploading.keystone import session_of

PATIENCE = 60

# A volume is attached as root, which we are: without sudo, and without a daemon that would outlive us.
store.Store.get_root_helper = lambda _: "env"
os_brick.privileged.default.set_client_mode(False)


class Cinder:
    def __init__(self, facts):
        self.facts = facts

    # By glance_store.

    def add(self, image, size=1000, backend=None, options={}):
        """As Glance stores it: the URI, `cinder://<volume>`, or with a backend `cinder://<backend>/<volume>`."""
        its, keystone = self.facts["keystone"]["users"]["glance"], self.facts["keystone"]
        options = dict(
            dict(cinder_store_auth_address=keystone["url"], cinder_store_user_name=its["user"],
                 cinder_store_password=its["password"], cinder_store_project_name=its["project"],
                 cinder_os_region_name=keystone["region"], cinder_state_transition_timeout=PATIENCE),
            **options)
        return drivers.add("cinder", "cinder", options, image, size, backend)

    # By the API.

    def uri(self, volume, backend=None):
        return "cinder://%s/%s" % (backend, volume) if backend else "cinder://" + volume

    def create(self, user="glance", metadata={}):
        """A volume that is available: its id."""
        volume = self.client(user).volumes.create(1, metadata=metadata).id
        self.wait(volume, "available")
        return volume

    def snapshot(self, volume, user="glance"):
        """Its id."""
        its = self.client(user)
        snapshot = its.volume_snapshots.create(volume).id
        self.until(lambda: its.volume_snapshots.get(snapshot).status == "available", "the snapshot")
        return snapshot

    def remove_snapshot(self, snapshot, user="glance"):
        its = self.client(user)
        its.volume_snapshots.delete(snapshot)
        self.until(lambda: not [one for one in its.volume_snapshots.list() if one.id == snapshot], "the snapshot to go")

    def attach(self, volume, user="glance"):
        """It is in use then. The id of the attachment, for `detach`."""
        attachments = self.client(user, "3.54").attachments
        connector = {"host": "tests", "ip": "127.0.0.1", "platform": "x86_64", "os_type": "linux2"}
        answer = attachments.create(volume, connector, None, "rw")
        made = answer.get("connection_info", {}).get("attachment_id") or answer["id"]
        attachments.complete(made)
        self.wait(volume, "in-use")
        return made

    def detach(self, attachment, user="glance"):
        self.client(user, "3.54").attachments.delete(attachment)

    def reserve(self, volume, user="glance"):
        """For an attachment that has not come yet."""
        self.client(user, "3.27").attachments.create(volume, None, None)

    def reset(self, volume, status):
        """An administrator's word: `error_deleting`, `attaching`, ..."""
        self.client("admin").volumes.reset_state(volume, status)

    def control(self, name, value=None, volume=None):
        """What the driver of the volumes does: `delay_delete` (seconds), `fail_delete` or `busy_delete`, for one volume or
        for all; without a value, no more. In a test that shares the servers, for one volume."""
        path = os.path.join(self.facts["cinder"]["control"], name + (".%s" % volume if volume else ""))
        if value is None:
            if os.path.exists(path):
                os.unlink(path)
        else:
            with open(path, "w") as file:
                file.write(str(value))

    def delete(self, volume, user="glance"):
        self.client(user).volumes.delete(volume)

    # Looks.

    def status(self, volume):
        """`available`, `deleting`, ..., or `gone`."""
        try:
            return self.client("admin").volumes.get(volume).status
        except exceptions.NotFound:
            return "gone"

    def wait(self, volume, status):
        """Until it has this status, `gone` too."""
        self.until(lambda: self.status(volume) == status, "%s to be %s" % (volume, status))

    def volumes(self, user="glance"):
        """name: id"""
        return {volume.name: volume.id for volume in self.client(user).volumes.list()}

    @staticmethod
    def until(ready, what):
        deadline = time.monotonic() + PATIENCE
        while not ready():
            if time.monotonic() > deadline:
                raise RuntimeError("waited a minute for %s" % what)
            time.sleep(0.05)

    def client(self, user, version="3.60"):
        url = "%s/v3/%s" % (self.facts["cinder"]["url"], self.facts["keystone"]["users"][user]["project_id"])
        session = session_of(self.facts, user)
        if user == "admin":  # who is one in every project
            its = self.facts["keystone"]["users"]
            url = "%s/v3/%s" % (self.facts["cinder"]["url"], its["admin"]["project_id"])
        return client.Client(version, session=session, endpoint_override=url)
