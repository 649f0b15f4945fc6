#!/bin/sh
# restore.sh [MOMENT] < base.tar: replaces the database by the backup and the archive after it, up to the moment. Run it while PostgreSQL is stopped.
set -eu
if [ -e "$PGDATA/postmaster.pid" ]; then
    echo "restore: $PGDATA/postmaster.pid is there: stop PostgreSQL first (docker compose stop); after a crash, remove that file" >&2
    exit 1
fi
find "$PGDATA" -mindepth 1 -delete
tar -C "$PGDATA" -xf -
{
    echo "restore_command = 'cp /archive/%f %p'"
    echo "recovery_target_action = 'promote'"
    [ -z "${1:-}" ] || echo "recovery_target_time = '$1'"
} >>"$PGDATA/postgresql.auto.conf"
touch "$PGDATA/recovery.signal"
chown -R postgres: "$PGDATA"
chmod 700 "$PGDATA"
echo "restored; start PostgreSQL"
