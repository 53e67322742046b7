"""A driver of Cinder's whose volumes are sparse files, which needs nothing of the kernel. The real volume manager runs it.

Control files in file_dir, for all volumes, or with `.<volume id>` behind the name for one: `delay_delete` (the seconds that
a volume is `deleting`), `fail_delete` (it becomes `error_deleting`), `busy_delete` (it becomes `available` again).
A volume is attached as os-brick's protocol `local`, a path on this host.
"""
import os

import eventlet
from cinder import exception
from cinder.volume import configuration, driver
from oslo_config import cfg

OPTIONS = [cfg.StrOpt("file_dir")]
cfg.CONF.register_opts(OPTIONS, group=configuration.SHARED_CONF_GROUP)


class FileDriver(driver.VolumeDriver):
    VERSION = "1"

    def __init__(self, *arguments, **words):
        super().__init__(*arguments, **words)
        self.configuration.append_config_values(OPTIONS)

    def do_setup(self, context):
        self.directory = self.configuration.file_dir

    def check_for_setup_error(self):
        pass

    def path(self, thing):
        return os.path.join(self.directory, thing.id)

    def told(self, name, volume):
        for path in ("%s.%s" % (name, volume.id), name):
            try:
                with open(os.path.join(self.directory, path)) as file:
                    return file.read().strip() or "1"
            except FileNotFoundError:
                pass
        return None

    def create_volume(self, volume):
        with open(self.path(volume), "wb") as file:
            file.truncate(volume.size << 30)

    def extend_volume(self, volume, size):
        with open(self.path(volume), "r+b") as file:
            file.truncate(size << 30)

    def delete_volume(self, volume):
        eventlet.sleep(float(self.told("delay_delete", volume) or 0))
        if self.told("busy_delete", volume):
            raise exception.VolumeIsBusy(volume_name=volume.id)
        if self.told("fail_delete", volume):
            raise exception.VolumeBackendAPIException(data="told to fail")
        self.remove(volume)

    def create_snapshot(self, snapshot):
        open(self.path(snapshot), "w").close()

    def delete_snapshot(self, snapshot):
        self.remove(snapshot)

    def remove(self, thing):
        if os.path.exists(self.path(thing)):
            os.unlink(self.path(thing))

    def create_volume_from_snapshot(self, volume, snapshot):
        self.create_volume(volume)

    def create_cloned_volume(self, volume, source):
        self.create_volume(volume)

    def ensure_export(self, context, volume):
        pass

    def create_export(self, context, volume, connector):
        pass

    def remove_export(self, context, volume):
        pass

    def initialize_connection(self, volume, connector):
        return {"driver_volume_type": "local", "data": {"device_path": self.path(volume)}}

    def terminate_connection(self, volume, connector, **words):
        pass

    def _update_volume_stats(self):
        pool = dict(pool_name="file", total_capacity_gb=100000, free_capacity_gb=100000, reserved_percentage=0,
                    multiattach=True, QoS_support=False, thin_provisioning_support=True, max_over_subscription_ratio=20.0,
                    provisioned_capacity_gb=0)
        self._stats = dict(volume_backend_name="file", vendor_name="tests", driver_version=self.VERSION,
                           storage_protocol="local", pools=[pool])
