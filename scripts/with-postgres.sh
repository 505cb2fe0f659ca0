#!/usr/bin/env bash
# Runs a command with a PostgreSQL of its own: a throw-away cluster on a Unix socket, stopped at the end.
# With --fleeting first it waits for no disk: right for tests, which never lose the machine, wrong where time is measured.
set -euo pipefail
options="-c listen_addresses=''"
if [ "$1" = --fleeting ]; then
  options+=" -c fsync=off -c synchronous_commit=off -c full_page_writes=off"
  shift
fi
bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
[ -n "$bin" ] || { echo "PostgreSQL is not installed: run make setup-test." >&2; exit 1; }
dir=$(mktemp -d /tmp/chancery-pg.XXXXXX)
as=()
if [ "$(id -u)" -eq 0 ]; then
  # A database server refuses to run as root.
  id chancery-test >/dev/null 2>&1 || useradd --system --no-create-home --shell /usr/sbin/nologin chancery-test
  chown chancery-test "$dir"
  as=(setpriv --reuid=chancery-test --regid="$(id -g chancery-test)" --clear-groups)
fi
# From its own folder: the server's user may not be allowed to enter this one.
server() { (cd "$dir" && "${as[@]}" "$bin/$1" "${@:2}"); }
stop() { server pg_ctl -D "$dir/data" -m immediate stop >/dev/null 2>&1 || true; rm -rf "$dir"; }
trap stop EXIT
server initdb -D "$dir/data" -U chancery -A trust -E UTF8 --locale=C >/dev/null
server pg_ctl -D "$dir/data" -w -l "$dir/log" -o "$options -c unix_socket_directories=$dir" start >/dev/null
server createdb -h "$dir" -U chancery chancery
CHANCERY_DATABASE_URL="postgresql://chancery@/chancery?host=$dir" "$@"
