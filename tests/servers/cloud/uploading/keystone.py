"""Keystone's API, as its administrator; and sessions of the users."""
import requests
from keystoneauth1 import session
from keystoneauth1.identity import v3


class Keystone:
    def __init__(self, facts):
        self.facts = facts["keystone"]
        self.admin = session_of(facts, "admin")

    def token(self, user):
        return session_of({"keystone": self.facts}, user).get_token()

    def request(self, method, path, body=None):
        """Anything of Keystone's API, as admin: its status and its answer."""
        answer = requests.request(method, "%s/%s" % (self.facts["url"], path), json=body,
                                  headers={"X-Auth-Token": self.admin.get_token()})
        return {"status": answer.status_code, "body": answer.json() if answer.content else None}

    def region(self, name, endpoints):
        """Endpoints of a region of the test's own, by type of service: for who puts a proxy before a server.
        `%(project_id)s` in a URL is the project."""
        for kind, url in endpoints.items():
            services = self.request("GET", "services?type=" + kind)["body"]["services"]
            for interface in ("public", "internal", "admin"):
                self.endpoint(name, services[0]["id"], interface, url)

    def endpoint(self, region, service, interface, url):
        self.request("POST", "regions", {"region": {"id": region}})  # may be there
        answer = self.request("POST", "endpoints", {"endpoint": {
            "region_id": region, "service_id": service, "interface": interface, "url": url}})
        assert answer["status"] == 201, answer


def session_of(facts, user):
    its = facts["keystone"]["users"][user]
    return session.Session(auth=v3.Password(
        facts["keystone"]["url"], username=its["user"], password=its["password"], project_name=its["project"],
        user_domain_id=its["domain_id"], project_domain_id=its["domain_id"]))
