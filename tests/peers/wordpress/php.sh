#!/usr/bin/env bash
# php.sh SUITE VERSION DIR: unpacks PHP of another Debian suite into DIR, without installing it, and prints how to start it.
set -euo pipefail
suite=$1 version=$2
mkdir -p "$3" && dir=$(cd "$3" && pwd)
mkdir -p "$dir"/{debs,root,apt/lists/partial,apt/cache/archives/partial}
lib="$dir/root/usr/lib/x86_64-linux-gnu"
if [ ! -e "$dir/root/usr/bin/php$version" ]; then
    sources=$(ls /etc/apt/sources.list /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list 2>/dev/null || true)
    mirror=$(awk '/^URIs:/ {print $2; exit} /^deb / {for (i = 2; i <= NF; i++) if ($i ~ /^http/) {print $i; exit}}' $sources)
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" > "$dir/apt/sources.list"
    options=(-qq -o "Dir::Etc::sourcelist=$dir/apt/sources.list" -o Dir::Etc::sourceparts=/dev/null
             -o "Dir::State::Lists=$dir/apt/lists" -o Dir::State::status=/dev/null -o "Dir::Cache=$dir/apt/cache" -o "APT::Sandbox::User=")
    apt-get "${options[@]}" update
    (cd "$dir/debs" && apt-get "${options[@]}" download "php$version-cli" "${@:4}")
    for package in "$dir"/debs/*.deb; do dpkg-deb -x "$package" "$dir/root"; done
fi
loader="$lib/ld-linux-x86-64.so.2"
if [ -e "$loader" ]; then # it came with a C library of its own
    echo "$loader --library-path $lib $dir/root/usr/bin/php$version -n"
else
    echo "env LD_LIBRARY_PATH=$lib:$dir/root/lib/x86_64-linux-gnu $dir/root/usr/bin/php$version -n"
fi
