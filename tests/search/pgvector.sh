#!/usr/bin/env bash
# Make PostgreSQL's extension pgvector 0.8.0 for the installed PostgreSQL 15, where it is missing. Debian bookworm does not have it;
# its source comes from Debian trixie, and apt checks its signature. Needs root.
set -euo pipefail
[[ -e /usr/share/postgresql/15/extension/vector.control ]] && exit 0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
mkdir -p lists/partial cache/archives/partial
keys=/usr/share/keyrings/debian-archive-keyring.gpg
echo "deb-src [signed-by=$keys] http://deb.debian.org/debian trixie main" >trixie.list
apart=(-o "Dir::Etc::sourcelist=$work/trixie.list" -o Dir::Etc::sourceparts=- -o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work/cache")
apt-get -q "${apart[@]}" update
apt-get -q "${apart[@]}" source --download-only pgvector=0.8.0-1
version=$(dpkg-query -W -f '${Version}' postgresql-15)
apt-get -q install -y --no-install-recommends "postgresql-server-dev-15=$version" gcc make
tar xzf pgvector_0.8.0.orig.tar.gz
cd pgvector-0.8.0
pg_config=/usr/lib/postgresql/15/bin/pg_config
make -s OPTFLAGS="" with_llvm=no PG_CONFIG=$pg_config  # "": no instructions of this processor only
make -s install with_llvm=no PG_CONFIG=$pg_config
