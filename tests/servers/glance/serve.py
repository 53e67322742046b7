"""Serves glance-api for one test: serve.py CONFIG_DIR, where CONFIG_DIR holds glance-api.conf.

Promises: listens on a port of 127.0.0.1 that the kernel chose and prints it as the one line on stdout, once requests are
answered; is gone as soon as its stdin is closed, so that it outlives no test, not even one that was killed.
Logs go to stderr. Glance 33 ships no command of its own for this: its WSGI application wants a server.
"""

import os
import socket
import sys
import threading


def leave_with_the_test():
    sys.stdin.buffer.read()
    os._exit(0)


def main():
    threading.Thread(target=leave_with_the_test, daemon=True).start()
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # oslo.log writes to stdout when no config says otherwise
    os.environ["OS_GLANCE_CONFIG_DIR"] = sys.argv[1]

    import waitress
    from glance.common import wsgi_app

    listener = socket.create_server(("127.0.0.1", 0))
    server = waitress.create_server(wsgi_app.init_app(), sockets=[listener], threads=4)
    print(listener.getsockname()[1], file=answer, flush=True)
    server.run()


main()
