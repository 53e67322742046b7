"""Keystone with SQLite, and everybody who uses the other servers."""
import base64
import json
import os
import secrets
import sys
import urllib.request

from daemons import run, serves, write

CONF = """\
[DEFAULT]
log_file = {dir}/keystone.log
[database]
connection = sqlite:///{dir}/keystone.db
[fernet_tokens]
key_repository = {dir}/fernet
[credential]
key_repository = {dir}/credential
[token]
provider = fernet
[cache]
enabled = true
backend = dogpile.cache.memory
[identity]
password_hash_rounds = 4
[oslo_policy]
enforce_scope = false
"""

# Keystone reads sys.argv as its own, so that gunicorn's options have to be in a file.
GUNICORN = """\
bind = "127.0.0.1:{port}"
worker_class = "gthread"
threads = 8
control_socket_disable = True
wsgi_app = "keystone.wsgi.api:application"
"""

REGION = "RegionOne"

# name: project, roles there (each role of Keystone's own has those below it: admin, member, reader). `reader` may look and
# not delete; `stranger` has nothing to do with the project of Glance, and in its own a role that nobody knows;
# `reseller` may do everything in every account.
USERS = {
    "glance": ("service", ["service", "admin", "swiftoperator", "member"]),
    "swift": ("service", ["service", "admin"]),
    "cinder": ("service", ["service", "admin"]),
    "reader": ("service", ["reader"]),
    "reseller": ("service", ["ResellerAdmin"]),
    "stranger": ("lobby", ["guest"]),
    "demo": ("demo", ["member", "swiftoperator"]),
    "elsewhere": ("away", ["member", "swiftoperator"]),
}
# In a domain of its own; everybody else is in `Default`.
AWAY = "elsewhere"
# name: roles, of the user glance.
APPLICATION_CREDENTIALS = {"swift": ["swiftoperator"], "cinder": ["member"]}


def make(cloud):
    directory, port = cloud.directory("keystone"), cloud.port("keystone")
    conf = os.path.join(directory, "keystone.conf")
    url = "http://127.0.0.1:%d/v3" % port
    write(conf, CONF.format(dir=directory))
    write(os.path.join(directory, "gunicorn.py"), GUNICORN.format(port=port))
    for repository in ("fernet", "credential"):
        os.mkdir(os.path.join(directory, repository), 0o700)
        for key in "01":
            write(os.path.join(directory, repository, key), base64.urlsafe_b64encode(os.urandom(32)).decode())
    environment = {"OS_KEYSTONE_CONFIG_DIR": directory, "OS_KEYSTONE_CONFIG_FILES": "keystone.conf"}
    # Beside the making of its database, which it does not touch before somebody logs in.
    starting = cloud.begin(cloud.daemons.start, "keystone", [os.path.join(sys.prefix, "bin/gunicorn")], serves(url),
                           GUNICORN_CMD_ARGS="-c " + os.path.join(directory, "gunicorn.py"), **environment)
    manage = [os.path.join(sys.prefix, "bin/keystone-manage"), "--config-file", conf]
    run(*manage, "db_sync", **environment)
    admin = secrets.token_hex(8)
    run(*manage, "bootstrap", "--bootstrap-password", admin, "--bootstrap-region-id", REGION,
        "--bootstrap-admin-url", url, "--bootstrap-internal-url", url, "--bootstrap-public-url", url, **environment)
    starting.result()
    return seed(cloud, Identity(url, "admin", admin, "admin"), url, admin)


def seed(cloud, identity, url, admin):
    away = identity.create("domain", name="Away")["id"]
    domain_of = lambda name: away if name == AWAY else "default"
    users, roles, projects = {}, {role["name"]: role["id"] for role in identity.get("roles")["roles"]}, {}
    for role in sorted({role for _, (_, roles) in USERS.items() for role in roles} - set(roles)):
        roles[role] = identity.create("role", name=role)["id"]
    for name, (project, its_roles) in USERS.items():
        domain, password = domain_of(name), cloud.password(name)
        if project not in projects:
            projects[project] = identity.create("project", name=project, domain_id=domain)["id"]
        user = identity.create("user", name=name, password=password, domain_id=domain)["id"]
        for role in its_roles:
            identity.ask("PUT", "projects/%s/users/%s/roles/%s" % (projects[project], user, roles[role]))
        users[name] = dict(user=name, user_id=user, password=password, project=project, project_id=projects[project],
                           domain="Away" if domain == away else "Default", domain_id=domain)
    users["admin"] = dict(user="admin", user_id=identity.user_id, password=admin, project="admin",
                          project_id=identity.project_id, domain="Default", domain_id="default")
    swift = "http://127.0.0.1:%d/v1/AUTH_%%(project_id)s" % cloud.port("swift-proxy")
    cinder = "http://127.0.0.1:%d/v3/%%(project_id)s" % cloud.port("cinder")
    for name, kind, endpoint in (("swift", "object-store", swift), ("cinderv3", "volumev3", cinder),
                                 ("cinder", "block-storage", cinder)):
        service = identity.create("service", name=name, type=kind)["id"]
        for interface in ("public", "internal", "admin"):
            identity.create("endpoint", service_id=service, interface=interface, url=endpoint, region_id=REGION)
    return dict(url=url, region=REGION, users=users,
                application_credentials=application_credentials(url, users["glance"], roles))


def application_credentials(url, user, roles):
    identity = Identity(url, user["user"], user["password"], user["project"])
    answer = {}
    for name, its_roles in APPLICATION_CREDENTIALS.items():
        made = identity.ask("POST", "users/%s/application_credentials" % user["user_id"], {"application_credential": dict(
            name=name, secret=secrets.token_hex(8), roles=[{"id": roles[role]} for role in its_roles])})
        answer[name] = {key: made["application_credential"][key] for key in ("id", "secret")}
    return answer


class Identity:
    """Keystone's API as one user of the domain Default."""

    def __init__(self, url, user, password, project):
        self.url, self.token = url, None
        default = {"id": "default"}
        body = {"auth": {"identity": {"methods": ["password"], "password": {
            "user": {"name": user, "password": password, "domain": default}}},
            "scope": {"project": {"name": project, "domain": default}}}}
        with self.open("POST", "auth/tokens", body) as answer:
            self.token = answer.headers["X-Subject-Token"]
            token = json.load(answer)["token"]
        self.user_id, self.project_id = token["user"]["id"], token["project"]["id"]

    def open(self, method, path, body=None):
        headers = {"Content-Type": "application/json"}
        if self.token:
            headers["X-Auth-Token"] = self.token
        data = None if body is None else json.dumps(body).encode()
        return urllib.request.urlopen(urllib.request.Request(self.url + "/" + path, data, headers, method=method))

    def ask(self, method, path, body=None):
        with self.open(method, path, body) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def get(self, path):
        return self.ask("GET", path)

    def create(self, kind, **words):
        return self.ask("POST", kind + "s", {kind: words})[kind]
