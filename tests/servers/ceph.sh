# Two Ceph clusters of our own, in $run, and gone with the run. Sourced by tests/all.
#
# Two, because what is right on one must not happen on the other. Tests share them and use images of their own; a test
# that fills, stops or kills a cluster makes one for itself, by the same servers/ceph/cluster.py.

ceph_pids=()

launch_ceph() {
  local name
  as=()
  for name in a b; do
    launch "$logs/ceph-$name.log" /usr/bin/python3 tests/servers/ceph/cluster.py "$run/ceph-$name" --forever
    ceph_pids+=($!)
  done
  export SCRUBBER_TEST_CEPH=$run/ceph-a/ceph.conf
  export SCRUBBER_TEST_CEPH_B=$run/ceph-b/ceph.conf
}

wait_for_ceph() {
  until_it_answers "${ceph_pids[0]}" test -e "$run/ceph-a/ready" || { cat "$logs/ceph-a.log"; return 1; }
  until_it_answers "${ceph_pids[1]}" test -e "$run/ceph-b/ready" || { cat "$logs/ceph-b.log"; return 1; }
}

# Their daemons go with them.
stop_ceph() {
  [ ${#ceph_pids[@]} = 0 ] || kill -TERM "${ceph_pids[@]}" 2>/dev/null || true
  await_end "${ceph_pids[@]}"
}
