#!/usr/bin/env bash
# Fetch axe-core from npm and put axe.min.js at FILE. It is a tool of the tests and no part of the product (MPL 2.0).
# Usage: tests/pages/fetch.sh FILE
set -euo pipefail
mkdir -p "$(dirname "$1")"
file=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm pack --silent axe-core@4.14.1 >/dev/null
want=FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==
got=$(openssl dgst -sha512 -binary axe-core-4.14.1.tgz | base64 -w0)
[[ $got == "$want" ]] || { echo "axe-core-4.14.1.tgz is not the file that was published" >&2; exit 1; }
tar xzf axe-core-4.14.1.tgz package/axe.min.js
install -m 644 package/axe.min.js "$file"
