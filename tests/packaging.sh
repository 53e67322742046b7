# What packages bring along beside the program: units and the manual page. Sourced by tests/all.

# What `systemd-analyze security` may say at most, from 0 (fully confined) to 10, in tenths.
exposure_limit=20

# Each unit is well-formed, and each service confined. Neither needs a systemd that runs.
check_units() {
  local units=$run/units said service exposure wrong=0
  mkdir "$units"
  cp systemd/* "$units"
  # verify wants the program to be there, and the manual page to be installed.
  sed -i 's#^ExecStart=/usr/local/bin/glance-scrubber #ExecStart=/bin/true #' "$units"/*.service
  # Of a setting that it does not know it says so, and then that all is well.
  said=$(systemd-analyze verify --man=no "$units"/* 2>&1) && [ -z "$said" ] || { echo "$said"; wrong=1; }
  for service in "$units"/*.service; do
    said=$(systemd-analyze security --offline=true --threshold="$exposure_limit" --no-pager "$service" 2>&1) ||
      { echo "$said"; wrong=1; }
    exposure=$(sed -n 's/.*Overall exposure level for \(.*\): \([0-9.]*\) .*/\1: exposure \2/p' <<<"$said")
    [ -n "$exposure" ] || { echo "$said"; wrong=1; }
    echo "$exposure (at most $((exposure_limit / 10)).$((exposure_limit % 10)))" | tee -a "$run/notes"
  done
  return "$wrong"
}

# groff has nothing to say against the page.
check_man_page() {
  local said
  said=$(groff -man -ww -z -Tutf8 man/glance-scrubber.8 2>&1) && [ -z "$said" ] || { echo "$said"; return 1; }
}
