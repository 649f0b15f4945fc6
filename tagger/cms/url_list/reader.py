"""A CSV file with the addresses of images, as a reader. The number of the line is the cursor.

Columns: `url`; and, where they exist, `id` (else the address is the id of the asset), `revision`, `title`, `caption`, `role`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pydantic import TypeAdapter, ValidationError

from tagger.asset import Context, ImageSource, Role
from tagger.cms.base import ListedAsset
from tagger.cms.job_body import CAPTION_CHARS, TITLE_CHARS, AssetId, Url
from tagger.delivery import Endpoint
from tagger.errors import BadRequest
from tagger.tables import table_file
from tagger.tables.table_file import Line
from tagger.tables.text_encoding import is_utf_8

ID, URL = TypeAdapter(AssetId), TypeAdapter(Url)
ROLES = get_args(Role)
SAID = {  # reason to skip a line → what is wrong with it
    "bad_url": "no address of an image",
    "bad_id": "an id that cannot be stored",
    "bad_role": f"a role that is none of {', '.join(ROLES)}",
}


@dataclass(frozen=True, kw_only=True)
class UrlSurvey:
    sha256: str
    pictures: int
    left_out: str  # a sentence; empty where every line is used


class UrlListReader:
    def __init__(self, file: Path, sha256: str | None = None, encoding: str | None = None) -> None:
        self._file, self._sha256, self._encoding = file, sha256, encoding

    @classmethod
    def of(cls, spec: Mapping[str, Any], _endpoint: Endpoint | None = None) -> UrlListReader:
        file = Path(spec["csv"])
        return cls(file, spec.get("sha256"), spec["encoding"] if "encoding" in spec else _encoding_unnamed(file))

    def assets(self, after: str | None = None) -> Iterator[ListedAsset]:
        """Errors: OSError if the file is away or is no longer the one that the backfill began with."""
        return (asset for line, asset in self._listed() if line > int(after or 0))

    def survey(self) -> UrlSurvey:
        """Errors: BadRequest."""
        listed = list(self._listed())
        ids = {asset.asset_id for _, asset in listed}
        parts = []
        for reason, said in SAID.items():
            if bad := [line for line, asset in listed if asset.skip == reason]:
                parts.append(f"{len(bad)} × {said} (line {', '.join(map(str, bad[:3]))})")
        parts += [f"{again} × an asset that stands in the file before"] if (again := len(listed) - len(ids)) else []
        sentence = f"Skipped: {'; '.join(parts)}." if parts else ""
        return UrlSurvey(sha256=_digest(self._file), pictures=len(ids), left_out=sentence)

    def _listed(self) -> Iterator[tuple[int, ListedAsset]]:
        if self._sha256 is not None and _digest(self._file) != self._sha256:
            raise OSError(f"{self._file} was changed after the backfill began.")
        for line in table_file.load(self._file, ["url"], BadRequest, self._encoding).lines:
            yield line.number, _asset(line)


def _asset(line: Line) -> ListedAsset:
    cells = line.cells
    url, asset_id, role = cells["url"], cells.get("id") or cells["url"], cells.get("role", "").casefold() or "unknown"
    title, caption = (cells.get(name) or None for name in ("title", "caption"))
    return ListedAsset(
        asset_id=asset_id[:512] or f"line {line.number}",
        revision=cells.get("revision", ""),
        source=ImageSource(kind="url", location=url),
        cursor=str(line.number),
        context=Context(
            role=role if role in ROLES else "unknown",  # type: ignore[arg-type]
            title=title and title[:TITLE_CHARS],
            caption=caption and caption[:CAPTION_CHARS],
        ),
        skip=_skip(url, asset_id, role),
        present={"url": url, "fields": {}},
    )


def _skip(url: str, asset_id: str, role: str) -> str:
    """A role that tagger does not know is not passed over: `decorativ` would get an alt text."""
    for adapter, value, reason in ((URL, url, "bad_url"), (ID, asset_id, "bad_id")):
        try:
            adapter.validate_python(value)
        except ValidationError:
            return reason
    return "" if role in ROLES else "bad_role"


def _encoding_unnamed(file: Path) -> str | None:
    """Of a backfill that began before its spec had the key `encoding`: UTF-8, else Windows-1252, as it was read then.

    Errors: OSError.
    """
    return None if is_utf_8(file.read_bytes()) else "windows-1252"


def _digest(file: Path) -> str:
    with file.open("rb") as opened:  # a piece at a time: each turn of a backfill does this
        return hashlib.file_digest(opened, "sha256").hexdigest()
