#!/usr/bin/env bash
# build.sh MKDOCS TOOLS: builds the site of the documentation into build/site. The library for diagrams comes from npm, once, into TOOLS.
# Without npm, the diagrams are shown as their source.
set -euo pipefail
mkdocs=$1
tools=$(mkdir -p "$2" && cd "$2" && pwd)
library=$tools/mermaid-11.17.0.min.js
sum=8d8e0eec56d3a83b4b3c87f42050845546dee93ebe1875d2117c12e6947c0cb3

if [ ! -e "$library" ] && command -v npm >/dev/null; then
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    if (cd "$work" && npm pack --silent mermaid@11.17.0 >/dev/null && tar -xzf mermaid-11.17.0.tgz package/dist/mermaid.min.js); then
        echo "$sum  $work/package/dist/mermaid.min.js" | sha256sum --check --quiet
        mv "$work/package/dist/mermaid.min.js" "$library"
    fi
fi
[ -e "$library" ] || {
    echo "docs-site: npm does not give mermaid 11.17.0, so the diagrams are shown as their source"
    library=
}
# not --quiet: it hides warnings, and --strict does not count what is hidden
MERMAID_JS=$library NO_MKDOCS_2_WARNING=1 "$mkdocs" build --strict 2>&1 | { grep -v "^INFO" || true; }
echo "docs-site: $(find build/site -name '*.html' | wc -l) pages in build/site"
