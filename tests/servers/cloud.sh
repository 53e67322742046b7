# Keystone, Swift, S3 (moto and Ceph's radosgw), Cinder and vcsim of our own, in $run, gone with the run. Sourced by
# tests/all.
#
# Tests share them and use containers, buckets and volumes of their own; a test that stops or breaks a server makes those
# that it needs for itself, by the same servers/cloud/cloud.py.

cloud_pid=

launch_cloud() {
  as=()
  launch "$logs/cloud-servers.log" "$cloud_venv/bin/python" tests/servers/cloud/cloud.py "$run/cloud" \
    --vcsim "$vcsim" --forever
  cloud_pid=$!
  export SCRUBBER_TEST_CLOUD=$run/cloud/cloud.json
}

wait_for_cloud() {
  until_it_answers "$cloud_pid" test -e "$run/cloud/ready" || { cat "$logs/cloud-servers.log"; return 1; }
}

# Its servers go with it.
stop_cloud() {
  [ -z "$cloud_pid" ] || kill -TERM "$cloud_pid" 2>/dev/null || true
  await_end $cloud_pid
}
