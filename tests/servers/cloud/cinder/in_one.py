"""cinder-api, cinder-scheduler and cinder-volume in one process, over oslo.messaging's transport in memory."""
from cinder import monkey_patch

monkey_patch.patch()

import shlex  # noqa: E402
import sys  # noqa: E402

import eventlet  # noqa: E402
import os_brick  # noqa: E402
from cinder import coordination, objects, rpc, service, utils, version  # noqa: E402
from cinder.cmd import volume  # noqa: E402
from cinder.common import config  # noqa: E402
from oslo_config import cfg  # noqa: E402
from oslo_log import log  # noqa: E402
from oslo_privsep import priv_context  # noqa: E402

CONF = cfg.CONF
objects.register_all()
CONF(sys.argv[1:], project="cinder", version=version.version_string())
config.set_middleware_defaults()
log.setup(CONF, "cinder")
priv_context.init(root_helper=shlex.split(utils.get_root_helper()))
os_brick.setup(CONF)
rpc.init(CONF)
coordination.COORDINATOR.start()
CONF.register_opt(volume.host_opt, group="file")
services = [service.Service.create(binary="cinder-scheduler"),
            service.Service.create(host="%s@file" % CONF.host, service_name="file", binary="cinder-volume")]
for one in services:
    one.start()
service.WSGIService("osapi_volume").start()
while True:  # not its wait(), which returns at once outside of a launcher
    eventlet.sleep(3600)
