#!/bin/sh
# archive.sh PATH NAME: keeps one file of PostgreSQL's log in /archive. Called again after a crash, it accepts its own earlier copy.
set -eu
if [ -e "/archive/$2" ]; then exec cmp -s "$1" "/archive/$2"; fi
cp "$1" "/archive/$2.part"
sync "/archive/$2.part"
mv "/archive/$2.part" "/archive/$2"
