#!/bin/sh
# standby.sh postgres …: a second copy of the database of STANDBY_OF, under the name `standby`. At its first start it copies everything.
set -eu
if [ "$(id -u)" = 0 ]; then
    install -d -o postgres -g postgres -m 700 "$PGDATA"
    PGPASSWORD=$(cat /run/secrets/ledger_password)
    export PGPASSWORD
    if command -v gosu >/dev/null; then exec gosu postgres sh "$0" "$@"; fi
    exec setpriv --reuid=postgres --regid=postgres --init-groups sh "$0" "$@"
fi
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    pg_basebackup -D "$PGDATA" -X stream -R -c fast -d "host=$STANDBY_OF user=tagger application_name=standby"
    # the password is read at each start, not kept in the copy; where the first one was restored, its moment is none of ours
    sed -i -e "s/ password=[^ ']*//" -e "/^recovery_target/d" -e "/^restore_command/d" "$PGDATA/postgresql.auto.conf"
fi
exec "$@"
