#!/usr/bin/env bash
# audit.sh DIR: what the image installs, written into DIR: sbom.cdx.json (CycloneDX), licences.md, vulnerabilities.json.
# The last line says what was found. Exit 0: no vulnerability is known, or the database could not be asked · 1: there are some.
# AUDIT_STRICT=1, for a release: exit 3 if the database did not answer for every package.
set -euo pipefail
mkdir -p "$1"
out=$(cd "$1" && pwd)
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python=${PYTHON:-python3}

make_env() { # NAME LOCK
    "$python" -m venv "$work/$1"
    "$work/$1/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "requirements/$2"
}
make_env image image.lock
"$work/image/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation .
"$work/image/bin/python" -m pip uninstall --quiet -y setuptools
make_env tools audit.lock
tools=$work/tools/bin

"$tools/cyclonedx-py" environment --pyproject pyproject.toml --output-reproducible -o "$out/sbom.cdx.json" "$work/image/bin/python"
"$tools/pip-licenses" --python "$work/image/bin/python" --ignore-packages pip --from=mixed --with-urls --format=markdown --output-file "$out/licences.md" >/dev/null
echo "SBOM:      $out/sbom.cdx.json ($(grep -c '"purl"' "$out/sbom.cdx.json") packages)"
echo "Licences:  $out/licences.md ($("$tools/pip-licenses" --python "$work/image/bin/python" --from=mixed --summary --format=csv | tail -n +2 | wc -l) kinds)"

rm -f "$out/vulnerabilities.json"
"$tools/pip-audit" --require-hashes --disable-pip -r requirements/image.lock --progress-spinner off --timeout 20 \
    -f json -o "$out/vulnerabilities.json" 2>"$out/pip-audit.log" || true
if [ ! -s "$out/vulnerabilities.json" ]; then
    echo "pip-audit could not ask its database: $(tail -n 1 "$out/pip-audit.log")"
    echo "audit: SBOM and licences are written; vulnerabilities NOT CHECKED. Run it where the internet can be reached, or scan the SBOM."
    exit $((${AUDIT_STRICT:-0} ? 3 : 0))
fi
"$python" - "$out/vulnerabilities.json" <<'END'
import json, os, sys
with open(sys.argv[1], encoding="utf-8") as file:
    packages = json.load(file)["dependencies"]
found = [(p["name"], p["version"], v["id"], ", ".join(v["fix_versions"]) or "no fix yet") for p in packages for v in p.get("vulns", [])]
skipped = {p["name"]: p["skip_reason"] for p in packages if "skip_reason" in p}
for line in found:
    print("  {} {}: {} (fixed in: {})".format(*line))
checked = len(packages) - len(skipped)
if skipped:  # pip-audit itself says "No known vulnerabilities found" in this case
    print(f"Not checked, for example: {next(iter(skipped.items()))}")
known = f"{len(found)} vulnerabilities are known in the {checked} packages that were checked"
rest = f"; {len(skipped)} of {len(packages)} packages NOT CHECKED, because the database did not answer for them" if skipped else ""
print(f"audit: SBOM and licences are written; {known}{rest}.")
sys.exit(1 if found else 3 if skipped and os.environ.get("AUDIT_STRICT", "0") != "0" else 0)
END
