"""One of Swift's servers: swift_server.py DIR proxy|account|container|object CONF

Its limits are those of DIR/swift.conf. Left to itself, Swift reads them from /etc/swift/swift.conf, whatever swift_dir
says.
"""
import runpy
import sys

from swift.common import utils

directory, name, conf = sys.argv[1:]
utils.SWIFT_CONF_FILE = directory + "/swift.conf"

from swift.common import constraints  # noqa: E402

constraints.reload_constraints()  # before the modules that import them by name

program = "%s/bin/swift-%s-server" % (sys.prefix, name)
sys.argv = [program, conf, "-v"]
runpy.run_path(program, run_name="__main__")
