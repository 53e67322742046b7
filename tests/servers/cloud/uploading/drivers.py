"""glance_store as Glance configures it: one store, or named ones."""
import io
import os

import glance_store
from glance_store import multi_backend
from oslo_config import cfg


class Nobody:
    """The context of a request, where the driver has credentials of its own."""

    auth_token = None
    user_id = project_id = "somebody"
    service_catalog = []

    def to_dict(self):
        return {}


def configure(kind, scheme, options, backend=None):
    """A configuration with one store: `backend` of that type among enabled_backends, or, without it, Glance's older way."""
    conf = cfg.ConfigOpts()
    multi_backend.CONF = glance_store.backend.CONF = conf
    conf([], default_config_files=[])
    if backend:
        conf.register_opts([cfg.DictOpt("enabled_backends", default={})])
        conf.set_override("enabled_backends", {backend: kind})
        multi_backend.register_store_opts(conf)
        conf.set_override("default_backend", backend, group="glance_store")
    else:
        glance_store.register_opts(conf)
        conf.set_override("stores", [kind], group="glance_store")
        conf.set_override("default_store", scheme, group="glance_store")
    for name, value in options.items():
        conf.set_override(name, value, group=backend or "glance_store")
    if backend:
        multi_backend.create_multi_stores(conf)
        multi_backend.verify_store()
    else:
        glance_store.create_stores(conf)
        glance_store.verify_default_store()
    return conf


def add(kind, scheme, options, image, size, backend=None, context=None, announced=None):
    """Stores random bytes as an image. The URI that Glance would record."""
    conf = configure(kind, scheme, options, backend)
    data, announced = io.BytesIO(os.urandom(size)), size if announced is None else announced
    context = context or Nobody()
    if backend:
        return multi_backend.add_with_multihash(conf, image, data, announced, backend, "sha512", context=context)[0]
    return glance_store.add_to_backend_with_multihash(conf, image, data, announced, "sha512", scheme=scheme,
                                                      context=context)[0]


def set_acls(uri, backend, context):
    """As Glance does for a private image after its upload."""
    words = dict(public=False, read_tenants=[], write_tenants=[context.project_id], context=context)
    if backend:
        multi_backend.set_acls_for_multi_store(uri, backend, **words)
    else:
        glance_store.set_acls(uri, **words)
