# What tests/all and its parts share. Sourced, never run.

# Runs one stage with its output in a file, and prints one line about it: the verdict, the name, the seconds.
# The stage is a background job with a process group of its own: a signal to tests/all is handled at once instead of
# after the stage, and one kill reaches all that the stage started.
stage() {
  local name=$1 log="$logs/$1.log" start=$SECONDS rc=0
  shift
  "$@" >"$log" 2>&1 </dev/null 9>&- &
  stage_group=$!
  wait "$stage_group" || rc=$?
  stage_group=
  if [ "$rc" = 0 ]; then
    printf 'ok      %-10s %4d s\n' "$name" $((SECONDS - start))
  else
    printf 'FAILED  %-10s %4d s  (exit code %d)\n' "$name" $((SECONDS - start)) "$rc"
    sed 's/^/    /' "$log"
    failed+=("$name")
  fi
  return "$rc"
}

# A stage that the later ones build upon.
must() {
  stage "$@" || exit 1
}

# Sets `as`, the words that run a command as USER when we are root: PostgreSQL refuses root, and MariaDB should.
become() {
  as=()
  [ "$(id -u)" != 0 ] || as=(setpriv --reuid "$1" --regid "$1" --clear-groups)
}

# launch LOG COMMAND…: starts a server as `as` says, with its pid in $!. Should this script be killed without a chance to
# clean up, the kernel kills the server too.
launch() {
  local log=$1
  shift
  "${as[@]}" setpriv --pdeathsig KILL "$@" >"$log" 2>&1 </dev/null 9>&- &
  disown # or bash reports its end as if something had gone wrong
}

free_port() {
  /usr/bin/python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# until_it_answers PID COMMAND…: waits up to a minute for COMMAND to succeed; gives up at once when PID has gone.
until_it_answers() {
  local pid=$1 deadline=$((SECONDS + 60))
  shift
  until "$@" >/dev/null 2>&1; do
    kill -0 "$pid" 2>/dev/null || { echo "the server (pid $pid) has gone"; return 1; }
    [ "$SECONDS" -lt "$deadline" ] || { echo "no answer within a minute: $*"; return 1; }
    sleep 0.1
  done
}

stop_stage() {
  [ -n "$stage_group" ] || return 0
  disown "$stage_group"
  kill -TERM -- "-$stage_group" 2>/dev/null || true
  await_end "-$stage_group"
}

# await_end PID…: returns once none of them is there any more; whoever stays for 10 s is killed. -PID is a process group.
await_end() {
  local pid deadline=$((SECONDS + 10))
  for pid in "$@"; do
    while kill -0 -- "$pid" 2>/dev/null; do
      [ "$SECONDS" -lt "$deadline" ] || kill -KILL -- "$pid" 2>/dev/null || true
      sleep 0.05
    done
  done
}
