"""Files in the datastores of vcsim."""
import os
import re
import time
import types
import urllib.parse
from xml.sax.saxutils import escape

import requests

ENVELOPE = """<?xml version="1.0" encoding="UTF-8"?>
<Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<Body><{method} xmlns="urn:vim25"><_this type="{this}">{this}</_this>{arguments}</{method}></Body></Envelope>"""


class Vsphere:
    def __init__(self, facts):
        self.facts = facts["vcsim"]

    def add(self, image, size=1000, datacenter=None, datastore=None, directory="openstack_glance"):
        """As Glance stores it, by the driver's `add`: the URI.

        The driver's session is one of ours, a mere Login, and the datastore is not looked up. oslo.vmware's own session wants
        a WSDL that vcsim does not have, and no other port than 443."""
        from glance_store._drivers import vmware_datastore as driver
        from oslo_config import cfg

        from uploading import drivers

        conf = cfg.ConfigOpts()
        conf.register_opts(driver._VMWARE_OPTS, group="glance_store")
        conf([], default_config_files=[])
        store = driver.Store(conf)
        store.scheme, store.server_host, store.store_image_dir = "vsphere", self.facts["host"], directory
        store.ca_file, store.api_insecure = self.facts["ca_file"], False
        store.session = types.SimpleNamespace(
            vim=types.SimpleNamespace(client=types.SimpleNamespace(cookiejar=self.log_in().cookies)),
            is_current_session_active=lambda: True)
        place = types.SimpleNamespace(
            name=datastore or self.facts["datastore"],
            datacenter=types.SimpleNamespace(path="/" + (datacenter or self.facts["datacenter"])))
        store.select_datastore = lambda _: place
        data = drivers.io.BytesIO(os.urandom(size))
        return store.add(image, data, size, "sha512")[0]

    def uri(self, image, datacenter=None, datastore=None, directory="openstack_glance"):
        query = urllib.parse.urlencode(dict(dsName=datastore or self.facts["datastore"],
                                            dcPath="/" + (datacenter or self.facts["datacenter"])))
        return "vsphere://%s/folder/%s/%s?%s" % (self.facts["host"], directory, image, query)

    def put(self, path, size=1000, datacenter=None, datastore=None):
        """A file in a datastore, in directories that are made if need be."""
        assert self.ask("PUT", path, datacenter, datastore, os.urandom(size)) in (200, 201)

    def remove(self, path, datacenter=None, datastore=None):
        """By the FileManager; vcsim's files take no DELETE."""
        session, datacenter = self.log_in(), datacenter or self.facts["datacenter"]
        found = self.soap(session, "FindByInventoryPath", "SearchIndex", inventoryPath="/" + datacenter)
        reference = re.search(r"<returnval[^>]*>([^<]+)<", found).group(1)
        self.soap(session, "DeleteDatastoreFile_Task", "FileManager",
                  name="[%s] %s" % (datastore or self.facts["datastore"], path), datacenter=reference)
        deadline = time.monotonic() + 60
        while self.there(path, datacenter, datastore):
            assert time.monotonic() < deadline, "the file stays"
            time.sleep(0.02)

    def log_in(self):
        session = requests.Session()
        self.soap(session, "Login", "SessionManager", userName=self.facts["user"], password=self.facts["password"])
        return session

    def soap(self, session, method, this, **arguments):
        kind = lambda name: ' type="Datacenter"' if name == "datacenter" else ""
        words = "".join("<%s%s>%s</%s>" % (name, kind(name), escape(value), name) for name, value in arguments.items())
        answer = session.post(self.facts["url"], ENVELOPE.format(method=method, this=this, arguments=words),
                              headers={"Content-Type": "text/xml"}, verify=self.facts["ca_file"])
        answer.raise_for_status()
        return answer.text

    def there(self, path, datacenter=None, datastore=None):
        status = self.ask("HEAD", path, datacenter, datastore)
        assert status in (200, 404), status
        return status == 200

    def ask(self, method, path, datacenter, datastore, data=None):
        query = dict(dcPath=datacenter or self.facts["datacenter"], dsName=datastore or self.facts["datastore"])
        answer = requests.request(method, "https://%s/folder/%s" % (self.facts["host"], path), params=query, data=data,
                                  auth=(self.facts["user"], self.facts["password"]), verify=self.facts["ca_file"])
        return answer.status_code
