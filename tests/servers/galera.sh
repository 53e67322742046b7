# A Galera cluster of our own, two MariaDB servers in $run, gone with the run. Sourced by tests/all.
#
# Tests share it and use databases of their own; a test that stops or kills a node makes a cluster for itself, by the
# same servers/galera/cluster.py.

galera_pid=

launch_galera() {
  as=()
  launch "$logs/galera.log" /usr/bin/python3 tests/servers/galera/cluster.py "$run/galera" --forever
  galera_pid=$!
  export SCRUBBER_TEST_GALERA=$run/galera/urls
}

wait_for_galera() {
  until_it_answers "$galera_pid" test -e "$run/galera/ready" || { cat "$logs/galera.log"; return 1; }
}

# Its servers go with it.
stop_galera() {
  [ -z "$galera_pid" ] || kill -TERM "$galera_pid" 2>/dev/null || true
  await_end $galera_pid
}
