# A MariaDB and a PostgreSQL of our own, in $run, on free ports; gone with the run. Sourced by tests/all.
#
# Nothing is made durable (no fsync, no double write): the data is worth nothing once the tests have ended.

password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
mariadb_pid=
postgres_pid=

make_data_directories() {
  install -d "$run/mariadb" "$run/postgres"
  (umask 077 && echo "$password" >"$run/postgres/password")
  if [ "$(id -u)" = 0 ]; then
    chown mysql: "$run/mariadb"
    chown -R postgres: "$run/postgres"
  fi
  become mysql
  # A MariaDB that starts clears its temporary directory of the others' tables: each has one of its own.
  "${as[@]}" mariadb-install-db --no-defaults --datadir="$run/mariadb/data" --skip-test-db \
    --auth-root-authentication-method=normal --tmpdir="$run/mariadb" &
  become postgres
  "${as[@]}" "$postgres_bin/initdb" -D "$run/postgres/data" -U scrubber --pwfile="$run/postgres/password" \
    --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 --no-sync || return
  wait $!
}


# utf8mb3 is what Glance's tables are made for (and what makes comparing an id ignore case).
launch_mariadb() {
  local port
  port=$(free_port)
  mariadb_socket=$run/mariadb/socket
  echo "ALTER USER root@localhost IDENTIFIED BY '$password';
    CREATE USER IF NOT EXISTS root@'127.0.0.1';
    ALTER USER root@'127.0.0.1' IDENTIFIED BY '$password';
    GRANT ALL ON *.* TO root@'127.0.0.1' WITH GRANT OPTION;" >"$run/mariadb/init.sql"
  become mysql
  launch "$logs/mariadb.log" /usr/sbin/mariadbd --no-defaults --datadir="$run/mariadb/data" --socket="$mariadb_socket" \
    --bind-address=127.0.0.1 --port="$port" --skip-name-resolve --pid-file="$run/mariadb/pid" --tmpdir="$run/mariadb" \
    --init-file="$run/mariadb/init.sql" --character-set-server=utf8mb3 --skip-log-bin --performance-schema=OFF \
    --innodb-flush-log-at-trx-commit=0 --innodb-doublewrite=0 --innodb-flush-method=nosync \
    --innodb-buffer-pool-size=128M --max-connections=500
  mariadb_pid=$!
  export SCRUBBER_TEST_MARIADB=mysql+pymysql://root:$password@127.0.0.1:$port/
  export SCRUBBER_TEST_MARIADB_SOCKET=$mariadb_socket
}

launch_postgres() {
  local port
  port=$(free_port)
  become postgres
  launch "$logs/postgres.log" "$postgres_bin/postgres" -D "$run/postgres/data" -p "$port" -k "$run/postgres" \
    -c listen_addresses=127.0.0.1 -c fsync=off -c synchronous_commit=off -c full_page_writes=off \
    -c max_connections=500 -c dynamic_shared_memory_type=mmap
  postgres_pid=$!
  export SCRUBBER_TEST_POSTGRES=postgresql+psycopg2://scrubber:$password@127.0.0.1:$port/
  export SCRUBBER_TEST_POSTGRES_SOCKET=$run/postgres
  export PGHOST=127.0.0.1 PGPORT=$port PGUSER=scrubber PGPASSWORD=$password
}

wait_for_databases() {
  until_it_answers "$mariadb_pid" mariadb_says 'SELECT 1' || { cat "$logs/mariadb.log"; return 1; }
  until_it_answers "$postgres_pid" postgres_says 'SELECT 1' || { cat "$logs/postgres.log"; return 1; }
}

mariadb_says() {
  MYSQL_PWD=$password mariadb --no-defaults --socket="$mariadb_socket" --user=root --batch --execute="$1"
}

postgres_says() {
  "$postgres_bin/psql" --no-psqlrc --quiet --set ON_ERROR_STOP=1 --dbname="${2:-postgres}" --command="$1"
}

# QUIT is PostgreSQL's immediate shutdown, which takes its children along; KILL comes to whoever stays for 10 s.
stop_databases() {
  [ -z "$mariadb_pid" ] || kill -KILL "$mariadb_pid" 2>/dev/null || true
  [ -z "$postgres_pid" ] || kill -QUIT "$postgres_pid" 2>/dev/null || true
  await_end $mariadb_pid $postgres_pid
}
