# Glance's schema for each engine, as its own glance-manage makes it. Sourced by tests/all.
#
# Migrating takes seconds, so it is done once and kept in $cache: SQLite as a file to copy, the others as SQL. PostgreSQL
# has a template database beside it, made anew in each run, for CREATE DATABASE … TEMPLATE is the fastest way there.

glance_template=glance_template

name_schema_directory() {
  local versions
  versions=$("$postgres_bin/postgres" --version; /usr/sbin/mariadbd --version)
  export SCRUBBER_TEST_SCHEMA_DIR=$cache/schema-$(echo "$glance_venv $versions" | sha256sum | cut -c1-12)
}

make_schemas() {
  [ -e "$SCRUBBER_TEST_SCHEMA_DIR/complete" ] || migrate_all || return
  postgres_says "CREATE DATABASE $glance_template" || return
  "$postgres_bin/psql" --no-psqlrc --quiet --set ON_ERROR_STOP=1 --dbname="$glance_template" \
    --file="$SCRUBBER_TEST_SCHEMA_DIR/postgres.sql" --output=/dev/null
}

migrate_all() {
  rm -rf "$SCRUBBER_TEST_SCHEMA_DIR"
  mkdir -p "$SCRUBBER_TEST_SCHEMA_DIR"
  mariadb_says 'CREATE DATABASE glance_migration' || return
  postgres_says 'CREATE DATABASE glance_migration' || return
  migrate "sqlite:///$SCRUBBER_TEST_SCHEMA_DIR/sqlite.db" || return
  migrate "${SCRUBBER_TEST_MARIADB}glance_migration" || return
  migrate "${SCRUBBER_TEST_POSTGRES}glance_migration" || return
  MYSQL_PWD=$password mariadb-dump --no-defaults --socket="$mariadb_socket" --user=root --skip-comments \
    glance_migration >"$SCRUBBER_TEST_SCHEMA_DIR/mariadb.sql" || return
  "$postgres_bin/pg_dump" --no-owner glance_migration >"$SCRUBBER_TEST_SCHEMA_DIR/postgres.sql" || return
  touch "$SCRUBBER_TEST_SCHEMA_DIR/complete"
}

migrate() {
  printf '[database]\nconnection = %s\n' "$1" >"$run/glance-manage.conf"
  "$glance_venv/bin/glance-manage" --config-file "$run/glance-manage.conf" db_sync
}
