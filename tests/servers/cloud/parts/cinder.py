"""Cinder: API, scheduler and volume manager in one process, volumes in files.

What becomes of a delete is said by control files in the directory of the volumes: see ../cinder/file_driver.py.
"""
import os
import sys

from daemons import run, serves, write

HERE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "cinder")

CONF = """\
[DEFAULT]
state_path = {dir}/state
log_dir = {dir}
host = tests
transport_url = fake:/
auth_strategy = keystone
api_paste_config = {venv}/etc/cinder/api-paste.ini
resource_query_filters_file = {venv}/etc/cinder/resource_filters.json
osapi_volume_listen = 127.0.0.1
osapi_volume_listen_port = {port}
osapi_volume_workers = 1
enabled_backends = file
default_volume_type = __DEFAULT__
rootwrap_config = {venv}/etc/cinder/rootwrap.conf
service_down_time = 1000000
report_interval = 5
scheduler_driver_init_wait_time = 1
my_ip = 127.0.0.1
quota_volumes = -1
quota_snapshots = -1
quota_gigabytes = -1
[file]
volume_driver = file_driver.FileDriver
volume_backend_name = file
file_dir = {dir}/volumes
[database]
connection = sqlite:///{dir}/cinder.db
[oslo_concurrency]
lock_path = {dir}/locks
[coordination]
backend_url = file://{dir}/locks
[keystone_authtoken]
www_authenticate_uri = {keystone}
auth_url = {keystone}
auth_type = password
project_domain_id = default
user_domain_id = default
project_name = service
username = cinder
password = {password}
service_token_roles_required = true
"""


def make(cloud):
    directory, port = cloud.directory("cinder"), cloud.port("cinder")
    for name in ("state", "volumes", "locks"):
        os.mkdir(os.path.join(directory, name))
    conf = os.path.join(directory, "cinder.conf")
    write(conf, CONF.format(dir=directory, venv=sys.prefix, port=port, password=cloud.password("cinder"),
                            keystone="http://127.0.0.1:%d/v3" % cloud.port("keystone")))
    run(os.path.join(sys.prefix, "bin/cinder-manage"), "--config-file", conf, "--log-file", "sync.log", "db", "sync")
    url = "http://127.0.0.1:%d" % port
    server = [sys.executable, os.path.join(HERE, "in_one.py"), "--config-file", conf, "--log-file", "cinder.log"]
    cloud.daemons.start("cinder", server, serves(url), PYTHONPATH=HERE)
    return dict(url=url, control=os.path.join(directory, "volumes"))
