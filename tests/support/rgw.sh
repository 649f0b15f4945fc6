#!/usr/bin/env bash
# rgw.sh FOLDER PORT COMMAND…: runs COMMAND beside a real S3 server, Ceph's gateway with a monitor and one object store in memory.
# It takes Debian's packages (61 MB, unpacked into FOLDER, nothing is installed) and ends its processes. S3_TEST_ENDPOINT is set.
set -euo pipefail
folder=$(realpath -m "$1"); port=$2; shift 2
root=$folder/root data=$folder/data mon=16789
mkdir -p "$folder/debs"
if [ ! -x "$root/usr/bin/radosgw" ]; then
    packages=$(apt-get install --no-install-recommends -s ceph-mon ceph-osd radosgw | awk '/^Inst/ {print $2}')
    (cd "$folder/debs" && apt-get download -qq $packages)
    for deb in "$folder"/debs/*.deb; do dpkg -x "$deb" "$root"; done
fi
libs=$root/usr/lib/x86_64-linux-gnu
ceph() { env LD_LIBRARY_PATH="$root/lib/x86_64-linux-gnu:$libs:$libs/ceph" PATH="$root/usr/bin:$PATH" CEPH_CONF="$data/ceph.conf" \
    PYTHONPATH="$root/usr/lib/python3/dist-packages" "$@" >>"$data/out.log" 2>&1; }
stop() {
    for file in "$data"/run/*.pid; do [ -s "$file" ] && kill -KILL "$(cat "$file")" || true; done  # all is in memory
    rm -rf "$data"
}
rm -rf "$data"; mkdir -p "$data"/{mon/a,osd/0,rgw,run}
trap stop EXIT
fsid=$(cat /proc/sys/kernel/random/uuid) osd=$(cat /proc/sys/kernel/random/uuid)
cat >"$data/ceph.conf" <<END
[global]
fsid = $fsid
mon host = [v1:127.0.0.1:$mon]
auth cluster required = none
auth service required = none
auth client required = none
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd crush chooseleaf type = 0
mon allow pool size one = true
run dir = $data/run
admin socket = $data/run/\$name.asok
pid file = $data/run/\$name.pid
log file = $data/\$name.log
plugin dir = $libs/ceph
erasure code dir = $libs/ceph/erasure-code
osd class dir = $libs/rados-classes
[mon.a]
host = localhost
mon data = $data/mon/a
[osd.0]
osd objectstore = memstore
osd data = $data/osd/0
[client.rgw]
rgw data = $data/rgw
rgw frontends = beast endpoint=127.0.0.1:$port
rgw run sync thread = false
END
if ! { ceph monmaptool --create --clobber --fsid "$fsid" --addv a "[v1:127.0.0.1:$mon]" "$data/monmap" &&
    ceph ceph-mon --mkfs -i a --monmap "$data/monmap" && ceph ceph-mon -i a && ceph timeout 60 ceph osd new "$osd" &&
    ceph ceph-osd -i 0 --mkfs --osd-uuid "$osd" && ceph ceph-osd -i 0 &&
    ceph timeout 60 ceph osd crush add osd.0 1.0 host=localhost root=default &&
    ceph timeout 300 radosgw-admin user create --uid test --display-name test \
        --access-key test-access-key --secret test-secret-key && ceph radosgw -n client.rgw; }; then
    tail -20 "$data/out.log" >&2; exit 1
fi
S3_TEST_ENDPOINT=http://127.0.0.1:$port "$@"
