"""The manifest of a folder of weights: name, size and SHA-256 of each file, written once all of them were there."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tagger.errors import ModelDirectoryInvalid
from workers.models.weights.catalog import Weights

MANIFEST_FILE = "tagger-manifest.json"
AGAIN = "Run `tagger models pull`: what is broken is fetched again."


@dataclass(frozen=True, kw_only=True)
class File:
    sha256: str
    bytes: int


@dataclass(frozen=True, kw_only=True)
class Manifest:
    repository: str
    revision: str
    files: dict[str, File]  # by path below the folder, with /

    @classmethod
    def of(cls, folder: Path, repository: str, revision: str) -> Manifest:
        """Of all files that are there now."""
        return cls(repository=repository, revision=revision, files={name: measure(folder / name) for name in names(folder)})

    def write(self, folder: Path) -> None:
        body = {
            "repository": self.repository,
            "revision": self.revision,
            "files": {name: {"sha256": file.sha256, "bytes": file.bytes} for name, file in sorted(self.files.items())},
        }
        draft = folder / f"{MANIFEST_FILE}.part"
        draft.write_text(json.dumps(body, indent=2) + "\n", "utf-8")
        draft.replace(folder / MANIFEST_FILE)


def read(folder: Path) -> Manifest | None:
    """None: there is no manifest. Errors: ModelDirectoryInvalid when there is one that cannot be understood."""
    try:
        body: Any = json.loads((folder / MANIFEST_FILE).read_text("utf-8"))
        files = {str(name): File(sha256=str(f["sha256"]), bytes=int(f["bytes"])) for name, f in body["files"].items()}
        manifest = Manifest(repository=str(body["repository"]), revision=str(body["revision"]), files=files)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as err:
        raise ModelDirectoryInvalid(f"{folder / MANIFEST_FILE}: content cannot be used: {err}.", AGAIN) from err
    if any(name.startswith("/") or ".." in Path(name).parts for name in manifest.files):
        raise ModelDirectoryInvalid(f"{folder / MANIFEST_FILE}: files leads out of the folder.", AGAIN)
    return manifest


def names(folder: Path) -> list[str]:
    """Files of the weights: what begins with a dot, and the manifest itself, is the downloader's."""
    files = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    own = {MANIFEST_FILE, f"{MANIFEST_FILE}.part"}
    return sorted(p.as_posix() for p in files if not any(part.startswith(".") for part in p.parts) and p.as_posix() not in own)


def measure(file: Path) -> File:
    with file.open("rb") as opened:
        return File(sha256=hashlib.file_digest(opened, "sha256").hexdigest(), bytes=file.stat().st_size)


def fault(folder: Path, manifest: Manifest, *, whole: bool) -> str | None:
    """What is wrong with the files, or None. `whole`: hash them; else their sizes must do."""
    for name, wanted in sorted(manifest.files.items()):
        file = folder / name
        if not file.is_file():
            return f"{name}: file is missing"
        size = file.stat().st_size
        if size != wanted.bytes:
            return f"{name}: has {size} bytes, not {wanted.bytes}"
        if whole and (digest := measure(file).sha256) != wanted.sha256:
            return f"{name}: SHA-256 is {digest[:12]}…, not {wanted.sha256[:12]}…"
    return None


def lacking(folder: Path, weights: Weights) -> str | None:
    """A file that the weights need and that is not there, or None."""
    for group in weights.needs:
        if not any((folder / name).is_file() for name in group.split("|")):
            return f"{group.replace('|', ' or ')}: file is missing"
    return None
