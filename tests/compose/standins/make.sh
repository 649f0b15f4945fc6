#!/usr/bin/env bash
# make.sh DIR base|parts: images under the names of the public ones, from Debian's packages, for an engine that reaches no registry of images.
# python:3.11-slim-bookworm is a debootstrap with Python; Redis, PostgreSQL and Prometheus are packages on top of it. Grafana has no package.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
dir=$1
base=python:3.11-slim-bookworm
export DOCKER_BUILDKIT=0 # Debian's docker.io has no buildx

make_base() {
    docker image inspect "$base" >/dev/null 2>&1 && return
    local mirror
    mirror=$(awk '/^URIs:/ {print $2; exit} /^deb / {for (i = 2; i <= NF; i++) if ($i ~ /^http/) {print $i; exit}}' \
        $(ls /etc/apt/sources.list /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list 2>/dev/null))
    rm -rf "$dir/root"
    debootstrap --variant=minbase --include=python3,python3-venv,python3-pip,ca-certificates bookworm "$dir/root" "$mirror" >"$dir/debootstrap.log"
    # the certificates of this machine: a proxy before the package index may have one of its own
    cp /etc/ssl/certs/ca-certificates.crt "$dir/root/etc/ssl/certs/ca-certificates.crt"
    printf '[global]\ncert = /etc/ssl/certs/ca-certificates.crt\n' >"$dir/root/etc/pip.conf"
    ln -sf python3 "$dir/root/usr/bin/python"
    # what the public image leaves out, too
    rm -rf "$dir"/root/var/cache/apt/* "$dir"/root/var/lib/apt/lists/* "$dir"/root/usr/share/{doc,man,locale,info}
    tar -C "$dir/root" -c . | docker import --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' - "$base" >/dev/null
    rm -rf "$dir/root"
}

build() { # IMAGE FILE
    docker image inspect "$1" >/dev/null 2>&1 || docker build -q --network host -f "$here/$2.Dockerfile" -t "$1" "$here" >"$dir/$2.log" 2>&1 \
        || { tail -n 5 "$dir/$2.log" && exit 1; }
}

make_parts() {
    local pair pid pids=()
    for pair in redis=redis:7-bookworm postgres=postgres:15-bookworm prometheus=prom/prometheus:v2.53.5; do
        build "${pair#*=}" "${pair%%=*}" &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do wait "$pid"; done
}

case $2 in base | parts) "make_$2" ;; esac
