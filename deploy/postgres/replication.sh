#!/bin/sh
# At the first start: a standby may connect, with the password.
set -eu
echo "host replication all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
