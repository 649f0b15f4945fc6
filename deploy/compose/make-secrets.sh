#!/bin/sh
# make-secrets.sh [DIR]: writes one random secret into each file that docker-compose.yml reads. It changes no file that is there.
# The folder is closed to others. The files are readable, because each container reads them as another user.
set -eu
dir=${1:-secrets}
mkdir -p "$dir"
chmod 700 "$dir"
for name in ledger_password broker_password admin_key flower_password grafana_password; do
    [ -e "$dir/$name" ] && continue
    head -c 24 /dev/urandom | base64 | tr '+/' '-_' >"$dir/$name"
    chmod 444 "$dir/$name"
done
