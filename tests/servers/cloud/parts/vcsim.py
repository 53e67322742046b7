"""vcsim, govmomi's simulator of a vCenter, with a certificate of a CA of its own."""
import os

from daemons import listens, run

USER = "administrator@vsphere.local"


def make(cloud):
    directory, port = cloud.directory("vcsim"), cloud.port("vcsim")
    path = lambda name: os.path.join(directory, name)
    make_certificate(path)
    words = [cloud.vcsim, "127.0.0.1:%d" % port, USER, cloud.password("vcsim"), path("cert.pem"), path("key.pem")]
    cloud.daemons.start("vcsim", words, listens(port), TMPDIR=directory)  # where it keeps its datastores
    return dict(url="https://127.0.0.1:%d/sdk" % port, host="127.0.0.1:%d" % port, user=USER,
                password=cloud.password("vcsim"), ca_file=path("ca.pem"), datacenter="DC0", datastore="LocalDS_0",
                other_datacenter="DC1", other_datastore="LocalDS_1")


def make_certificate(path):
    """Not one that signs itself: what is a CA is no server's certificate, for some clients."""
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30"]
    run("openssl", "req", "-x509", *curve, "-subj", "/CN=a CA of the tests",
        "-keyout", path("ca.key"), "-out", path("ca.pem"))
    run("openssl", "req", "-x509", *curve, "-CA", path("ca.pem"), "-CAkey", path("ca.key"), "-subj", "/CN=vcsim",
        "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE",
        "-keyout", path("key.pem"), "-out", path("cert.pem"))
