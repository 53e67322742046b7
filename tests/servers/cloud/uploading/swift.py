"""Objects in Swift. A `user` is one of Keystone's, or with a colon one of tempauth's (`test:tester`)."""
import json
import os
import urllib.parse

import requests
import swiftclient

from uploading import drivers
from uploading.keystone import session_of

# What glance_store takes for a megabyte in Swift's options.
MEGABYTE = 1024000


class Swift:
    def __init__(self, facts):
        self.facts = facts

    # By glance_store.

    def add(self, image, size=1000, user="glance", container="glance", options={}, backend=None):
        """As Glance stores it, in segments of a MEGABYTE where it is as large as that: the URI. The driver's options can be
        given, also those with which it writes other URIs (swift_store_config_file, swift_store_multiple_containers_seed).
        With swift_store_multi_tenant the data is the user's own, and with the ACL that Glance sets."""
        its = self.facts["keystone"]["users"]["glance" if options.get("swift_store_multi_tenant") else user]
        options = dict(
            dict(swift_store_auth_address=self.facts["keystone"]["url"], swift_store_key=its["password"],
                 swift_store_user="%s:%s" % (its["project"], its["user"]), swift_store_container=container,
                 swift_store_create_container_on_put=True, swift_store_large_object_size=1,
                 swift_store_large_object_chunk_size=1),
            **options)
        # The driver announces a whole segment for the last one, and Swift waits for it, unless the size is unknown.
        announced = size if size < MEGABYTE or size % MEGABYTE == 0 else 0
        context = Context(self.facts, user) if options.get("swift_store_multi_tenant") else None
        uri = drivers.add("swift", "swift+http", options, image, size, backend, context, announced)
        if context:
            drivers.set_acls(uri, backend, context)
        return uri

    # By the API.

    def uri(self, object, user="glance", container="glance"):
        """As Glance would write it with the credentials in it: v3, or v1 for tempauth (glance_store before 5.0)."""
        if ":" in user:
            name, key, auth = user, self.facts["swift"]["users"][user], self.facts["swift"]["tempauth_v1"]
        else:
            its = self.facts["keystone"]["users"][user]
            name, key = "%s:%s" % (its["project"], its["user"]), its["password"]
            auth = self.facts["keystone"]["url"]
        scheme, rest = auth.split("://")
        return "swift+%s://%s:%s@%s/%s/%s" % (scheme, urllib.parse.quote(name, ""), urllib.parse.quote(key, ""), rest,
                                              container, object)

    def storage_url(self, user="glance"):
        return self.connection(user).get_auth()[0]

    def put(self, object, size=1000, user="glance", container="glance", headers={}):
        """An object of random bytes, in a container that is made if need be."""
        connection = self.container(user, container)
        return connection.put_object(container, object, os.urandom(size), headers=headers)

    def dlo(self, object, segments, user="glance", container="glance", segment_container=None):
        """A dynamic large object as glance_store makes them (`<object>-00001`, ...), of tiny segments."""
        where = segment_container or container
        connection = self.container(user, where)
        for number in range(1, segments + 1):
            connection.put_object(where, "%s-%05d" % (object, number), b"x")
        manifest = urllib.parse.quote("%s/%s-" % (where, object))
        self.container(user, container).put_object(container, object, b"", headers={"X-Object-Manifest": manifest})

    def slo(self, object, segments, user="glance", container="glance", segment_container=None):
        """A static large object, of tiny segments `<object>-00001`, ..."""
        where = segment_container or container
        connection, parts = self.container(user, where), []
        for number in range(1, segments + 1):
            name = "%s-%05d" % (object, number)
            parts.append(dict(path="/%s/%s" % (where, name), etag=connection.put_object(where, name, b"x"), size_bytes=1))
        self.container(user, container).put_object(container, object, json.dumps(parts),
                                                   query_string="multipart-manifest=put")

    def container(self, user, container, headers={}):
        connection = self.connection(user)
        connection.put_container(container, headers)
        return connection

    def make_container(self, container, user="glance", headers={}):
        """Or gives new headers (ACLs, versioning) to one that is there."""
        self.container(user, container, headers)

    def request(self, method, path, user="glance", headers={}, body=None):
        """Anything that Swift's API has, with the user's token; the path is what follows the account's URL."""
        url, token = self.connection(user).get_auth()
        answer = requests.request(method, url + path, data=body, headers={"X-Auth-Token": token, **headers})
        return {"status": answer.status_code, "headers": dict(answer.headers), "body": answer.text}

    # Looks.

    def objects(self, container="glance", prefix="", user="glance"):
        """All names; none at all (null) if the container is not there."""
        return self.unless_404(lambda: [entry["name"] for entry in self.connection(user).get_container(
            container, prefix=prefix, full_listing=True)[1]])

    def containers(self, user="glance", prefix=""):
        return [entry["name"] for entry in self.connection(user).get_account(prefix=prefix, full_listing=True)[1]]

    def head(self, object, container="glance", user="glance"):
        """The headers of an object, or null."""
        return self.unless_404(lambda: dict(self.connection(user).head_object(container, object)))

    @staticmethod
    def unless_404(ask):
        try:
            return ask()
        except swiftclient.ClientException as error:
            if error.http_status != 404:
                raise
            return None

    def connection(self, user):
        if ":" in user:
            return swiftclient.Connection(self.facts["swift"]["tempauth_v1"], user, self.facts["swift"]["users"][user],
                                          auth_version="1", retries=0)
        its = self.facts["keystone"]["users"][user]
        return swiftclient.Connection(
            self.facts["keystone"]["url"], its["user"], its["password"], auth_version="3", retries=0, os_options=dict(
                project_name=its["project"], user_domain_id=its["domain_id"], project_domain_id=its["domain_id"],
                region_name=self.facts["keystone"]["region"]))


class Context:
    """What Glance has of a user who uploads."""

    def __init__(self, facts, user):
        session = session_of(facts, user)
        self.auth_token = session.get_token()
        access = session.auth.get_access(session)
        self.project_id = self.tenant = access.project_id
        self.user_id = self.user = access.user_id
        self.service_catalog = [
            dict(type=service["type"], name=service["name"], endpoints=[
                {"region": facts["keystone"]["region"], **{
                    one["interface"] + "URL": one["url"] for one in service["endpoints"]
                    if one["region"] == facts["keystone"]["region"]}}])
            for service in access.service_catalog.catalog]
