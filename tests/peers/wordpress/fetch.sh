#!/usr/bin/env bash
# fetch.sh SUITE DIR: unpacks WordPress of a Debian suite (bookworm: 6.1, trixie: 6.8) into DIR/root, without installing it.
set -euo pipefail
suite=$1
mkdir -p "$2" && dir=$(cd "$2" && pwd)
mkdir -p "$dir"/{debs,root,apt/lists/partial,apt/cache/archives/partial}
[ -e "$dir/root/usr/share/wordpress/wp-load.php" ] && exit 0
sources=$(ls /etc/apt/sources.list /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list 2>/dev/null || true)
mirror=$(awk '/^URIs:/ {print $2; exit} /^deb / {for (i = 2; i <= NF; i++) if ($i ~ /^http/) {print $i; exit}}' $sources)
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" > "$dir/apt/sources.list"
options=(-qq -o "Dir::Etc::sourcelist=$dir/apt/sources.list" -o Dir::Etc::sourceparts=/dev/null -o "Dir::State::Lists=$dir/apt/lists"
         -o "Dir::Cache=$dir/apt/cache" -o "APT::Sandbox::User=")
apt-get "${options[@]}" update
packages=(wordpress wordpress-theme-twentytwentythree php-getid3 libjs-cropper libjs-lodash libjs-underscore libjs-backbone
          libjs-jquery libjs-prototype libjs-scriptaculous)
(cd "$dir/debs" && apt-get "${options[@]}" download "${packages[@]}")
for package in "$dir"/debs/*.deb; do dpkg-deb -x "$package" "$dir/root"; done
# Absolute links of the packages would lead into this machine's own files.
find "$dir/root" -type l | while read -r link; do
    target=$(readlink "$link")
    case $target in /*) ln -sfn "$dir/root$target" "$link" ;; esac
done
