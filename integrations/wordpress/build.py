"""`python integrations/wordpress/build.py FILE`: the plugin as a zip to upload under Plugins → Add New. Always the same bytes.

The folder works as it is; a build only packs it. `python … --translations` makes languages/*.mo from the *.po files again.
"""

from __future__ import annotations

import ast
import struct
import sys
import zipfile
from pathlib import Path

HERE = Path(__file__).parent
PLUGIN = HERE / "tagger"
LICENCE = HERE.parents[1] / "LICENSE"
LONG_AGO = (1980, 1, 1, 0, 0, 0)


def pack(target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    files = {f"tagger/{file.relative_to(PLUGIN).as_posix()}": file for file in PLUGIN.rglob("*") if file.is_file()}
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, file in sorted({**files, "tagger/LICENSE": LICENCE}.items()):
            entry = zipfile.ZipInfo(name, LONG_AGO)
            entry.external_attr, entry.compress_type = 0o644 << 16, zipfile.ZIP_DEFLATED
            archive.writestr(entry, file.read_bytes())


def messages(po: str) -> dict[str, str]:
    """msgid → msgstr, plural forms joined as gettext stores them. Only what our files use: no contexts, no fuzzy entries."""
    found: dict[str, str] = {}
    for block in po.split("\n\n"):
        parts: dict[str, str] = {}
        name = ""
        for line in block.splitlines():
            if line.startswith("#") or not line.strip():
                continue
            if line.startswith('"'):
                parts[name] += ast.literal_eval(line)
            else:
                name, _, text = line.partition(" ")
                parts[name] = ast.literal_eval(text)
        if "msgid" in parts:
            key = "\0".join(parts[name] for name in ("msgid", "msgid_plural") if name in parts)
            found[key] = "\0".join(text for name, text in sorted(parts.items()) if name.startswith("msgstr"))
    return found


def compiled(po: str) -> bytes:
    """The .mo of a .po: a header, two tables of lengths and offsets, and the texts, sorted."""
    texts = sorted((key.encode(), value.encode()) for key, value in messages(po).items() if value)
    start = 28 + 16 * len(texts)
    keys, values, pool = b"", b"", b""
    for table in (0, 1):
        for pair in texts:
            entry = struct.pack("<II", len(pair[table]), start + len(pool))
            keys, values = (keys + entry, values) if table == 0 else (keys, values + entry)
            pool += pair[table] + b"\0"
    header = struct.pack("<7I", 0x950412DE, 0, len(texts), 28, 28 + 8 * len(texts), 0, start)
    return header + keys + values + pool


def translate() -> None:
    for po in (PLUGIN / "languages").glob("*.po"):
        po.with_suffix(".mo").write_bytes(compiled(po.read_text("utf-8")))


if __name__ == "__main__":
    if sys.argv[1:] == ["--translations"]:
        translate()
    else:
        pack(Path(sys.argv[1]))
